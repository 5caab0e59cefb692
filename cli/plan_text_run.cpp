#include "cli/plan_text_run.hpp"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/interrupt.hpp"
#include "cli/network_file.hpp"
#include "cli/plan_folder.hpp"
#include "cli/plan_map.hpp"
#include "cli/plan_report.hpp"
#include "cli/plan_run.hpp"
#include "cli/table.hpp"
#include "energy/comparison.hpp"

namespace spikeloom::cli {
namespace {

using emulator::PlanEmulator;

/// Bytes a second that SpiNNaker2's memory gives at most (datasheet 0.03).
constexpr double kMemoryRate = 6.4e9;

/// A published figure of the same kind of stack.
struct Published {
  const char* what;
  double watts, seconds, joules;
};
/// arXiv 2312.09084, table II, through public notes: EGRU, 95 % pruned, float32, batch 1. How many
/// tokens an inference has is not said; 70, a window of training, is assumed here.
constexpr Published kPublished[] = {{"SpiNNaker2, published", 0.39, 0.17025, 0.0653},
                                    {"A100, published", 60.0, 0.0199, 1.1935}};

struct StackRun {
  mapping::Plan plan;
  emulator::TickRecord total;
  std::vector<emulator::Loss> losses;
  std::vector<emulator::Overrun> overruns;
  std::vector<std::uint64_t> events;  ///< by Program node
  emulator::Timing timing = emulator::Timing::kAnalytic;
  double tick_cycles = 0.0;
  std::optional<PlanFolder> folder;
  std::int64_t tokens = 0, window = 0;
  std::vector<LayerActivity> layers;
  double stored_bytes = 0.0;  ///< of Embedding and Decoder
  bool as_published = false;  ///< layers of the published sizes
  double duty = 0.0;          ///< share of the time that cores with synapses work
};

Result<std::vector<std::uint32_t>> read_tokens(const TextCommand& command,
                                               const LoadedModel& model) {
  auto vocabulary = language_vocabulary(model.network);
  if (!vocabulary.ok()) return std::move(vocabulary).error().in(command.model);
  SPIKELOOM_TRY(const auto bytes, io::read_file(command.text.text));
  const std::string_view content(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  SPIKELOOM_TRY(EncodedText text, vocabulary->encode(content, command.text.text));
  if (command.text.tokens > 0 &&
      static_cast<std::int64_t>(text.tokens.size()) > command.text.tokens) {
    text.tokens.resize(static_cast<std::size_t>(command.text.tokens));
  }
  if (text.tokens.empty()) {
    return Error{.what = "the text has no words", .where = command.text.text};
  }
  return std::move(text.tokens);
}

Result<StackRun> run_stack(const TextCommand& command, const MappedFlags& flags,
                           const Program& program, const std::vector<std::uint32_t>& tokens,
                           bool keeps, Console& console) {
  StackRun run;
  SPIKELOOM_TRY(run.plan, find_plan(program, flags, console));
  SPIKELOOM_TRY(const auto images, find_images(program, run.plan, flags, console));
  emulator::PlanOptions options = plan_options(flags, command.run);
  options.keep_ticks = keeps;
  run.timing = options.timing;
  const mapping::TargetConstants& constants = run.plan.target.constants;
  run.tick_cycles = constants.tick_seconds * fastest_clock(constants, flags);
  run.window = command.text.reset_every;
  if (command.text.protocol != "carried") options.state_reset = run.window;
  SPIKELOOM_TRY(auto machine, PlanEmulator::create(program, run.plan, options, &images));
  std::vector<std::uint64_t>& events = run.events;
  events.assign(program.nodes.size(), 0);
  if (keeps) run.folder.emplace(run.plan);
  for (const std::uint32_t token : tokens) {
    if (interrupted()) return interrupted_error();
    const emulator::PlacedEvent word = {program.inputs[0], token, 1.0};
    SPIKELOOM_CHECK(machine.tick({&word, 1}));
    for (const auto& population : machine.placed().populations) {
      events[population.node] += machine.sent(population.node).size();
    }
    if (keeps) {
      run.folder->add_spikes(program, command.text.text, machine.ticks_done() - 1, machine);
    }
    console.progress("tokens", machine.ticks_done(), static_cast<std::int64_t>(tokens.size()));
  }
  console.end_progress();
  machine.finish();
  run.total = machine.total();
  run.losses = machine.losses();
  run.overruns = machine.overruns();
  if (keeps) run.folder->add(program, run.plan, command.text.text, machine);
  keep_shown(run.losses);
  keep_shown(run.overruns);
  run.tokens = static_cast<std::int64_t>(tokens.size());
  for (std::size_t n = 0; n < program.nodes.size(); ++n) {
    const ProgramNode& node = program.nodes[n];
    if (!std::holds_alternative<op::Recurrent>(node.operation)) continue;
    const double updates = static_cast<double>(node.out_size) * static_cast<double>(run.tokens);
    run.layers.push_back({node.name, static_cast<double>(events[n]) / updates, 0.0, 0.0});
  }
  std::vector<std::int64_t> sizes;
  for (const ProgramNode& node : program.nodes) {
    if (std::holds_alternative<op::Recurrent>(node.operation)) sizes.push_back(node.out_size);
  }
  run.as_published =
      run.plan.target.name == "spinnaker2" && sizes == std::vector<std::int64_t>{1350, 1350, 750};
  for (const mapping::OffChip& part : run.plan.off_chip) run.stored_bytes += part.bytes;
  const double core_seconds = run.total.seconds * static_cast<double>(run.plan.cores.size());
  const mapping::TargetConstants& c = run.plan.target.constants;
  double awake = c.clock > 0.0 ? run.total.slow.total() / c.clock : 0.0;
  if (c.fast_clock > 0.0) awake += run.total.fast.total() / c.fast_clock;
  if (core_seconds > 0.0) run.duty = awake / core_seconds;
  return run;
}

Value stack_value(const TextCommand& command, const Program& program, const StackRun& run) {
  const double tokens = static_cast<double>(run.tokens);
  Value value = Value::map();
  value.set("model", command.model)
      .set("backend", "emulator")
      .set("arithmetic", command.run.arithmetic);
  value.set("target", run.plan.target.name).set("cores", run.plan.cores.size());
  value.set("tokens", run.tokens).set("window", run.window).set("steps", run.tokens);
  value.set("timing", to_string(run.timing));
  value.set("populations", populations_value(run.plan, run.events));
  value.set("machine", machine_value(run.plan, run.total)).set("duty", run.duty);
  value.set("tick_cycles", run.tick_cycles);
  value.set("seconds_per_token", run.total.seconds / tokens);
  if (const auto energy = plan_energy(run.plan, run.total)) {
    value.set("joules_per_token", energy->total() / tokens);
  }
  Value layers = Value::list();
  for (const LayerActivity& layer : run.layers) {
    Value one = Value::map();
    layers.push(one.set("name", layer.name).set("active", layer.active));
  }
  value.set("recurrent", std::move(layers)).set("off_chip_bytes", run.stored_bytes);
  value.set("losses", losses_value(program, run.plan, run.losses));
  return value.set("overruns", overruns_value(run.plan, run.overruns));
}

std::string stack_text(const TextCommand& command, const StackRun& run, double tick_cycles) {
  std::string text =
      fmt::format("{} on {}: {} cores, {} tokens; active {:.1f} % of the time\n\n", command.model,
                  run.plan.target.name, run.plan.cores.size(), run.tokens, 100.0 * run.duty);
  for (const LayerActivity& layer : run.layers) {
    text += fmt::format("  {}: {:.1f} % of its units emit\n", layer.name, 100.0 * layer.active);
  }
  text += "\n" + machine_text(run.plan, run.total, tick_cycles);
  const auto energy = plan_energy(run.plan, run.total);
  if (energy) {
    const double share = static_cast<double>(run.window) / static_cast<double>(run.tokens);
    text += "\n";
    Table table({fmt::format("a window of {} tokens", run.window), "power", "time", "energy"}, 1);
    table.row({"modelled, the stack alone",
               fmt::format("{:.3g} W", energy->total() / run.total.seconds),
               fmt::format("{:.4g} ms", 1e3 * share * run.total.seconds),
               joules_text(share * energy->total())});
    if (run.as_published) {
      for (const Published& row : kPublished) {
        table.row({row.what, fmt::format("{:.3g} W", row.watts),
                   fmt::format("{:.4g} ms", 1e3 * row.seconds), joules_text(row.joules)});
      }
    }
    text += table.text();
    if (run.as_published) {
      text += "(published: an inference; that it has 70 tokens is assumed)\n";
    }
  }
  if (run.stored_bytes > 0.0) {
    text += fmt::format(
        "not on the chip: embedding and decoder, {:.1f} MB here; reading the decoder once a token "
        "takes {:.2g} ms at least from memory of {:.1f} GB/s\n",
        run.stored_bytes / 1e6, 1e3 * run.stored_bytes / 2.0 / kMemoryRate, kMemoryRate / 1e9);
  }
  return text;
}

}  // namespace

Result<int> run_text_on_plan(TextCommand command, MappedFlags flags, const std::string& out,
                             Console& console) {
  if (command.text.prompt) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the emulator has no decoder and writes no words",
                 .where = "--prompt",
                 .next = "give a text with --text"};
  }
  SPIKELOOM_CHECK(adapt_to_chip(command.model, command.run));
  if (!flags.real_time) flags.free_running = true;
  SPIKELOOM_TRY(const LoadedModel model, load_network_file(command.model));
  SPIKELOOM_TRY(const auto tokens, read_tokens(command, model));
  SPIKELOOM_TRY(const Pipeline pipeline,
                make_text_pipeline(model, command.run, command.text, 0, command.common));
  const Program& program = pipeline.program();
  SPIKELOOM_TRY(const StackRun run,
                run_stack(command, flags, program, tokens, !out.empty(), console));
  const mapping::TargetConstants& c = run.plan.target.constants;
  const Value report = stack_value(command, program, run);
  if (run.folder) {
    SPIKELOOM_CHECK(run.folder->write(out, run.plan, report));
    console.note(fmt::format("written: {}", out));
  }
  warn_of_losses(run.total, flags.real_time, console);
  const double tick_cycles = c.tick_seconds * fastest_clock(c, flags);
  SPIKELOOM_CHECK(printed(command.common.json
                              ? console.print_json(report)
                              : console.print(stack_text(command, run, tick_cycles))));
  return exit_code_of(run.total, flags.real_time);
}

}  // namespace spikeloom::cli
