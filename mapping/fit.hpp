#pragma once
/// fit: before anything runs, whether a network fits a target; if not, what binds, and the smallest
/// change that helps.

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/map.hpp"

namespace spikeloom::mapping {

struct FitPopulation {
  std::string name;
  std::uint32_t neurons = 0, slices = 0;
  CoreUse largest;  ///< of the slice that is nearest to a limit
  /// The resource that keeps slices from being larger, and what of it the largest takes; nothing
  /// where the population lies on one core and could be larger.
  std::optional<Resource> bound_by;
  double share = 0.0;  ///< of the limit, 0 .. 1
};

struct FitReport {
  bool fits = false;
  std::vector<FitPopulation> populations;  ///< empty when not even cutting worked
  std::uint64_t cores_needed = 0, cores = 0;
  std::optional<Plan> plan;          ///< when it fits
  std::optional<Error> problem;      ///< when it does not
  std::vector<std::string> changes;  ///< each alone would help, the smallest first
  std::vector<OffChip> off_chip;
  double slowdown = 0.0;  ///< busiest core's tick over a tick in real time; 0: not known
};

/// kInvalidArgument: graph or faults are wrong. That a network does not fit is no error.
Result<FitReport> fit(const PopulationGraph& graph, const Target& target,
                      const MapOptions& options = {});

}  // namespace spikeloom::mapping
