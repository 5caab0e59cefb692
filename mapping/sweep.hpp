#pragma once
/// Sweep: the same network cut to different sizes, on the smallest machine that holds each.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/map.hpp"

namespace spikeloom::mapping {

struct SweepPoint {
  std::uint32_t neurons_per_core = 0;
  std::string target;   ///< "spinnaker1:4x3"
  std::string problem;  ///< why there is no Plan; empty where there is one
  PlanCost cost;
  /// No other point has at most as many cores, packets, hops and table entries, and less of one.
  bool pareto = false;
};

/// Maps with each of `neurons_per_core`, in order. A target that can be a torus is tried as the
/// smallest nearly square one with enough cores, besides its own size. kInvalidArgument: nothing to
/// try.
Result<std::vector<SweepPoint>> sweep(const PopulationGraph& graph, const Target& target,
                                      const std::vector<std::uint32_t>& neurons_per_core,
                                      const MapOptions& options = {});

/// "WIDTHxHEIGHT" of the smallest nearly square torus with so many chips.
std::string torus_size(std::uint64_t chips);

}  // namespace spikeloom::mapping
