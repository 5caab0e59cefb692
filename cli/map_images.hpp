#pragma once
/// `map --images`: the memory of every core and chip of a Plan, a file each.

#include <string>

#include "base/result.hpp"
#include "cli/map_input.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::cli {

/// Writes DIR/core-X-Y-N.bin and DIR/chip-X-Y.bin; says how many and how large.
Result<std::string> write_images(const MapInput& input, const mapping::Plan& plan,
                                 const std::string& folder);

}  // namespace spikeloom::cli
