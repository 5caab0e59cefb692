#pragma once
/// Subcommands of `sensors`.

#include "cli/commands/commands.hpp"

namespace spikeloom::cli {

void add_sensors_simulate(CLI::App& sensors, Chosen& chosen);
void add_sensors_robustness(CLI::App& sensors, Chosen& chosen);
void add_sensors_gestures(CLI::App& sensors, Chosen& chosen);
void add_sensors_front_end(CLI::App& sensors, Chosen& chosen);
void add_sensors_front_end_robustness(CLI::App& sensors, Chosen& chosen);

}  // namespace spikeloom::cli
