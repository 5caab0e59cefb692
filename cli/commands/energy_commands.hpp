#pragma once
/// The subcommands about energy; commands.hpp says how a subcommand is added.

#include "cli/commands/commands.hpp"

namespace spikeloom::cli {

void add_energy(CLI::App& app, Chosen& chosen);
void add_report(CLI::App& app, Chosen& chosen);
void add_bench(CLI::App& app, Chosen& chosen);

}  // namespace spikeloom::cli
