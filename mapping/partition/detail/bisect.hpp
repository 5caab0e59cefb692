#pragma once
/// A first partition of a small hypergraph.

#include <cstdint>
#include <vector>

#include "mapping/partition/hypergraph.hpp"

namespace spikeloom::mapping::detail {

/// Recursive bisection: a side grows from a random vertex, always by the vertex that it is tied to
/// most, and is refined; the best of some tries stays. Parts may end up slightly over `capacity`
/// (of one part, by resource) when the vertices are heavy.
std::vector<std::uint32_t> bisect(const Hypergraph& graph, std::uint32_t parts,
                                  const std::vector<std::uint32_t>& capacity, std::uint64_t seed,
                                  int tries);

}  // namespace spikeloom::mapping::detail
