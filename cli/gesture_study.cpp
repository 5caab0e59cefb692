#include "cli/gesture_study.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <functional>
#include <thread>

#include <fmt/format.h>

#include "cli/interrupt.hpp"
#include "cli/pipeline.hpp"
#include "models/gesture/gesture_scene.hpp"
#include "models/quantize/round_weights.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::array kMismatch = {0.0, 0.1, 0.2, 0.3, 0.4, 0.6};
constexpr std::array kNoise = {0.0, 1.0, 3.0, 10.0, 30.0, 100.0};
constexpr std::array kBandwidth = {300.0, 100.0, 30.0, 10.0, 3.0, 1.0};
constexpr std::array kBits = {8.0, 6.0, 5.0, 4.0, 3.0, 2.0};

/// What a point of a camera's curve does to the camera.
using Worsen = void (*)(DvsOptions&, double);

struct CameraCurve {
  const char *name, *unit, *meaning;
  std::span<const double> values;
  Worsen worsen;
};

const std::array<CameraCurve, 3> kCameraCurves = {
    {{"pixel mismatch", "of the threshold", "spread of thresholds over the pixels", kMismatch,
      [](DvsOptions& camera, double value) {
        camera.threshold_sigma = value * (camera.threshold_on + camera.threshold_off) / 2;
      }},
     {"noise", "Hz", "noise events a second of a dark pixel", kNoise,
      [](DvsOptions& camera, double value) { camera.shot_hz = value; }},
     {"bandwidth", "Hz", "cutoff of the photoreceptor at white", kBandwidth,
      [](DvsOptions& camera, double value) { camera.cutoff_hz = value; }}}};

Gesture class_of(std::uint64_t seed) { return static_cast<Gesture>(seed % kGestures); }

Result<EventPacket> clip_events(std::uint64_t seed, Worsen worsen, double value) {
  GestureClip clip;
  clip.gesture = class_of(seed);
  clip.seed = seed;
  clip.camera = gesture_camera(seed);
  if (worsen != nullptr) worsen(*clip.camera, value);
  SPIKELOOM_TRY(Recording recording, gesture_clip(clip));
  return std::move(recording.events);
}

/// Runs `work(k)` for k < count on several threads; the first error ends it.
Status share(std::uint64_t count, int threads, const std::function<Status(std::uint64_t)>& work) {
  std::atomic<std::uint64_t> next = 0;
  std::vector<Status> states(static_cast<std::size_t>(std::max(threads, 1)));
  const auto loop = [&](Status& state) {
    for (std::uint64_t k = next++; k < count && state.ok(); k = next++) {
      state = interrupted() ? Status(interrupted_error()) : work(k);
    }
  };
  {
    std::vector<std::jthread> others;
    for (std::size_t t = 1; t < states.size(); ++t) {
      others.emplace_back([&loop, &states, t] { loop(states[t]); });
    }
    loop(states.front());
  }
  for (Status& state : states) SPIKELOOM_CHECK(std::move(state));
  return {};
}

struct Study {
  const StudyOptions& options;
  std::uint64_t done = 0, total = 0;
  const ProgressSink& progress;

  Status step() {
    ++done;
    if (progress && !progress(static_cast<std::int64_t>(done), static_cast<std::int64_t>(total))) {
      return interrupted_error();
    }
    return {};
  }

  /// One point: `events(k)` of every clip through the pipeline.
  Result<StudyPoint> point(const Pipeline& pipeline, double value,
                           const std::function<Result<EventPacket>(std::uint64_t)>& events) const {
    std::atomic<std::uint64_t> right = 0, all = 0;
    SPIKELOOM_CHECK(share(options.clips, options.threads, [&](std::uint64_t k) -> Status {
      SPIKELOOM_TRY(const EventPacket packet, events(k));
      SPIKELOOM_TRY(const CodedInput input,
                    code_recording({packet.time, packet.x, packet.y, packet.polarity},
                                   pipeline.input_shape(), pipeline.step_time(), pipeline.coding));
      SPIKELOOM_TRY(const RunOutcome outcome, run_coded(pipeline, input, input.steps));
      const auto label = static_cast<std::int64_t>(class_of(options.seed + k));
      if (outcome.outputs.front().prediction == label) ++right;
      all += packet.size();
      return {};
    }));
    return StudyPoint{value, options.clips, right,
                      static_cast<double>(all) / static_cast<double>(options.clips)};
  }
};

Result<Pipeline> study_pipeline(const LoadedModel& model, const RunFlags& flags) {
  PipelineRequest request;
  request.flags = flags;
  SPIKELOOM_TRY(Pipeline pipeline, make_pipeline(model, request));
  const auto elements = element_count(pipeline.input_shape());
  constexpr std::int64_t kInputs = std::int64_t{2} * kGestureSide * kGestureSide;
  if (!pipeline.port || !elements.ok() || *elements != kInputs ||
      pipeline.program().outputs.empty()) {
    return Error{.code = ErrorCode::kShape,
                 .what = "this network does not look at a 128 x 128 event camera",
                 .where = model.report.file};
  }
  return pipeline;
}

}  // namespace

Result<std::vector<StudyCurve>> gesture_study(const LoadedModel& model, const StudyOptions& options,
                                              const ProgressSink& progress) {
  SPIKELOOM_TRY(const Pipeline pipeline, study_pipeline(model, options.run));
  Study study{options, 0, kMismatch.size() + kNoise.size() + kBandwidth.size() + kBits.size(),
              progress};
  std::vector<StudyCurve> curves;
  for (const CameraCurve& camera : kCameraCurves) {
    StudyCurve curve{camera.name, camera.unit, camera.meaning, {}};
    for (const double value : camera.values) {
      SPIKELOOM_TRY(const StudyPoint point, study.point(pipeline, value, [&](std::uint64_t k) {
        return clip_events(options.seed + k, camera.worsen, value);
      }));
      curve.points.push_back(point);
      SPIKELOOM_CHECK(study.step());
    }
    curves.push_back(std::move(curve));
  }
  std::vector<EventPacket> clips(options.clips);
  SPIKELOOM_CHECK(share(options.clips, options.threads, [&](std::uint64_t k) -> Status {
    SPIKELOOM_TRY(clips[k], clip_events(options.seed + k, nullptr, 0.0));
    return {};
  }));
  StudyCurve curve{"weights", "bits", "bits of a weight, a scale per output", {}};
  for (const double bits : kBits) {
    LoadedModel rounded = model;
    SPIKELOOM_TRY(rounded.network, round_weights(model.network, static_cast<int>(bits)));
    SPIKELOOM_TRY(const Pipeline coarse, study_pipeline(rounded, options.run));
    SPIKELOOM_TRY(const StudyPoint point, study.point(coarse, bits, [&](std::uint64_t k) {
      return Result<EventPacket>(clips[k]);
    }));
    curve.points.push_back(point);
    SPIKELOOM_CHECK(study.step());
  }
  curves.push_back(std::move(curve));
  return curves;
}

}  // namespace spikeloom::cli
