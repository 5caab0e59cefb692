#pragma once
/// Machines whose cores are threads of one memory.

#include "mapping/target.hpp"

namespace spikeloom::mapping::detail {

/// One chip without a clock of its own, such as cpu and gpu: every core has a part of every
/// population.
inline bool shares_cores(const Target& target) {
  return target.topology == Topology::kFlat && target.constants.clock == 0.0;
}

}  // namespace spikeloom::mapping::detail
