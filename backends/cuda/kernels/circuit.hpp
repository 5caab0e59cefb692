#pragma once
/// Simulated networks (snn/simulation): neurons with whole currents, and the rows of those that
/// fire. The arithmetic is that of backends/simulation/detail/neuron_kernels.hpp, operation by
/// operation, and sums are whole numbers, so that spikes are the engine's.

#include <cmath>

#include "backends/cuda/kernels/kernel.hpp"

namespace spikeloom::cuda {

/// Half to even, as processors round.
SPIKELOOM_KERNEL std::int32_t rounded(float value) {
#if defined(__CUDA_ARCH__)
  return __float2int_rn(value);
#else
  return static_cast<std::int32_t>(std::lrint(value));
#endif
}

struct CircuitPopulation {
  float decay = 0, gain = 0, drive = 0, current_decay = 0, threshold = 0, reset = 0;
  std::int32_t refractory_steps = 0;
};

/// Neurons lie population by population, each padded to whole blocks.
inline constexpr std::uint32_t kCircuitBlock = 64;

/// What arrives in a step is added to the currents at the beginning of the next one, so that the
/// rows of a step's spikes are delivered while the neurons make the next step's.
struct Circuit {
  const Clock* clock = nullptr;
  const CircuitPopulation* population = nullptr;
  const std::uint8_t* population_of = nullptr;  ///< a block of neurons
  float* membrane = nullptr;
  std::int32_t* current = nullptr;    ///< at the beginning of the last step
  std::int32_t* countdown = nullptr;  ///< refractory steps left; below 0: not a neuron
  std::int32_t* ring = nullptr;       ///< slots x neurons: what arrives in a step
  std::uint32_t neurons = 0, slots = 1;
  /// Who fired in the last two steps (even and odd ones: neurons each), in any order; how many in
  /// step k of the chunk: count[k + 1].
  std::uint32_t* recent = nullptr;
  std::uint32_t* count = nullptr;
  /// Who fired in this chunk, step k and neuron: k 2^target_bits + neuron, in any order.
  std::uint32_t* log = nullptr;
  std::uint32_t* logged = nullptr;
  std::uint64_t* sent = nullptr;  ///< synapses of all that fired, but in the last step
  // Synapses of source s that arrive first_delay + d steps later: from start[s] + offset[s (delays
  // + 1) + d] on, weight 2^target_bits + target.
  const std::uint64_t* start = nullptr;
  const std::uint32_t* offset = nullptr;
  const std::uint32_t* synapse = nullptr;
  std::uint32_t first_delay = 1, delays = 0, target_bits = 17;

  SPIKELOOM_KERNEL std::int32_t* arriving(std::int64_t step) const {
    const auto slot = static_cast<std::uint32_t>(static_cast<std::uint64_t>(step) & (slots - 1));
    return ring + static_cast<std::size_t>(slot) * neurons;
  }
  SPIKELOOM_KERNEL std::uint32_t* fired(std::int64_t step) const {
    return recent + static_cast<std::size_t>(step & 1) * neurons;
  }
};

/// A step: some blocks move the neurons, the others deliver the spikes of the step before.
struct CircuitKernel {
  static constexpr std::uint32_t kRowBlocks = 264, kLanes = 32;
  struct Local {};
  Circuit circuit;
  std::uint32_t offset = 0;  ///< of the step in its chunk

  SPIKELOOM_KERNEL std::uint32_t blocks() const {
    return kRowBlocks + tiles(circuit.neurons, kTile);
  }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    if (offset >= circuit.clock->count) return;
    const std::int64_t step = circuit.clock->first + offset;
    if (place.block < kRowBlocks) {
      deliver(place, step - 1);
    } else {
      move((place.block - kRowBlocks) * kTile + place.thread, step);
    }
  }

 private:
  SPIKELOOM_KERNEL void move(std::uint32_t i, std::int64_t step) const {
    if (i >= circuit.neurons) return;
    const std::int32_t countdown = circuit.countdown[i];
    if (countdown < 0) return;
    const CircuitPopulation p = circuit.population[circuit.population_of[i / kCircuitBlock]];
    std::int32_t* const arrived = circuit.arriving(step - 1) + i;
    const std::int32_t current =
        rounded(static_cast<float>(circuit.current[i]) * p.current_decay) + *arrived;
    *arrived = 0;
    circuit.current[i] = current;
    float v = circuit.membrane[i];
    if (countdown == 0) v = p.decay * v + (p.gain * static_cast<float>(current) + p.drive);
    if (countdown > 0) circuit.countdown[i] = countdown - 1;
    if (v >= p.threshold) {
      v = p.reset;
      circuit.countdown[i] = p.refractory_steps;
      circuit.fired(step)[take_room(circuit.count + offset + 1, 1)] = i;
      circuit.log[take_room(circuit.logged, 1)] = offset << circuit.target_bits | i;
    }
    circuit.membrane[i] = v;
  }

  /// A group of lanes takes one delay of one row.
  SPIKELOOM_KERNEL void deliver(const Place& place, std::int64_t step) const {
    const std::uint32_t* const fired = circuit.fired(step);
    const std::uint32_t lane = place.thread % kLanes, groups = place.threads / kLanes * kRowBlocks;
    const std::uint32_t items = circuit.count[offset] * circuit.delays;
    const std::uint32_t mask = (1U << circuit.target_bits) - 1;
    for (std::uint32_t item = place.block + place.thread / kLanes * kRowBlocks; item < items;
         item += groups) {
      const std::uint32_t source = fired[item / circuit.delays];
      const std::uint32_t delay = item % circuit.delays;
      const std::uint32_t* const offsets =
          circuit.offset + static_cast<std::size_t>(source) * (circuit.delays + 1) + delay;
      const std::uint32_t end = offsets[1];
      const std::uint32_t* const row = circuit.synapse + circuit.start[source];
      std::int32_t* const to = circuit.arriving(step + circuit.first_delay + delay);
      if (lane == 0) add_to(circuit.sent, std::uint64_t{end - offsets[0]});
      for (std::uint32_t j = offsets[0] + lane; j < end; j += kLanes) {
        const std::uint32_t packed = row[j];
        add_to(to + (packed & mask), static_cast<std::int32_t>(packed) >> circuit.target_bits);
      }
    }
  }
};

}  // namespace spikeloom::cuda
