#pragma once
/// What `run` prints: JSON for programs, tables for people. docs/cli.md describes both.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/value.hpp"
#include "cli/pipeline.hpp"

namespace spikeloom::cli {

/// One finished recording.
struct RecordingResult {
  std::string name;
  std::optional<std::int64_t> label;
  RunOutcome outcome;
  std::vector<std::string> notes;  ///< of this recording

  std::optional<std::int64_t> prediction() const;
  /// Nothing without a label or a prediction.
  std::optional<bool> right() const;
};

/// Right answers by class: how often recordings with label r were taken for p.
struct Confusion {
  std::size_t classes = 0;
  std::vector<std::uint64_t> counts;  ///< (label, prediction), row-major
  std::uint64_t labelled = 0, right = 0;

  double accuracy() const;  ///< 0 without labels
};
/// Classes: as many as the first Output has elements, or more where a label says so.
Confusion confusion_of(const std::vector<RecordingResult>& results);

/// What belongs to the run as a whole.
struct RunContext {
  std::string model;
  const Pipeline* pipeline = nullptr;
  double wall_seconds = 0.0;
  bool with_records = false;  ///< recorded values go into the document too
};

/// The object of one recording: name, label, prediction, output_counts, scores, steps, wall_s,
/// backend, arithmetic, discretisation, input_coding, read_out, synaptic_operations, layers, notes,
/// and with `with_records` records: [{node, variable, step, index, value}] for events,
/// [{node, variable, values}] with one list per step for v and u.
Value recording_value(const RunContext& context, const RecordingResult& result);

/// One recording: its object. Several: {recordings, accuracy, confusion, ...}.
Value run_value(const RunContext& context, const std::vector<RecordingResult>& results);

/// The same for people.
std::string run_text(const RunContext& context, const std::vector<RecordingResult>& results);

/// Layers with their counts, and a line of totals.
std::string layer_table(const RunStats& stats);

}  // namespace spikeloom::cli
