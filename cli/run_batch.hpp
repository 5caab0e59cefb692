#pragma once
/// Many recordings through one network: what `run`, `energy`, `report` and `bench` have in common.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/common_options.hpp"
#include "cli/console.hpp"
#include "cli/network_file.hpp"
#include "cli/pipeline.hpp"
#include "cli/run_flags.hpp"
#include "cli/run_report.hpp"
#include "cli/sample.hpp"

namespace spikeloom::cli {

struct RunJob {
  std::string model;
  ModelFlags model_flags;
  RunFlags run;
  InputFlags input;
  std::vector<std::string> record;
  bool record_all_spikes = false;
  CommonOptions common;
};

/// What to run, once the model is known.
struct RunBatch {
  Pipeline pipeline;
  std::vector<SampleRef> samples;  ///< empty: one run without input
  std::optional<std::int64_t> asked_steps;
};

Result<RunBatch> prepare_batch(const RunJob& job);

/// Gets every result in the order of the samples, and may empty what it no longer needs.
using ResultHandler = std::function<Status(RecordingResult&)>;

Result<std::vector<RecordingResult>> run_batch(const RunJob& job, const RunBatch& batch,
                                               Console& console, const ResultHandler& handler);

/// Counts and seconds of all results.
RunStats total_stats(const std::vector<RecordingResult>& results);

}  // namespace spikeloom::cli
