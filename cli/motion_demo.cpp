#include "cli/motion_demo.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "models/nir/nir_writer.hpp"
#include "sensors/recording_io.hpp"
#include "snn/input_coding.hpp"
#include "snn/lowering.hpp"

namespace spikeloom::cli {

int MotionRun::expected() const {
  const auto eighths = static_cast<int>(std::lround(scene.direction_degrees / 45.0));
  return ((eighths % 8) + 8) % 8;
}

std::size_t MotionRun::right() const {
  return static_cast<std::size_t>(std::count_if(
      decisions.begin(), decisions.end(),
      [&](const MotionDecision& decision) { return decision.direction == expected(); }));
}

Result<Pipeline> make_motion_pipeline(const RunFlags& flags) {
  LoadedModel model;
  SPIKELOOM_TRY(model.network, make_motion_network());
  model.report.file = "the motion network";
  model.report.format = "embedded";
  Value coding = Value::map();
  coding.set("coding", "count").set("origin", "zero");
  model.run_settings = Value::map();
  model.run_settings.set("discretisation", to_value(motion_discretisation()));
  model.run_settings.set("input_coding", std::move(coding));
  PipelineRequest request;
  request.flags = flags;
  request.record_all_spikes = true;
  return make_pipeline(model, request);
}

Result<MotionRun> run_motion(const Pipeline& pipeline, const MovingBarOptions& scene) {
  MotionRun run;
  run.scene = scene;
  SPIKELOOM_TRY(const Recording recording, moving_bar(scene));
  run.events = recording.events.size();
  const EventPacket& events = recording.events;
  SPIKELOOM_TRY(const CodedInput input,
                code_recording({events.time, events.x, events.y, events.polarity},
                               pipeline.input_shape(), kMotionStep, pipeline.coding));
  const std::int64_t steps = scene.duration / kMotionStep;
  SPIKELOOM_TRY(run.outcome, run_coded(pipeline, input, steps));
  MotionDecoder decoder;
  const RecordedEvents& output = run.outcome.events.front();
  for (std::size_t i = 0; i < output.step.size(); ++i) {
    decoder.add(output.step[i], {&output.index[i], 1}, {&output.value[i], 1});
  }
  run.decisions = decoder.decisions(steps);
  return run;
}

Result<std::vector<std::string>> write_motion_files(const MovingBarOptions& scene,
                                                    const std::string& folder) {
  const std::filesystem::path at(folder);
  constexpr std::array<const char*, 4> kNames = {"right", "up", "left", "down"};
  std::vector<std::string> files = {(at / "motion.nir").string()};
  SPIKELOOM_TRY(const Network network, make_motion_network());
  SPIKELOOM_CHECK(write_nir(network, files.back()));
  std::string labels = "# name label\n";
  for (std::size_t k = 0; k < kNames.size(); ++k) {
    MovingBarOptions one = scene;
    one.direction_degrees = 90.0 * static_cast<double>(k);
    one.duration = kMotionWindow;
    files.push_back((at / fmt::format("{}.bs2", kNames[k])).string());
    SPIKELOOM_TRY(const Recording recording, moving_bar(one));
    SPIKELOOM_CHECK(write_recording(recording, files.back()));
    labels += fmt::format("{} {}\n", kNames[k], 2 * k);
  }
  files.push_back((at / "directions.txt").string());
  SPIKELOOM_CHECK(io::write_file_atomic(files.back(), labels));
  return files;
}

const char* direction_arrow(int direction, bool ascii) {
  constexpr std::array<const char*, kMotionDirections> kArrows = {"→", "↗", "↑", "↖",
                                                                  "←", "↙", "↓", "↘"};
  constexpr std::array<const char*, kMotionDirections> kNames = {"E", "NE", "N", "NW",
                                                                 "W", "SW", "S", "SE"};
  const auto k = static_cast<std::size_t>(direction);
  return ascii ? kNames[k] : kArrows[k];
}

}  // namespace spikeloom::cli
