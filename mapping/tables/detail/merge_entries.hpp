#pragma once
/// Merges entries of an ordered table wherever that is right at some place of the order.

#include <span>
#include <vector>

#include "mapping/tables/routing_table.hpp"

namespace spikeloom::mapping::detail {

/// `table` routes every region of `used` (disjoint, each inside one entry's reach) as the region
/// says, or, for a region that is defaultable, by no entry. Two entries of one route become the
/// smallest that holds both, put where nothing of another route that is still to be matched is in
/// its way. Entries that decide nothing are dropped.
void merge_entries(std::span<const RoutingEntry> used, std::vector<RoutingEntry>& table);

}  // namespace spikeloom::mapping::detail
