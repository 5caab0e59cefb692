#pragma once
/// Search over a coarse partition that may be over its limits on the way.

#include <cstdint>

#include "mapping/partition/detail/blocks.hpp"

namespace spikeloom::mapping::detail {

struct AnnealOptions {
  int sweeps = 1000;  ///< proposals over vertices
  double heat = 0.3;  ///< first temperature, over the mean change of packets of a move
  double price =
      2.0;  ///< first price of load beyond a limit, over that change and a vertex's share
  double steep = 10.0;   ///< how many times that it is at the end
  double cooling = 100;  ///< first temperature over the last
  std::uint64_t seed = 0;
};

/// Simulated annealing (Kirkpatrick et al. 1983) of packets + price x load beyond the limits, as a
/// share of each; the price rises while it cools. Proposals are moves and exchanges. Parts are
/// nearly full, so that almost every move breaks a limit: a search that never does stays where it
/// starts. The limit on axons is always kept.
void anneal(const Hypergraph& graph, const PartLimits& limits, Blocks& blocks,
            const AnnealOptions& options);

}  // namespace spikeloom::mapping::detail
