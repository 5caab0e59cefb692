#pragma once
/// The subcommands of `map`.

#include "cli/commands/commands.hpp"

namespace spikeloom::cli {

void add_map_partition(CLI::App& map, Chosen& chosen);
void add_map_tables(CLI::App& map, Chosen& chosen);

}  // namespace spikeloom::cli
