#pragma once
/// Routing tables of a multicast router with key/mask entries (SpiNNaker's TCAM).
///
/// An entry matches a key k when (k & mask) == key. The first entry that matches decides where the
/// packet goes; the order is part of the table. A key that no entry matches is routed by default:
/// straight on, out of the link opposite to the one it came in by; if it came from a core of this
/// chip it is dropped.

#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::mapping {

struct RoutingEntry {
  std::uint32_t key = 0;
  std::uint32_t mask = 0;   ///< bits that count; key has no others
  std::uint32_t route = 0;  ///< set of links and cores, one bit each
  /// Every packet of this entry leaves straight on, as the default route would send it.
  bool defaultable = false;

  bool matches(std::uint32_t k) const { return (k & mask) == key; }
  friend bool operator==(const RoutingEntry&, const RoutingEntry&) = default;
};

/// True when some key matches both.
inline bool intersects(const RoutingEntry& a, const RoutingEntry& b) {
  return ((a.key ^ b.key) & a.mask & b.mask) == 0;
}
/// True when `outer` matches every key that `inner` does.
inline bool contains(const RoutingEntry& outer, const RoutingEntry& inner) {
  return ((outer.key ^ inner.key) & outer.mask) == 0 && (outer.mask & ~inner.mask) == 0;
}

struct RoutingTable {
  int x = 0, y = 0;  ///< the chip
  std::vector<RoutingEntry> entries;
  friend bool operator==(const RoutingTable&, const RoutingTable&) = default;
};

/// "0x00100020": a key, mask or route as tables print it.
std::string hex32(std::uint32_t value);

}  // namespace spikeloom::mapping
