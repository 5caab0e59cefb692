/// `spikeloom demo gesture`: a recording as pictures, what the network spikes, what it decides.

#include <algorithm>
#include <array>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/event_picture.hpp"
#include "cli/exit_codes.hpp"
#include "cli/network_file.hpp"
#include "cli/pipeline.hpp"
#include "cli/raster.hpp"
#include "cli/sample.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"
#include "sensors/recording_io.hpp"

namespace spikeloom::cli {
namespace {

/// The classes of DVS128 Gesture (Amir et al., CVPR 2017), in the order of their labels.
constexpr std::array<const char*, 11> kGestures = {"hand clap",
                                                   "right hand wave",
                                                   "left hand wave",
                                                   "right arm clockwise",
                                                   "right arm counter",
                                                   "left arm clockwise",
                                                   "left arm counter",
                                                   "arm roll",
                                                   "air drums",
                                                   "air guitar",
                                                   "other"};
constexpr int kDecisions = 10;               ///< rows of the running decision
constexpr Time kMoment = 50 * kMillisecond;  ///< of a picture

struct GestureCommand {
  std::string model;
  ModelFlags model_flags;
  InputFlags input;
  RunFlags run;
  bool ascii = false;
  CommonOptions common;
};

/// What the demo shows.
struct GestureRun {
  Pipeline pipeline;
  EventPacket events;
  std::uint32_t width = 0, height = 0;
  std::string name;
  RunOutcome outcome;
  /// Counts of every class at the end of each part of the recording.
  std::vector<std::int64_t> part_end;
  std::vector<std::vector<double>> counts;
};

std::string class_name(std::size_t number, std::size_t classes) {
  return classes == kGestures.size() ? kGestures[number] : fmt::format("class {}", number);
}

std::size_t best_of(const std::vector<double>& counts) {
  return static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin());
}

void follow_decision(GestureRun& run) {
  const RecordedEvents& spikes = run.outcome.events.front();
  const std::size_t classes = run.outcome.outputs.front().counts.size();
  std::vector<double> counts(classes, 0.0);
  std::size_t next = 0;
  for (int part = 1; part <= kDecisions; ++part) {
    const std::int64_t end = run.outcome.steps * part / kDecisions;
    for (; next < spikes.step.size() && spikes.step[next] < end; ++next) {
      counts[spikes.index[next]] += spikes.value[next];
    }
    run.part_end.push_back(end);
    run.counts.push_back(counts);
  }
}

Result<GestureRun> run_gesture(const GestureCommand& command) {
  SPIKELOOM_TRY(const LoadedModel model,
                load_network_file(command.model, command.model_flags, command.input));
  PipelineRequest request;
  request.flags = command.run;
  request.seed = command.common.seed;
  GestureRun run;
  SPIKELOOM_TRY(run.pipeline, make_pipeline(model, request));
  const Shape shape = run.pipeline.input_shape();
  if (!run.pipeline.port || shape.size() < 2 || run.pipeline.program().outputs.empty()) {
    return Error{.code = ErrorCode::kShape,
                 .what = "this network does not look at an event camera",
                 .where = command.model,
                 .expected = "an input of (polarities, rows, columns) and an output"};
  }
  run.height = static_cast<std::uint32_t>(shape[shape.size() - 2]);
  run.width = static_cast<std::uint32_t>(shape[shape.size() - 1]);
  SPIKELOOM_TRY(const std::int64_t elements, element_count(shape));
  SPIKELOOM_TRY(const auto samples, list_samples(command.input, elements));
  if (samples.size() != 1 || !samples[0].is_events) {
    return Error{.what = "the demo shows one recording of events", .where = "--input"};
  }
  run.name = samples[0].name;
  ReadOptions read;
  read.format = samples[0].event_format;
  SPIKELOOM_TRY(auto recording, read_recording(samples[0].path, read));
  run.events = std::move(recording.recording.events);
  SPIKELOOM_TRY(const auto asked, asked_steps(command.run, run.pipeline.discretisation()));
  CodingContext context;
  context.shape = shape;
  context.step = run.pipeline.step_time();
  context.coding = run.pipeline.coding;
  context.steps = asked;
  SPIKELOOM_TRY(const CodedSample coded, code_sample(samples[0], command.input, context));
  SPIKELOOM_TRY(run.outcome,
                run_coded(run.pipeline, coded.input, asked.value_or(coded.input.steps)));
  follow_decision(run);
  return run;
}

/// Pictures of moments, side by side, with their times below.
std::string pictures_text(const GestureRun& run, bool ascii) {
  PictureOptions options;
  options.ascii = ascii;
  const int count = std::clamp((terminal_width() + 2) / (options.columns + 2), 1, 4);
  const Time length = run.outcome.steps * run.pipeline.step_time();
  std::vector<std::string> lines(static_cast<std::size_t>(options.rows));
  std::string times;
  for (int k = 0; k < count; ++k) {
    const Time begin = length * (2 * k + 1) / (2 * count);
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

std::string decisions_text(const GestureRun& run) {
  Table table({"until", "decision", "spikes", "second", "spikes"}, 2);
  for (std::size_t part = 0; part < run.counts.size(); ++part) {
    std::vector<double> counts = run.counts[part];
    const std::size_t classes = counts.size();
    std::vector<std::string> cells = {
        fmt::format("{:.2f} s", to_seconds(run.part_end[part] * run.pipeline.step_time()))};
    for (int place = 0; place < 2 && place < static_cast<int>(classes); ++place) {
      const std::size_t best = best_of(counts);
      const bool silent = counts[best] <= 0.0;
      cells.push_back(silent ? "-" : class_name(best, classes));
      cells.push_back(silent ? "0" : number_text(counts[best]));
      counts[best] = -1.0;
    }
    cells.resize(5);
    table.row(std::move(cells));
  }
  return table.text();
}

std::string raster_text(const GestureRun& run, bool ascii) {
  const RecordedEvents& spikes = run.outcome.events.front();
  const std::size_t classes = run.outcome.outputs.front().counts.size();
  const std::vector<std::int64_t> index(spikes.index.begin(), spikes.index.end());
  RasterOptions options;
  options.ascii = ascii;
  options.width = std::clamp(terminal_width() - 24, 20, 100);
  options.step_seconds = to_seconds(run.pipeline.step_time());
  if (classes <= 32) {
    for (std::size_t k = 0; k < classes; ++k) options.names.push_back(class_name(k, classes));
  }
  return draw_raster(spikes.step, index, static_cast<std::int64_t>(classes), run.outcome.steps,
                     options);
}

std::string run_text(const GestureRun& run, bool ascii) {
  const RunStats& stats = run.outcome.stats;
  const double seconds = to_seconds(run.outcome.steps * run.pipeline.step_time());
  std::string text = fmt::format("{}: {} events of a {} x {} camera in {:.2f} s\n\n", run.name,
                                 with_commas(run.events.size()), run.width, run.height, seconds);
  text += pictures_text(run, ascii);
  text += "\nspikes of the output\n" + raster_text(run, ascii);
  text += "\nthe decision as it grows\n" + decisions_text(run);
  const OutputResult& output = run.outcome.outputs.front();
  text += fmt::format("\ndecision: {}\n",
                      output.prediction ? class_name(static_cast<std::size_t>(*output.prediction),
                                                     output.counts.size())
                                        : "none");
  const auto operations = stats.synaptic_operations();
  const auto dense = stats.total(&NodeStats::dense_macs);
  text += fmt::format(
      "{} synaptic operations against {} of the same layers dense: {:.3g} %\n{} on {} ({}), {:.1f} "
      "times as fast as the recording\n",
      with_commas(operations), with_commas(dense),
      dense > 0 ? 100.0 * static_cast<double>(operations) / static_cast<double>(dense) : 0.0,
      seconds_text(run.outcome.wall_seconds), stats.backend, stats.arithmetic,
      run.outcome.wall_seconds > 0.0 ? seconds / run.outcome.wall_seconds : 0.0);
  return text;
}

Value run_value(const GestureRun& run) {
  const OutputResult& output = run.outcome.outputs.front();
  const std::size_t classes = output.counts.size();
  Value value = Value::map();
  value.set("name", run.name).set("events", run.events.size()).set("steps", run.outcome.steps);
  value.set("prediction", output.prediction ? Value(*output.prediction) : Value());
  value.set("gesture",
            output.prediction
                ? Value(class_name(static_cast<std::size_t>(*output.prediction), classes))
                : Value());
  Value counts = Value::list();
  for (const double count : output.counts) counts.push(count);
  value.set("output_counts", std::move(counts));
  Value decisions = Value::list();
  for (std::size_t part = 0; part < run.counts.size(); ++part) {
    const std::size_t best = best_of(run.counts[part]);
    Value one = Value::map();
    one.set("until_step", run.part_end[part]);
    one.set("prediction",
            run.counts[part][best] > 0.0 ? Value(static_cast<std::uint64_t>(best)) : Value());
    one.set("spikes", run.counts[part][best]);
    decisions.push(std::move(one));
  }
  value.set("decisions", std::move(decisions));
  value.set("wall_s", run.outcome.wall_seconds).set("backend", run.outcome.stats.backend);
  return value;
}

Result<int> demo_gesture(const GestureCommand& command, Console& console) {
  SPIKELOOM_TRY(const GestureRun run, run_gesture(command));
  if (!command.common.json) {
    for (const std::string& note : run.pipeline.notes) console.note(note);
  }
  const bool ascii = command.ascii || !terminal_speaks_utf8();
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(run_value(run))
                                              : console.print(run_text(run, ascii))));
  return kExitOk;
}

}  // namespace

void add_gesture_demo(CLI::App& demo, Chosen& chosen) {
  const auto command = std::make_shared<GestureCommand>();
  CLI::App* sub =
      demo.add_subcommand("gesture", "Tell what a hand does in front of an event camera");
  sub->add_option("--model", command->model, "network: .nir, .sloom, or a .yaml of SLAYER")
      ->required();
  add_model_flags(*sub, command->model_flags);
  add_input_flags(*sub, command->input);
  sub->get_option("--input")->required();
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  add_run_flags(*sub, command->run);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return demo_gesture(*command, console); };
  });
}

}  // namespace spikeloom::cli
