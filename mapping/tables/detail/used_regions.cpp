#include "mapping/tables/detail/used_regions.hpp"

#include <algorithm>
#include <bit>

namespace spikeloom::mapping::detail {
namespace {

bool is_block(const RoutingEntry& entry) {
  return std::popcount(~entry.mask) == std::countr_zero(entry.mask);
}

std::uint64_t last_key(const RoutingEntry& entry) {
  return std::uint64_t{entry.key} + static_cast<std::uint32_t>(~entry.mask);
}

/// Appends what of `rest` lies outside `taken`: one region for each bit that `taken` fixes and
/// `rest` does not.
void subtract(RoutingEntry rest, const RoutingEntry& taken, std::vector<RoutingEntry>& out) {
  for (std::uint32_t open = taken.mask & ~rest.mask; open != 0;) {
    const std::uint32_t bit = std::bit_floor(open);
    open &= ~bit;
    RoutingEntry outside = rest;
    outside.mask |= bit;
    outside.key |= ~taken.key & bit;
    out.push_back(outside);
    rest.mask |= bit;
    rest.key |= taken.key & bit;
  }
}

/// Blocks that ascend and do not overlap, the usual table, need no cutting.
bool ascending_blocks(std::span<const RoutingEntry> table) {
  std::uint64_t next = 0;
  for (const RoutingEntry& entry : table) {
    if (!is_block(entry) || entry.key < next) return false;
    next = last_key(entry) + 1;
  }
  return true;
}

}  // namespace

std::optional<std::vector<RoutingEntry>> used_regions(std::span<const RoutingEntry> table,
                                                      std::size_t limit) {
  std::vector<RoutingEntry> regions(table.begin(), table.end());
  if (ascending_blocks(table)) return regions;
  std::sort(regions.begin(), regions.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  if (ascending_blocks(regions)) return regions;
  regions.clear();
  std::vector<RoutingEntry> parts, cut;
  std::size_t work = 0;
  for (std::size_t i = 0; i < table.size(); ++i) {
    parts.assign(1, table[i]);
    for (std::size_t j = 0; j < i && !parts.empty(); ++j) {
      if (!intersects(table[j], table[i])) continue;
      cut.clear();
      for (const RoutingEntry& part : parts) {
        if (!intersects(table[j], part)) {
          cut.push_back(part);
        } else {
          subtract(part, table[j], cut);
        }
      }
      parts.swap(cut);
      work += parts.size();
      if (parts.size() > limit || work > 64 * limit) return std::nullopt;
    }
    regions.insert(regions.end(), parts.begin(), parts.end());
    if (regions.size() > limit) return std::nullopt;
  }
  return regions;
}

std::vector<RoutingEntry> merge_runs(std::vector<RoutingEntry> regions) {
  std::sort(regions.begin(), regions.end(),
            [](const auto& a, const auto& b) { return a.key < b.key; });
  if (!ascending_blocks(regions)) return regions;
  std::vector<RoutingEntry> blocks;
  std::uint64_t free_from = 0;  // the first key that nothing before this run uses
  for (std::size_t i = 0; i < regions.size();) {
    std::size_t end = i;
    while (end < regions.size() && regions[end].route == regions[i].route &&
           regions[end].defaultable == regions[i].defaultable) {
      ++end;
    }
    const std::uint64_t last = last_key(regions[end - 1]);
    const std::uint64_t free_to = end < regions.size() ? regions[end].key : std::uint64_t{1} << 32;
    for (std::uint64_t at = regions[i].key; at <= last;) {
      int bits = 0;
      while (bits < 32) {
        const std::uint64_t size = std::uint64_t{2} << bits;
        const std::uint64_t start = at & ~(size - 1);
        if (start < free_from || start + size > free_to) break;
        ++bits;
      }
      const std::uint64_t size = std::uint64_t{1} << bits;
      RoutingEntry block = regions[i];
      block.key = static_cast<std::uint32_t>(at & ~(size - 1));
      block.mask = static_cast<std::uint32_t>(~(size - 1));
      blocks.push_back(block);
      at = block.key + size;
      free_from = at;
    }
    i = end;
  }
  return blocks;
}

}  // namespace spikeloom::mapping::detail
