#pragma once
/// `map`, its subcommands, `fit` and `plot map`.

#include "cli/commands/commands.hpp"

namespace spikeloom::cli {

/// `map MODEL`: grammar of `map` itself.
void add_map_network(CLI::App& map, Chosen& chosen);
void add_plot_map(CLI::App& plot, Chosen& chosen);
void add_fit(CLI::App& app, Chosen& chosen);
void add_map_partition(CLI::App& map, Chosen& chosen);
void add_map_tables(CLI::App& map, Chosen& chosen);

}  // namespace spikeloom::cli
