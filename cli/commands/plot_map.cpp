/// `spikeloom plot map`: a Plan as a picture.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/map_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/plan_picture.hpp"
#include "cli/plan_text.hpp"
#include "cli/terminal.hpp"
#include "mapping/plan_file.hpp"

namespace spikeloom::cli {
namespace {

struct PlotMapCommand {
  std::string plan, out;
  bool ascii = false;
  CommonOptions common;
};

Result<int> plot_map(const PlotMapCommand& command, Console& console) {
  SPIKELOOM_TRY(const mapping::Plan plan, mapping::read_plan(command.plan));
  if (!command.out.empty()) {
    SPIKELOOM_CHECK(io::write_file_atomic(command.out, plan_picture_svg(plan)));
  }
  if (command.common.json) {
    Value value = plan_value(plan);
    if (!command.out.empty()) value.set("picture", command.out);
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  if (!command.out.empty()) {
    SPIKELOOM_CHECK(printed(console.print(command.out + "\n")));
    return kExitOk;
  }
  const bool ascii = command.ascii || !terminal_speaks_utf8();
  SPIKELOOM_CHECK(printed(console.print(plan_picture_text(plan, ascii))));
  return kExitOk;
}

}  // namespace

void add_plot_map(CLI::App& plot, Chosen& chosen) {
  const auto command = std::make_shared<PlotMapCommand>();
  CLI::App* sub = plot.add_subcommand("map", "Where a Plan puts a network, and how full that is");
  sub->add_option("PLAN", command->plan, "what `map -o` wrote")->required();
  sub->add_option("-o,--out", command->out, "write an SVG instead of drawing here");
  sub->add_flag("--ascii", command->ascii, "draw with ASCII characters only");
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return plot_map(*command, console); };
  });
}

}  // namespace spikeloom::cli
