#include "backends/input_queue.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "backends/backend_impl.hpp"

namespace spikeloom {

Error excess_error(const Program& program, std::size_t element, const InputExcess& excess,
                   double limit) {
  return Error{
      .what = "an input value is larger than the overflow proof allows",
      .where = fmt::format("step {}, batch element {}, input \"{}\", element {}", excess.step,
                           element, program.nodes[program.inputs[excess.port]].name, excess.index),
      .expected = fmt::format("an integer within +-{}", limit),
      .got = fmt::format("{}", excess.sum),
      .next = "give --clip, a shorter bin, or --arithmetic float32"};
}

InputQueue::InputQueue(const Program& program) {
  for (const std::uint32_t input : program.inputs) ports_.push_back(&program.nodes[input]);
  clear();
}

void InputQueue::clear() {
  events_.clear();
  head_ = 0;
  sorted_ = true;
  last_sum_ = most_ = 0.0;
  latest_.assign(ports_.size(), std::numeric_limits<Time>::min());
}

void InputQueue::restore(std::vector<QueuedEvent> events, std::vector<Time> latest) {
  events_ = std::move(events);
  head_ = 0;
  sorted_ = false;
  most_ = std::numeric_limits<double>::infinity();
  latest_ = std::move(latest);
}

Status InputQueue::push(std::uint32_t port, const EventSpan& events, Time step_time,
                        std::int64_t next_step, const RunOptions& options, bool whole,
                        std::size_t& waiting, InputStats& stats) {
  const ProgramNode& input = *ports_[port];
  const auto place = [&](std::size_t i) {
    return fmt::format("input \"{}\", event {}", input.name, i);
  };
  if (events.size() == 0) return {};
  const auto width = static_cast<std::uint64_t>(step_time);
  std::int64_t bin = floor_div(events.time[0], step_time);
  // Modulo 2^64, where a step may begin before the earliest time there is.
  std::uint64_t bin_start = static_cast<std::uint64_t>(bin) * width;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (static_cast<std::int64_t>(events.index[i]) >= input.out_size) {
      return Error{.code = ErrorCode::kShape,
                   .what = "an event lies outside the input",
                   .where = place(i),
                   .expected = fmt::format("an index below {}", input.out_size),
                   .got = std::to_string(events.index[i])};
    }
    const double value = events.value.empty() ? 1.0 : events.value[i];
    if (whole && !is_input_integer(value)) {
      return Error{.what = "an integer network takes integer values",
                   .where = place(i),
                   .expected = "an integer within +-32767",
                   .got = fmt::format("{}", value),
                   .next = "code the input as counts, or run with --arithmetic float32"};
    }
    if (events.time[i] < latest_[port]) ++stats.out_of_order;
    latest_[port] = std::max(latest_[port], events.time[i]);
    if (static_cast<std::uint64_t>(events.time[i]) - bin_start >= width) {
      bin = floor_div(events.time[i], step_time);
      bin_start = static_cast<std::uint64_t>(bin) * width;
    }
    std::int64_t step = bin;
    if (step < next_step) {
      ++stats.late;
      if (options.late == LatePolicy::kError) {
        return Error{.what = "an event belongs to a step that is already done",
                     .where = place(i),
                     .expected = fmt::format("step {} or later", next_step),
                     .got = fmt::format("step {}", step),
                     .next = "push events before advancing past them, or choose another policy"};
      }
      if (options.late == LatePolicy::kDrop) {
        ++stats.dropped;
        continue;
      }
      step = next_step;
    }
    if (waiting >= options.max_pending_events) {
      if (options.overflow == OverflowPolicy::kError) {
        return Error{.code = ErrorCode::kResource,
                     .what = "too many events wait for their step",
                     .expected = fmt::format("at most {}", options.max_pending_events),
                     .next = "advance more often, or raise max_pending_events"};
      }
      ++stats.dropped;
      continue;
    }
    sorted_ = sorted_ && (events_.empty() || events_.back().step <= step);
    last_sum_ = step == last_step_ ? last_sum_ + std::abs(value) : std::abs(value);
    last_step_ = step;
    most_ = sorted_ ? std::max(most_, last_sum_) : std::numeric_limits<double>::infinity();
    events_.push_back({step, port, events.index[i], value});
    ++waiting;
  }
  return {};
}

void InputQueue::sort() {
  events_.erase(events_.begin(), events_.begin() + static_cast<std::ptrdiff_t>(head_));
  head_ = 0;
  if (!sorted_) {
    std::stable_sort(events_.begin(), events_.end(),
                     [](const QueuedEvent& a, const QueuedEvent& b) { return a.step < b.step; });
    sorted_ = true;
  }
}

std::span<const QueuedEvent> InputQueue::take(std::int64_t step) {
  // What was taken is thrown away when it is most of what is there.
  if (!sorted_ || head_ > 4096 + events_.size() / 2) sort();
  const std::size_t first = head_;
  while (head_ < events_.size() && events_[head_].step == step) ++head_;
  if (head_ == first) return {};
  return {events_.data() + first, head_ - first};
}

std::optional<InputExcess> InputQueue::find_excess(std::int64_t last, double limit) {
  if (most_ <= limit) return std::nullopt;
  if (!sorted_) sort();
  for (std::size_t i = head_; i < events_.size() && events_[i].step < last;) {
    const std::size_t first = i;
    const std::int64_t step = events_[i].step;
    double most = 0.0;
    for (; i < events_.size() && events_[i].step == step; ++i) most += std::abs(events_[i].value);
    if (most <= limit) continue;  // whatever elements they are for
    std::map<std::pair<std::uint32_t, std::uint32_t>, double> sums;
    for (std::size_t k = first; k < i; ++k) {
      sums[{events_[k].port, events_[k].index}] += events_[k].value;
    }
    for (const auto& [place, sum] : sums) {
      if (std::abs(sum) > limit) return InputExcess{step, place.first, place.second, sum};
    }
  }
  return std::nullopt;
}

std::size_t InputQueue::drop_before(std::int64_t step) {
  if (!sorted_) sort();
  const auto first = events_.begin() + static_cast<std::ptrdiff_t>(head_);
  const auto end = std::partition_point(
      first, events_.end(), [&](const QueuedEvent& event) { return event.step < step; });
  head_ += static_cast<std::size_t>(end - first);
  if (head_ == events_.size()) {
    events_.clear();
    head_ = 0;
    last_sum_ = most_ = 0.0;
  }
  return static_cast<std::size_t>(end - first);
}

std::span<const QueuedEvent> InputQueue::waiting() {
  sort();
  return events_;
}

}  // namespace spikeloom
