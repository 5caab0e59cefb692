/// Language layers of the cpu session.

#include <algorithm>

#include "backends/cpu/session.hpp"

namespace spikeloom::cpu {
namespace {

void add_count(const RecurrentCount& count, NodeStats& stats) {
  stats.ac += count.ac;
  stats.mac += count.mac;
  stats.executed_ac += count.executed_ac;
  stats.executed_mac += count.executed_mac;
  stats.bytes.weights += count.weight_bytes;
}

}  // namespace

template <typename V>
void CpuSession<V>::run_embedding(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, element.stats[node]);
  element.stats[node].bytes.weights +=
      plans_[node].embedding->look_up(in, events_slot(element, node, step));
}

template <typename V>
void CpuSession<V>::run_recurrent(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const NodePlan<V>& plan = plans_[node];
  NodeStats& stats = element.stats[node];
  RecurrentState<V>& state = *element.nodes[node].recurrent;
  const std::int64_t every = executable_->options().state_reset;
  if (every > 0 && step % every == 0) std::fill(state.state.begin(), state.state.end(), V{0});
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, stats);
  std::optional<std::uint32_t> word;
  if (plan.word_source && plan.recurrent->has_table()) {
    const Events<V>& words = events_slot(element, *plan.word_source, step);
    if (words.size() == 1 && words.value.empty()) word = words.index[0];
  }
  add_count(plan.recurrent->step(in, word, state), stats);
  Events<V>& out = events_slot(element, node, step);
  out.index.assign(state.events.index.begin(), state.events.index.end());
  out.value.assign(state.events.value.begin(), state.events.value.end());
  const auto units = static_cast<std::uint64_t>(program_.nodes[node].out_size);
  stats.neuron_updates += units;
  stats.executed_updates += units;
  stats.bytes.state += units * sizeof(V) * 4;
}

template <typename V>
void CpuSession<V>::run_decoder(Element<V>& element, std::uint32_t node, std::int64_t step) {
  NodeStats& stats = element.stats[node];
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, stats);
  DenseArray<V>& out = dense_slot(element, node, step);
  add_count(plans_[node].decoder->decode(in, out.data.data()), stats);
  out.touched.fill();
  out.nonzero = 0;
  out.sum = 0.0;
  for (std::size_t block = 0; block < out.touched.blocks(); ++block) {
    const Tally<V> one = executable_->kernels().tally(out.data.data() + block * kBlock);
    out.nonzero += one.nonzero;
    out.sum += one.sum;
  }
  stats.events_out += out.nonzero;
  stats.bytes.events += out.nonzero * (sizeof(std::uint32_t) + sizeof(V));
}

template <typename V>
void CpuSession<V>::run_relu(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const Events<V>& in = gather_events(element, node, step);
  count_events(in, element.stats[node]);
  Events<V>& out = events_slot(element, node, step);
  out.clear();
  for (std::size_t k = 0; k < in.size(); ++k) {
    if (!(in.at(k) > V{0})) continue;
    out.index.push_back(in.index[k]);
    out.value.push_back(in.at(k));
  }
  out.normalise();
}

#define SPIKELOOM_INSTANTIATE(V)                                                        \
  template void CpuSession<V>::run_embedding(Element<V>&, std::uint32_t, std::int64_t); \
  template void CpuSession<V>::run_recurrent(Element<V>&, std::uint32_t, std::int64_t); \
  template void CpuSession<V>::run_decoder(Element<V>&, std::uint32_t, std::int64_t);   \
  template void CpuSession<V>::run_relu(Element<V>&, std::uint32_t, std::int64_t)

SPIKELOOM_INSTANTIATE(float);
SPIKELOOM_INSTANTIATE(std::int32_t);

}  // namespace spikeloom::cpu
