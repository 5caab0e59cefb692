#pragma once
/// Puts slices on the cores of a machine, so that packets cross few links.
///
/// Slices are laid along an order of the chips that keeps neighbours together: strips of the
/// machine of some width, up one and down the next. Populations may begin on a new chip where that
/// lets them touch fewer. All widths, both axes and both fillings are tried; the cost of each is
/// the sum over slices of the length of a tree to its targets, estimated by a minimum spanning tree
/// over chip distances. The best becomes better by exchanges of slices, which `seed` draws.

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "mapping/machine.hpp"
#include "mapping/slices.hpp"

namespace spikeloom::mapping {

struct Place {
  std::uint32_t chip = kNoChip;
  std::uint16_t core = 0;
  friend bool operator==(const Place&, const Place&) = default;
};

/// kResource: more slices than working cores, or rows that no chip has memory for; says how many
/// cores or bytes are missing.
Result<std::vector<Place>> place(const Slicing& slicing, const TargetSets& sets,
                                 const Machine& machine, const Target& target,
                                 std::uint64_t seed = 0);

}  // namespace spikeloom::mapping
