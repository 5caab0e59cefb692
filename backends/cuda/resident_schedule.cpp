#include "backends/cuda/resident_schedule.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace spikeloom::cuda {

std::uint32_t ResidentSchedule::depth() const {
  return lag.empty() ? 1 : *std::max_element(lag.begin(), lag.end()) + 1;
}

namespace {

/// Longest ways through the dependences; nothing where a cycle takes more phases than it has.
std::optional<std::vector<std::uint32_t>> lags(std::uint32_t operations,
                                               const std::vector<Dependence>& all,
                                               std::int64_t interval) {
  std::vector<std::int64_t> lag(operations, 0);
  for (std::uint32_t round = 0; round <= operations; ++round) {
    bool settled = true;
    for (const Dependence& d : all) {
      const std::int64_t earliest = lag[d.before] + 1 - interval * d.delay;
      if (lag[d.after] >= earliest) continue;
      lag[d.after] = earliest;
      settled = false;
    }
    if (settled) return std::vector<std::uint32_t>(lag.begin(), lag.end());
  }
  return std::nullopt;
}

}  // namespace

ResidentSchedule schedule_phases(std::uint32_t operations, const std::vector<Dependence>& all,
                                 std::uint32_t least) {
  for (std::uint32_t interval = std::max(least, 1U); interval < operations; ++interval) {
    if (auto found = lags(operations, all, interval)) return {interval, *std::move(found)};
  }
  ResidentSchedule one_by_one{std::max(operations, std::max(least, 1U)), {}};
  one_by_one.lag.resize(operations);
  std::iota(one_by_one.lag.begin(), one_by_one.lag.end(), 0U);
  return one_by_one;
}

std::uint32_t ring_slots(const ResidentSchedule& schedule, std::uint32_t writer,
                         std::uint32_t reader, std::uint32_t delay) {
  const auto interval = static_cast<std::int64_t>(schedule.interval);
  const std::int64_t apart = std::int64_t{schedule.lag[reader]} - schedule.lag[writer];
  const std::int64_t whole =
      apart >= 0 ? apart / interval : -((interval - 1 - apart) / interval);  // rounded down
  return static_cast<std::uint32_t>(std::max<std::int64_t>(delay + whole + 1, 1));
}

std::vector<WarpShare> share_warps(const std::vector<WarpLoad>& loads, std::uint32_t warps) {
  std::vector<std::uint32_t> order(loads.size());
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::uint32_t a, std::uint32_t b) { return loads[a].cost > loads[b].cost; });
  double total = 0.0, most = 0.0;
  for (const WarpLoad& load : loads) {
    total += load.cost;
    most = std::max(most, load.cost / std::clamp(load.most, 1U, warps));
  }
  std::vector<WarpShare> shares(loads.size());
  // Operations above the limit get warps of their own, the others are packed, the largest first.
  const auto fits = [&](double limit) {
    std::vector<double> packed;
    std::uint32_t taken = 0;
    for (const std::uint32_t i : order) {
      const WarpLoad& load = loads[i];
      const auto wanted = static_cast<std::uint32_t>(std::ceil(load.cost / limit));
      if (wanted <= 1) continue;
      shares[i] = {taken, std::min(wanted, std::clamp(load.most, 1U, warps))};
      taken += shares[i].count;
    }
    for (const std::uint32_t i : order) {
      const double cost = loads[i].cost;
      if (std::ceil(cost / limit) > 1.0) continue;
      std::size_t bin = 0;
      while (bin < packed.size() && packed[bin] + cost > limit) ++bin;
      if (bin == packed.size()) packed.push_back(0.0);
      packed[bin] += cost;
      shares[i] = {taken + static_cast<std::uint32_t>(bin), 1};
    }
    return taken + packed.size() <= warps;
  };
  double limit = std::max({total / warps, most, 1e-9});
  while (!fits(limit)) limit *= 1.1;
  return shares;
}

}  // namespace spikeloom::cuda
