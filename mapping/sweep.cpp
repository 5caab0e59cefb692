#include "mapping/sweep.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "mapping/slices.hpp"

namespace spikeloom::mapping {
namespace {

bool at_most(const SweepPoint& a, const SweepPoint& b) {
  return a.cost.cores <= b.cost.cores && a.cost.packets <= b.cost.packets &&
         a.cost.hops <= b.cost.hops && a.cost.table_sum <= b.cost.table_sum &&
         a.cost.busy_seconds <= b.cost.busy_seconds && a.joules <= b.joules;
}

SweepPoint try_one(const PopulationGraph& graph, const Target& target, const MapOptions& options,
                   const TickPrice& price) {
  SweepPoint point{.neurons_per_core = options.resources.neurons_per_core,
                   .target = target.name + ":" + target.size,
                   .problem = {},
                   .cost = {},
                   .joules = 0.0,
                   .pareto = false};
  const auto plan = map(graph, target, options);
  if (plan.ok()) {
    point.cost = cost(*plan);
    if (price) point.joules = price(*plan, point.cost);
  } else {
    point.problem = plan.error().message();
  }
  return point;
}

}  // namespace

std::string torus_size(std::uint64_t chips) {
  const auto side = static_cast<std::uint64_t>(std::ceil(std::sqrt(static_cast<double>(chips))));
  return fmt::format("{}x{}", side, (chips + side - 1) / side);
}

Result<std::vector<SweepPoint>> sweep(const PopulationGraph& graph, const Target& target,
                                      const std::vector<std::uint32_t>& neurons_per_core,
                                      const MapOptions& options, const TickPrice& price) {
  if (neurons_per_core.empty()) {
    return Error{.code = ErrorCode::kInvalidArgument, .what = "a sweep needs sizes to try"};
  }
  SPIKELOOM_CHECK(check(graph));
  std::vector<SweepPoint> points;
  for (const std::uint32_t neurons : neurons_per_core) {
    MapOptions own = options;
    own.resources.neurons_per_core = neurons;
    points.push_back(try_one(graph, target, own, price));
    const auto slices = cut(graph, target, own.resources);
    if (!slices.ok()) continue;
    const auto per_chip = static_cast<std::uint64_t>(target.constants.cores);
    const std::uint64_t chips = (slices->slices.size() + per_chip - 1) / per_chip;
    const auto torus = load_target(target.name + ":" + torus_size(chips));
    if (!torus.ok() || torus->size == target.size) continue;
    // Faults belong to the machine that was named.
    own.faults = {};
    points.push_back(try_one(graph, *torus, own, price));
  }
  for (SweepPoint& point : points) {
    point.pareto =
        point.problem.empty() &&
        std::none_of(points.begin(), points.end(), [&](const SweepPoint& other) {
          return other.problem.empty() && at_most(other, point) && !at_most(point, other);
        });
  }
  return points;
}

}  // namespace spikeloom::mapping
