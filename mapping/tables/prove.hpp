#pragma once
/// Proof that two routing tables route every used key alike, or a key that they do not.
///
/// Used keys are those that an entry of the raw table matches; of all others the compressed table
/// may do what it likes. The key space is split, bit by bit, into regions in which both tables have
/// one deciding entry each, so that the answer is exact without visiting 2^32 keys.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/result.hpp"
#include "mapping/tables/routing_table.hpp"

namespace spikeloom::mapping {

/// A used key that the two tables send different ways. No route: no entry matches, the default.
struct CounterExample {
  std::uint32_t key = 0;
  std::uint32_t raw_route = 0;
  std::optional<std::uint32_t> compressed_route;
  /// "key 0x00000012: raw 0x00000003, compressed none (default route)"
  std::string text() const;
};

struct ProofOptions {
  /// A key that the raw table marks as defaultable may find no entry.
  bool allow_default_routes = false;
  std::uint64_t max_regions = 100'000'000;  ///< regions looked at before giving up
};

/// Nothing when the tables are equivalent. kResource: more regions than the limit.
Result<std::optional<CounterExample>> find_difference(std::span<const RoutingEntry> raw,
                                                      std::span<const RoutingEntry> compressed,
                                                      const ProofOptions& options = {});

}  // namespace spikeloom::mapping
