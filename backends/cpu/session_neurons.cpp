/// Populations of the cpu session: only blocks with input, or that could spike without, are run.

#include <algorithm>

#include "backends/cpu/neuron_blocks_private.hpp"
#include "backends/cpu/parallel_private.hpp"
#include "backends/cpu/session.hpp"

namespace spikeloom::cpu {
namespace {

/// Running blocks below which a second thread costs more than it saves.
constexpr std::size_t kWorthThreads = 512;
/// The same for accumulates of ranged links.
constexpr std::uint64_t kWorthThreadsDelivered = 40'000;

/// Appends the neurons of `set`, with their spikes, to the events.
template <typename V>
void append_spikes(std::uint64_t set, const V* spikes, std::size_t first, const Order& order,
                   Events<V>& out) {
  for (; set != 0; set &= set - 1) {
    const auto j = static_cast<std::size_t>(std::countr_zero(set));
    out.index.push_back(order.logical(first + j));
    out.value.push_back(spikes[j]);
  }
}

/// Ascending logical order, and the amplitude of a spike.
template <typename V>
void finish_spikes(const NeuronKernels<V>& kernels, std::size_t neurons, V amplitude,
                   EventSort<V>& scratch, Events<V>& out) {
  if (amplitude != V{1}) {
    if (out.value.empty()) out.value.assign(out.index.size(), V{1});
    for (V& value : out.value) value *= amplitude;
  }
  if (!std::is_sorted(out.index.begin(), out.index.end())) scratch.sort(kernels, neurons, out);
  out.normalise();
}

}  // namespace

/// Outputs that depend on the state before this step only.
template <typename V>
void CpuSession<V>::publish_early(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const NodePlan<V>& plan = plans_[node];
  NodeState<V>& state = element.nodes[node];
  Events<V>& out = events_slot(element, node, step);
  out.clear();
  if (plan.population == nullptr) {  // a Delay: what is due now
    Events<V>& due = state.calendar[static_cast<std::size_t>(step) % state.calendar.size()];
    std::swap(out, due);
    const auto size = static_cast<std::size_t>(program_.nodes[node].out_size);
    // An element is due once a step.
    finish_spikes(executable_->kernels(), size, V{1}, state.sort, out);
    return;
  }
  const Population<V>& population = *plan.population;
  BlockSet blocks = population.always;
  blocks |= state.awake;
  blocks.for_each([&](std::size_t block) {
    catch_up(population, state, block, step);
    const NeuronBlock<V> neurons = block_at(state, block);
    std::uint64_t set = population.kernels.due(population.arrays, block * kBlock, neurons);
    if (block + 1 == blocks.blocks()) set &= population.last_block;
    append_spikes(set, neurons.late, block * kBlock, plan.order, out);
  });
  finish_spikes(population.kernels, population.neurons,
                static_cast<V>(program_.discretisation.spike_amplitude()), state.sort, out);
}

template <typename V>
void CpuSession<V>::run_neurons(Element<V>& element, std::uint32_t node, std::int64_t step) {
  const NodePlan<V>& plan = plans_[node];
  const Population<V>& population = *plan.population;
  NodeState<V>& state = element.nodes[node];
  NodeStats& stats = element.stats[node];

  if (plan.restarts && std::get<op::Neuron>(program_.nodes[node].operation).restarts_at(step)) {
    restart(population, state, step);
  }

  // Where each link's values are, and which blocks have any.
  std::vector<NeuronSource<V>>& sources = state.sources;
  sources.resize(plan.links.size());
  BlockSet& blocks = state.running;
  blocks.unite(population.always, state.awake);
  std::uint64_t pending = 0;  // accumulates of ranged links
  for (std::size_t l = 0; l < plan.links.size(); ++l) {
    const View<V> from = view(element, node, l, step);
    const std::uint32_t source = plan.links[l].source;
    NeuronSource<V>& heard = sources[l];
    heard.node = source;
    heard.dense = from.dense;
    heard.finish = from.finish;
    heard.owned = nullptr;
    heard.ranged = nullptr;
    if (plan.links[l].same_order) {
      if (plans_[source].fused) heard.owned = &dense_slot(element, source, step);
      if (plans_[source].ranged) {
        heard.ranged = plans_[source].projection.get();
        heard.announced = element.nodes[source].announced;
        pending += heard.announced.executed;
      }
      blocks |= from.dense->touched;
      continue;
    }
    DenseArray<V>& laid_out = state.scattered[l];
    if (laid_out.data.empty()) laid_out.resize(state.membrane.size());
    laid_out.clear();
    const auto put = [&](std::uint32_t index, V value) {
      const std::size_t p = plan.order.physical(index);
      laid_out.data[p] = value;
      laid_out.touched.insert(p / kBlock);
      laid_out.nonzero += value != V{0} ? 1 : 0;
      laid_out.sum += static_cast<double>(value);
    };
    if (from.events != nullptr) {
      for (std::size_t i = 0; i < from.events->size(); ++i) {
        put(from.events->index[i], from.events->at(i));
      }
    } else {
      for (std::size_t p = 0; p < plan.out_size; ++p) {
        put(from.order->logical(p), from.finish(p, from.dense->data[p]));
      }
    }
    heard.dense = &laid_out;
    heard.finish = {};
    blocks |= laid_out.touched;
  }
  const bool emits = !plan.dense && !plan.early;
  const std::size_t updated = blocks.size();
  const bool worth = updated >= kWorthThreads || pending >= kWorthThreadsDelivered;
  const int threads = worth ? step_threads_ : 1;
  // Parts keep their memory over steps that need fewer.
  state.parts.resize(std::max(state.parts.size(), static_cast<std::size_t>(std::max(1, threads))));
  for (NeuronPart<V>& part : state.parts) start_part(plan, state, emits, part);
  for_ranges(blocks.words().size(), 1, {threads, plan.cuts},
             [&](std::size_t part, std::size_t first, std::size_t last) {
               run_words(plan, state, step, first, last, state.parts[part]);
             });
  if (sources.size() == 1 && sources[0].owned == nullptr) {
    stats.events_in += sources[0].dense->nonzero;
    stats.value_sum += sources[0].dense->sum;
  }
  for (std::size_t l = 0; l < sources.size(); ++l) {
    if (sources[l].owned == nullptr) continue;
    sources[l].owned->touched.clear();
    std::uint64_t nonzero = 0;
    for (const NeuronPart<V>& part : state.parts) nonzero += part.source_nonzero[l];
    NodeStats& source = element.stats[sources[l].node];
    source.events_out += nonzero;
    source.bytes.events += nonzero * (sizeof(std::uint32_t) + sizeof(V));
  }
  for (const NeuronPart<V>& part : state.parts) {
    stats.events_in += part.nonzero;
    stats.value_sum += part.sum;
  }
  if (emits) {
    Events<V>& out = events_slot(element, node, step);
    out.clear();
    std::swap(out, state.parts[0].spikes);
    for (std::size_t p = 1; p < state.parts.size(); ++p) {
      const Events<V>& more = state.parts[p].spikes;
      out.index.insert(out.index.end(), more.index.begin(), more.index.end());
      out.value.insert(out.value.end(), more.value.begin(), more.value.end());
    }
    // Spikes of value 1 add up to the same in any order.
    const auto amplitude = static_cast<V>(program_.discretisation.spike_amplitude());
    if (!plan.any_order || amplitude != V{1} || !out.value.empty()) {
      finish_spikes(population.kernels, population.neurons, amplitude, state.sort, out);
    }
  }
  if (plan.dense) {
    DenseArray<V>& dense = dense_slot(element, node, step);
    std::copy_n(state.membrane.data(), state.membrane.size(), dense.data.data());
    dense.touched.fill();
    dense.nonzero = 0;
    dense.sum = 0.0;
    for (std::size_t block = 0; block < dense.touched.blocks(); ++block) {
      const Tally<V> tally = population.kernels.tally(dense.data.data() + block * kBlock);
      dense.nonzero += tally.nonzero;
      dense.sum += tally.sum;
    }
    stats.events_out += dense.nonzero;
    stats.bytes.events += dense.nonzero * (sizeof(std::uint32_t) + sizeof(V));
  }
  const std::uint64_t neurons = plan.out_size;
  stats.neuron_updates += neurons;
  stats.executed_updates += std::min<std::uint64_t>(updated * kBlock, neurons);
  stats.bytes.state += std::min<std::uint64_t>(updated * kBlock, neurons) * 2 * sizeof(V) *
                       (population.arrays.options.has_current ? 2 : 1);
}

/// Brings every block to `step`, for whoever wants to see the whole state.
template <typename V>
void CpuSession<V>::wake_all(Element<V>& element, std::uint32_t node, std::int64_t step) const {
  const Population<V>& population = *plans_[node].population;
  NodeState<V>& state = element.nodes[node];
  for (std::size_t block = 0; block < state.next_step.size(); ++block) {
    catch_up(population, state, block, step);
  }
}

#define SPIKELOOM_INSTANTIATE(V)                                                        \
  template void CpuSession<V>::publish_early(Element<V>&, std::uint32_t, std::int64_t); \
  template void CpuSession<V>::run_neurons(Element<V>&, std::uint32_t, std::int64_t);   \
  template void CpuSession<V>::wake_all(Element<V>&, std::uint32_t, std::int64_t) const;
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cpu
