#include "backends/cpu/session.hpp"

#include <algorithm>
#include <chrono>
#include <numeric>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/cpu/parallel_private.hpp"
#include "base/stopwatch.hpp"

namespace spikeloom::cpu {
namespace {

using Clock = std::chrono::steady_clock;

/// Steps that the elements of a batch run on their own before they are checked for a cancel.
constexpr std::int64_t kChunk = 16;

/// Steps after which memory is measured again: sessions that advance step by step are not slowed.
constexpr std::int64_t kMeasure = 64;

/// Events of one push below which reading the clock would cost more than pushing them.
constexpr std::size_t kWorthTiming = 64;

}  // namespace

template <typename V>
CpuSession<V>::~CpuSession() = default;

template <typename V>
CpuSession<V>::CpuSession(std::shared_ptr<const CpuExecutable<V>> executable, std::uint32_t batch)
    : executable_(std::move(executable)),
      program_(executable_->program()),
      plans_(executable_->plans()),
      step_time_(session_step_time(program_.discretisation)) {
  for (std::uint32_t e = 0; e < batch; ++e) elements_.emplace_back(program_);
  // More threads than processors divide the work the same way; the machine runs what it can.
  const int threads = std::min(executable_->options().threads, most_threads());
  if (threads > 1) arena_ = std::make_unique<Arena>(threads);
  clear();
}

template <typename V>
void CpuSession<V>::clear() {
  step_ = 0;
  base_ = 0;
  measured_ = 0;
  waiting_ = 0;
  cancelled_ = false;
  totals_ = {};
  totals_.backend = "cpu";
  totals_.arithmetic = to_string(executable_->options().arithmetic);
  for (Element<V>& element : elements_) {
    clear_element(element);
    seed_links(element);
  }
  totals_.peak_memory_bytes = memory();
}

template <typename V>
Status CpuSession<V>::push(std::uint32_t element, std::uint32_t port, const EventSpan& events) {
  const bool timed = events.size() >= kWorthTiming;
  const auto start = timed ? Clock::now() : Clock::time_point();
  SPIKELOOM_CHECK(check_push(program_, elements_.size(), element, port));
  Status status =
      elements_[element].queue.push(port, events, step_time_, step_, executable_->options(),
                                    std::is_integral_v<V>, waiting_, totals_.input);
  if (timed) totals_.seconds.input += seconds_since(start);
  return status;
}

template <typename V>
Status CpuSession<V>::advance(Time until) {
  cancelled_ = false;
  const std::int64_t target = floor_div(until, step_time_);
  const auto start = Clock::now();
  const int threads = std::max(1, executable_->options().threads);
  const bool by_element = threads > 1 && elements_.size() > 1;
  step_threads_ = by_element ? 1 : threads;
  Status status;
  const auto run_all = [&](std::size_t) { status = run_until(target, by_element); };
  if (arena_ != nullptr) {
    arena_->execute(PartFunction(run_all));
  } else {
    run_all(0);
  }
  if (step_ - measured_ >= kMeasure) {
    totals_.peak_memory_bytes = std::max(totals_.peak_memory_bytes, memory());
    measured_ = step_;
  }
  totals_.seconds.compute += seconds_since(start);
  return status;
}

/// Steps up to `target`; the elements of a batch in parallel if `by_element`.
template <typename V>
Status CpuSession<V>::run_until(std::int64_t target, bool by_element) {
  while (step_ < target) {
    if (cancelled_) {
      return Error{.code = ErrorCode::kCancelled,
                   .what = "the run was cancelled",
                   .where = fmt::format("after step {}", step_)};
    }
    std::int64_t last = std::min(target, step_ + (by_element ? kChunk : 1));
    if constexpr (std::is_integral_v<V>) {
      SPIKELOOM_TRY(last, within_limits(last));
    }
    const auto run = [&](std::size_t e) {
      for (std::int64_t step = step_; step < last; ++step) {
        run_step(static_cast<std::uint32_t>(e), step);
      }
    };
    if (by_element) {
      run_parts(elements_.size(), PartFunction(run));
    } else {
      for (std::size_t e = 0; e < elements_.size(); ++e) run(e);
    }
    totals_.steps += static_cast<std::uint64_t>(last - step_);
    step_ = last;
    for (Element<V>& element : elements_) {
      waiting_ -= element.taken;
      element.taken = 0;
    }
  }
  return {};
}

template <typename V>
Result<std::int64_t> CpuSession<V>::within_limits(std::int64_t last) {
  const double limit = executable_->input_limit();
  std::optional<InputExcess> worst;
  std::size_t where = 0;
  for (std::size_t e = 0; e < elements_.size(); ++e) {
    const auto found = elements_[e].queue.find_excess(last, limit);
    if (!found) continue;
    worst = found;
    where = e;
    last = found->step;
  }
  if (!worst || last > step_) return last;
  const std::size_t dropped = elements_[where].queue.drop(step_);
  waiting_ -= dropped;
  totals_.input.dropped += dropped;
  return excess_error(program_, where, *worst, limit);
}

template <typename V>
void CpuSession<V>::run_step(std::uint32_t element_index, std::int64_t step) {
  Element<V>& element = elements_[element_index];
  take_input(element, step);
  for (std::uint32_t n = 0; n < plans_.size(); ++n) {
    if (plans_[n].early) publish_early(element, n, step);
  }
  for (std::uint32_t n = 0; n < plans_.size(); ++n) {
    run_node(element, n, step);
    if (!plans_[n].records.empty()) record(element, element_index, n, step);
  }
}

template <typename V>
void CpuSession<V>::run_node(Element<V>& element, std::uint32_t node, std::int64_t step) {
  switch (plans_[node].work) {
    case NodeWork::kProjection:
      run_projection(element, node, step);
      break;
    case NodeWork::kNeurons:
      run_neurons(element, node, step);
      break;
    case NodeWork::kPool:
      run_pool(std::get<op::Pool>(program_.nodes[node].operation), element, node, step);
      break;
    case NodeWork::kCopy:
      run_copy(element, node, step);
      break;
    case NodeWork::kScale:
      run_scale(element, node, step);
      break;
    case NodeWork::kThreshold:
      run_threshold(element, node, step);
      break;
    case NodeWork::kDelay:
      run_delay(std::get<op::Delay>(program_.nodes[node].operation), element, node, step);
      break;
    case NodeWork::kRecurrent:
      run_recurrent(element, node, step);
      break;
    case NodeWork::kEmbedding:
      run_embedding(element, node, step);
      break;
    case NodeWork::kDecoder:
      run_decoder(element, node, step);
      break;
    case NodeWork::kRelu:
      run_relu(element, node, step);
      break;
    case NodeWork::kNothing:
      if (plans_[node].skipped) return;
      break;
  }
  NodeStats& stats = element.stats[node];
  stats.dense_macs += plans_[node].dense_macs;
  if (!plans_[node].dense) {
    const std::size_t out = events_slot(element, node, step).size();
    stats.events_out += out;
    stats.bytes.events += out * (sizeof(std::uint32_t) + sizeof(V));
  }
}

/// Sums up this step's events per input element.
template <typename V>
void CpuSession<V>::take_input(Element<V>& element, std::int64_t step) {
  for (const std::uint32_t n : program_.inputs) events_slot(element, n, step).clear();
  const auto due = element.queue.take(step);
  element.taken += due.size();
  if (due.empty()) return;
  const auto before = [](const QueuedEvent& a, const QueuedEvent& b) {
    return a.port != b.port ? a.port < b.port : a.index < b.index;
  };
  std::vector<std::uint32_t>& order = element.input_order;
  order.clear();
  if (!std::is_sorted(due.begin(), due.end(), before)) {
    order.resize(due.size());
    std::iota(order.begin(), order.end(), 0U);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::uint32_t a, std::uint32_t b) { return before(due[a], due[b]); });
  }
  const auto at = [&](std::size_t i) -> const QueuedEvent& {
    return order.empty() ? due[i] : due[order[i]];
  };
  for (std::size_t i = 0; i < due.size();) {
    const std::uint32_t port = at(i).port;
    const std::uint32_t n = program_.inputs[port];
    Events<V>& events = events_slot(element, n, step);
    double total = 0.0;
    while (i < due.size() && at(i).port == port) {
      const std::uint32_t index = at(i).index;
      // The sum is within the proven limit; on the way to it there may be more.
      std::conditional_t<std::is_integral_v<V>, std::int64_t, V> sum = 0;
      for (; i < due.size() && at(i).port == port && at(i).index == index; ++i) {
        sum += static_cast<V>(at(i).value);
      }
      const auto value = static_cast<V>(sum);
      if (value == V{0}) continue;
      events.index.push_back(index);
      events.value.push_back(value);
      total += static_cast<double>(value);
    }
    element.stats[n].value_sum += total;
    element.stats[n].events_in += events.size();
    events.normalise();
  }
}

template <typename V>
Status CpuSession<V>::read(Sink& sink) {
  std::vector<const Record*> all;
  for (const Element<V>& element : elements_) {
    for (const Record& record : element.records) all.push_back(&record);
  }
  if (all.empty()) return {};  // most steps of a stream: not even the clock is read
  const auto start = Clock::now();
  if (elements_.size() > 1) {
    std::stable_sort(all.begin(), all.end(),
                     [](const Record* a, const Record* b) { return a->step < b->step; });
  }
  for (const Record* r : all) r->give(sink);
  for (Element<V>& element : elements_) element.records.clear();
  totals_.seconds.record += seconds_since(start);
  return {};
}

template <typename V>
Status CpuSession<V>::latest(std::uint32_t element, std::uint32_t node,
                             std::span<float> out) const {
  SPIKELOOM_CHECK(
      check_latest(program_, executable_->options(), elements_.size(), element, node, out.size()));
  const NodePlan<V>& plan = plans_[node];
  const NodeState<V>& state = elements_[element].nodes[node];
  if (plan.fused) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "nobody kept the sums of this node: they went straight into neurons",
                 .where = fmt::format("node \"{}\"", program_.nodes[node].name),
                 .next = "record its y, or ask for the neurons"};
  }
  const auto unit = static_cast<float>(plan.unit);
  if (step_ == base_) {  // not even a bias
    std::fill(out.begin(), out.end(), 0.0F);
    return {};
  }
  const std::size_t slot = ring_slot(step_ + plan.depth - 1, plan.depth);
  if (plan.dense) {
    const DenseArray<V>& dense = state.dense[slot];
    const Finish<V> finish{plan.scale.data(), plan.bias.data()};
    const bool plain = finish.empty() && plan.order.same();
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t p = plain ? i : plan.order.physical(i);
      const V value = plain ? dense.data[i] : finish(p, dense.data[p]);
      out[i] = static_cast<float>(value) * unit;
    }
    return {};
  }
  std::fill(out.begin(), out.end(), 0.0F);
  const Events<V>& events = state.events[slot];
  for (std::size_t k = 0; k < events.size(); ++k) {
    out[events.index[k]] = static_cast<float>(events.at(k)) * unit;
  }
  return {};
}

template <typename V>
Status CpuSession<V>::reset() {
  clear();
  return {};
}

template <typename V>
RunStats CpuSession<V>::stats() const {
  RunStats stats = totals_;
  stats.peak_memory_bytes = std::max(stats.peak_memory_bytes, memory());
  for (const Element<V>& element : elements_) {
    RunStats one;
    one.nodes = element.stats;
    if (stats.nodes.empty()) {
      stats.nodes = element.stats;
    } else {
      stats.add(one);
    }
  }
  return stats;
}

template <typename V>
std::uint64_t CpuSession<V>::memory() const {
  std::uint64_t bytes = waiting_ * sizeof(QueuedEvent);
  for (const Element<V>& element : elements_) {
    for (const NodeState<V>& state : element.nodes) {
      for (const auto& slot : state.dense) bytes += slot.data.size() * sizeof(V);
      for (const auto& slot : state.events) {
        bytes += slot.index.capacity() * sizeof(std::uint32_t) + slot.value.capacity() * sizeof(V);
      }
      bytes += (state.current.size() + state.membrane.size() + state.late.size() +
                state.before.size() + state.countdown.size()) *
               sizeof(V);
      bytes += (state.next_step.size() + state.word_step.size()) * sizeof(std::int64_t);
      for (const NeuronPart<V>& part : state.parts) {
        for (const auto& sums : part.sums) bytes += sums.bytes();
      }
    }
    for (const Record& r : element.records) bytes += r.bytes();
  }
  return bytes;
}

template class CpuSession<float>;
template class CpuSession<std::int32_t>;

}  // namespace spikeloom::cpu
