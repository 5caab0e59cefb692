/// `spikeloom devices`: what can run a network here.

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "backends/backend.hpp"
#include "cli/commands/commands.hpp"
#include "cli/exit_codes.hpp"
#include "cli/host.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

std::string arithmetic_list(const BackendInfo& info) {
  std::string list;
  for (const Arithmetic arithmetic : info.arithmetics) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", to_string(arithmetic));
  }
  return list;
}

Result<int> devices(const CommonOptions& common, Console& console) {
  if (common.json) {
    Value value = Value::map();
    value.set("backends", backends_value()).set("host", host_value());
    SPIKELOOM_CHECK(printed(console.print_json(value)));
    return kExitOk;
  }
  Table table({"backend", "available", "arithmetic", "what it is, or why it is not there"}, 4);
  for (const BackendInfo& info : backends()) {
    table.row({info.name, info.available ? "yes" : "no", arithmetic_list(info),
               info.available ? info.description : info.reason});
  }
  SPIKELOOM_CHECK(printed(console.print(table.text() + "\n" + host_text())));
  return kExitOk;
}

}  // namespace

void add_devices(CLI::App& app, Chosen& chosen) {
  const auto common = std::make_shared<CommonOptions>();
  CLI::App* sub = app.add_subcommand("devices", "List the backends and this machine's processor");
  add_common_flags(*sub, *common);
  sub->callback([common, &chosen] {
    chosen.common = *common;
    chosen.action = [common](Console& console) { return devices(*common, console); };
  });
}

}  // namespace spikeloom::cli
