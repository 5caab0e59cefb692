#pragma once
/// Local search over a partition.

#include <cstdint>

#include "mapping/partition/detail/blocks.hpp"

namespace spikeloom::mapping::detail {

struct RefineOptions {
  int passes = 8;         ///< at most; a pass without improvement is the last
  double patience = 0.1;  ///< moves without a new best, over vertices, that end a pass
};

/// Fiduccia-Mattheyses, k-way: the move that gains most is made, each vertex once, also when it
/// loses; then everything after the best moment is taken back (Fiduccia and Mattheyses 1982;
/// k-way with a gain table as Gottesbüren et al. 2021). Never worse, never over a limit that held.
/// Returns the weight gained.
std::int64_t refine(const Hypergraph& graph, Blocks& blocks, const RefineOptions& options);

/// Moves vertices out of parts that are over a limit, and exchanges them where no part has room in
/// all resources, losing as little as possible. False when some part stays over.
bool repair(const Hypergraph& graph, const PartLimits& limits, Blocks& blocks);

}  // namespace spikeloom::mapping::detail
