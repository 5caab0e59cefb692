#pragma once
/// A Program and its Plan as cores hold them: neurons in their slices, synapses in rows.
///
/// Between two populations lie pools, delays, scales, reshapes and at most one layer of weights
/// (mapping/from_program.hpp). They are linear over integers, so they are multiplied into one row
/// of synapses for every source neuron and core; biases become a constant that a neuron's sum
/// begins with. Integer sums are exact in any order (docs/integer.md), so what a core adds up is
/// what cpu adds up.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "mapping/plan.hpp"
#include "snn/integer.hpp"
#include "snn/neuron_equations.hpp"
#include "snn/program.hpp"

namespace spikeloom::emulator {

/// `weight` is added to the sum of `neuron` (within the core) that is read `delay` ticks later.
struct PlacedSynapse {
  std::uint32_t neuron : 24 = 0;
  std::uint32_t delay : 8 = 0;
  std::int32_t weight = 0;
};

/// Synapses of a source slice's neurons on one core: neuron i has [start[i], start[i + 1]).
struct RowBlock {
  std::uint32_t slice = 0;  ///< the source's
  std::vector<std::uint32_t> start;
  std::vector<PlacedSynapse> synapses;

  /// Some weight of the neuron's row is not 0.
  bool has_effect(std::uint32_t neuron) const;
};

enum class PlacedKind : std::uint8_t {
  kInput,      ///< events come from outside
  kNeuron,     ///< op::Neuron
  kThreshold,  ///< op::Threshold
  kSum,        ///< an Output that weights lead into: its value is its sum
};

struct PlacedPopulation {
  PlacedKind kind = PlacedKind::kNeuron;
  std::uint32_t node = 0;             ///< index into Program::nodes
  std::vector<std::uint32_t> slice;   ///< of each neuron
  std::vector<std::uint32_t> within;  ///< its place in the slice
};

/// A slice's neurons, in the order of their places, among those of its core.
struct PlacedSlice {
  std::uint32_t population = 0, core = 0;
  std::uint32_t first = 0;               ///< number of its first neuron within the core
  std::vector<std::uint32_t> neurons;    ///< numbers in the population
  std::vector<std::uint32_t> listeners;  ///< cores that hold rows for it, ascending
};

/// A bias that reaches a neuron `after` so many ticks, through delays.
struct LateConstant {
  std::uint32_t neuron = 0;
  std::int64_t after = 0;
  std::int32_t value = 0;
};

struct PlacedCore {
  std::vector<std::uint32_t> slices;
  std::uint32_t neurons = 0;
  std::vector<RowBlock> blocks;  ///< by slice, ascending
  std::vector<std::int32_t> constant;
  std::vector<LateConstant> late_constants;

  const RowBlock* find(std::uint32_t slice) const;
};

struct PlanProgram {
  std::vector<PlacedPopulation> populations;
  std::vector<PlacedSlice> slices;  ///< as in the Plan
  std::vector<PlacedCore> cores;    ///< as in the Plan
  std::uint32_t longest_delay = 0;  ///< ticks
  std::uint64_t synapses = 0;
};

/// kUnsupported, with the node: what integer arithmetic does not have, and recurrent layers,
/// maximum pools, connections by rule, refractory steps, restarts, spikes that leave a step late,
/// or links out of a population without a delay (give link_delay 1). kShape: a Plan of another
/// program. kResource: more than 2^27 synapses.
Result<PlanProgram> place_program(const Program& program, const IntegerProgram& integer,
                                  const mapping::Plan& plan);

}  // namespace spikeloom::emulator
