#pragma once
/// Few entries that match everything of one set of regions and nothing of another.

#include <span>
#include <vector>

#include "mapping/tables/routing_table.hpp"

namespace spikeloom::mapping::detail {

/// Regions as columns, for scans.
struct Regions {
  std::vector<std::uint32_t> key, mask;

  std::size_t size() const { return key.size(); }
  void push(const RoutingEntry& entry) {
    key.push_back(entry.key);
    mask.push_back(entry.mask);
  }
  /// Moves the last region to place i.
  void drop(std::size_t i);
};

/// Covers `on`, whose regions are disjoint from those of `off`, from `off_first` on. Two-level
/// minimisation as espresso does it (Brayton et al. 1984): a region grows towards others of its set
/// as long as it meets nothing of `off`; of the grown ones the one that takes in most is kept,
/// until all are covered. Not minimal, but never more entries than regions. The routes are left 0.
std::vector<RoutingEntry> cover(Regions on, const Regions& off, std::size_t off_first);

}  // namespace spikeloom::mapping::detail
