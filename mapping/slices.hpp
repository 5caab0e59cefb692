#pragma once
/// Cuts populations into slices that fit a core each.
///
/// A population without windows is cut into runs of its neurons: as few as fit, and as even. One
/// whose synapses are listed follows them: runs hold about equal bytes, not neurons. A population
/// that windows touch is cut into boxes of channels, rows and columns; of those that need at most
/// 5 % more cores than the fewest, the boxes are taken that the fewest packets have to visit.
///
/// Where cores share one memory (cpu, gpu: one chip without a clock), every core has a part of
/// every population instead: rows where windows touch it, else runs.

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "mapping/resources.hpp"

namespace spikeloom::mapping {

struct Slice {
  std::uint32_t population = 0;
  std::uint32_t first = 0, count = 0;  ///< positions
  Box box;
  CoreUse use;
};

struct Slicing {
  struct OfPopulation {
    Extent3 tile = {1, 1, 0};
    std::uint32_t first_slice = 0, slices = 0;
    std::vector<std::uint32_t> order;  ///< neuron of each position; empty: its own number
  };
  std::vector<OfPopulation> populations;
  std::vector<Slice> slices;
  std::vector<PlanBlock> blocks;  ///< slice by slice, addresses not given yet
};

/// kResource: one neuron is more than a core holds, or a delay is longer than the machine's; the
/// message names population, resource and numbers, and the smallest change that helps.
Result<Slicing> cut(const PopulationGraph& graph, const Target& target,
                    const ResourceOptions& options);

/// For each slice, the slices that its packets have to reach. Slices with equal lists share one.
struct TargetSets {
  std::vector<std::uint32_t> of_slice;           ///< index into `sets`
  std::vector<std::vector<std::uint32_t>> sets;  ///< slices, ascending; [0] is empty
};
TargetSets target_sets(const PopulationGraph& graph, const Slicing& slicing);
/// The same for the slices of some populations alone; those of others get the empty list.
TargetSets target_sets(const PopulationGraph& graph, const Slicing& slicing,
                       const std::vector<char>& populations);

}  // namespace spikeloom::mapping
