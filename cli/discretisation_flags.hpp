#pragma once
/// --preset and the options of a Discretisation alone, for commands that lower a network but do
/// not run it. Defined with the other flags of a run (run_flags.cpp).

#include "cli/run_flags.hpp"

namespace spikeloom::cli {

void add_discretisation_flags(CLI::App& command, RunFlags& flags);

}  // namespace spikeloom::cli
