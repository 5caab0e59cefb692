#pragma once
/// The used keys of a routing table as disjoint regions, each with its route.

#include <optional>
#include <span>
#include <vector>

#include "mapping/tables/routing_table.hpp"

namespace spikeloom::mapping::detail {

/// Entries that overlap are cut along the bits of the earlier one. Nothing when that takes more
/// than `limit` regions.
std::optional<std::vector<RoutingEntry>> used_regions(std::span<const RoutingEntry> table,
                                                      std::size_t limit);

/// Neighbouring regions of one route, with the unused keys between them, as the fewest blocks of
/// 2^n keys. Regions that are no such blocks are given back as they are.
std::vector<RoutingEntry> merge_runs(std::vector<RoutingEntry> regions);

}  // namespace spikeloom::mapping::detail
