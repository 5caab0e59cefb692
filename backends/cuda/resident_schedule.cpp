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

std::vector<WarpPart> cut_work(const std::vector<WarpLoad>& loads, double grain) {
  std::vector<WarpPart> all;
  for (std::uint32_t i = 0; i < loads.size(); ++i) {
    const WarpLoad& load = loads[i];
    const double wanted =
        std::clamp(std::ceil(load.cost / grain), 1.0, std::max(1.0, 1.0 * load.most));
    const auto parts = static_cast<std::uint32_t>(wanted);
    for (std::uint32_t part = 0; part < parts; ++part) all.push_back({i, part, parts});
  }
  const auto cost = [&](const WarpPart& w) { return loads[w.operation].cost / w.parts; };
  std::stable_sort(all.begin(), all.end(),
                   [&](const WarpPart& a, const WarpPart& b) { return cost(a) > cost(b); });
  return all;
}

}  // namespace spikeloom::cuda
