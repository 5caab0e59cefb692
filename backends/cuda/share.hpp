#pragma once
/// Which part of a node's outputs belongs to whom: to the blocks of a launch, and to a device.

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "mapping/plan.hpp"
#include "snn/program.hpp"

namespace spikeloom::cuda {

/// What a Plan's cores own of a node: core c the positions [bounds[c], bounds[c + 1]), and position
/// p is element order[p] of the node, or p. Without bounds nobody said.
struct Share {
  std::vector<std::uint32_t> bounds, order;
  std::int64_t first = 0;  ///< of a device's part of a RandomSparse: its first output
};

/// By node of the program. Weights belong to the core that has the neurons they lead to.
/// kShape: a Plan of another program. kUnsupported: of a target that is no GPU.
Result<std::vector<Share>> shares_of(const Program& program, const mapping::Plan& plan);

/// Bounds of blocks: whole cores in their order, together at most `fill` positions where one has
/// not more already; a core with more than `most` has several blocks, all about as large.
std::vector<std::uint32_t> block_bounds(const std::vector<std::uint32_t>& cores, std::uint32_t fill,
                                        std::uint32_t most);

}  // namespace spikeloom::cuda
