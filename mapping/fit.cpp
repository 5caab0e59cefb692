#include "mapping/fit.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mapping/detail/shared_cores.hpp"
#include "mapping/machine.hpp"
#include "mapping/slices.hpp"
#include "mapping/sweep.hpp"

namespace spikeloom::mapping {
namespace {

/// A resource is what binds a population when its slices take most of it.
constexpr double kNearLimit = 0.5;

FitPopulation describe(const PopulationGraph& graph, const Slicing& slicing, std::uint32_t p,
                       const CoreLimits& limits) {
  const auto& of = slicing.populations[p];
  FitPopulation made{.name = graph.populations[p].name,
                     .neurons = graph.populations[p].neurons(),
                     .slices = of.slices,
                     .largest = {},
                     .bound_by = {}};
  std::optional<Resource> nearest;
  for (std::uint32_t s = of.first_slice; s < of.first_slice + of.slices; ++s) {
    const CoreUse& use = slicing.slices[s].use;
    if (s == of.first_slice) made.largest = use;
    for (const Resource resource :
         {Resource::kNeurons, Resource::kData, Resource::kInAxons, Resource::kCycles}) {
      const double limit = amount(limits, resource);
      if (limit <= 0.0) continue;
      const double share = amount(use, resource) / limit;
      if (share <= made.share) continue;
      made.share = share;
      made.largest = use;
      nearest = resource;
    }
  }
  if (of.slices > 1 || made.share > kNearLimit) made.bound_by = nearest;
  return made;
}

/// Targets of another size that hold so many cores: the file's own sizes, then a torus.
void suggest_sizes(const Target& target, std::uint64_t cores_needed,
                   std::vector<std::string>& changes) {
  const auto per_chip = static_cast<std::uint64_t>(target.constants.cores);
  for (const char* size : {"board"}) {
    const auto larger = load_target(target.name + ":" + size);
    if (!larger.ok() || larger->size == target.size) continue;
    const auto machine = Machine::make(*larger);
    if (machine.ok() && machine->working_cores() >= cores_needed) {
      changes.push_back(
          fmt::format("--target {}:{} ({} cores)", target.name, size, machine->working_cores()));
      return;
    }
  }
  const std::uint64_t chips = (cores_needed + per_chip - 1) / per_chip;
  const std::string size = torus_size(chips);
  if (load_target(target.name + ":" + size).ok()) {
    changes.push_back(fmt::format("--target {}:{}", target.name, size));
  }
}

}  // namespace

Result<FitReport> fit(const PopulationGraph& graph, const Target& target,
                      const MapOptions& options) {
  FitReport report;
  report.off_chip = graph.off_chip;
  SPIKELOOM_CHECK(check(graph));
  SPIKELOOM_TRY(const Machine machine, Machine::make(target, options.faults));
  report.cores = machine.joined_cores();
  const CoreLimits limits = core_limits(target, options.resources);
  const auto cutting = cut(graph, target, options.resources);
  if (cutting.ok()) {
    report.cores_needed = cutting->slices.size();
    if (detail::shares_cores(target)) {  // a core holds a part of each
      report.cores_needed = 0;
      for (const auto& of : cutting->populations) {
        report.cores_needed = std::max<std::uint64_t>(report.cores_needed, of.slices);
      }
    }
    for (std::uint32_t p = 0; p < graph.populations.size(); ++p) {
      report.populations.push_back(describe(graph, *cutting, p, limits));
    }
  }
  auto plan = map(graph, target, options);
  if (plan.ok()) {
    report.fits = true;
    const double tick = target.constants.clock * target.constants.tick_seconds;
    if (tick > 0.0) report.slowdown = cost(*plan).max_cycles / tick;
    report.plan = *std::move(plan);
    return report;
  }
  report.problem = plan.error();
  const auto helps = [&](const MapOptions& changed, std::string words) {
    if (map(graph, target, changed).ok()) report.changes.push_back(std::move(words));
  };
  if (cutting.ok() && report.cores_needed > report.cores) {
    suggest_sizes(target, report.cores_needed, report.changes);
  }
  for (const std::uint32_t bytes : {2U, 1U}) {
    MapOptions lighter = options;
    lighter.resources.weight_bytes = bytes;
    const std::size_t before = report.changes.size();
    helps(lighter, fmt::format("weights of {} bits (spikeloom quantize)", 8 * bytes));
    if (report.changes.size() > before) break;
  }
  if (options.resources.real_time) {
    MapOptions slower = options;
    slower.resources.real_time = false;
    helps(slower, "a slower tick than real time (without --real-time)");
  }
  return report;
}

}  // namespace spikeloom::mapping
