#pragma once
/// Power of a target's chips, and what a law of it foretells beside published figures.

#include <string>

#include "base/result.hpp"
#include "energy/chip_states.hpp"
#include "energy/machine_power.hpp"
#include "mapping/target.hpp"

namespace spikeloom::cli {

/// As the target's file has it; known() is false where it says nothing of power.
MachinePower machine_power(const mapping::Target& target);

/// Figures of the built-in targets spinnaker2 and spinnaker1.
Result<ChipFigures> built_in_chip_figures();
std::string chip_figures_text(const ChipFigures& figures);

}  // namespace spikeloom::cli
