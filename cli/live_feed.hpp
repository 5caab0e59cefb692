#pragma once
/// Events of a stream into a session, step by step, and what the network says after each step.

#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "cli/live_input.hpp"
#include "cli/live_latency.hpp"
#include "cli/pipeline.hpp"

namespace spikeloom::cli {

/// What to do with events that come late, or too many at once, and when to stop.
struct LiveRules {
  LatePolicy late = LatePolicy::kError;
  OverflowPolicy overflow = OverflowPolicy::kError;
  std::size_t max_pending_events = std::size_t{1} << 20;  ///< in one step
  std::optional<std::int64_t> most_steps;                 ///< the run is over after so many
};

/// What the first Output says after a step.
struct LiveDecision {
  std::int64_t step = 0;                   ///< steps done
  std::optional<std::int64_t> prediction;  ///< nothing before the first output
  double score = 0.0;
};

/// One network that is fed as events arrive.
///
/// An event belongs to the step that bin_of says, as in code_recording; an event of a later
/// step completes the steps before it. Input coding works event by event on the sum of an element
/// within a step: what enters the network is how much the coded value grew. Events wait until their
/// step is complete. Memory does not grow with the stream.
class LiveFeed {
 public:
  /// Called after every step; an error ends the run.
  using Report = std::function<Status(const LiveDecision&)>;

  /// kUnsupported: a coding for arrays; kAmbiguous: the time step is unknown.
  static Result<LiveFeed> open(const Pipeline& pipeline, const LiveRules& rules, Report report);
  ~LiveFeed();
  LiveFeed(LiveFeed&&) noexcept;

  /// Takes events in the order they arrived; `unit` ("line", "record") names them in messages.
  /// With `arrival` that is their time, whatever the stream says. kCancelled after Ctrl-C.
  Status take(const LiveEvents& events, const char* unit, std::optional<Time> arrival = {});
  /// Completes every step that ends by `time`; nothing before the origin is known.
  Status complete_until(Time time);
  /// The end of the stream. The step of the last event is run only where the input coding keeps the
  /// last, incomplete bin; steps that were asked for and are missing are run in silence.
  Status finish();

  /// All steps that were asked for are done.
  bool is_over() const { return rules_.most_steps && step_ >= *rules_.most_steps; }
  /// Where step 0 begins; nothing before the first event where that decides.
  std::optional<Time> origin() const { return origin_; }
  void set_origin(Time origin) { origin_ = origin; }
  std::int64_t steps() const { return step_; }
  std::uint64_t events() const { return events_; }
  /// Of the steps that had events: from handing over their last one to the decision, waiting for
  /// more input not counted.
  const LatencyHistogram& latency() const { return latency_; }

  RunOutcome outcome() const;

 private:
  using Clock = std::chrono::steady_clock;
  class Output;

  LiveFeed(const Pipeline& pipeline, const LiveRules& rules, std::unique_ptr<Session> session,
           std::size_t elements, Report report);

  double growth(std::uint32_t index, double value);
  Status run_until(std::int64_t step);
  Status run_step();

  const Pipeline* pipeline_;
  std::unique_ptr<Session> session_;
  std::unique_ptr<Output> output_;
  LiveRules rules_;
  Report report_;
  Time step_time_;
  std::optional<Time> origin_;
  std::int64_t step_ = 0;  ///< steps done; events of this step are coming in
  std::uint64_t events_ = 0;
  InputStats counts_;
  Time latest_ = std::numeric_limits<Time>::min();  ///< of all events so far

  std::vector<double> sum_;             ///< of each element in the present step
  std::vector<std::uint32_t> touched_;  ///< elements whose sum is not 0, perhaps more
  std::vector<Time> time_;              ///< what waits for the end of the present step
  std::vector<std::uint32_t> index_;
  std::vector<double> value_;

  Clock::duration busy_{};  ///< computing, not waiting for input
  LatencyHistogram latency_;
};

}  // namespace spikeloom::cli
