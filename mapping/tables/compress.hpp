#pragma once
/// Fewer routing entries with the same routes, proven.
///
/// Entries may match keys that nobody uses, and keys that an earlier entry has taken. So the routes
/// are ordered, the rarest first and the commonest last, where one entry takes all that is left;
/// each route in between is covered by few entries that meet no used key of a later one
/// (detail/ternary_cover.hpp). Regions that got an entry of their own go to the front, where they
/// are out of everybody's way, and the rest is solved again; last, entries are merged across the
/// order (detail/merge_entries.hpp).

#include <span>
#include <vector>

#include "base/result.hpp"
#include "mapping/tables/routing_table.hpp"

namespace spikeloom::mapping {

struct CompressOptions {
  /// Keys that the raw table marks as defaultable may be left to the default route.
  bool use_default_routes = false;
};

/// The shortest table found, at most as long as `raw`, after find_difference() has shown that it
/// routes every used key as `raw` does. kResource: the proof is beyond its limit.
Result<std::vector<RoutingEntry>> compress(std::span<const RoutingEntry> raw,
                                           const CompressOptions& options = {});

}  // namespace spikeloom::mapping
