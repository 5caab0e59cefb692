#include "mapping/tables/compress.hpp"

#include <algorithm>
#include <cstdio>
#include <map>

#include "mapping/tables/detail/merge_entries.hpp"
#include "mapping/tables/detail/ternary_cover.hpp"
#include "mapping/tables/detail/used_regions.hpp"
#include "mapping/tables/prove.hpp"

namespace spikeloom::mapping {
namespace {

using Entries = std::vector<RoutingEntry>;
using detail::Regions;

constexpr std::size_t kRounds = 2;
/// Above this many regions the search across the order, quadratic, is left out.
constexpr std::size_t kMergeLimit = 4000;

/// Where the regions that may be left to the default route come.
enum class Defaults {
  kNone,  ///< they need an entry like all others
  kLast,  ///< no entry needs to match them; what stands last must not take them
};

/// Routes in order, rarest first; ties by route, so that the result is one.
struct Stage {
  std::uint32_t route = 0;
  Regions regions;
};

Entries solve(std::span<const RoutingEntry> used, Defaults defaults) {
  std::map<std::uint32_t, Stage> by_route;
  Regions left_to_default;
  std::vector<std::uint32_t> default_route;
  for (const RoutingEntry& region : used) {
    if (defaults == Defaults::kLast && region.defaultable) {
      left_to_default.push(region);
      default_route.push_back(region.route);
      continue;
    }
    Stage& stage = by_route[region.route];
    stage.route = region.route;
    stage.regions.push(region);
  }
  std::vector<Stage> stages;
  stages.reserve(by_route.size());
  for (auto& [route, stage] : by_route) stages.push_back(std::move(stage));
  std::stable_sort(stages.begin(), stages.end(), [](const Stage& a, const Stage& b) {
    return a.regions.size() < b.regions.size();
  });
  // What a stage must not meet is the tail of one array.
  Regions all;
  std::vector<std::size_t> end;
  for (const Stage& stage : stages) {
    for (std::size_t i = 0; i < stage.regions.size(); ++i) {
      all.push({.key = stage.regions.key[i], .mask = stage.regions.mask[i]});
    }
    end.push_back(all.size());
  }
  for (std::size_t i = 0; i < left_to_default.size(); ++i) {
    all.push({.key = left_to_default.key[i], .mask = left_to_default.mask[i]});
  }
  Entries table;
  for (std::size_t s = 0; s < stages.size(); ++s) {
    for (RoutingEntry entry : detail::cover(std::move(stages[s].regions), all, end[s])) {
      entry.route = stages[s].route;
      table.push_back(entry);
    }
  }
  return table;
}

/// How many of the regions each entry decides; regions that alone have an entry move to `single`.
void split_singles(Entries& used, const Entries& table, Entries& single) {
  std::vector<std::uint32_t> decided(used.size()), count(table.size() + 1, 0);
  for (std::size_t k = 0; k < used.size(); ++k) {
    std::size_t i = 0;
    while (i < table.size() && !contains(table[i], used[k])) ++i;
    decided[k] = static_cast<std::uint32_t>(i);
    ++count[i];
  }
  std::size_t kept = 0;
  for (std::size_t k = 0; k < used.size(); ++k) {
    if (decided[k] < table.size() && count[decided[k]] == 1) {
      single.push_back(used[k]);
    } else {
      used[kept++] = used[k];
    }
  }
  used.resize(kept);
}

Entries search(const Entries& used, Defaults defaults, std::size_t routes) {
  Entries table = solve(used, defaults);
  Entries best = table, rest = used, single;
  for (std::size_t round = 0; round < kRounds && best.size() > routes; ++round) {
    const std::size_t singles = single.size();
    split_singles(rest, table, single);
    if (round > 0 && single.size() == singles) break;
    table = solve(rest, defaults);
    Entries whole = single;
    whole.insert(whole.end(), table.begin(), table.end());
    if (used.size() <= kMergeLimit) detail::merge_entries(used, whole);
    if (whole.size() < best.size()) best = std::move(whole);
  }
  return best;
}

std::size_t count_routes(const Entries& used, Defaults defaults) {
  std::vector<std::uint32_t> routes;
  for (const RoutingEntry& region : used) {
    if (defaults == Defaults::kNone || !region.defaultable) routes.push_back(region.route);
  }
  std::sort(routes.begin(), routes.end());
  return static_cast<std::size_t>(std::unique(routes.begin(), routes.end()) - routes.begin());
}

}  // namespace

Result<std::vector<RoutingEntry>> compress(std::span<const RoutingEntry> raw,
                                           const CompressOptions& options) {
  Entries best(raw.begin(), raw.end());
  if (raw.empty()) return best;
  const auto cut = detail::used_regions(raw, 8 * raw.size() + 1000);
  if (!cut) return best;  // as it is: it overlaps itself too much to be taken apart
  Entries used = *cut;
  if (used.size() > kMergeLimit) {
    used = detail::merge_runs(std::move(used));
  }
  for (const Defaults defaults : {Defaults::kNone, Defaults::kLast}) {
    if (defaults == Defaults::kLast && !options.use_default_routes) continue;
    Entries found = search(used, defaults, count_routes(used, defaults));
    for (RoutingEntry& entry : found) entry.defaultable = false;
    if (found.size() < best.size()) best = std::move(found);
  }
  const ProofOptions proof{.allow_default_routes = options.use_default_routes};
  SPIKELOOM_TRY(const auto difference, find_difference(raw, best, proof));
  if (difference) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the compressed routing table is wrong: " + difference->text(),
                 .next = "please report this"};
  }
  return best;
}

}  // namespace spikeloom::mapping
