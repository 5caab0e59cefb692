#pragma once
/// Sweeps: the same network cut to different sizes, on the smallest machine that holds each; or on
/// machines with more and more dead parts.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/map.hpp"

namespace spikeloom::mapping {

/// Joules that a Plan takes a tick; a sweep without one says 0.
using TickPrice = std::function<double(const Plan& plan, const PlanCost& cost)>;

struct SweepPoint {
  std::uint32_t neurons_per_core = 0;
  std::string target;   ///< "spinnaker1:4x3"
  std::string problem;  ///< why there is no Plan; empty where there is one
  PlanCost cost;
  double joules = 0.0;  ///< a tick
  /// No other point has at most as many cores, packets, hops, table entries, seconds and joules,
  /// and less of one.
  bool pareto = false;
};

/// Maps with each of `neurons_per_core`, in order. A target that can be a torus is tried as the
/// smallest nearly square one with enough cores, besides its own size. kInvalidArgument: nothing to
/// try.
Result<std::vector<SweepPoint>> sweep(const PopulationGraph& graph, const Target& target,
                                      const std::vector<std::uint32_t>& neurons_per_core,
                                      const MapOptions& options = {}, const TickPrice& price = {});

struct FaultSweepOptions {
  std::vector<double> shares;  ///< of working cores, and of working links, that are dead
  std::uint32_t trials = 20;   ///< machines drawn for each share
  std::uint64_t seed = 0;
};

/// Machines with one share of dead parts. Means are of those that the network fits.
struct FaultPoint {
  double share = 0.0;
  std::uint32_t trials = 0, mapped = 0;
  std::uint32_t mended = 0;  ///< of the mapped: the Plan of the whole machine was kept and mended
  double mean_dead_cores = 0.0, mean_dead_links = 0.0;
  double mean_cores = 0.0, mean_hops = 0.0;
  double mean_seconds = 0.0, most_seconds = 0.0;  ///< PlanCost::busy_seconds
  double mean_joules = 0.0, most_joules = 0.0;    ///< a tick
  std::string problem;                            ///< of the first machine that it does not fit
  double yield() const { return trials > 0 ? static_cast<double>(mapped) / trials : 0.0; }
};

/// Draws machines whose cores and links are dead at random, on top of the options' faults, and
/// mends the Plan of the whole one for each (mapping/remap.hpp). A part that is dead at some share
/// is so at every larger one. kInvalidArgument: no share, or one outside of 0 to 1; no trial. The
/// errors of map() where the network does not fit the whole machine.
Result<std::vector<FaultPoint>> fault_sweep(const PopulationGraph& graph, const Target& target,
                                            const FaultSweepOptions& sweep,
                                            const MapOptions& options = {},
                                            const TickPrice& price = {});

/// "WIDTHxHEIGHT" of the smallest nearly square torus with so many chips.
std::string torus_size(std::uint64_t chips);

}  // namespace spikeloom::mapping
