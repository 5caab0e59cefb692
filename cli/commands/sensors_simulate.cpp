/// `spikeloom sensors simulate`: what a DVS would say about a scene or a sequence of images.

#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/sensors_commands.hpp"
#include "cli/dvs_flags.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/number_check.hpp"
#include "cli/table.hpp"
#include "sensors/dvs.hpp"
#include "sensors/luminance_frames.hpp"
#include "sensors/recording_io.hpp"

namespace spikeloom::cli {
namespace {

struct SimulateCommand {
  std::vector<std::string> inputs;
  std::string out, to;
  std::optional<double> frame_rate;
  std::string preset = "v2e";
  DvsFlags pixel;
  CommonOptions common;
};

Result<DvsOptions> dvs_options(const SimulateCommand& command) {
  SPIKELOOM_TRY(DvsOptions options, dvs_preset(command.preset));
  apply(command.pixel, options);
  options.seed = command.common.seed;
  options.threads = static_cast<unsigned>(thread_count(command.common));
  return options;
}

Result<std::unique_ptr<LuminanceFrames>> open_frames(const SimulateCommand& command) {
  const std::string& first = command.inputs.front();
  if (first.ends_with(".toml")) {
    if (command.inputs.size() > 1) return Error{.what = "one scene at a time", .where = first};
    SPIKELOOM_TRY(const std::string text, io::read_text_file(first));
    SPIKELOOM_TRY(LuminanceScene scene, parse_luminance_scene(text, first));
    scene.frame_rate = command.frame_rate.value_or(scene.frame_rate);
    return scene_frames(scene);
  }
  if (!command.frame_rate) {
    return Error{.what = "images do not say when they were taken",
                 .where = first,
                 .next = "give --frame-rate, in Hz"};
  }
  SPIKELOOM_TRY(auto paths, image_paths(command.inputs));
  return image_frames(std::move(paths), *command.frame_rate);
}

Value to_value(const SimulateCommand& command, const LuminanceFrames& frames,
               const DvsCounts& counts, double seconds) {
  Value value = Value::map();
  value.set("out", command.out).set("width", frames.width()).set("height", frames.height());
  value.set("frames", counts.frames).set("seconds", seconds);
  value.set("events", counts.on + counts.off).set("on", counts.on).set("off", counts.off);
  value.set("shot_on", counts.shot_on).set("shot_off", counts.shot_off);
  value.set("dropped_refractory", counts.refractory);
  value.set("largest_filter_step", counts.largest_filter_step);
  return value;
}

std::string in_words(const SimulateCommand& command, const LuminanceFrames& frames,
                     const DvsCounts& counts, double seconds) {
  const std::uint64_t events = counts.on + counts.off;
  const double pixels = static_cast<double>(frames.width()) * frames.height();
  std::string text = fmt::format("{}: {} events of {}x{} pixels in {}, from {} frames\n",
                                 command.out, with_commas(events), frames.width(), frames.height(),
                                 seconds_text(seconds), with_commas(counts.frames));
  if (events > 0 && seconds > 0) {
    text +=
        fmt::format("ON {:.1f} %, {:.3g} events/s a pixel; shot noise {}, dropped {}\n",
                    100.0 * static_cast<double>(counts.on) / static_cast<double>(events),
                    static_cast<double>(events) / seconds / pixels,
                    with_commas(counts.shot_on + counts.shot_off), with_commas(counts.refractory));
  }
  return text;
}

Result<int> simulate(const SimulateCommand& command, Console& console) {
  SPIKELOOM_TRY(const DvsOptions options, dvs_options(command));
  SPIKELOOM_TRY(const auto frames, open_frames(command));
  SPIKELOOM_TRY(auto array, DvsPixelArray::create(frames->width(), frames->height(), options));
  SPIKELOOM_TRY(auto writer, RecordingWriter::create(command.out, command.to,
                                                     {frames->width(), frames->height()}));
  LuminanceFrame frame;
  EventPacket events;
  while (true) {
    if (interrupted()) return interrupted_error();
    SPIKELOOM_TRY(const bool more, frames->next(frame));
    if (!more) break;
    events = {};
    SPIKELOOM_CHECK(array.step(frame.time, frame.pixels, events));
    if (!events.empty()) SPIKELOOM_CHECK(writer.write(events));
    console.progress("frames", static_cast<std::int64_t>(array.counts().frames),
                     static_cast<std::int64_t>(frames->count()));
  }
  console.end_progress();
  SPIKELOOM_TRY(const auto losses, writer.commit());
  for (const std::string& loss : losses) console.warn("not kept: " + loss);
  const DvsCounts& counts = array.counts();
  if (counts.largest_filter_step > 0.3) {
    console.warn(
        fmt::format("the frames are far apart for a cutoff of {} Hz (a filter step of "
                    "{:.2f}, over 0.3): give more frames a second",
                    options.cutoff_hz, counts.largest_filter_step));
  }
  const double seconds = to_seconds(frame.time);
  if (command.common.json) {
    SPIKELOOM_CHECK(printed(console.print_json(to_value(command, *frames, counts, seconds))));
  } else {
    SPIKELOOM_CHECK(printed(console.print(in_words(command, *frames, counts, seconds))));
  }
  return kExitOk;
}

}  // namespace

void add_sensors_simulate(CLI::App& sensors, Chosen& chosen) {
  const auto command = std::make_shared<SimulateCommand>();
  CLI::App* sub =
      sensors.add_subcommand("simulate", "Events that a DVS makes of a scene or of images");
  sub->add_option("INPUT", command->inputs, "a scene (.toml), or images and folders of them")
      ->required();
  sub->add_option("-o,--out", command->out, "recording to write")->required();
  sub->add_option("--to", command->to, "format of the recording, whatever its ending");
  sub->add_option("--frame-rate", command->frame_rate, "frames a second")->check(positive);
  sub->add_option("--preset", command->preset, "v2e (default), clean, noisy or ideal")
      ->check(CLI::IsMember({"v2e", "clean", "noisy", "ideal"}))
      ->group("Pixel");
  add_dvs_flags(*sub, command->pixel);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return simulate(*command, console); };
  });
}

}  // namespace spikeloom::cli
