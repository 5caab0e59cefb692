/// `spikeloom report`: one HTML page about a run.

#include <array>
#include <filesystem>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/io/file.hpp"
#include "cli/commands/energy_commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/page/machine.hpp"
#include "cli/page/page.hpp"

namespace spikeloom::cli {
namespace {

struct ReportCommand {
  std::string run, out;
  std::vector<std::string> tables;
  std::size_t number = 0;
  CommonOptions common;
};

constexpr std::array<const char*, 4> kTables = {"45nm", "loihi", "spinnaker1", "spinnaker2"};

/// Writes the page, and says where it is.
Result<int> write_page(const ReportCommand& command, const std::string& page,
                       const std::string& verdict, Console& console) {
  SPIKELOOM_CHECK(io::write_file_atomic(command.out, page));
  if (command.common.json) {
    Value value = Value::map();
    value.set("page", command.out).set("bytes", static_cast<std::uint64_t>(page.size()));
    if (!verdict.empty()) value.set("verdict", verdict);
    SPIKELOOM_CHECK(printed(console.print_json(value)));
  } else {
    SPIKELOOM_CHECK(printed(console.print(command.out + "\n")));
  }
  return kExitOk;
}

Result<int> report(const ReportCommand& command, Console& console) {
  const std::filesystem::path path(command.run);
  const std::string folder =
      path.extension() == ".json" ? path.parent_path().string() : command.run;
  if (is_machine_run(folder)) {
    if (!command.tables.empty()) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "a run on an emulated machine has joules of its own: its chips' power",
                   .where = folder,
                   .got = "--table " + command.tables.front(),
                   .next = "leave out --table"};
    }
    SPIKELOOM_TRY(const MachineRun run, read_machine_run(folder, command.number));
    return write_page(command, machine_page(run), "", console);
  }
  PageInput input;
  SPIKELOOM_TRY(input.source, read_energy_source(command.run));
  const bool given = !command.tables.empty();
  for (const std::string& name :
       given ? command.tables : std::vector<std::string>(kTables.begin(), kTables.end())) {
    SPIKELOOM_TRY(CostTable table, load_cost_table(name));
    const ReportRequest request{.inferences = input.source.inferences,
                                .step_seconds = input.source.step_seconds};
    auto made = energy_report(input.source.layers, input.source.stats, std::move(table), request);
    if (!made.ok()) return std::move(made).error().in(command.run);
    input.reports.push_back(*std::move(made));
  }
  std::error_code ignored;
  if (std::filesystem::exists(command.run + "/recordings.h5", ignored)) {
    SPIKELOOM_TRY(input.recording, read_run_directory(command.run, command.number));
  }
  return write_page(command, run_page(input), input.reports.front().verdict, console);
}

}  // namespace

void add_report(CLI::App& app, Chosen& chosen) {
  const auto command = std::make_shared<ReportCommand>();
  CLI::App* sub = app.add_subcommand("report", "Write one HTML page about a run");
  sub->add_option("RUN", command->run, "run folder, or run.json")->required();
  sub->add_option("-o,--out", command->out, "the page's file")->required();
  sub->add_option("--table", command->tables, "cost tables, the first in full (45nm loihi ...)");
  sub->add_option("--number", command->number, "which recording is drawn (0)");
  add_common_flags(*sub, command->common);
  sub->callback([command, &chosen] {
    chosen.common = command->common;
    chosen.action = [command](Console& console) { return report(*command, console); };
  });
}

}  // namespace spikeloom::cli
