#pragma once
/// The task suite of `bench`: whole tasks, each with accuracy, latency, counts and energy.
///
/// A task is a function that runs it; one that cannot run here says why, and one without its data
/// runs on what is built in. A new task is one function and one line in task_suite.cpp.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/chip_figure.hpp"
#include "cli/energy_source.hpp"
#include "cli/run_directory.hpp"
#include "energy/comparison.hpp"
#include "energy/inference_counts.hpp"

namespace spikeloom::cli {

struct TaskOptions {
  /// Folders with networks and recordings that are not built in; docs/cli.md says which files.
  std::vector<std::string> data;
  CommonOptions common;
};

/// What a task did; `why_not` alone when it is not here.
struct TaskOutcome {
  std::string why_not;
  EnergySource source;
  std::optional<double> accuracy;
  std::optional<double> perplexity;    ///< of language tasks, per token
  std::string quality_of;              ///< what these are over: "of 64 decisions"
  std::string note;                    ///< what else has to be said beside the figures
  double seconds_per_inference = 0.0;  ///< wall time of the computation
  std::optional<StoredRecording> recording;
  std::optional<ChipFigure> chip;  ///< of a part of the same inferences
};

struct Task {
  std::string name;
  std::function<Result<TaskOutcome>(const TaskOptions&, Console&)> run;
};

/// motion, digits, gesture, language, wikitext, vision; in this order.
const std::vector<Task>& task_suite();

/// The recorded spikes of a run, as a run folder would give them back.
StoredRecording stored_recording(const Program& program, const RunOutcome& outcome,
                                 const std::string& name);

}  // namespace spikeloom::cli
