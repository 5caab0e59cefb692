#pragma once
/// From a hypergraph to a smaller one that resembles it.

#include <cstdint>
#include <span>
#include <vector>

#include "mapping/partition/hypergraph.hpp"

namespace spikeloom::mapping::detail {

struct CoarsenOptions {
  std::uint32_t min_vertices = 100;            ///< stop here
  std::vector<std::uint32_t> max_weight = {};  ///< of a cluster, by resource
  std::span<const std::uint32_t> part = {};    ///< clusters stay inside these, when given
  std::uint64_t seed = 0;
};

/// Joins each vertex, in random order, to the neighbour with which it shares most: nets count
/// weight / (pins - 1) (Karypis and Kumar's heavy edges). Returns the cluster of each vertex,
/// numbered from 0 by first member.
std::vector<std::uint32_t> cluster(const Hypergraph& graph, const CoarsenOptions& options,
                                   std::uint32_t& clusters);

/// Clusters as vertices. Nets inside one cluster vanish, nets with equal pins become one.
Hypergraph contract(const Hypergraph& graph, std::span<const std::uint32_t> cluster,
                    std::uint32_t clusters, bool keep_axons);

/// Shuffled 0 .. n - 1.
std::vector<std::uint32_t> shuffled(std::uint32_t n, std::uint64_t seed);

}  // namespace spikeloom::mapping::detail
