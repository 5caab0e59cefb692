#pragma once
/// A Program and its Plan as cores hold them: neurons in their slices, synapses in rows.
///
/// Between two populations lie pools, delays, scales, reshapes and at most one layer of weights
/// (mapping/from_program.hpp). They are linear, so they are multiplied into one row of synapses for
/// every source neuron and core; biases become a constant that a neuron's sum begins with. Integer
/// sums are exact in any order (docs/integer.md), so what a core adds up is what cpu adds up.
///
/// In ring16 a sum is a pair of slots for each weight node that leads into it, one for positive and
/// one for negative products, which stop at 65,535; a first pair, which does not stop, takes what
/// comes without weights. Where a pool lies between, there is a pair for every element in its
/// window, and a Scale multiplies what is read (ring_slots_private.hpp).
///
/// A neuron whose spikes leave a step late (reset timing "next", spikes recorded at arrival) sends
/// what its membrane of the step before says, before any neuron of the tick reads its sum.

#include <cstdint>
#include <string>
#include <vector>

#include "backends/emulator/core_numbers.hpp"
#include "base/result.hpp"
#include "mapping/plan.hpp"
#include "snn/neuron_equations.hpp"
#include "snn/program.hpp"

namespace spikeloom::emulator {

/// `weight` is added to the sum `sum` (within the core) that is read `delay` ticks later. With
/// delay 0 its neuron steps after the sender, in the same tick. In ring16 `sum` is the first of a
/// pair of slots.
struct PlacedSynapse {
  std::uint32_t sum : 24 = 0;
  std::uint32_t delay : 8 = 0;
  Word weight = 0;
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
  kWeights,    ///< weights with other weights behind them: their sums are sent on
  kMaxPool,    ///< a sum for each tap of a window: its value is the largest
  kRelu,       ///< op::Relu
  kRecurrent,  ///< op::Recurrent: sums W of its gates, then R of the same
  kEmbedding,  ///< events come from outside: the vector of a word
};

constexpr bool is_outside(PlacedKind kind) {
  return kind == PlacedKind::kInput || kind == PlacedKind::kEmbedding;
}

/// ring16: two slots of a neuron for sums of a weight node.
struct SlotPair {
  std::uint32_t node = 0;    ///< the weight node
  std::vector<Word> factor;  ///< of what is read, by neuron; empty: 1
};

struct PlacedPopulation {
  PlacedKind kind = PlacedKind::kNeuron;
  std::uint32_t node = 0;       ///< index into Program::nodes
  std::uint32_t sums = 1;       ///< of a neuron
  std::vector<SlotPair> pairs;  ///< ring16: of every sum, after the first pair
  std::uint32_t words = 1;      ///< of a sum
  bool early = false;           ///< its spikes leave a step late, before the others of the tick
  /// It steps after populations of lower rounds: those that reach it without a delay.
  std::uint32_t round = 0;
  std::vector<std::uint32_t> slice;   ///< of each neuron
  std::vector<std::uint32_t> within;  ///< its place in the slice
};

/// A slice's neurons, in the order of their places, among those of its core.
struct PlacedSlice {
  std::uint32_t population = 0, core = 0;
  std::uint32_t first = 0;               ///< number of its first neuron within the core
  std::uint32_t first_sum = 0;           ///< of the core's words of sums, its first
  std::vector<std::uint32_t> neurons;    ///< numbers in the population
  std::vector<std::uint32_t> listeners;  ///< cores that hold rows for it, ascending
};

/// A bias that reaches a sum `after` so many ticks, through delays.
struct LateConstant {
  std::uint32_t sum = 0;
  std::int64_t after = 0;
  Word value = 0;
};

struct PlacedCore {
  std::vector<std::uint32_t> slices;
  std::uint32_t neurons = 0, sums = 0;  ///< `sums` counts words
  std::vector<RowBlock> blocks;         ///< by slice, ascending
  std::vector<Word> constant;           ///< what each sum starts with, at its first word
  std::vector<LateConstant> late_constants;
  std::vector<LateConstant> at_start;  ///< added once, before the tick `after`

  const RowBlock* find(std::uint32_t slice) const;
};

struct PlanProgram {
  std::vector<PlacedPopulation> populations;
  std::vector<PlacedSlice> slices;  ///< as in the Plan
  std::vector<PlacedCore> cores;    ///< as in the Plan
  std::uint32_t longest_delay = 0;  ///< ticks
  std::uint32_t rounds = 1;         ///< of a tick
  std::uint64_t synapses = 0;
};

/// Rows are read from `images` where these hold them, else made from the Program.
///
/// kUnsupported, with the node: what is not emulated. kShape: a Plan of another program, or one
/// that no machine can be loaded with (slices that do not cover a population, keys that two slices
/// share, blocks that overlap), or an image that is not this network's. kResource: more than 2^27
/// synapses.
Result<PlanProgram> place_program(const Program& program, const CoreNumbers& numbers,
                                  const mapping::Plan& plan,
                                  const mapping::PlanImages* images = nullptr);

}  // namespace spikeloom::emulator
