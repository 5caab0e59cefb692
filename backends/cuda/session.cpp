#include "backends/cuda/session.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"
#include "backends/cuda/input_sums.hpp"
#include "base/stopwatch.hpp"

namespace spikeloom::cuda {
namespace {

using Clocks = std::chrono::steady_clock;

Error lost_state() {
  return Error{.code = ErrorCode::kIo,
               .what = "the device failed in an earlier step, and what it held is lost",
               .next = "reset the session, or load its last checkpoint"};
}

}  // namespace

template <typename V>
Status CudaSession<V>::push(std::uint32_t element, std::uint32_t port, const EventSpan& events) {
  const auto start = Clocks::now();
  SPIKELOOM_CHECK(check_push(program_, batch_, element, port));
  const std::size_t before = queues_[element].size();
  Status status = queues_[element].push(port, events, step_time_, step_, executable_->options(),
                                        std::is_integral_v<V>, waiting_, totals_.input);
  if (resident_ != nullptr && !lost_) {
    Status mirrored = resident_->push(element, queues_[element], queues_[element].size() - before);
    if (status.ok()) status = std::move(mirrored);
  }
  totals_.seconds.input += seconds_since(start);
  return status;
}

template <typename V>
Status CudaSession<V>::advance(Time until) {
  if (lost_) return lost_state();
  cancelled_ = false;
  fetched_to_ = -1;
  const std::int64_t began = step_;
  const std::int64_t target = floor_div(until, step_time_);
  const auto start = Clocks::now();
  Status status;
  if (resident_ != nullptr && step_ < target) {
    const Result<bool> moved = resident_->send(queues_);
    stale_ = stale_ || !moved.ok() || *moved;  // they hold the old address
    if (!moved.ok()) {
      lost_ = true;
      return moved.error();
    }
  }
  while (status.ok() && step_ < target) {
    if (cancelled_) {
      status = Error{.code = ErrorCode::kCancelled,
                     .what = "the run was cancelled",
                     .where = fmt::format("after step {}", step_)};
      break;
    }
    std::int64_t last = std::min(target, step_ + most_steps());
    if constexpr (std::is_integral_v<V>) {
      auto within = within_limits(last);
      if (!within.ok()) {
        status = std::move(within).error();
        break;
      }
      last = *within;
    }
    status = run_chunk(static_cast<std::uint32_t>(last - step_));
  }
  // Of earlier steps nobody may want to know anything.
  if (!lost_ && log_base_ == began) fetch_few_logs();
  if (resident_ != nullptr) {
    for (std::uint32_t e = 0; e < batch_; ++e) waiting_ -= resident_->drop(e, queues_[e], step_);
  }
  if (Status done = machine_.wait(); !done.ok()) {
    lost_ = true;
    status = std::move(done);
  }
  totals_.peak_memory_bytes = std::max(totals_.peak_memory_bytes, device_memory());
  totals_.seconds.compute += seconds_since(start);
  return status;
}

/// How far before `last` every element's input is within the proven limit. The step after that, if
/// it is the next one, is refused and its events are dropped.
template <typename V>
Result<std::int64_t> CudaSession<V>::within_limits(std::int64_t last) {
  const double limit = executable_->input_limit();
  std::optional<InputExcess> worst;
  std::size_t where = 0;
  for (std::size_t e = 0; e < queues_.size(); ++e) {
    const auto found = queues_[e].find_excess(last, limit);
    if (!found) continue;
    worst = found;
    where = e;
    last = found->step;
  }
  if (!worst || last > step_) return last;
  const auto element = static_cast<std::uint32_t>(where);
  if (resident_ != nullptr) {
    waiting_ -= resident_->drop(element, queues_[where], step_);
    resident_->forget(element);
  }
  const std::size_t dropped = queues_[where].drop(step_);
  waiting_ -= dropped;
  totals_.input.dropped += dropped;
  return excess_error(program_, where, *worst, limit);
}

template <typename V>
Status CudaSession<V>::run_chunk(std::uint32_t count) {
  Status status = choose_ways();
  if (status.ok() && logs_are_full(count)) status = take_logs();
  if (status.ok()) {
    take_input(count);
    status = send_input(count, taken_);
  }
  if (status.ok()) {
    if (std::exchange(stale_, false)) {
      one_step_ = nullptr;
      chunk_ = nullptr;
      chunks_.clear();
    }
    const std::size_t chunks =
        resident_ != nullptr ? resident_->divide({.count = count}).size() : 1;
    if (chunks_.size() < chunks) chunks_.resize(chunks);
    auto& sequence = resident_ != nullptr ? chunks_[chunks - 1] : count == 1 ? one_step_ : chunk_;
    if (sequence == nullptr) {
      auto made = machine_.record(
          resident_ != nullptr
              ? resident_->calls(clock_.data() + 1, static_cast<std::uint32_t>(chunks))
              : make_calls(count == 1 ? 1 : kChunk));
      if (made.ok()) {
        sequence = *std::move(made);
      } else {
        status = std::move(made).error();  // the input has been taken already
      }
    }
    if (status.ok()) status = machine_.run(*sequence);
  }
  if (!status.ok()) {
    lost_ = true;
    return status;
  }
  count_steps(count);
  return {};
}

template <typename V>
void CudaSession<V>::count_steps(std::uint32_t count) {
  if (count > 1) {
    for (NodeDevice<V>& device : nodes_) device.multiplied_steps += device.multiplies ? count : 0;
  }
  step_ += count;
  steps_here_ += count;
  totals_.steps += count;
}

template <typename V>
Result<std::vector<Tally<V>>> CudaSession<V>::read_tallies() const {
  std::vector<Tally<V>> copies(tallies_.size());
  SPIKELOOM_CHECK(tallies_.read(copies.data(), copies.size()));
  SPIKELOOM_CHECK(machine_.wait());
  std::vector<Tally<V>> sums(copies.size() / kTallyCopies);
  for (std::size_t i = 0; i < copies.size(); ++i) {
    copies[i].add(&sums[i / kTallyCopies]);
  }
  if (resident_ != nullptr) resident_->complete(sums);
  return sums;
}

template <typename V>
Status CudaSession<V>::choose_ways() {
  constexpr double kRowsAgain = 0.8;  // of the share from which on a product is taken
  if (executable_->options().schedule != Schedule::kAuto) return {};
  // After 2, 4, 8 and 16 chunks, then every 16: activity rises when a run begins, and asking makes
  // the host wait.
  constexpr std::uint64_t kFirst = std::uint64_t{2} * kChunk, kOften = std::uint64_t{16} * kChunk;
  const std::uint64_t wait = std::clamp(measured_steps_, kFirst, kOften);
  if (steps_here_ - measured_steps_ < wait) return {};
  if (std::none_of(nodes_.begin(), nodes_.end(),
                   [](const NodeDevice<V>& device) { return device.has_product; })) {
    return {};
  }
  SPIKELOOM_TRY(const std::vector<Tally<V>> tallies, read_tallies());
  const auto rows = static_cast<double>((steps_here_ - measured_steps_) * batch_);
  bool changed = false;
  for (std::uint32_t n = 0; n < nodes_.size(); ++n) {
    NodeDevice<V>& device = nodes_[n];
    if (!device.has_product || device.in.size == 0) continue;
    const auto tally = static_cast<std::size_t>(device.in.tally - tallies_.data()) / kTallyCopies;
    const auto events = static_cast<double>(tallies[tally].events - measured_events_[tally]);
    const double active = events / rows / device.in.size;
    const bool multiplies = active > product_share(n) * (device.multiplies ? kRowsAgain : 1.0);
    changed |= multiplies != device.multiplies;
    device.multiplies = multiplies;
  }
  for (std::size_t t = 0; t < tallies.size(); ++t) measured_events_[t] = tallies[t].events;
  measured_steps_ = steps_here_;
  stale_ |= changed;
  return {};
}

template <typename V>
void CudaSession<V>::take_input(std::uint32_t count) {
  taken_.clear();
  if (resident_ != nullptr) return;  // it has it already
  for (std::uint32_t s = 0; s < count; ++s) {
    for (std::uint32_t e = 0; e < batch_; ++e) {
      const auto due = queues_[e].take(step_ + s);
      waiting_ -= due.size();
      for_each_sum<V>(due, [&](std::uint32_t port, std::uint32_t index, V value) {
        taken_.push_back({s * batch_ + e, port, index, value});
      });
    }
  }
}

template <typename V>
Status CudaSession<V>::send_input(std::uint32_t count, const std::vector<InputEvent<V>>& taken) {
  if (taken.size() > input_events_.size()) {
    stale_ = true;  // they hold the old address
    SPIKELOOM_TRY(input_events_, Buffer<InputEvent<V>>::make(machine_, 2 * taken.size()));
  }
  SPIKELOOM_CHECK(input_events_.write(taken.data(), taken.size()));
  const Clock clock{base_, step_, log_base_, count, static_cast<std::uint32_t>(taken.size())};
  if (resident_ == nullptr) return clock_.write(&clock, 1);
  std::vector<Clock> clocks = resident_->divide(clock);
  clocks.insert(clocks.begin(), clock);
  return clock_.write(clocks.data(), clocks.size());
}

template <typename V>
Status CudaSession<V>::latest(std::uint32_t element, std::uint32_t node,
                              std::span<float> out) const {
  SPIKELOOM_CHECK(
      check_latest(program_, executable_->options(), batch_, element, node, out.size()));
  if (lost_) return lost_state();
  std::fill(out.begin(), out.end(), 0.0F);
  if (step_ == base_) return {};
  const auto unit = static_cast<float>(images_[node].unit);
  if (resident_ != nullptr) {
    SPIKELOOM_TRY(const auto values, resident_->output(element, node, step_ - 1));
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(values[i]) * unit;
    return {};
  }
  const SignalBuffer<V>& signal = nodes_[node].out;
  std::vector<V> values(out.size());
  SPIKELOOM_CHECK(signal.value.read(values.data(), values.size(),
                                    signal.ref.place(step_ - 1, element) * values.size()));
  SPIKELOOM_CHECK(machine_.wait());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(values[i]) * unit;
  return {};
}

template <typename V>
Status CudaSession<V>::reset() {
  Status status = seed_links();
  if (status.ok()) status = clear();
  lost_ = !status.ok();
  return status;
}

template <typename V>
RunStats CudaSession<V>::stats() const {
  RunStats stats = totals_;
  std::vector<Tally<V>> tallies(2 * program_.nodes.size());
  // A device that does not answer any more has no counts to add.
  if (!lost_) {
    if (auto read = read_tallies(); read.ok()) tallies = *std::move(read);
  }
  const std::uint64_t steps = steps_here_ * batch_;
  for (std::size_t n = 0; n < program_.nodes.size(); ++n) {
    const ProgramNode& node = program_.nodes[n];
    const NodeDevice<V>& device = nodes_[n];
    NodeStats one = saved_stats_[n];
    one.name = node.name;
    one.kind = node.kind;
    stats.nodes.push_back(one);
    if (skipped(static_cast<std::uint32_t>(n))) continue;
    NodeStats& made = stats.nodes.back();
    const Tally<V>& out = tallies[2 * n];
    // What a node reads without a sum of its own was counted where it was made.
    const bool is_input = std::holds_alternative<op::Input>(node.operation);
    const bool reads_source = !device.gathers && device.in.tally != nullptr;
    const std::size_t read = is_input       ? 2 * n
                             : reads_source ? std::size_t{2} * node.inputs[0].source
                                            : 2 * n + 1;
    made.events_in += tallies[read].events;
    made.value_sum += static_cast<double>(tallies[read].sum);
    const std::uint64_t sent = device.counted_by ? tallies[*device.counted_by].events : out.events;
    made.events_out += sent;
    made.dense_macs += static_cast<std::uint64_t>(node.dense_macs) * steps;
    made.bytes.events += sent * (sizeof(std::uint32_t) + sizeof(V));
    if (is_weight_operation(node.operation)) {
      const bool cheap = weight_class(node.operation) != WeightClass::kGeneral;
      // Pairs of the steps that products did are counted apart.
      const Tally<V>& apart = tallies[2 * n + 1];
      std::uint64_t unit = out.unit + apart.unit;
      const std::uint64_t graded = out.graded + apart.graded;
      // Of spikes nothing but their number has to be known.
      const auto* dense = std::get_if<op::Dense>(&node.operation);
      if (dense != nullptr && device.in.unit) {
        unit = tallies[read].events * static_cast<std::uint64_t>(dense->outputs);
      }
      const std::uint64_t ac = unit + (cheap ? graded : 0);
      const std::uint64_t mac = cheap ? 0 : graded;
      const WeightImage<V>& image = images_[n].weights;
      const std::uint64_t weight_bytes = !image.narrow.empty() ? 1 : !image.wide.empty() ? 2 : 4;
      made.ac += ac;
      made.mac += mac;
      made.executed_ac += out.unit;
      made.executed_mac += out.graded;
      made.bytes.weights += (ac + mac) * weight_bytes;
      // A product multiplies everything.
      const std::uint64_t multiplied = device.multiplied_steps * batch_;
      made.executed_mac += multiplied * static_cast<std::uint64_t>(node.dense_macs);
      made.steps_dense += multiplied;
      (image.bits.empty() ? made.steps_rows : made.steps_bitmask) += steps - multiplied;
    } else if (std::holds_alternative<op::Embedding>(node.operation) ||
               std::holds_alternative<op::Recurrent>(node.operation) ||
               std::holds_alternative<op::Decoder>(node.operation)) {
      count_language(static_cast<std::uint32_t>(n), steps, out, tallies[2 * n + 1], made);
    } else if (std::holds_alternative<op::Neuron>(node.operation)) {
      const std::uint64_t updates = steps * static_cast<std::uint64_t>(node.out_size);
      made.neuron_updates += updates;
      made.executed_updates += updates;
      made.bytes.state += updates * 2 * sizeof(V) * (device.has_current ? 2 : 1);
    }
  }
  return stats;
}

#define SPIKELOOM_INSTANTIATE(V)                                                                \
  template Status CudaSession<V>::push(std::uint32_t, std::uint32_t, const EventSpan&);         \
  template Status CudaSession<V>::advance(Time);                                                \
  template Status CudaSession<V>::latest(std::uint32_t, std::uint32_t, std::span<float>) const; \
  template Status CudaSession<V>::reset();                                                      \
  template Result<std::int64_t> CudaSession<V>::within_limits(std::int64_t);                    \
  template Status CudaSession<V>::choose_ways();                                                \
  template void CudaSession<V>::take_input(std::uint32_t);                                      \
  template Status CudaSession<V>::send_input(std::uint32_t, const std::vector<InputEvent<V>>&); \
  template void CudaSession<V>::count_steps(std::uint32_t);                                     \
  template RunStats CudaSession<V>::stats() const;
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cuda
