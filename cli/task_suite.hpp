#pragma once
/// The task suite of `bench`: whole tasks, each with accuracy, latency, counts and energy.
///
/// A task is a function that runs it; one that cannot run here says why. A new task is one function
/// and one line in task_suite.cpp.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "cli/energy_source.hpp"
#include "cli/run_directory.hpp"
#include "energy/comparison.hpp"
#include "energy/inference_counts.hpp"

namespace spikeloom::cli {

struct TaskOptions {
  std::string data;  ///< folder with networks and recordings that are not built in
  CommonOptions common;
};

/// What a task did; `why_not` alone when it is not here.
struct TaskOutcome {
  std::string why_not;
  EnergySource source;
  std::optional<double> accuracy;
  std::string accuracy_of;             ///< "of 64 directions"
  double seconds_per_inference = 0.0;  ///< wall time of the computation
  std::optional<StoredRecording> recording;
};

struct Task {
  std::string name;
  std::function<Result<TaskOutcome>(const TaskOptions&, Console&)> run;
};

/// motion, digits, gesture, language, vision; in this order.
const std::vector<Task>& task_suite();

/// The recorded spikes of a run, as a run folder would give them back.
StoredRecording stored_recording(const Program& program, const RunOutcome& outcome,
                                 const std::string& name);

}  // namespace spikeloom::cli
