#include "mapping/tables/detail/ternary_cover.hpp"

#include <algorithm>
#include <bit>
#include <limits>

namespace spikeloom::mapping::detail {
namespace {

/// Sets above this size grow towards near neighbours only, one after the other.
constexpr std::size_t kThorough = 600;
constexpr std::size_t kNeighbours = 48;

class Grower {
 public:
  Grower(const Regions& off, std::size_t off_first)
      : off_key_(off.key.data() + off_first),
        off_mask_(off.mask.data() + off_first),
        off_count_(off.size() - off_first),
        conflict_(off_count_) {}

  struct Grown {
    std::uint32_t mask = 0;
    int covered = 0;
  };

  /// The region `seed` of `on`, grown towards `on`[first, last).
  Grown grow(const Regions& on, std::size_t seed, std::size_t first, std::size_t last) {
    key_ = on.key[seed];
    std::uint32_t mask = on.mask[seed];
    // A grown region stays clear of one to avoid while it keeps a bit of their conflict.
    for (std::size_t i = 0; i < off_count_; ++i) {
      conflict_[i] = (key_ ^ off_key_[i]) & off_mask_[i];
    }
    candidates_.clear();
    for (std::size_t i = first; i < last; ++i) {
      if (i != seed) candidates_.push_back(static_cast<std::uint32_t>(i));
    }
    int covered = count(on, mask, first, last);
    while (true) {
      std::uint32_t best = mask;
      int best_covered = covered;
      std::size_t kept = 0;
      for (const std::uint32_t i : candidates_) {
        const std::uint32_t wider = mask & on.mask[i] & ~(key_ ^ on.key[i]);
        if (wider == mask || !clear(wider)) continue;
        candidates_[kept++] = i;
        const int now = count(on, wider, first, last);
        const bool tie = now == best_covered && best != mask;
        if (now > best_covered || (tie && std::popcount(wider) > std::popcount(best))) {
          best_covered = now;
          best = wider;
        }
      }
      if (best == mask) return {mask, covered};
      mask = best;
      covered = best_covered;
      candidates_.resize(kept);
    }
  }

 private:
  bool clear(std::uint32_t mask) const {
    std::size_t i = 0;
    for (; i + 64 <= off_count_; i += 64) {
      std::uint32_t met = 0;
      for (std::size_t j = 0; j < 64; ++j) met |= (conflict_[i + j] & mask) == 0 ? 1U : 0U;
      if (met != 0) return false;
    }
    for (; i < off_count_; ++i) {
      if ((conflict_[i] & mask) == 0) return false;
    }
    return true;
  }

  int count(const Regions& on, std::uint32_t mask, std::size_t first, std::size_t last) const {
    int inside = 0;
    for (std::size_t i = first; i < last; ++i) {
      inside += (((key_ ^ on.key[i]) & mask) | (mask & ~on.mask[i])) == 0 ? 1 : 0;
    }
    return inside;
  }

  const std::uint32_t* off_key_;
  const std::uint32_t* off_mask_;
  std::size_t off_count_;
  std::uint32_t key_ = 0;
  std::vector<std::uint32_t> conflict_, candidates_;
};

/// The grown region that covers most, again and again. What a seed covers only shrinks while
/// others are covered, so a seed is grown anew only when its last count would still win.
std::vector<RoutingEntry> best_first(Regions on, Grower& grower) {
  std::vector<RoutingEntry> chosen;
  std::vector<Grower::Grown> grown(on.size(), {0, std::numeric_limits<int>::max()});
  std::vector<char> fresh(on.size(), 0);
  while (on.size() > 0) {
    std::size_t best = 0;
    while (true) {
      best = 0;
      for (std::size_t i = 1; i < on.size(); ++i) {
        if (grown[i].covered > grown[best].covered) best = i;
      }
      if (fresh[best] != 0) break;
      grown[best] = grower.grow(on, best, 0, on.size());
      fresh[best] = 1;
    }
    const std::uint32_t mask = grown[best].mask;
    const RoutingEntry entry{.key = on.key[best] & mask, .mask = mask};
    chosen.push_back(entry);
    for (std::size_t i = on.size(); i-- > 0;) {
      fresh[i] = 0;
      if (!contains(entry, {.key = on.key[i], .mask = on.mask[i]})) continue;
      on.drop(i);
      grown[i] = grown.back();
      grown.pop_back();
      fresh[i] = fresh.back();
      fresh.pop_back();
    }
  }
  return chosen;
}

std::vector<RoutingEntry> in_order(const Regions& on, Grower& grower) {
  std::vector<RoutingEntry> chosen;
  std::vector<char> covered(on.size(), 0);
  for (std::size_t i = 0; i < on.size(); ++i) {
    if (covered[i] != 0) continue;
    const std::size_t first = i < kNeighbours ? 0 : i - kNeighbours;
    const std::uint32_t mask = grower.grow(on, i, first, std::min(on.size(), i + kNeighbours)).mask;
    chosen.push_back({.key = on.key[i] & mask, .mask = mask});
    for (std::size_t j = i; j < on.size(); ++j) {
      if (contains(chosen.back(), {.key = on.key[j], .mask = on.mask[j]})) covered[j] = 1;
    }
  }
  return chosen;
}

}  // namespace

void Regions::drop(std::size_t i) {
  key[i] = key.back();
  key.pop_back();
  mask[i] = mask.back();
  mask.pop_back();
}

std::vector<RoutingEntry> cover(Regions on, const Regions& off, std::size_t off_first) {
  if (on.size() == 0) return {};
  if (off_first >= off.size()) return {RoutingEntry{}};  // nothing to avoid: matches every key
  Grower grower(off, off_first);
  if (on.size() <= kThorough) return best_first(std::move(on), grower);
  return in_order(on, grower);
}

}  // namespace spikeloom::mapping::detail
