#pragma once
/// InputQueue: events that wait for their step, for the sessions of fast backends.
///
/// One queue per batch element. Events may come in any order; the policies of RunOptions decide
/// about late and overflowing ones, and every exception is counted.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "backends/backend.hpp"

namespace spikeloom {

struct QueuedEvent {
  std::int64_t step = 0;
  std::uint32_t port = 0, index = 0;
  double value = 0.0;
};

/// An input element whose events of one step add up to more than a limit.
struct InputExcess {
  std::int64_t step = 0;
  std::uint32_t port = 0, index = 0;
  double sum = 0.0;
};

/// Why an integer run refuses that step: its overflow proof allows `limit`.
Error excess_error(const Program& program, std::size_t element, const InputExcess& excess,
                   double limit);

class InputQueue {
 public:
  explicit InputQueue(const Program& program);

  /// Queues `events` for a port. `next_step` is the first step that is not yet computed; `waiting`
  /// counts the events of all elements of the session. kShape: an index outside the input.
  /// `whole`: values have to be integers.
  Status push(std::uint32_t port, const EventSpan& events, Time step_time, std::int64_t next_step,
              const RunOptions& options, bool whole, std::size_t& waiting, InputStats& stats);

  /// The events of `step`, by arrival; they are forgotten at the next call. Steps rise.
  std::span<const QueuedEvent> take(std::int64_t step);

  /// The earliest step before `last` in which the events of an element add up to more than `limit`,
  /// of either sign. Nothing before the next step to be taken waits any more.
  std::optional<InputExcess> find_excess(std::int64_t last, double limit);
  /// Forgets the events of the step that is next to be taken; their number.
  std::size_t drop(std::int64_t step) { return take(step).size(); }

  /// Forgets what is due before `step`; its number. Nobody has to take it.
  std::size_t drop_before(std::int64_t step);

  /// Everything that waits, by step and then by arrival.
  std::span<const QueuedEvent> waiting();
  /// The `count` events that came last; by step, and after all that came before, if sorted().
  std::span<const QueuedEvent> last(std::size_t count) const {
    return {events_.data() + events_.size() - count, count};
  }
  bool sorted() const { return sorted_; }
  std::size_t size() const { return events_.size() - head_; }
  /// No step's values add up to more than this, whatever their signs and elements.
  double most() const { return most_; }
  const std::vector<Time>& latest() const { return latest_; }

  void clear();
  void restore(std::vector<QueuedEvent> events, std::vector<Time> latest);

 private:
  void sort();

  std::vector<const ProgramNode*> ports_;
  std::vector<QueuedEvent> events_;
  std::size_t head_ = 0;
  bool sorted_ = true;
  std::int64_t last_step_ = 0;
  double last_sum_ = 0.0, most_ = 0.0;
  std::vector<Time> latest_;  ///< latest time pushed so far, per port
};

}  // namespace spikeloom
