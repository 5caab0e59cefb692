/// `spikeloom sensors gestures`: clips of simulated people, to train on and to look at.

#include <atomic>
#include <filesystem>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/npy.hpp"
#include "cli/commands/sensors_commands.hpp"
#include "cli/dvs_flags.hpp"
#include "cli/exit_codes.hpp"
#include "cli/gesture_demo.hpp"
#include "cli/interrupt.hpp"
#include "cli/number_check.hpp"
#include "cli/table.hpp"
#include "models/gesture/gesture_frames.hpp"
#include "models/gesture/gesture_scene.hpp"
#include "sensors/recording_io.hpp"

namespace spikeloom::cli {
namespace {

struct GesturesCommand {
  std::string out, gesture;
  std::uint64_t count = kGestures;
  double frame_rate = 200.0;
  DvsFlags pixel;
  CommonOptions common;
};

/// One clip of the set and where it goes.
struct Made {
  Gesture gesture = Gesture::kOther;
  std::uint64_t seed = 0, events = 0;
};

class ClipMaker {
 public:
  ClipMaker(const GesturesCommand& command, std::optional<Gesture> only)
      : command_(command), only_(only), as_frames_(command.out.ends_with(".npz")) {
    made_.resize(command.count);
    if (as_frames_) frames_.resize(command.count * kGestureFrames * kGestureFrameSize);
  }

  Status make(Console& console) {
    if (!as_frames_) {
      std::error_code error;
      std::filesystem::create_directories(command_.out, error);
      if (error) {
        return Error{.code = ErrorCode::kIo, .what = error.message(), .where = command_.out};
      }
    }
    std::atomic<std::uint64_t> next = 0;
    std::vector<Status> states(static_cast<std::size_t>(thread_count(command_.common)));
    const auto work = [&](Status& state) {
      for (std::uint64_t k = next++; k < command_.count && state.ok(); k = next++) {
        state = interrupted() ? Status(interrupted_error()) : make_one(k);
        if (&state == states.data()) {
          console.progress("clips", static_cast<std::int64_t>(k + 1),
                           static_cast<std::int64_t>(command_.count));
        }
      }
    };
    {
      std::vector<std::jthread> others;
      for (std::size_t t = 1; t < states.size(); ++t) {
        others.emplace_back([&work, &states, t] { work(states[t]); });
      }
      work(states.front());
    }
    console.end_progress();
    for (Status& state : states) SPIKELOOM_CHECK(std::move(state));
    return as_frames_ ? write_frames() : write_labels();
  }

  const std::vector<Made>& made() const { return made_; }

 private:
  Status make_one(std::uint64_t k) {
    GestureClip clip;
    clip.seed = command_.common.seed + k;
    clip.gesture = only_.value_or(static_cast<Gesture>(clip.seed % kGestures));
    clip.frame_rate = command_.frame_rate;
    clip.camera = gesture_camera(clip.seed);
    apply(command_.pixel, *clip.camera);
    SPIKELOOM_TRY(const Recording recording, gesture_clip(clip));
    made_[k] = {clip.gesture, clip.seed, recording.events.size()};
    if (!as_frames_) {
      SPIKELOOM_CHECK(write_recording(recording, path_of(made_[k])));
      return {};
    }
    constexpr std::size_t kSize = kGestureFrames * kGestureFrameSize;
    gesture_frames(recording.events, std::span(frames_).subspan(k * kSize, kSize));
    return {};
  }

  static std::string name_of(const Made& made) { return fmt::format("{}.bs2", made.seed); }
  std::string path_of(const Made& made) const {
    return (std::filesystem::path(command_.out) / name_of(made)).string();
  }

  Status write_frames() const {
    std::vector<std::uint8_t> labels;
    for (const Made& one : made_) labels.push_back(static_cast<std::uint8_t>(one.gesture));
    const auto clips = static_cast<std::int64_t>(command_.count);
    constexpr std::int64_t kSide = kGestureSide / kGesturePool;
    return io::write_npz(
        command_.out,
        {{"counts", Tensor::of<std::uint8_t>({clips, std::int64_t{kGestureFrames}, 2, kSide, kSide},
                                             frames_)},
         {"labels", Tensor::of<std::uint8_t>({clips}, labels)}});
  }

  Status write_labels() const {
    std::string text = "# name label\n";
    for (const Made& one : made_) {
      text += fmt::format("{} {}\n", name_of(one), static_cast<int>(one.gesture));
    }
    return io::write_file_atomic((std::filesystem::path(command_.out) / "labels.txt").string(),
                                 text);
  }

  const GesturesCommand& command_;
  std::optional<Gesture> only_;
  bool as_frames_;
  std::vector<Made> made_;
  std::vector<std::uint8_t> frames_;
};

Result<int> gestures(const GesturesCommand& command, Console& console) {
  std::optional<Gesture> only;
  if (!command.gesture.empty()) {
    only = find_gesture(command.gesture);
    if (!only) return no_such_gesture(command.gesture);
  }
  ClipMaker maker(command, only);
  SPIKELOOM_CHECK(maker.make(console));
  std::uint64_t events = 0;
  for (const Made& one : maker.made()) events += one.events;
  if (command.common.json) {
    Value value = Value::map();
    value.set("out", command.out).set("clips", command.count).set("events", events);
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  SPIKELOOM_CHECK(printed(console.print(fmt::format(
      "{}: {} clips, {} events\n", command.out, with_commas(command.count), with_commas(events)))));
  return kExitOk;
}

}  // namespace

void add_sensors_gestures(CLI::App& sensors, Chosen& chosen) {
  const auto command = std::make_shared<GesturesCommand>();
  CLI::App* sub =
      sensors.add_subcommand("gestures", "Clips of people who gesture, rendered and simulated");
  sub->add_option("-o,--out", command->out,
                  "folder for recordings and labels.txt, or an .npz of event frames")
      ->required();
  sub->add_option("--count", command->count, "clips; number k has seed + k, and gives its class")
      ->check(CLI::Range(1, 100000));
  sub->add_option("--gesture", command->gesture, "this class only: its name or number");
  sub->add_option("--frame-rate", command->frame_rate, "rendered frames a second")
      ->check(within(1.0, 1e5));
  add_dvs_flags(*sub, command->pixel);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return gestures(*command, console); };
  });
}

}  // namespace spikeloom::cli
