#include "cli/task_suite.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

#include <fmt/format.h>

#include "cli/motion_demo.hpp"

namespace spikeloom::cli {
namespace {

namespace fs = std::filesystem;

TaskOutcome absent(std::string why) {
  TaskOutcome outcome;
  outcome.why_not = std::move(why);
  return outcome;
}

/// The network is run as `run` would run it, so that its document can be read by `energy`.
Result<EnergySource> source_of(const Pipeline& pipeline, const std::string& name,
                               const std::vector<RecordingResult>& results) {
  RunContext context{name, &pipeline, 0.0, false};
  return energy_source_from(run_value(context, results), name);
}

/// Eight directions at 200 px/s, without and with 10 % noise: one decision per 200 ms.
Result<TaskOutcome> motion(const TaskOptions& options, Console& console) {
  constexpr std::array<double, 2> kNoise = {0.0, 0.1};
  constexpr auto kRuns = static_cast<std::int64_t>(kMotionDirections * kNoise.size());
  SPIKELOOM_TRY(const Pipeline pipeline, make_motion_pipeline({}));
  TaskOutcome outcome;
  std::vector<RecordingResult> results;
  std::size_t right = 0;
  std::size_t decisions = 0;
  double seconds = 0.0;
  for (const double noise : kNoise) {
    for (int k = 0; k < static_cast<int>(kMotionDirections); ++k) {
      MovingBarOptions scene;
      scene.direction_degrees = 45.0 * k;
      scene.noise_fraction = noise;
      scene.seed = options.common.seed;
      SPIKELOOM_TRY(MotionRun run, run_motion(pipeline, scene));
      right += run.right();
      decisions += run.decisions.size();
      seconds += run.outcome.wall_seconds;
      RecordingResult result;
      result.name = fmt::format("{} degrees{}", 45 * k, noise > 0.0 ? ", noise" : "");
      result.outcome = std::move(run.outcome);
      if (!outcome.recording) {
        outcome.recording = stored_recording(pipeline.program(), result.outcome, result.name);
      }
      result.outcome.events.clear();
      results.push_back(std::move(result));
      console.progress("motion", static_cast<std::int64_t>(results.size()), kRuns);
    }
  }
  console.end_progress();
  SPIKELOOM_TRY(outcome.source, source_of(pipeline, "motion, embedded", results));
  outcome.source.inferences = static_cast<double>(decisions);
  outcome.accuracy = static_cast<double>(right) / static_cast<double>(decisions);
  outcome.accuracy_of = fmt::format("of {} decisions", decisions);
  outcome.seconds_per_inference = seconds / static_cast<double>(decisions);
  return outcome;
}

/// N-MNIST digits with the NIR paper's convolutional network.
Result<TaskOutcome> digits(const TaskOptions& options, Console& console) {
  constexpr const char* kWanted = "cnn_sinabs.nir and nmnist_test100/ (recordings, test100.txt)";
  if (options.data.empty()) return absent(fmt::format("give --data DIR with {}", kWanted));
  const fs::path folder(options.data);
  const fs::path recordings = folder / "nmnist_test100";
  std::error_code error;
  if (!fs::exists(folder / "cnn_sinabs.nir", error) || !fs::is_directory(recordings, error)) {
    return absent(fmt::format("{} lacks {}", options.data, kWanted));
  }
  RunJob job;
  job.model = (folder / "cnn_sinabs.nir").string();
  job.common = options.common;
  job.run.discretisation = {{"dt", "1e-3"}};
  for (const auto& entry : fs::directory_iterator(recordings, error)) {
    if (entry.path().extension() == ".bs2") job.input.files.push_back(entry.path().string());
  }
  std::sort(job.input.files.begin(), job.input.files.end());
  job.input.labels = (recordings / "test100.txt").string();
  job.record_all_spikes = true;
  SPIKELOOM_TRY(const RunBatch batch, prepare_batch(job));
  TaskOutcome outcome;
  double seconds = 0.0;
  const auto keep = [&](RecordingResult& result) -> Status {
    seconds += result.outcome.wall_seconds;
    if (!outcome.recording) {
      outcome.recording = stored_recording(batch.pipeline.program(), result.outcome, result.name);
    }
    result.outcome.events.clear();
    return {};
  };
  SPIKELOOM_TRY(const auto results, run_batch(job, batch, console, keep));
  SPIKELOOM_TRY(outcome.source, source_of(batch.pipeline, "N-MNIST digits, cnn_sinabs", results));
  const Confusion confusion = confusion_of(results);
  outcome.accuracy = confusion.accuracy();
  outcome.accuracy_of = fmt::format("of {} recordings", confusion.labelled);
  outcome.seconds_per_inference = seconds / static_cast<double>(results.size());
  return outcome;
}

Result<TaskOutcome> not_in_this_version(const TaskOptions&, Console&) {
  return absent("this version has no network for it");
}

}  // namespace

const std::vector<Task>& task_suite() {
  static const std::vector<Task> tasks = {{"motion", motion},
                                          {"digits", digits},
                                          {"gesture", not_in_this_version},
                                          {"language", not_in_this_version},
                                          {"vision", not_in_this_version}};
  return tasks;
}

StoredRecording stored_recording(const Program& program, const RunOutcome& outcome,
                                 const std::string& name) {
  StoredRecording stored;
  stored.name = name;
  stored.steps = outcome.steps;
  stored.step_seconds = to_seconds(program.discretisation.step_time());
  for (const RecordedEvents& events : outcome.events) {
    StoredEvents one;
    one.node = program.nodes[events.node].name;
    one.variable = to_string(events.variable);
    one.neurons = program.nodes[events.node].out_size;
    one.step = events.step;
    one.index.assign(events.index.begin(), events.index.end());
    stored.events.push_back(std::move(one));
  }
  return stored;
}

}  // namespace spikeloom::cli
