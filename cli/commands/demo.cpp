/// `spikeloom demo`: networks that run without any file; `demo motion` here.

#include <algorithm>
#include <array>
#include <cmath>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/motion_demo.hpp"
#include "cli/number_check.hpp"
#include "cli/raster.hpp"
#include "cli/table.hpp"
#include "cli/terminal.hpp"

namespace spikeloom::cli {
namespace {

struct MotionCommand {
  double direction = 45.0;
  double speed = 200.0;
  double noise = 0.0;
  bool all = false;
  bool ascii = false;
  std::string out;
  RunFlags run;
  CommonOptions common;
};

MovingBarOptions scene_of(const MotionCommand& command) {
  MovingBarOptions scene;
  scene.direction_degrees = command.direction;
  scene.speed = command.speed;
  scene.noise_fraction = command.noise;
  scene.seed = command.common.seed;
  return scene;
}

Value run_value(const MotionRun& run) {
  const RunStats& stats = run.outcome.stats;
  Value value = Value::map();
  value.set("direction_degrees", run.scene.direction_degrees).set("speed", run.scene.speed);
  value.set("noise", run.scene.noise_fraction).set("expected", run.expected());
  value.set("events", run.events).set("steps", run.outcome.steps);
  Value decisions = Value::list();
  for (const MotionDecision& decision : run.decisions) {
    Value one = Value::map();
    one.set("direction", decision.direction ? Value(*decision.direction) : Value());
    one.set("margin", decision.margin);
    Value counts = Value::list();
    for (const double count : decision.counts) counts.push(count);
    one.set("counts", std::move(counts));
    decisions.push(std::move(one));
  }
  value.set("decisions", std::move(decisions));
  value.set("right", static_cast<std::uint64_t>(run.right()));
  value.set("synaptic_operations", stats.synaptic_operations());
  value.set("dense_macs", stats.total(&NodeStats::dense_macs));
  value.set("wall_s", run.outcome.wall_seconds);
  const auto windows = static_cast<double>(std::max<std::size_t>(run.decisions.size(), 1));
  value.set("s_per_decision", run.outcome.wall_seconds / windows);
  value.set("backend", stats.backend).set("arithmetic", stats.arithmetic);
  value.set("layers", *to_value(stats).find("layers"));
  return value;
}

std::string decisions_text(const MotionRun& run, bool ascii) {
  std::vector<std::string> header = {"window", "decision"};
  for (int k = 0; k < static_cast<int>(kMotionDirections); ++k) {
    header.emplace_back(direction_arrow(k, ascii));
  }
  header.emplace_back("margin");
  Table table(std::move(header), 2);
  const std::int64_t window_ms = kMotionWindow / kMillisecond;
  for (std::size_t w = 0; w < run.decisions.size(); ++w) {
    const MotionDecision& decision = run.decisions[w];
    const auto start = static_cast<std::int64_t>(w) * window_ms;
    std::string said = "nothing";
    if (decision.direction) {
      said = fmt::format("{} {:3} degrees, {}", direction_arrow(*decision.direction, ascii),
                         45 * *decision.direction,
                         *decision.direction == run.expected() ? "right" : "wrong");
    }
    std::vector<std::string> cells = {fmt::format("{:3} .. {:3} ms", start, start + window_ms),
                                      std::move(said)};
    for (const double count : decision.counts) cells.push_back(number_text(count));
    cells.push_back(fmt::format("{:.2f}", decision.margin));
    table.row(std::move(cells));
  }
  return table.text();
}

std::string rasters_text(const Pipeline& pipeline, const MotionRun& run, bool ascii) {
  std::string text;
  for (const RecordedEvents& events : run.outcome.events) {
    const ProgramNode& node = pipeline.program().nodes[events.node];
    if (node.kind == "Output") continue;
    text += fmt::format("\n{}: {} neurons, {} spikes\n", node.name,
                        with_commas(static_cast<std::uint64_t>(node.out_size)),
                        with_commas(events.step.size()));
    if (events.step.empty()) continue;
    const std::vector<std::int64_t> index(events.index.begin(), events.index.end());
    RasterOptions options;
    options.ascii = ascii;
    options.height = 4;
    options.step_seconds = to_seconds(kMotionStep);
    if (node.name == "directions") {
      for (int k = 0; k < static_cast<int>(kMotionDirections); ++k) {
        options.names.emplace_back(direction_arrow(k, ascii));
      }
    }
    text += draw_raster(events.step, index, node.out_size, run.outcome.steps, options);
  }
  return text;
}

std::string run_text(const Pipeline& pipeline, const MotionRun& run, bool ascii) {
  const RunStats& stats = run.outcome.stats;
  const auto operations = stats.synaptic_operations();
  const auto dense = stats.total(&NodeStats::dense_macs);
  std::uint64_t neurons = 0;
  for (const ProgramNode& node : pipeline.program().nodes) {
    if (node.state_values > 0 && node.kind != "Delay") {
      neurons += static_cast<std::uint64_t>(node.out_size);
    }
  }
  std::string text = fmt::format(
      "A bar moves {} ({:g} degrees) at {:g} px/s across a {} x {} event camera: {} events in "
      "{:g} ms,\n{:g} % of them noise. {} spiking neurons, {} layers, steps of 1 ms, in {} on "
      "{}.\n\n",
      direction_arrow(run.expected(), ascii), run.scene.direction_degrees, run.scene.speed,
      run.scene.width, run.scene.height, with_commas(run.events),
      to_seconds(run.scene.duration) * 1e3,
      std::round(1000.0 * run.scene.noise_fraction / (1.0 + run.scene.noise_fraction)) / 10.0,
      with_commas(neurons), stats.nodes.size(), stats.arithmetic, stats.backend);
  text += decisions_text(run, ascii);
  text += rasters_text(pipeline, run, ascii);
  const auto windows = static_cast<double>(std::max<std::size_t>(run.decisions.size(), 1));
  text += fmt::format(
      "\n{} synaptic operations against {} of the same layers dense: {:.3g} %\n"
      "{} computed per decision of {:g} ms\n",
      with_commas(operations), with_commas(dense),
      dense > 0 ? 100.0 * static_cast<double>(operations) / static_cast<double>(dense) : 0.0,
      seconds_text(run.outcome.wall_seconds / windows), to_seconds(kMotionWindow) * 1e3);
  return text;
}

/// Eight directions at three speeds, with and without noise.
Result<int> demo_all(const MotionCommand& command, const Pipeline& pipeline, bool ascii,
                     Console& console) {
  constexpr std::array<double, 3> kSpeeds = {100.0, 200.0, 400.0};  // px/s
  constexpr std::array<double, 2> kNoise = {0.0, 0.1};
  constexpr auto kRuns = static_cast<std::int64_t>(kMotionDirections * kSpeeds.size() * 2);
  std::vector<std::string> header = {"direction"};
  for (const double noise : kNoise) {
    for (const double speed : kSpeeds) {
      header.push_back(fmt::format("{:g} px/s{}", speed, noise > 0.0 ? " + noise" : ""));
    }
  }
  Table table(std::move(header), 1);
  Value runs = Value::list();
  std::size_t right = 0;
  std::size_t windows = 0;
  double wall = 0.0;
  std::int64_t done = 0;
  for (int k = 0; k < static_cast<int>(kMotionDirections); ++k) {
    std::vector<std::string> cells = {fmt::format("{} {:3}", direction_arrow(k, ascii), 45 * k)};
    for (const double noise : kNoise) {
      for (const double speed : kSpeeds) {
        MotionCommand one = command;
        one.direction = 45.0 * k;
        one.speed = speed;
        one.noise = noise;
        SPIKELOOM_TRY(const MotionRun run, run_motion(pipeline, scene_of(one)));
        cells.push_back(fmt::format("{}/{}", run.right(), run.decisions.size()));
        right += run.right();
        windows += run.decisions.size();
        wall += run.outcome.wall_seconds;
        runs.push(run_value(run));
        console.progress("runs", ++done, kRuns);
      }
    }
    table.row(std::move(cells));
  }
  if (command.common.json) {
    Value value = Value::map();
    value.set("right", static_cast<std::uint64_t>(right));
    value.set("decisions", static_cast<std::uint64_t>(windows));
    value.set("all_right", right == windows).set("wall_s", wall).set("runs", std::move(runs));
    SPIKELOOM_CHECK(printed(console.print_json(value)));
  } else {
    SPIKELOOM_CHECK(printed(console.print(
        "Right decisions, one per 200 ms window; noise: 10 % more events at random.\n\n" +
        table.text() +
        fmt::format("\n{} of {} decisions right, {} each\n", right, windows,
                    seconds_text(wall / static_cast<double>(windows))))));
  }
  return right == windows ? kExitOk : kExitNo;
}

Result<int> write_files(const MotionCommand& command, Console& console) {
  SPIKELOOM_TRY(const std::vector<std::string> files,
                write_motion_files(scene_of(command), command.out));
  Value list = Value::list();
  std::string text;
  for (const std::string& file : files) {
    list.push(file);
    text += file + "\n";
  }
  Value value = Value::map();
  value.set("files", std::move(list));
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(value) : console.print(text)));
  return kExitOk;
}

Result<int> demo_motion(const MotionCommand& command, Console& console) {
  if (!command.out.empty()) return write_files(command, console);
  SPIKELOOM_TRY(const Pipeline pipeline, make_motion_pipeline(command.run));
  if (!command.common.json && command.common.verbose) {
    for (const std::string& note : pipeline.notes) console.debug(note);
    console.debug("discretisation: " + describe(pipeline.discretisation()));
  }
  const bool ascii = command.ascii || !terminal_speaks_utf8();
  if (command.all) return demo_all(command, pipeline, ascii, console);
  SPIKELOOM_TRY(const MotionRun run, run_motion(pipeline, scene_of(command)));
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(run_value(run))
                                              : console.print(run_text(pipeline, run, ascii))));
  return kExitOk;
}

}  // namespace

void add_demo(CLI::App& app, Chosen& chosen) {
  CLI::App* demo = app.add_subcommand("demo", "Networks at work");
  demo->require_subcommand(1);
  add_gesture_demo(*demo, chosen);
  const auto command = std::make_shared<MotionCommand>();
  CLI::App* sub = demo->add_subcommand("motion", "Tell which way a simulated bar moves");
  CLI::Option* direction =
      sub->add_option("--direction", command->direction, "degrees, 0 right, 90 up (45)");
  sub->add_option("--speed", command->speed, "px/s (200)")->check(positive);
  sub->add_option("--noise", command->noise, "noise events per event of the bar (0)")
      ->check(within(0.0, 100.0));
  CLI::Option* all = sub->add_flag("--all", command->all,
                                   "eight directions, three speeds, with and without noise");
  sub->add_option("--out", command->out,
                  "write the network, four recordings and their labels into this folder instead")
      ->excludes(all)
      ->excludes(direction);
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  sub->add_option("--arithmetic", command->run.arithmetic, "class of the run (float32)");
  sub->add_option("--backend", command->run.backend, "what runs it (auto)");
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return demo_motion(*command, console); };
  });
  add_language_demo(*demo, chosen);
  add_vision_demo(*demo, chosen);
}

}  // namespace spikeloom::cli
