#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include <fmt/format.h>

#include "cli/event_picture.hpp"
#include "cli/gesture_demo.hpp"
#include "cli/raster.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace spikeloom::cli {
namespace {

constexpr Time kMoment = 50 * kMillisecond;  ///< of a picture
constexpr Time kMostMoments = 1000;          ///< that are looked at for one
constexpr std::size_t kRows = 8;             ///< of the table of decisions
constexpr double kFramePixelBits = 8;        ///< of a grey frame, for comparison

/// Where, in [begin, end), the moment with most events starts: one where something can be seen.
Time busiest_moment(const EventPacket& events, Time begin, Time end) {
  const Time last = std::max(end - kMoment, begin);
  const Time stride = std::max(kMoment / 5, (last - begin) / kMostMoments);
  std::vector<std::uint64_t> counts(static_cast<std::size_t>((last - begin) / stride) + 1, 0);
  for (const Time time : events.time) {
    if (time < begin || time >= end) continue;
    const auto latest = std::min<Time>((time - begin) / stride, std::ssize(counts) - 1);
    for (Time k = latest; k >= 0 && begin + k * stride + kMoment > time; --k) {
      ++counts[static_cast<std::size_t>(k)];
    }
  }
  return begin + stride * (std::max_element(counts.begin(), counts.end()) - counts.begin());
}

/// Pictures of the busiest moments of equal parts, side by side, with their times below.
std::string pictures_text(const GestureRun& run, bool ascii) {
  PictureOptions options;
  options.ascii = ascii;
  const int count = std::clamp((terminal_width() + 2) / (options.columns + 2), 1, 4);
  const Time length = run.outcome.steps * run.pipeline.step_time();
  std::vector<std::string> lines(static_cast<std::size_t>(options.rows));
  std::string times;
  for (int k = 0; k < count; ++k) {
    const Time begin = busiest_moment(run.events, length * k / count, length * (k + 1) / count);
    const auto picture =
        draw_events(run.events, begin, begin + kMoment, run.width, run.height, options);
    for (std::size_t row = 0; row < lines.size(); ++row) {
      lines[row] += (k == 0 ? "" : "  ") + picture[row];
    }
    times += fmt::format(
        "{}{:<{}}", k == 0 ? "" : "  ",
        fmt::format("{:.2f} .. {:.2f} s", to_seconds(begin), to_seconds(begin + kMoment)),
        options.columns);
  }
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text + times + "\n";
}

std::string raster_text(const GestureRun& run, bool ascii) {
  const Program& program = run.pipeline.program();
  const std::uint32_t output = program.outputs.front();
  const std::uint32_t node = run.graded && run.population ? *run.population : output;
  const RecordedEvents* events = run.outcome.find_events(node);
  if (events == nullptr) return {};
  const auto neurons = static_cast<std::int64_t>(program.nodes[node].out_size);
  const std::vector<std::int64_t> index(events->index.begin(), events->index.end());
  RasterOptions options;
  options.ascii = ascii;
  options.width = std::clamp(terminal_width() - 24, 20, 100);
  options.step_seconds = to_seconds(run.pipeline.step_time());
  if (node == output && run.classes() <= 32) {
    for (std::size_t k = 0; k < run.classes(); ++k) {
      options.names.push_back(gesture_class(k, run.classes()));
    }
  }
  const double activity =
      static_cast<double>(events->step.size()) /
      static_cast<double>(std::max<std::int64_t>(neurons * run.outcome.steps, 1));
  return fmt::format("spikes of {}, {} neurons: {:.1f} % of them in a step\n",
                     node == output ? "the output" : "the layer '" + program.nodes[node].name + "'",
                     neurons, 100.0 * activity) +
         draw_raster(events->step, index, neurons, run.outcome.steps, options);
}

/// One row a class, time to the right: the darker, the larger its share so far.
std::string evidence_text(const GestureRun& run, bool ascii) {
  constexpr std::array<const char*, 5> kShades = {" ", "░", "▒", "▓", "█"};
  constexpr std::array<const char*, 5> kLetters = {" ", ".", ":", "+", "#"};
  const auto& shades = ascii ? kLetters : kShades;
  std::vector<std::vector<double>> shares;
  for (std::size_t part = 0; part < run.scores.size(); ++part) shares.push_back(run.shares(part));
  std::string text;
  for (std::size_t k = 0; k < run.classes(); ++k) {
    text += fmt::format("{:>20} |", gesture_class(k, run.classes()));
    for (const auto& share : shares) {
      const auto shade = static_cast<std::size_t>(std::lround(4 * std::clamp(share[k], 0.0, 1.0)));
      text += fmt::format("{}{}", shades[shade], shades[shade]);
    }
    text += fmt::format("| {:5.1f} %\n", 100.0 * shares.back()[k]);
  }
  return text;
}

std::string decisions_text(const GestureRun& run) {
  Table table({"until", "decision", "share", "second", "share"}, 2);
  const std::size_t parts = run.scores.size();
  for (std::size_t row = 1; row <= kRows; ++row) {
    const std::size_t part = parts * row / kRows - 1;
    std::vector<double> shares = run.shares(part);
    std::vector<std::string> cells = {
        fmt::format("{:.2f} s", to_seconds(run.part_end[part] * run.pipeline.step_time()))};
    for (int place = 0; place < 2 && place < static_cast<int>(run.classes()); ++place) {
      const auto best = std::max_element(shares.begin(), shares.end());
      const bool silent = *best <= 0.0;
      cells.push_back(
          silent ? "-"
                 : gesture_class(static_cast<std::size_t>(best - shares.begin()), run.classes()));
      cells.push_back(silent ? "-" : fmt::format("{:.0f} %", 100.0 * *best));
      *best = -1.0;
    }
    cells.resize(5);
    table.row(std::move(cells));
  }
  return table.text();
}

/// Bytes that leave the camera, in three codings.
struct CameraBytes {
  double addresses, bitmaps, frames;
};

CameraBytes camera_bytes(const GestureRun& run) {
  const double pixels = static_cast<double>(run.width) * run.height;
  const double address = std::ceil(std::log2(2.0 * pixels));  // pixel and polarity
  const auto steps = static_cast<double>(run.outcome.steps);
  return {static_cast<double>(run.events.size()) * address / 8, steps * 2 * pixels / 8,
          steps * pixels * kFramePixelBits / 8};
}

std::string cost_text(const GestureRun& run) {
  const RunStats& stats = run.outcome.stats;
  const double seconds = to_seconds(run.outcome.steps * run.pipeline.step_time());
  const CameraBytes bytes = camera_bytes(run);
  const auto operations = stats.synaptic_operations();
  const auto dense = stats.total(&NodeStats::dense_macs);
  return fmt::format(
      "{} synaptic operations against {} of the same layers dense: {:.3g} %\n"
      "the camera sends {:.0f} kB of addresses; a bitmap a step would be {:.0f} kB, grey frames "
      "{:.0f} kB\n{} on {} ({}), {:.1f} times as fast as the recording\n",
      with_commas(operations), with_commas(dense),
      dense > 0 ? 100.0 * static_cast<double>(operations) / static_cast<double>(dense) : 0.0,
      bytes.addresses / 1e3, bytes.bitmaps / 1e3, bytes.frames / 1e3,
      seconds_text(run.outcome.wall_seconds), stats.backend, stats.arithmetic,
      run.outcome.wall_seconds > 0.0 ? seconds / run.outcome.wall_seconds : 0.0);
}

}  // namespace

std::string gesture_text(const GestureRun& run, bool ascii) {
  const double seconds = to_seconds(run.outcome.steps * run.pipeline.step_time());
  std::string text = fmt::format("{}: {} events of a {} x {} camera in {:.2f} s\n\n", run.name,
                                 with_commas(run.events.size()), run.width, run.height, seconds);
  text += pictures_text(run, ascii);
  text += "\n" + raster_text(run, ascii);
  if (run.graded) text += "\nshare of every gesture as time goes on\n" + evidence_text(run, ascii);
  text += "\nthe decision as it grows\n" + decisions_text(run);
  const auto said = run.prediction();
  text += fmt::format("\ndecision: {}", said ? gesture_class(*said, run.classes()) : "none");
  if (run.truth && run.classes() == kGestures) {
    const bool right = said == static_cast<std::size_t>(*run.truth);
    text += right ? ", which is right" : fmt::format("; it was {}", gesture_name(*run.truth));
  }
  return text + "\n" + cost_text(run);
}

Value gesture_value(const GestureRun& run) {
  const OutputResult& output = run.outcome.outputs.front();
  Value value = Value::map();
  value.set("name", run.name).set("events", run.events.size()).set("steps", run.outcome.steps);
  const auto said = run.prediction();
  value.set("prediction", said ? Value(static_cast<std::uint64_t>(*said)) : Value());
  value.set("gesture", said ? Value(gesture_class(*said, run.classes())) : Value());
  if (run.truth) value.set("truth", static_cast<std::uint64_t>(*run.truth));
  Value counts = Value::list();
  for (const double count : output.counts) counts.push(count);
  value.set("output_counts", std::move(counts));
  Value decisions = Value::list();
  for (std::size_t part = 0; part < run.scores.size(); ++part) {
    const std::vector<double> shares = run.shares(part);
    const auto best = std::max_element(shares.begin(), shares.end());
    Value one = Value::map();
    one.set("until_step", run.part_end[part]);
    one.set("prediction",
            *best > 0.0 ? Value(static_cast<std::uint64_t>(best - shares.begin())) : Value());
    one.set("share", *best);
    decisions.push(std::move(one));
  }
  value.set("decisions", std::move(decisions));
  const CameraBytes bytes = camera_bytes(run);
  Value camera = Value::map();
  camera.set("address_bytes", bytes.addresses).set("bitmap_bytes", bytes.bitmaps);
  value.set("camera", std::move(camera.set("frame_bytes", bytes.frames)));
  value.set("wall_s", run.outcome.wall_seconds).set("backend", run.outcome.stats.backend);
  return value;
}

}  // namespace spikeloom::cli
