/// `spikeloom map MODEL --target T` and `spikeloom fit`.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/commands/map_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/map_input.hpp"
#include "cli/plan_text.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::cli {
namespace {

struct MapCommand {
  MapFlags flags;
  std::string out;
  int effort = 1;
  CommonOptions common;
};

Value seconds_value(const mapping::MapSeconds& seconds) {
  Value value = Value::map();
  value.set("cut", seconds.cut).set("place", seconds.place).set("keys", seconds.keys);
  value.set("trees", seconds.trees).set("tables", seconds.tables);
  return value.set("total", seconds.total());
}

Result<int> map_network(const MapCommand& command, Console& console) {
  SPIKELOOM_TRY(MapInput input, map_input(command.flags, command.common));
  for (const std::string& note : input.notes) console.note(note);
  input.options.effort = command.effort;
  mapping::MapSeconds seconds;
  auto plan = mapping::map(input.graph, input.target, input.options, &seconds);
  if (!plan.ok()) return std::move(plan).error().in(command.flags.model);
  if (!command.out.empty()) SPIKELOOM_CHECK(mapping::write_plan(*plan, command.out));
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
  map.add_option("-o,--out", command->out, "write the Plan (.json: JSON, else HDF5)");
  map.add_option("--effort", command->effort, "of the placement; 0 is fastest")
      ->check(CLI::Range(0, 10));
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
