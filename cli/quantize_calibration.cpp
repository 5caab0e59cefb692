#include "cli/quantize_calibration.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom::cli {
namespace {

/// Spikes of each neuron of a recorded node.
std::vector<double> counts_of(const RunOutcome& outcome, std::uint32_t node, std::size_t neurons) {
  std::vector<double> counts(neurons, 0.0);
  const RecordedEvents* events = outcome.find_events(node);
  if (events == nullptr) return counts;
  for (std::size_t i = 0; i < events->index.size(); ++i) {
    counts[events->index[i]] += events->value[i];
  }
  return counts;
}

bool spikes(const ProgramNode& node) {
  const auto* neuron = std::get_if<op::Neuron>(&node.operation);
  return neuron != nullptr ? neuron->coefficients.spiking
                           : std::holds_alternative<op::Threshold>(node.operation);
}

void add_counts(NodeAgreement& node, const std::vector<double>& real,
                const std::vector<double>& integer, double amplitude) {
  for (std::size_t i = 0; i < real.size(); ++i) {
    const double left = real[i] / amplitude;
    node.real_spikes += left;
    node.integer_spikes += integer[i];
    node.dot += left * integer[i];
    node.real_square += left * left;
    node.integer_square += integer[i] * integer[i];
  }
}

}  // namespace

double NodeAgreement::cosine() const {
  if (real_square == 0.0 && integer_square == 0.0) return 1.0;
  const double norm = std::sqrt(real_square * integer_square);
  return norm > 0.0 ? dot / norm : 0.0;
}

Result<CodedInput> coded_sample(const Pipeline& pipeline, const CalibrationInput& input,
                                std::size_t number) {
  CodingContext context;
  context.shape = pipeline.input_shape();
  context.step = pipeline.step_time();
  context.coding = pipeline.coding;
  context.steps = input.steps;
  context.seed = input.seed + number;
  SPIKELOOM_TRY(CodedSample coded, code_sample(input.samples[number], input.flags, context));
  return std::move(coded.input);
}

std::vector<RecordFlag> activity_nodes(const Program& program) {
  std::vector<RecordFlag> flags;
  const InputActivityMeter meter(program);
  for (const std::uint32_t n : meter.nodes()) {
    flags.push_back({program.nodes[n].name, Variable::kOutput});
  }
  return flags;
}

Result<InputSurvey> survey_input(const Pipeline& pipeline, const CalibrationInput& input,
                                 bool with_activity, const ProgressSink& progress) {
  InputSurvey survey;
  InputActivityMeter meter(pipeline.program());
  const auto total = static_cast<std::int64_t>(input.samples.size());
  for (std::int64_t number = 0; number < total; ++number) {
    SPIKELOOM_TRY(const CodedInput coded,
                  coded_sample(pipeline, input, static_cast<std::size_t>(number)));
    for (const double value : coded.value) {
      survey.largest = std::max(survey.largest, std::abs(value));
    }
    if (!with_activity) continue;
    const std::int64_t steps = input.steps.value_or(coded.steps);
    SPIKELOOM_TRY(const RunOutcome outcome, run_coded(pipeline, coded, steps));
    for (const std::uint32_t n : meter.nodes()) {
      const RecordedEvents* events = outcome.find_events(n);
      if (events == nullptr) continue;
      for (std::size_t i = 0; i < events->index.size(); ++i) {
        meter.add(n, events->step[i], {&events->index[i], 1}, {&events->value[i], 1});
      }
    }
    meter.end_recording(steps);
    if (progress && !progress(number + 1, total)) {
      return Error{.code = ErrorCode::kCancelled, .what = "stopped on request"};
    }
  }
  survey.activity = meter.activity();
  return survey;
}

Result<Calibration> calibrate(const Pipeline& real, const Pipeline& integer,
                              const CalibrationInput& input, const ProgressSink& progress) {
  Calibration sum;
  const Program& program = real.program();
  std::vector<std::uint32_t> nodes;
  for (std::uint32_t n = 0; n < program.nodes.size(); ++n) {
    if (!spikes(program.nodes[n])) continue;
    nodes.push_back(n);
    sum.nodes.push_back({.name = program.nodes[n].name, .kind = program.nodes[n].kind});
  }
  const auto total = static_cast<std::int64_t>(input.samples.size());
  for (std::int64_t number = 0; number < total; ++number) {
    const auto at = static_cast<std::size_t>(number);
    SPIKELOOM_TRY(const CodedInput coded, coded_sample(real, input, at));
    const std::int64_t steps = input.steps.value_or(coded.steps);
    SPIKELOOM_TRY(const RunOutcome left, run_coded(real, coded, steps));
    auto right = run_coded(integer, coded, steps);
    if (!right.ok()) return std::move(right).error().in(input.samples[at].name);
    for (const double value : coded.value) {
      sum.largest_input = std::max(sum.largest_input, std::abs(value));
    }
    for (std::size_t k = 0; k < nodes.size(); ++k) {
      const auto neurons = static_cast<std::size_t>(program.nodes[nodes[k]].out_size);
      // Both programs have the same nodes in the same order: the graph is the same.
      add_counts(sum.nodes[k], counts_of(left, nodes[k], neurons),
                 counts_of(*right, nodes[k], neurons), real.discretisation().spike_amplitude());
    }
    ++sum.recordings;
    sum.real_operations += left.stats.synaptic_operations();
    sum.integer_operations += right->stats.synaptic_operations();
    if (!left.outputs.empty() && left.outputs[0].prediction) {
      const auto expected = left.outputs[0].prediction;
      const auto found = right->outputs[0].prediction;
      sum.same_prediction += expected == found ? 1 : 0;
      if (const auto label = input.samples[at].label) {
        ++sum.labelled;
        sum.real_right += *expected == *label ? 1 : 0;
        sum.integer_right += found == label ? 1 : 0;
      }
    }
    if (progress && !progress(number + 1, total)) {
      return Error{.code = ErrorCode::kCancelled, .what = "stopped on request"};
    }
  }
  return sum;
}

}  // namespace spikeloom::cli
