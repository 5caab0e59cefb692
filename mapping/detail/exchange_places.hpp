#pragma once
/// Makes a placement better by exchanges drawn at random; private to mapping.

#include <cstdint>
#include <vector>

#include "mapping/machine.hpp"
#include "mapping/slices.hpp"
#include "mapping/target.hpp"

namespace spikeloom::mapping::detail {

/// Slices of one population that lie on one chip change places with others, or go where cores are
/// free, as long as the trees (estimated as in placement.hpp) become shorter. `chip_of` is the chip
/// of every slice. The same seed tries the same; the work is bounded, whatever the network's size.
void exchange_places(const Slicing& slicing, const TargetSets& sets, const Machine& machine,
                     const Target& target, std::uint64_t seed, std::vector<std::uint32_t>& chip_of);

}  // namespace spikeloom::mapping::detail
