#include "cli/live_feed.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "cli/interrupt.hpp"

namespace spikeloom::cli {
namespace {

/// As many steps as input coding makes bins.
constexpr std::int64_t kMostSteps = std::int64_t{1} << 32;
/// Steps between two looks at Ctrl-C.
constexpr std::int64_t kStepsAtOnce = 32;

std::string place(const char* unit, std::uint64_t number) {
  return fmt::format("{} {}", unit, number);
}

Error too_far(std::string where, Time time, Time origin) {
  return Error{.code = ErrorCode::kResource,
               .what = "the time of an event is too far from the first step",
               .where = std::move(where),
               .expected = fmt::format("at most {} steps after {} ns", kMostSteps, origin),
               .got = fmt::format("{} ns", time),
               .next = "check --dt, --event-time-unit and --bin-origin"};
}

Error too_late(std::string where, std::int64_t step, std::int64_t done) {
  return Error{.code = ErrorCode::kFormat,
               .what = "an event belongs to a step that is already done",
               .where = std::move(where),
               .expected = fmt::format("step {} or later", done),
               .got = fmt::format("step {}", step),
               .next = "give --late drop or --late next"};
}

Error too_many(std::string where, std::size_t most) {
  return Error{.code = ErrorCode::kResource,
               .what = "too many events in one step",
               .where = std::move(where),
               .expected = fmt::format("at most {}", most),
               .next = "give --max-pending N, a smaller --dt, or --overflow drop"};
}

}  // namespace

/// The read-outs, without what a recording would keep.
class LiveFeed::Output : public Sink {
 public:
  explicit Output(const Pipeline& pipeline) : program_(pipeline.program()) {
    const double amplitude = program_.discretisation.spike_amplitude();
    for (const std::uint32_t node : program_.outputs) {
      read_outs_.emplace_back(pipeline.read_out,
                              static_cast<std::size_t>(program_.nodes[node].out_size), amplitude);
    }
    changes_in_silence_ =
        pipeline.read_out == ReadOut::kLast || pipeline.read_out == ReadOut::kMean;
  }

  void events(std::uint32_t node, Variable variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    if (variable != Variable::kOutput || index.empty()) return;
    for (std::size_t i = 0; i < read_outs_.size(); ++i) {
      if (program_.outputs[i] == node) read_outs_[i].add(step, index, value);
    }
    has_spoken_ = true;
    changed_ = true;
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}

  const LiveDecision& decide(std::int64_t step) {
    decision_.step = step;
    if (!read_outs_.empty() && (changed_ || (has_spoken_ && changes_in_silence_))) {
      const std::vector<double> scores = read_outs_.front().scores(step);
      const auto best = std::max_element(scores.begin(), scores.end());
      decision_.prediction = best - scores.begin();
      decision_.score = *best;
      changed_ = false;
    }
    return decision_;
  }

  const std::vector<ReadOutAccumulator>& read_outs() const { return read_outs_; }

 private:
  const Program& program_;
  std::vector<ReadOutAccumulator> read_outs_;
  LiveDecision decision_;
  bool has_spoken_ = false;
  bool changed_ = false;
  bool changes_in_silence_ = false;
};

LiveFeed::LiveFeed(const Pipeline& pipeline, const LiveRules& rules,
                   std::unique_ptr<Session> session, std::size_t elements, Report report)
    : pipeline_(&pipeline),
      session_(std::move(session)),
      output_(std::make_unique<Output>(pipeline)),
      rules_(rules),
      report_(std::move(report)),
      step_time_(session_->step_time()),
      sum_(elements, 0.0) {}

LiveFeed::~LiveFeed() = default;
LiveFeed::LiveFeed(LiveFeed&&) noexcept = default;

Result<LiveFeed> LiveFeed::open(const Pipeline& pipeline, const LiveRules& rules, Report report) {
  const Coding coding = pipeline.coding.coding;
  if (coding == Coding::kRate || coding == Coding::kLatency) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("the coding '{}' does not apply to events that arrive",
                                     to_string(coding)),
                 .next = "give --coding count, binary or current"};
  }
  if (pipeline.step_time() <= 0) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "events need bins, and the time step is unknown",
                 .next = "give --dt SECONDS"};
  }
  SPIKELOOM_TRY(const std::int64_t elements, element_count(pipeline.input_shape()));
  SPIKELOOM_TRY(auto session, pipeline.executable->open());
  LiveFeed feed(pipeline, rules, std::move(session), static_cast<std::size_t>(elements),
                std::move(report));
  if (pipeline.coding.origin == BinOrigin::kZero) feed.origin_ = 0;
  return feed;
}

Status LiveFeed::take(const LiveEvents& events, const char* unit, std::optional<Time> arrival) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    const Time time = arrival.value_or(events.time[i]);
    if (!origin_) origin_ = time;
    Time since = 0;
    if (__builtin_sub_overflow(time, *origin_, &since) ||
        floor_div(since, step_time_) >= kMostSteps - 1) {
      return too_far(place(unit, events.number[i]), time, *origin_);
    }
    const std::int64_t step = bin_of(since, step_time_, pipeline_->coding.rounding);
    SPIKELOOM_CHECK(run_until(step));
    if (is_over()) return {};
    ++events_;
    if (since < latest_) ++counts_.out_of_order;
    latest_ = std::max(latest_, since);
    if (step < step_) {
      if (rules_.late == LatePolicy::kError) {
        return too_late(place(unit, events.number[i]), step, step_);
      }
      ++counts_.late;
      if (rules_.late == LatePolicy::kDrop) {
        ++counts_.dropped;
        continue;
      }
    }
    if (step_ < pipeline_->coding.ignored_steps) continue;
    if (time_.size() >= rules_.max_pending_events) {
      if (rules_.overflow == OverflowPolicy::kError) {
        return too_many(place(unit, events.number[i]), rules_.max_pending_events);
      }
      ++counts_.dropped;
      continue;
    }
    time_.push_back(step_ * step_time_);
    index_.push_back(events.index[i]);
    value_.push_back(growth(events.index[i], events.value[i]));
  }
  return {};
}

double LiveFeed::growth(std::uint32_t index, double value) {
  const InputCoding& coding = pipeline_->coding;
  if (coding.coding != Coding::kBinary && !coding.clip) return value;
  const auto coded = [&coding](double sum) {
    const double full = coding.coding == Coding::kBinary ? (sum != 0.0 ? 1.0 : 0.0) : sum;
    return coding.clip ? std::min(full, *coding.clip) : full;
  };
  double& sum = sum_[index];
  if (touched_.size() < sum_.size()) touched_.push_back(index);
  const double before = coded(sum);
  sum += value;
  return coded(sum) - before;
}

Status LiveFeed::complete_until(Time time) {
  if (!origin_) return {};
  Time since = 0;
  if (__builtin_sub_overflow(time, *origin_, &since)) return {};
  return run_until(bin_of(since, step_time_, pipeline_->coding.rounding));
}

Status LiveFeed::finish() {
  if (pipeline_->coding.keep_incomplete_bin && events_ > 0) SPIKELOOM_CHECK(run_until(step_ + 1));
  if (!rules_.most_steps || is_over()) return {};
  time_.clear();
  index_.clear();
  value_.clear();
  return run_until(*rules_.most_steps);
}

Status LiveFeed::run_until(std::int64_t step) {
  const std::int64_t target = std::min(step, rules_.most_steps.value_or(step));
  for (std::int64_t done = 0; step_ < target; ++done) {
    if (done % kStepsAtOnce == 0 && interrupted()) return interrupted_error();
    SPIKELOOM_CHECK(run_step());
  }
  return {};
}

Status LiveFeed::run_step() {
  const auto start = Clock::now();
  const bool has_events = !time_.empty();
  if (has_events) {
    SPIKELOOM_CHECK(session_->push(0, *pipeline_->port, {time_, index_, value_}));
    time_.clear();
    index_.clear();
    value_.clear();
    if (touched_.size() == sum_.size()) {
      std::fill(sum_.begin(), sum_.end(), 0.0);
    } else {
      for (const std::uint32_t index : touched_) sum_[index] = 0.0;
    }
    touched_.clear();
  }
  SPIKELOOM_CHECK(session_->advance((step_ + 1) * step_time_));
  SPIKELOOM_CHECK(session_->read(*output_));
  ++step_;
  SPIKELOOM_CHECK(report_(output_->decide(step_)));
  const auto passed = Clock::now() - start;
  busy_ += passed;
  if (has_events) {
    latency_.add(std::chrono::duration_cast<std::chrono::nanoseconds>(passed).count());
  }
  return {};
}

RunOutcome LiveFeed::outcome() const {
  RunOutcome outcome;
  outcome.steps = step_;
  outcome.outputs = output_results(pipeline_->program(), output_->read_outs(), step_);
  outcome.stats = session_->stats();
  outcome.stats.input = counts_;
  outcome.wall_seconds = std::chrono::duration<double>(busy_).count();
  return outcome;
}

}  // namespace spikeloom::cli
