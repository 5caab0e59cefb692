/// `spikeloom map MODEL --target T`, with --from, --diff and --sweep, and `spikeloom fit`.

#include <algorithm>
#include <chrono>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/chip_power.hpp"
#include "cli/commands/map_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/map_images.hpp"
#include "cli/map_input.hpp"
#include "cli/number_check.hpp"
#include "cli/plan_text.hpp"
#include "cli/run_feedback.hpp"
#include "cli/table.hpp"
#include "energy/comparison.hpp"
#include "mapping/plan_file.hpp"
#include "mapping/remap.hpp"
#include "mapping/sweep.hpp"

namespace spikeloom::cli {
namespace {

struct MapCommand {
  MapFlags flags;
  std::string out, from, images;
  std::vector<std::string> diff;
  std::vector<std::uint32_t> sweep;
  std::vector<double> fault_sweep;
  std::uint32_t trials = 20;
  CommonOptions common;
};

constexpr const char* kEstimated =
    "latency: until the last core is done with a tick, at the rates' mean; modelled, not "
    "measured\n";

std::string milliseconds(double seconds) { return fmt::format("{:.3g} ms", 1e3 * seconds); }

Value seconds_value(const mapping::MapSeconds& seconds) {
  Value value = Value::map();
  value.set("cut", seconds.cut).set("place", seconds.place).set("keys", seconds.keys);
  value.set("trees", seconds.trees).set("tables", seconds.tables).set("mend", seconds.mend);
  return value.set("total", seconds.total());
}

/// What `--diff` says; exit code 1 when the Plans differ.
Result<int> diff(const MapCommand& command, Console& console) {
  SPIKELOOM_TRY(const mapping::Plan left, mapping::read_plan(command.diff[0]));
  SPIKELOOM_TRY(const mapping::Plan right, mapping::read_plan(command.diff[1]));
  const mapping::PlanDifference found = mapping::difference(left, right);
  Value value = Value::map();
  value.set("same", found.same()).set("slices_moved", found.slices_moved);
  value.set("keys_changed", found.keys_changed).set("slices_recut", found.slices_recut);
  value.set("trees_changed", found.trees_changed).set("tables_changed", found.tables_changed);
  Value lines = Value::list();
  std::string text;
  for (const std::string& line : found.lines) {
    lines.push(line);
    text += line + "\n";
  }
  value.set("differences", std::move(lines));
  if (found.same()) text = "the Plans are the same\n";
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(value) : console.print(text)));
  return found.same() ? kExitOk : kExitNo;
}

/// Joules of a tick at the Plan's rates, of the chips that hold its cores; 0 without a power model.
mapping::TickPrice tick_price() {
  return [](const mapping::Plan& plan, const mapping::PlanCost& cost) {
    const MachinePower power = machine_power(plan.target);
    if (!power.known()) return 0.0;
    const MachineWork work{
        .seconds = std::max(plan.target.constants.tick_seconds, cost.busy_seconds),
        .chips = static_cast<double>(cost.chips),
        .cycles = {TaskCycles{cost.all_cycles, 0.0, 0.0, 0.0}},
        .hops = cost.sent + cost.hops};
    return machine_energy(power, work).total();
  };
}

std::string joules_cell(double joules) { return joules > 0.0 ? joules_text(joules) : "-"; }

Result<int> sweep(const MapCommand& command, const MapInput& input, Console& console) {
  SPIKELOOM_TRY(const auto points, mapping::sweep(input.graph, input.target, command.sweep,
                                                  input.options, tick_price()));
  Value list = Value::list();
  Table table({"neurons a core", "target", "", "cores", "chips", "packets", "hops", "entries",
               "largest table", "latency", "energy a tick"},
              3);
  for (const mapping::SweepPoint& point : points) {
    const mapping::PlanCost& cost = point.cost;
    Value value = Value::map();
    value.set("neurons_per_core", point.neurons_per_core).set("target", point.target);
    value.set("problem", point.problem.empty() ? Value() : Value(point.problem));
    value.set("pareto", point.pareto).set("cores", cost.cores).set("chips", cost.chips);
    value.set("packets", cost.packets).set("hops", cost.hops);
    value.set("table_sum", cost.table_sum).set("table_max", cost.table_max);
    value.set("latency_s", cost.busy_seconds).set("energy_j", point.joules);
    list.push(std::move(value));
    const std::string neurons = with_commas(point.neurons_per_core);
    // Without routers nothing is counted of ways and tables, without a clock nothing of time.
    const mapping::TargetConstants& machine = input.target.constants;
    const auto known = [](bool is, std::string cell) { return is ? cell : std::string("-"); };
    const bool routed = machine.table_entries > 0.0;
    if (!point.problem.empty()) {
      table.row({neurons, point.target, "does not fit", "-", "-", "-", "-", "-", "-", "-", "-"});
      continue;
    }
    table.row(
        {neurons, point.target, point.pareto ? "best" : "", with_commas(cost.cores),
         with_commas(cost.chips), known(routed, fmt::format("{:.1f}", cost.packets)),
         known(routed, fmt::format("{:.1f}", cost.hops)),
         known(routed, with_commas(cost.table_sum)), known(routed, with_commas(cost.table_max)),
         known(machine.clock > 0.0, milliseconds(cost.busy_seconds)), joules_cell(point.joules)});
  }
  SPIKELOOM_CHECK(printed(
      command.common.json ? console.print_json(list)
                          : console.print(table.text() +
                                          "best: no other has less of cores, packets, hops, "
                                          "entries, latency or energy without more of another\n" +
                                          kEstimated)));
  return kExitOk;
}

Result<int> fault_sweep(const MapCommand& command, const MapInput& input, Console& console) {
  const mapping::FaultSweepOptions options{
      .shares = command.fault_sweep, .trials = command.trials, .seed = command.common.seed};
  SPIKELOOM_TRY(const auto points, mapping::fault_sweep(input.graph, input.target, options,
                                                        input.options, tick_price()));
  Value list = Value::list();
  Table table({"dead", "cores", "links", "yield", "mended", "latency", "most", "energy a tick",
               "most", "hops"},
              0);
  for (const mapping::FaultPoint& point : points) {
    Value value = Value::map();
    value.set("share", point.share).set("trials", point.trials).set("mapped", point.mapped);
    value.set("mended", point.mended).set("yield", point.yield());
    value.set("dead_cores", point.mean_dead_cores).set("dead_links", point.mean_dead_links);
    value.set("cores", point.mean_cores).set("hops", point.mean_hops);
    value.set("latency_s", point.mean_seconds).set("most_latency_s", point.most_seconds);
    value.set("energy_j", point.mean_joules).set("most_energy_j", point.most_joules);
    value.set("problem", point.problem.empty() ? Value() : Value(point.problem));
    list.push(std::move(value));
    const bool any = point.mapped > 0;
    table.row({fmt::format("{:.3g} %", 100.0 * point.share),
               fmt::format("{:.1f}", point.mean_dead_cores),
               fmt::format("{:.1f}", point.mean_dead_links),
               fmt::format("{} of {}", point.mapped, point.trials), with_commas(point.mended),
               any ? milliseconds(point.mean_seconds) : "-",
               any ? milliseconds(point.most_seconds) : "-", joules_cell(point.mean_joules),
               joules_cell(point.most_joules), any ? fmt::format("{:.1f}", point.mean_hops) : "-"});
    if (!point.problem.empty()) {
      console.note(fmt::format("{:.3g} % dead: {}", 100.0 * point.share, point.problem));
    }
  }
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(list)
                                              : console.print(table.text() + kEstimated)));
  return kExitOk;
}

/// Whether faults of one mean the same on the other.
bool same_chips(const mapping::Target& a, const mapping::Target& b) {
  return a.name == b.name && a.size == b.size && a.topology == b.topology && a.rows == b.rows &&
         a.wraps == b.wraps;
}

/// Why places and keys of a Plan for `old` mean nothing on `wanted`; empty where they do.
std::string another_machine(const mapping::Target& old, const mapping::Target& wanted) {
  if (old.name != wanted.name || old.size != wanted.size) {
    return fmt::format("the earlier Plan is for {}:{}", old.name, old.size);
  }
  const bool same = same_chips(old, wanted) && old.synapses == wanted.synapses &&
                    old.constants == wanted.constants;
  return same ? "" : "the earlier Plan is for a machine of this name with other constants";
}

/// A new Plan, or `--from` mended.
Result<mapping::Plan> make_plan(const MapCommand& command, const MapInput& input,
                                mapping::MapSeconds& seconds, Console& console) {
  if (command.from.empty()) {
    return mapping::map(input.graph, input.target, input.options, &seconds);
  }
  SPIKELOOM_TRY(const mapping::Plan old, mapping::read_plan(command.from));
  if (const std::string other = another_machine(old.target, input.target); !other.empty()) {
    // The same machine, though its constants are others, keeps its faults.
    mapping::MapOptions options = input.options;
    const bool same = same_chips(old.target, input.target);
    if (same) options.faults = mapping::joined(old.faults, options.faults);
    const bool left_out = !same && !(old.faults == mapping::Faults());
    console.note("mapped anew: " + other + (left_out ? "; its faults are left out" : ""));
    return mapping::map(input.graph, input.target, options, &seconds);
  }
  mapping::RemapReport report;
  const auto started = std::chrono::steady_clock::now();
  auto plan = mapping::remap(old, input.graph, input.options, &report);
  seconds.mend = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  if (plan.ok()) {
    console.note(report.anew.empty()
                     ? fmt::format("kept {}: {} slices moved, {} trees and {} tables changed",
                                   command.from, report.slices_moved, report.trees_changed,
                                   report.tables_changed)
                     : "mapped anew: " + report.anew);
  }
  return plan;
}

Result<int> map_network(const MapCommand& command, Console& console) {
  if (!command.diff.empty()) return diff(command, console);
  SPIKELOOM_TRY(const MapInput input, map_input(command.flags, command.common));
  for (const std::string& note : input.notes) console.note(note);
  if (!command.sweep.empty()) return sweep(command, input, console);
  if (!command.fault_sweep.empty()) return fault_sweep(command, input, console);
  mapping::MapSeconds seconds;
  auto plan = make_plan(command, input, seconds, console);
  if (!plan.ok()) return std::move(plan).error().in(command.flags.model);
  if (input.feedback) {
    SPIKELOOM_TRY(const std::string note, relieve_links(*input.feedback, *plan));
    console.note(note);
  }
  if (!command.out.empty()) SPIKELOOM_CHECK(mapping::write_plan(*plan, command.out));
  if (!command.images.empty()) {
    SPIKELOOM_TRY(const std::string note, write_images(input, *plan, command.images));
    console.note(note);
  }
  SPIKELOOM_CHECK(
      printed(command.common.json
                  ? console.print_json(plan_value(*plan).set("seconds", seconds_value(seconds)))
                  : console.print(plan_text(*plan) + fmt::format("{:.3f} s\n", seconds.total()))));
  return kExitOk;
}

Result<int> fit_network(const MapCommand& command, Console& console) {
  SPIKELOOM_TRY(const MapInput input, map_input(command.flags, command.common));
  for (const std::string& note : input.notes) console.note(note);
  auto report = mapping::fit(input.graph, input.target, input.options);
  if (!report.ok()) return std::move(report).error().in(command.flags.model);
  SPIKELOOM_CHECK(printed(command.common.json ? console.print_json(fit_value(*report, input.target))
                                              : console.print(fit_text(*report, input.target))));
  return report->fits ? kExitOk : kExitNo;
}

}  // namespace

void add_map_network(CLI::App& map, Chosen& chosen) {
  const auto command = std::make_shared<MapCommand>();
  add_map_flags(map, command->flags);
  auto* out = map.add_option("-o,--out", command->out, "write the Plan (.json: JSON, else HDF5)");
  auto* images =
      map.add_option("--images", command->images,
                     "write the synapses of every core as they lie in its memory into this folder");
  map.add_option("--from", command->from,
                 "mend this Plan of an earlier network, or of fewer faults: keys and places stay");
  map.add_option("--diff", command->diff, "say what two Plans differ in, instead")->expected(2);
  auto* sweep = map.add_option("--sweep", command->sweep,
                               "map with each of these neurons a core, and compare: 64,128,256")
                    ->delimiter(',')
                    ->excludes(out)
                    ->excludes(images);
  auto* fault_sweep =
      map.add_option("--fault-sweep", command->fault_sweep,
                     "map onto machines with these shares of dead cores and links: 0.01,0.05,0.1")
          ->delimiter(',')
          ->check(within(0.0, 1.0))
          ->excludes(sweep)
          ->excludes(out)
          ->excludes(images);
  map.add_option("--trials", command->trials, "machines that --fault-sweep draws a share (20)")
      ->check(CLI::Range(1, 100000))
      ->needs(fault_sweep);
  add_common_flags(map, command->common);
  map.callback([command, &map, &chosen] {
    if (!map.get_subcommands().empty()) return;
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return map_network(*command, console); };
  });
}

void add_fit(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<MapCommand>();
  CLI::App* sub = app.add_subcommand("fit", "Say whether a network fits a chip, and what binds");
  add_map_flags(*sub, command->flags);
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return fit_network(*command, console); };
  });
}

}  // namespace spikeloom::cli
