#pragma once
/// The state of a simulated network, independent of threads, slices and ranks.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

/// Columns of state of the neurons of a population, as NeuronGroup::save() has them.
using PopulationState = std::vector<std::vector<double>>;

struct SimulationState {
  std::int64_t step = 0;
  std::uint64_t spikes = 0, synaptic_events = 0;
  std::vector<PopulationState> populations = {};
  /// The spikes of the steps before `step` that may still be on their way, oldest step first; the
  /// last one is step - 1.
  std::vector<std::vector<std::uint32_t>> history = {};
};

/// "SLSIM001", a number that stands for the description and the arithmetic, then the members in
/// order: integers of 64 bits, reals as IEEE double, neurons of 32 bits, little endian, lengths in
/// front.
std::vector<std::byte> write_state(const SimulationState& state, const Network& network,
                                   int arithmetic);

/// kFormat: not such a checkpoint, cut short, or a number out of range; kInvalidArgument: of
/// another network or arithmetic. `shape` has the columns that `network` needs.
Result<SimulationState> read_state(std::span<const std::byte> bytes, const Network& network,
                                   int arithmetic, const std::vector<PopulationState>& shape);

}  // namespace spikeloom::simulation
