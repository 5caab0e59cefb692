#include <algorithm>

#include <fmt/format.h>

#include "base/random.hpp"
#include "mapping/machine.hpp"
#include "mapping/remap.hpp"
#include "mapping/sweep.hpp"

namespace spikeloom::mapping {
namespace {

/// Parts of a machine that may die, in a fixed order: part i is dead where uniform(i) < share.
Faults draw(const Machine& machine, double share, const RandomStream& random) {
  Faults faults;
  std::uint64_t part = 0;
  for (std::uint32_t chip = 0; chip < machine.chips(); ++chip) {
    const std::int32_t x = machine.x(chip), y = machine.y(chip);
    for (const std::uint16_t core : machine.cores(chip)) {
      if (random.uniform(part++) < share) faults.cores.push_back({x, y, core});
    }
    // A link is dead both ways: three directions name them all.
    for (int d = 0; d < kDirections / 2; ++d) {
      if (machine.neighbour(chip, d) == kNoChip) continue;
      if (random.uniform(part++) < share) faults.links.push_back({x, y, d});
    }
  }
  return faults;
}

void join(const Faults& more, Faults& faults) {
  faults.chips.insert(faults.chips.end(), more.chips.begin(), more.chips.end());
  faults.cores.insert(faults.cores.end(), more.cores.begin(), more.cores.end());
  faults.links.insert(faults.links.end(), more.links.begin(), more.links.end());
}

void add(const Plan& plan, const TickPrice& price, FaultPoint& point) {
  const PlanCost costs = cost(plan);
  const double joules = price ? price(plan, costs) : 0.0;
  ++point.mapped;
  point.mean_cores += static_cast<double>(costs.cores);
  point.mean_hops += costs.hops;
  point.mean_seconds += costs.busy_seconds;
  point.most_seconds = std::max(point.most_seconds, costs.busy_seconds);
  point.mean_joules += joules;
  point.most_joules = std::max(point.most_joules, joules);
}

void take_means(FaultPoint& point) {
  point.mean_dead_cores /= point.trials;
  point.mean_dead_links /= point.trials;
  if (point.mapped == 0) return;
  for (double* sum :
       {&point.mean_cores, &point.mean_hops, &point.mean_seconds, &point.mean_joules}) {
    *sum /= point.mapped;
  }
}

Status check(const FaultSweepOptions& sweep) {
  const bool in_range = std::all_of(sweep.shares.begin(), sweep.shares.end(),
                                    [](double share) { return share >= 0.0 && share <= 1.0; });
  if (!sweep.shares.empty() && in_range && sweep.trials > 0) return {};
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = "a sweep of faults needs shares of dead parts, and trials",
               .expected = "shares from 0 to 1, one trial or more"};
}

}  // namespace

Result<std::vector<FaultPoint>> fault_sweep(const PopulationGraph& graph, const Target& target,
                                            const FaultSweepOptions& sweep,
                                            const MapOptions& options, const TickPrice& price) {
  SPIKELOOM_CHECK(check(sweep));
  SPIKELOOM_TRY(const Machine machine, Machine::make(target, options.faults));
  SPIKELOOM_TRY(const Plan whole, map(graph, target, options));
  std::vector<FaultPoint> points;
  for (const double share : sweep.shares) {
    FaultPoint& point = points.emplace_back();
    point.share = share;
    point.trials = sweep.trials;
    for (std::uint32_t trial = 0; trial < sweep.trials; ++trial) {
      MapOptions own = options;
      own.faults = draw(machine, share, RandomStream{sweep.seed, trial});
      point.mean_dead_cores += static_cast<double>(own.faults.cores.size());
      point.mean_dead_links += static_cast<double>(own.faults.links.size());
      join(options.faults, own.faults);
      RemapReport report;
      const auto plan = remap(whole, graph, own, &report);
      if (plan.ok()) {
        if (report.anew.empty()) ++point.mended;
        add(*plan, price, point);
      } else if (point.problem.empty()) {
        point.problem = plan.error().message();
      }
    }
    take_means(point);
  }
  return points;
}

}  // namespace spikeloom::mapping
