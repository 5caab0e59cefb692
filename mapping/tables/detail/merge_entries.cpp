#include "mapping/tables/detail/merge_entries.hpp"

#include <algorithm>

namespace spikeloom::mapping::detail {
namespace {

class Merger {
 public:
  Merger(std::span<const RoutingEntry> used, std::vector<RoutingEntry>& table)
      : used_(used), table_(table), decided_by_(used.size()) {
    for (const RoutingEntry& region : used) {
      key_.push_back(region.key);
      mask_.push_back(region.mask);
      route_.push_back(region.route);
    }
  }

  void run() {
    find_deciders();
    drop_idle();
    for (std::uint32_t i = 0; i < table_.size();) {
      if (!merge(i)) ++i;
    }
    drop_idle();
  }

 private:
  /// The first entry that holds a region whole decides it. Those of its own route that hold a part
  /// of it do no harm before that.
  void find_deciders() {
    for (std::size_t k = 0; k < used_.size(); ++k) {
      std::uint32_t i = 0;
      while (i < table_.size() && !contains(table_[i], used_[k])) ++i;
      decided_by_[k] = i;
    }
  }

  void drop_idle() {
    std::vector<std::uint32_t> place(table_.size() + 1, 0);
    for (const std::uint32_t i : decided_by_) place[i] = 1;
    std::uint32_t kept = 0;
    for (std::size_t i = 0; i < table_.size(); ++i) {
      const bool decides = place[i] != 0;
      place[i] = kept;
      if (decides) table_[kept++] = table_[i];
    }
    place[table_.size()] = kept;
    table_.resize(kept);
    for (std::uint32_t& i : decided_by_) i = place[i];
  }

  /// Merges entry i with the first later one of its route that allows it.
  bool merge(std::uint32_t i) {
    mine_.clear();
    for (std::size_t k = 0; k < used_.size(); ++k) {
      if (decided_by_[k] == i) mine_.push_back(k);
    }
    if (mine_.empty()) return false;
    // Its regions have to be matched before the first entry that would send them elsewhere.
    std::uint32_t lowest = i + 1;
    while (lowest < table_.size() && !misroutes(table_[lowest])) ++lowest;
    for (std::uint32_t j = i + 1; j < table_.size(); ++j) {
      if (table_[j].route != table_[i].route) continue;
      RoutingEntry both = table_[i];
      both.mask = table_[i].mask & table_[j].mask & ~(table_[i].key ^ table_[j].key);
      both.key &= both.mask;
      const std::uint32_t place = std::min(j, lowest);
      if (!is_right(both, place)) continue;
      replace(i, j, both, place);
      return true;
    }
    return false;
  }

  bool misroutes(const RoutingEntry& entry) const {
    if (entry.route == route_[mine_.front()]) return false;
    return std::any_of(mine_.begin(), mine_.end(),
                       [&](std::size_t k) { return intersects(entry, used_[k]); });
  }

  /// Whether `entry` before place `place` takes nothing from another route.
  bool is_right(const RoutingEntry& entry, std::uint32_t place) const {
    const auto taken = [&](std::size_t k) {
      const bool meets = ((entry.key ^ key_[k]) & entry.mask & mask_[k]) == 0;
      return static_cast<std::uint32_t>(meets) &
             static_cast<std::uint32_t>(route_[k] != entry.route) &
             static_cast<std::uint32_t>(decided_by_[k] >= place);
    };
    std::size_t k = 0;
    for (; k + 64 <= used_.size(); k += 64) {
      std::uint32_t any = 0;
      for (std::size_t n = 0; n < 64; ++n) any |= taken(k + n);
      if (any != 0) return false;
    }
    for (; k < used_.size(); ++k) {
      if (taken(k) != 0) return false;
    }
    return true;
  }

  /// Entries i and j (i < place <= j) go, `both` comes where `place` was.
  void replace(std::uint32_t i, std::uint32_t j, const RoutingEntry& both, std::uint32_t place) {
    const auto at = [this](std::uint32_t n) { return table_.begin() + n; };
    std::move(at(i + 1), at(place), at(i));
    table_[place - 1] = both;
    table_.erase(at(j));
    for (std::size_t k = 0; k < used_.size(); ++k) {
      const std::uint32_t old = decided_by_[k];
      // `both` fills the gap that i left, in front of what stood at `place`; j leaves another.
      std::uint32_t now = old - (old > i && old < place ? 1U : 0U) - (old > j ? 1U : 0U);
      if (old == i || (old >= place && contains(both, used_[k]))) now = place - 1;
      decided_by_[k] = now;
    }
  }

  std::span<const RoutingEntry> used_;
  std::vector<RoutingEntry>& table_;
  std::vector<std::uint32_t> key_, mask_, route_, decided_by_;
  std::vector<std::size_t> mine_;
};

}  // namespace

void merge_entries(std::span<const RoutingEntry> used, std::vector<RoutingEntry>& table) {
  Merger(used, table).run();
}

}  // namespace spikeloom::mapping::detail
