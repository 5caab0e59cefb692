/// `spikeloom plot events`: what a sensor saw in a stretch of time, in the terminal or as PNG.

#include <algorithm>
#include <limits>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/event_flags.hpp"
#include "cli/event_frame.hpp"
#include "cli/exit_codes.hpp"
#include "cli/number_check.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "sensors/recording_io.hpp"

namespace spikeloom::cli {
namespace {

struct EventsCommand {
  std::string file, out;
  double from_ms = -1.0;
  double length_ms = 33.0;
  int width = 0;
  std::uint32_t scale = 0;
  bool ascii = false;
  EventFlags events;
  CommonOptions common;
};

constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 26;

/// What has to be known before a frame can be drawn.
struct Extent {
  Time first = std::numeric_limits<Time>::max();
  Time last = std::numeric_limits<Time>::min();
  std::uint32_t width = 0, height = 0;
};

Result<Extent> measure(const EventsCommand& command, const ReadOptions& options) {
  SPIKELOOM_TRY(auto stream, RecordingStream::open(command.file, options));
  Extent extent;
  for (EventPacket packet;;) {
    SPIKELOOM_TRY(const bool more, stream.next(packet));
    if (!more) break;
    const auto [first, last] = std::minmax_element(packet.time.begin(), packet.time.end());
    extent.first = std::min(extent.first, *first);
    extent.last = std::max(extent.last, *last);
    for (const std::uint16_t x : packet.x) extent.width = std::max(extent.width, x + 1U);
    for (const std::uint16_t y : packet.y) extent.height = std::max(extent.height, y + 1U);
  }
  const StreamFacts& facts = stream.report().facts;
  if (facts.width != 0) {
    extent.width = facts.width;
    extent.height = facts.height;
  }
  if (extent.first > extent.last) {
    return Error{
        .code = ErrorCode::kFormat, .what = "the recording holds no events", .where = command.file};
  }
  if (std::uint64_t{extent.width} * extent.height > kMostPixels) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the sensor is too large to draw",
                 .where = command.file,
                 .expected = fmt::format("at most {} pixels", kMostPixels),
                 .got = fmt::format("{}x{}", extent.width, extent.height)};
  }
  return extent;
}

Result<int> plot_events(const EventsCommand& command, Console& console) {
  SPIKELOOM_TRY(const ReadOptions options, read_options(command.events));
  SPIKELOOM_TRY(const Extent extent, measure(command, options));
  const auto nanoseconds = [](double ms) { return static_cast<Time>(ms * kMillisecond); };
  const Time length = std::max<Time>(1, nanoseconds(command.length_ms));
  const Time middle = extent.first + (extent.last - extent.first) / 2;
  const Time begin = command.from_ms >= 0 ? extent.first + nanoseconds(command.from_ms)
                                          : std::max(extent.first, middle - length / 2);
  EventFrame frame(extent.width, extent.height);
  SPIKELOOM_TRY(auto stream, RecordingStream::open(command.file, options));
  for (EventPacket packet;;) {
    SPIKELOOM_TRY(const bool more, stream.next(packet));
    if (!more) break;
    frame.add(packet, begin, begin + length);
  }
  const double from_ms = to_seconds(begin - extent.first) * 1e3;
  if (!command.out.empty()) {
    const std::uint32_t scale =
        command.scale != 0 ? command.scale : std::max(1U, 640U / frame.width());
    SPIKELOOM_CHECK(io::write_png(frame.picture(scale), command.out));
  }
  if (command.common.json) {
    Value value = Value::map();
    value.set("file", command.file).set("from_ms", from_ms).set("length_ms", command.length_ms);
    value.set("width", frame.width()).set("height", frame.height());
    value.set("events", frame.events()).set("picture", command.out);
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  std::string text;
  if (command.out.empty()) {
    const int columns = command.width > 0 ? command.width : std::min(terminal_width(), 160);
    text = frame.text(columns, command.ascii || !terminal_speaks_utf8());
  }
  text += fmt::format("{}{}: {} events in {} ms from {} ms after the first, {} x {}\n",
                      command.out.empty() ? "" : command.out + ": ", command.file,
                      with_commas(frame.events()), number_text(command.length_ms),
                      number_text(from_ms), frame.width(), frame.height());
  SPIKELOOM_CHECK(printed(console.print(text)));
  return kExitOk;
}

}  // namespace

void add_plot_events(CLI::App& plot, Chosen& chosen) {
  const auto command = std::make_shared<EventsCommand>();
  CLI::App* sub = plot.add_subcommand("events", "A frame of a recording");
  sub->add_option("FILE", command->file, "the recording")->required();
  sub->add_option("-o,--out", command->out, "write a PNG instead of drawing here");
  sub->add_option("--from", command->from_ms, "ms after the first event (the middle)")
      ->check(not_negative);
  sub->add_option("--length", command->length_ms, "ms of events in the frame (33)")
      ->check(positive);
  sub->add_option("--width", command->width, "columns (as wide as the terminal)")
      ->check(CLI::Range(4, 1000));
  sub->add_option("--scale", command->scale, "pixels of the PNG for one of the sensor")
      ->check(CLI::Range(1, 16));
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  add_event_flags(*sub, command->events);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return plot_events(*command, console); };
  });
}

}  // namespace spikeloom::cli
