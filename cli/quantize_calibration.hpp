#pragma once
/// A float network and its quantised form on the same recordings: what quantising cost.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/pipeline.hpp"
#include "cli/sample.hpp"
#include "models/quantize/input_activity.hpp"

namespace spikeloom::cli {

/// Spike counts of a spiking node on both sides; the cosine is that of the counts per neuron and
/// recording, all recordings in a row.
struct NodeAgreement {
  std::string name, kind;
  double real_spikes = 0.0, integer_spikes = 0.0;
  double cosine() const;  ///< 1 when both are silent

  double dot = 0.0, real_square = 0.0, integer_square = 0.0;
};

/// Totals over the calibration recordings.
struct Calibration {
  std::int64_t recordings = 0, labelled = 0;
  std::int64_t same_prediction = 0, real_right = 0, integer_right = 0;
  double largest_input = 0.0;  ///< of an element in a step
  std::vector<NodeAgreement> nodes;
  std::uint64_t real_operations = 0, integer_operations = 0;
};

/// What is fed, and how.
struct CalibrationInput {
  std::vector<SampleRef> samples;
  InputFlags flags;
  std::uint64_t seed = 0;
  std::optional<std::int64_t> steps;
};

/// Reads and codes sample `number` for a pipeline.
Result<CodedInput> coded_sample(const Pipeline& pipeline, const CalibrationInput& input,
                                std::size_t number);

/// What the float network takes in over all samples.
struct InputSurvey {
  double largest = 0.0;      ///< value of an input element in a step
  ActivityProfile activity;  ///< of the weight nodes; empty unless asked for
};

/// Reads every sample and, for the activity, runs it on a pipeline that records the outputs of
/// `activity_nodes`.
Result<InputSurvey> survey_input(const Pipeline& pipeline, const CalibrationInput& input,
                                 bool with_activity, const ProgressSink& progress);

/// Flags that record what survey_input listens to.
std::vector<RecordFlag> activity_nodes(const Program& program);

/// Runs every sample on both; the pipelines record all spikes.
Result<Calibration> calibrate(const Pipeline& real, const Pipeline& integer,
                              const CalibrationInput& input, const ProgressSink& progress);

}  // namespace spikeloom::cli
