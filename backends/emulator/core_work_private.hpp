#pragma once
/// The work of one core in one step: its neurons, then the rows of the messages it receives.

#include <cstdint>
#include <vector>

#include "backends/emulator/emulator.hpp"

namespace spikeloom::emulator {

/// What a neuron got in the last step: the sum of its events, and whether there were any. Whole
/// weights are packed into one integer, sum x 2^24 + number of events, so that a synaptic event is
/// one addition; a neuron has fewer than 2^24 synapses, which the importer checks.
constexpr int kCountBits = 24;
constexpr std::int64_t kCountMask = (std::int64_t{1} << kCountBits) - 1;

struct CoreState {
  std::vector<double> potential, current;
  std::vector<std::int32_t> refractory;
  std::vector<std::int64_t> packed;  ///< compact programs
  std::vector<double> sum;           ///< all others
  std::vector<std::uint8_t> touched;
  std::vector<std::size_t> next_spike;  ///< by input unit
};

CoreState initial_state(const CoreProgram& core, bool compact);

struct CoreContext {
  const CoreProgram& program;
  const CoreKind& kind;
  CoreState& state;
  CoreTraffic& traffic;  ///< out
  StepRecord& record;    ///< counts and the soma's energy are added
  CoreLoad& load;
  std::vector<std::uint32_t>& fired;  ///< numbers of the neurons that fired are appended
};

/// `step` counts from 1.
void work_off_neurons(const CoreContext& core, std::uint64_t step);

/// Adds the message's row to the sums of its core.
void receive(const Axon& axon, const CoreProgram& program, CoreState& state);

}  // namespace spikeloom::emulator
