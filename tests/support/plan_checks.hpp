#pragma once
/// Judges of a Plan that share no code with the mapper.

#include <cstdint>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "mapping/plan.hpp"
#include "mapping/population_graph.hpp"

namespace spikeloom::test {

/// (chip, core) pairs.
using CoreSet = std::set<std::pair<std::uint32_t, std::uint32_t>>;

struct Delivery {
  CoreSet cores;
  std::size_t links = 0;
  std::string fault;  ///< empty: no packet was lost, came twice, or took a link that is not there
};

/// Sends one packet of `slice` with key `key` through the compressed tables, chip by chip, default
/// routes included; the machine's geometry and faults are worked out anew from the Plan's target.
Delivery deliver(const mapping::Plan& plan, const mapping::PlanSlice& slice, std::uint32_t key);

/// The cores that some neuron of `slice` has a synapse on, by the definition of each pattern,
/// neuron by neuron.
CoreSet cores_to_reach(const mapping::Plan& plan, const mapping::PopulationGraph& graph,
                       const mapping::PlanSlice& slice);

/// What is wrong with a Plan: a slice over a limit of its target, a core used twice, a packet that
/// does not reach exactly what it has to. Empty when nothing is. Sends a packet of the first and
/// the last neuron of each slice.
std::string faults_of(const mapping::Plan& plan, const mapping::PopulationGraph& graph);

}  // namespace spikeloom::test
