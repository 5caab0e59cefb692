#pragma once
/// `map --images`: the memory of every core and chip of a Plan, a file each.

#include <string>

#include "base/result.hpp"
#include "cli/map_input.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::cli {

/// "core-X-Y-N.bin", "chip-X-Y.bin".
std::string core_image_name(const mapping::Plan& plan, const mapping::PlanCore& core);
std::string chip_image_name(const mapping::Plan& plan, std::uint32_t chip);

/// Writes DIR/core-X-Y-N.bin and DIR/chip-X-Y.bin; says how many and how large.
Result<std::string> write_images(const MapInput& input, const mapping::Plan& plan,
                                 const std::string& folder);

}  // namespace spikeloom::cli
