/// `spikeloom plot raster`: spikes over time, in the terminal.

#include <algorithm>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/commands/map_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/network_file.hpp"
#include "cli/number_check.hpp"
#include "cli/raster.hpp"
#include "cli/run_directory.hpp"
#include "cli/sample.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace spikeloom::cli {
namespace {

struct RasterCommand {
  std::string source;
  std::vector<std::string> nodes;
  std::size_t number = 0;
  int width = 0;
  int height = 8;
  bool ascii = false;
  RunFlags run;
  InputFlags input;
  ModelFlags model;
  CommonOptions common;
};

bool is_wanted(const RasterCommand& command, const std::string& node) {
  return command.nodes.empty() ||
         std::any_of(command.nodes.begin(), command.nodes.end(),
                     [&](const std::string& name) { return parse_record_flag(name).node == node; });
}

/// Runs the model and keeps what a run folder would hold.
Result<StoredRecording> run_model(const RasterCommand& command, Console& console) {
  SPIKELOOM_TRY(const LoadedModel model,
                load_network_file(command.source, command.model, command.input));
  PipelineRequest request;
  request.flags = command.run;
  request.seed = command.common.seed;
  request.threads = thread_count(command.common);
  for (const std::string& node : command.nodes) request.record.push_back(parse_record_flag(node));
  request.record_all_spikes = command.nodes.empty();
  SPIKELOOM_TRY(const Pipeline pipeline, make_pipeline(model, request));
  for (const std::string& note : pipeline.notes) console.note(note);
  SPIKELOOM_TRY(const auto asked, asked_steps(command.run, pipeline.discretisation()));
  StoredRecording stored;
  CodedInput input;
  if (!command.input.files.empty() && pipeline.port) {
    SPIKELOOM_TRY(const std::int64_t elements, element_count(pipeline.input_shape()));
    SPIKELOOM_TRY(const auto samples, list_samples(command.input, elements));
    if (command.number >= samples.size()) {
      return Error{.code = ErrorCode::kNotFound,
                   .what = fmt::format("there is no recording {}", command.number),
                   .expected = fmt::format("a number below {}", samples.size())};
    }
    const SampleRef& sample = samples[command.number];
    CodingContext context{pipeline.input_shape(), pipeline.step_time(), pipeline.coding, asked,
                          command.common.seed + command.number};
    SPIKELOOM_TRY(CodedSample coded, code_sample(sample, command.input, context));
    input = std::move(coded.input);
    stored.name = sample.name;
  } else if (!asked) {
    return Error{.what = "there is nothing to run",
                 .next = "give --input FILE, or --steps N to run without input"};
  }
  SPIKELOOM_TRY(const RunOutcome outcome, run_coded(pipeline, input, asked.value_or(input.steps)));
  stored.steps = outcome.steps;
  stored.step_seconds = to_seconds(pipeline.step_time());
  for (const RecordedEvents& events : outcome.events) {
    const ProgramNode& node = pipeline.program().nodes[events.node];
    stored.events.push_back({node.name,
                             to_string(events.variable),
                             node.out_size,
                             events.step,
                             {events.index.begin(), events.index.end()}});
  }
  return stored;
}

Value raster_value(const StoredRecording& recording) {
  Value value = Value::map();
  value.set("name", recording.name).set("steps", recording.steps);
  value.set("step_s", recording.step_seconds);
  Value nodes = Value::list();
  for (const StoredEvents& events : recording.events) {
    Value one = Value::map();
    one.set("node", events.node).set("variable", events.variable).set("neurons", events.neurons);
    Value step = Value::list();
    Value index = Value::list();
    for (const std::int64_t s : events.step) step.push(s);
    for (const std::int64_t i : events.index) index.push(i);
    one.set("step", std::move(step)).set("index", std::move(index));
    nodes.push(std::move(one));
  }
  return value.set("nodes", std::move(nodes));
}

std::string raster_text(const RasterCommand& command, const StoredRecording& recording) {
  RasterOptions options;
  options.ascii = command.ascii || !terminal_speaks_utf8();
  options.height = command.height;
  options.step_seconds = recording.step_seconds;
  std::string text;
  if (!recording.name.empty()) text += recording.name + "\n";
  for (const StoredEvents& events : recording.events) {
    const auto label = std::to_string(std::max<std::int64_t>(events.neurons, 1) - 1).size();
    const int fitting = terminal_width() - static_cast<int>(label) - 3;
    options.width = command.width > 0 ? command.width : std::clamp(fitting, 10, 160);
    text += fmt::format("\n{} ({}): {} elements, {} events\n", events.node, events.variable,
                        with_commas(static_cast<std::uint64_t>(events.neurons)),
                        with_commas(events.step.size()));
    text += draw_raster(events.step, events.index, events.neurons, recording.steps, options);
  }
  return text;
}

Result<int> plot_raster(const RasterCommand& command, Console& console) {
  std::error_code ignored;
  const bool folder = std::filesystem::is_directory(command.source, ignored);
  SPIKELOOM_TRY(StoredRecording recording, folder
                                               ? read_run_directory(command.source, command.number)
                                               : run_model(command, console));
  auto& events = recording.events;
  events.erase(std::remove_if(events.begin(), events.end(),
                              [&](const StoredEvents& e) { return !is_wanted(command, e.node); }),
               events.end());
  if (events.empty()) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "none of these nodes was recorded",
                 .where = command.source,
                 .next = "name a recorded node with --node, or record it: run --record NODE"};
  }
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(raster_value(recording))
                                              : console.print(raster_text(command, recording))));
  return kExitOk;
}

}  // namespace

void add_plot(CLI::App& app, Chosen& chosen) {
  CLI::App* plot = app.add_subcommand("plot", "Draw in the terminal");
  plot->require_subcommand(1);
  const auto command = std::make_shared<RasterCommand>();
  CLI::App* sub = plot->add_subcommand("raster", "Spikes over time, of a run folder or a new run");
  sub->add_option("SOURCE", command->source, "folder of `run --out`, or a network to run")
      ->required();
  sub->add_option("--node", command->nodes, "which nodes (all that were recorded)");
  sub->add_option("--number", command->number, "which recording, from 0")->check(whole_number);
  sub->add_option("--width", command->width, "columns (as wide as the terminal)")
      ->check(CLI::Range(4, 1000));
  sub->add_option("--height", command->height, "most rows per node (8)")
      ->check(CLI::Range(1, 1000));
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  add_input_flags(*sub, command->input);
  add_model_flags(*sub, command->model);
  add_run_flags(*sub, command->run);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return plot_raster(*command, console); };
  });
  add_plot_events(*plot, chosen);
  add_plot_rate(*plot, chosen);
  add_plot_map(*plot, chosen);
}

}  // namespace spikeloom::cli
