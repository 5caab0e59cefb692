#pragma once
/// Graph algorithms over edge lists, through Boost.Graph; private to snn.

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace spikeloom::detail {

using Arc = std::pair<std::uint32_t, std::uint32_t>;  ///< source, target

/// Component number of every node; equal numbers mean mutually reachable.
std::vector<std::uint32_t> strong_component_of(std::uint32_t node_count, std::span<const Arc> arcs);

/// An order in which every arc goes forward, or nothing when there is a cycle. Among the possible
/// orders it is the one that takes the smallest index first, so it does not depend on arc order.
std::optional<std::vector<std::uint32_t>> topological_order(std::uint32_t node_count,
                                                            std::span<const Arc> arcs);

/// True when `node` lies on a cycle of `arcs` (a self-loop counts).
bool on_cycle(std::uint32_t node, std::span<const std::uint32_t> component,
              std::span<const Arc> arcs);

}  // namespace spikeloom::detail
