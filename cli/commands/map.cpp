/// `spikeloom map`: networks onto many-core chips, and the parts of it on their own.

#include <CLI/CLI.hpp>

#include "cli/commands/map_commands.hpp"

namespace spikeloom::cli {

void add_map(CLI::App& app, Chosen& chosen) {
  CLI::App* map = app.add_subcommand("map", "Partition, place, route and prove");
  map->require_subcommand(0, 1);
  add_map_network(*map, chosen);
  add_map_partition(*map, chosen);
  add_map_tables(*map, chosen);
}

}  // namespace spikeloom::cli
