/// How fast the DVS pixel array takes frames, on one thread. Prints one JSON object a set of
/// parameters and scene: pixel updates a second (the best of `--repeat` turns) and events a pixel
/// and frame. Frames are rendered before.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "sensors/dvs.hpp"
#include "sensors/luminance_frames.hpp"

namespace {

using namespace spikeloom;

struct Timing {
  double seconds = 1e300;
  std::uint64_t events = 0;
};

/// Takes the frames once; false after an error, which is printed.
bool take(const std::vector<LuminanceFrame>& frames, std::uint32_t side, const DvsOptions& options,
          Timing& best) {
  auto array = DvsPixelArray::create(side, side, options);
  EventPacket events;
  if (!array.ok() || !array->step(frames[0].time, frames[0].pixels, events).ok()) return false;
  const auto start = std::chrono::steady_clock::now();
  std::uint64_t count = 0;
  for (std::size_t i = 1; i < frames.size(); ++i) {
    events = {};
    const auto stepped = array->step(frames[i].time, frames[i].pixels, events);
    if (!stepped.ok()) return fmt::print(stderr, "{}\n", stepped.error().message()), false;
    count += events.size();
  }
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  best.seconds = std::min(best.seconds, passed.count());
  best.events = count;
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Steps a DVS pixel array and says how fast.");
  std::uint32_t side = 512;
  int turns = 5;
  int count = 50;
  app.add_option("--side", side, "pixels a side (512)")->check(CLI::Range(1U, 8192U));
  app.add_option("--frames", count, "frames (50)")->check(CLI::Range(2, 10000));
  app.add_option("--repeat", turns, "turns, of which the best counts (5)");
  CLI11_PARSE(app, argc, argv);
  for (const std::string scene_name : {"still", "bar", "grating"}) {
    LuminanceScene scene;
    scene.kind = scene_name == "grating" ? SceneKind::kSinusoid : SceneKind::kBar;
    scene.width = scene.height = side;
    scene.speed = scene_name == "still" ? 0 : 500;
    scene.wavelength = 32;
    scene.duration = (count - 1) * kMillisecond;
    auto source = scene_frames(scene);
    if (!source.ok()) return 1;
    std::vector<LuminanceFrame> frames(scene.frames());
    for (LuminanceFrame& frame : frames) static_cast<void>((*source)->next(frame).ok());
    for (const std::string preset : {"ideal", "v2e", "noisy"}) {
      Timing best;
      for (int turn = 0; turn < turns; ++turn) {
        if (!take(frames, side, *dvs_preset(preset), best)) return 1;
      }
      const double updates = static_cast<double>(side) * side * static_cast<double>(count - 1);
      fmt::print(
          "{{\"scene\": \"{}\", \"preset\": \"{}\", \"updates_per_second\": {:.4g}, "
          "\"events_per_update\": {:.4g}}}\n",
          scene_name, preset, updates / best.seconds, static_cast<double>(best.events) / updates);
    }
  }
  return 0;
}
