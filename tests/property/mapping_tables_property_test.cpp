/// Routing tables over a key space small enough to try every key.

#include <optional>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "mapping/tables/compress.hpp"
#include "mapping/tables/prove.hpp"

namespace spikeloom::mapping {
namespace {

/// Keys live in 9 bits, spread over the word so that no bit position is special.
constexpr std::uint32_t kBits = 9;
std::uint32_t spread(std::uint32_t small) {
  std::uint32_t key = 0;
  for (std::uint32_t b = 0; b < kBits; ++b) key |= (small >> b & 1U) << (b * 3 + 2);
  return key;
}
const std::uint32_t kOutside = ~spread((1U << kBits) - 1);

std::uint32_t below(std::uint32_t limit) { return *rc::gen::inRange<std::uint32_t>(0, limit); }

/// Any entries: exact keys, blocks, scattered wildcards; they overlap and shadow each other.
std::vector<RoutingEntry> random_table(bool blocks_only) {
  std::vector<RoutingEntry> table(1 + below(60));
  const std::uint32_t routes = 1 + below(6);
  for (RoutingEntry& entry : table) {
    std::uint32_t care = (1U << kBits) - 1;
    if (blocks_only) {
      care &= ~((1U << below(5)) - 1);
    } else if (below(3) != 0) {
      care &= ~(below(1U << kBits) & below(1U << kBits));
    }
    entry.mask = kOutside | spread(care);
    entry.key = spread(below(1U << kBits)) & entry.mask;
    // Not evenly: some routes are common.
    entry.route = 1U << (below(routes + 1) * below(routes + 1) / (routes + 1));
    entry.defaultable = below(4) == 0;
  }
  return table;
}

const RoutingEntry* first_match(const std::vector<RoutingEntry>& table, std::uint32_t key) {
  for (const RoutingEntry& entry : table) {
    if (entry.matches(key)) return &entry;
  }
  return nullptr;
}

bool routed_alike(const std::vector<RoutingEntry>& raw, const std::vector<RoutingEntry>& other,
                  std::uint32_t key, bool defaults) {
  const RoutingEntry* wanted = first_match(raw, key);
  if (wanted == nullptr) return true;
  const RoutingEntry* found = first_match(other, key);
  if (found == nullptr) return defaults && wanted->defaultable;
  return found->route == wanted->route;
}

bool all_alike(const std::vector<RoutingEntry>& raw, const std::vector<RoutingEntry>& other,
               bool defaults) {
  for (std::uint32_t small = 0; small < 1U << kBits; ++small) {
    if (!routed_alike(raw, other, spread(small), defaults)) return false;
  }
  return true;
}

RC_GTEST_PROP(CompressTables, EveryUsedKeyGoesWhereItWent, ()) {
  const auto raw = random_table(below(2) == 0);
  for (const bool defaults : {false, true}) {
    const auto table = compress(raw, {.use_default_routes = defaults});
    RC_ASSERT(table.ok());
    RC_ASSERT(table->size() <= raw.size());
    RC_ASSERT(all_alike(raw, *table, defaults));
    RC_ASSERT(*compress(raw, {.use_default_routes = defaults}) == *table);
  }
}

RC_GTEST_PROP(RoutingProof, AgreesWithTryingEveryKey, ()) {
  const auto raw = random_table(false);
  const bool defaults = below(2) == 0;
  auto other = *compress(raw, {.use_default_routes = defaults});
  for (std::uint32_t changes = below(3); changes > 0 && !other.empty(); --changes) {
    RoutingEntry& entry = other[below(static_cast<std::uint32_t>(other.size()))];
    switch (below(3)) {
      case 0:
        entry.route = 1U << below(7);
        break;
      case 1:
        entry.mask = kOutside | spread(below(1U << kBits));
        entry.key &= entry.mask;
        break;
      default:
        entry = other.back();
        other.pop_back();
    }
  }
  const auto found = find_difference(raw, other, {.allow_default_routes = defaults});
  RC_ASSERT(found.ok());
  RC_ASSERT(found->has_value() == !all_alike(raw, other, defaults));
  if (*found) RC_ASSERT(!routed_alike(raw, other, (*found)->key, defaults));
}

}  // namespace
}  // namespace spikeloom::mapping
