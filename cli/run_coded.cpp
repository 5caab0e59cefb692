#include <algorithm>
#include <chrono>
#include <limits>

#include <fmt/format.h>

#include "cli/interrupt.hpp"
#include "cli/pipeline.hpp"

namespace spikeloom::cli {
namespace {

/// Steps between two looks at Ctrl-C and the progress sink.
constexpr std::int64_t kStepsAtOnce = 32;

/// Sorts what a session recorded into a RunOutcome, and feeds the read-outs.
class Collector : public Sink {
 public:
  Collector(const Pipeline& pipeline, RunOutcome& outcome) : outcome_(outcome) {
    const Program& program = pipeline.program();
    const double amplitude = program.discretisation.spike_amplitude();
    for (const std::uint32_t node : program.outputs) {
      read_outs_.emplace_back(pipeline.read_out,
                              static_cast<std::size_t>(program.nodes[node].out_size), amplitude);
      outcome_.events.push_back({.node = node, .variable = Variable::kOutput});
    }
    for (const RecordRequest& request : pipeline.record) {
      if (request.variable == Variable::kMembrane || request.variable == Variable::kCurrent) {
        if (find_state(request.node, request.variable) != nullptr) continue;
        const auto neurons = static_cast<std::size_t>(program.nodes[request.node].out_size);
        outcome_.states.push_back({request.node, request.variable, neurons, {}});
      } else if (find_events(request.node, request.variable) == nullptr) {
        outcome_.events.push_back({.node = request.node, .variable = request.variable});
      }
    }
  }

  void events(std::uint32_t node, Variable variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    RecordedEvents* list = find_events(node, variable);
    if (list == nullptr) return;
    list->step.insert(list->step.end(), index.size(), step);
    list->index.insert(list->index.end(), index.begin(), index.end());
    list->value.insert(list->value.end(), value.begin(), value.end());
    const auto position = static_cast<std::size_t>(list - outcome_.events.data());
    if (position < read_outs_.size()) read_outs_[position].add(step, index, value);
  }

  void state(std::uint32_t node, Variable variable, std::uint32_t, std::int64_t,
             std::span<const double> value) override {
    RecordedState* state = find_state(node, variable);
    if (state != nullptr) state->value.insert(state->value.end(), value.begin(), value.end());
  }

  const std::vector<ReadOutAccumulator>& read_outs() const { return read_outs_; }

 private:
  RecordedEvents* find_events(std::uint32_t node, Variable variable) {
    for (RecordedEvents& list : outcome_.events) {
      if (list.node == node && list.variable == variable) return &list;
    }
    return nullptr;
  }
  RecordedState* find_state(std::uint32_t node, Variable variable) {
    for (RecordedState& state : outcome_.states) {
      if (state.node == node && state.variable == variable) return &state;
    }
    return nullptr;
  }

  RunOutcome& outcome_;
  std::vector<ReadOutAccumulator> read_outs_;
};

Status push_input(Session& session, std::uint32_t port, const CodedInput& input,
                  std::int64_t steps) {
  std::vector<Time> time;
  for (std::int64_t s = 0; s < std::min(input.steps, steps); ++s) {
    const auto at = static_cast<std::size_t>(s);
    time.insert(time.end(), input.step_start[at + 1] - input.step_start[at],
                s * session.step_time());
  }
  const std::span<const std::uint32_t> index(input.index);
  const std::span<const double> value(input.value);
  return session.push(0, port, {time, index.first(time.size()), value.first(time.size())});
}

}  // namespace

const RecordedEvents* RunOutcome::find_events(std::uint32_t node) const {
  const auto found = std::find_if(events.begin(), events.end(),
                                  [&](const RecordedEvents& list) { return list.node == node; });
  return found == events.end() ? nullptr : &*found;
}

std::vector<OutputResult> output_results(const Program& program,
                                         const std::vector<ReadOutAccumulator>& read_outs,
                                         std::int64_t steps) {
  std::vector<OutputResult> results;
  for (std::size_t i = 0; i < program.outputs.size(); ++i) {
    OutputResult result;
    result.name = program.nodes[program.outputs[i]].name;
    result.counts = read_outs[i].counts();
    result.scores = read_outs[i].scores(steps);
    if (!result.scores.empty()) result.prediction = read_outs[i].prediction(steps);
    results.push_back(std::move(result));
  }
  return results;
}

Result<RunOutcome> run_coded(const Pipeline& pipeline, const CodedInput& input, std::int64_t steps,
                             const ProgressSink& progress) {
  const auto start = std::chrono::steady_clock::now();
  SPIKELOOM_TRY(const auto session, pipeline.executable->open());
  if (steps < 0 || steps > std::numeric_limits<Time>::max() / session->step_time() - 1) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the run is longer than 64-bit nanoseconds can count",
                 .got = fmt::format("{} steps of {} ns", steps, session->step_time()),
                 .next = "give fewer --steps"};
  }
  RunOutcome outcome;
  outcome.steps = steps;
  Collector collector(pipeline, outcome);
  if (pipeline.port) SPIKELOOM_CHECK(push_input(*session, *pipeline.port, input, steps));
  for (std::int64_t done = 0; done < steps;) {
    if (interrupted()) return interrupted_error();
    done = std::min(steps, done + kStepsAtOnce);
    SPIKELOOM_CHECK(session->advance(done * session->step_time()));
    SPIKELOOM_CHECK(session->read(collector));
    if (progress && !progress(done, steps)) return interrupted_error();
  }
  outcome.outputs = output_results(pipeline.program(), collector.read_outs(), steps);
  outcome.stats = session->stats();
  outcome.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return outcome;
}

}  // namespace spikeloom::cli
