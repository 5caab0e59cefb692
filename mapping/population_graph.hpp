#pragma once
/// PopulationGraph: what a mapper has to know of a network, one entry for each population.
///
/// A population is a layer of neurons, or a source of events; a projection is everything between
/// two of them, weights, pools and reshapes together. Nothing is expanded: a convolution is its
/// window and the bytes of its kernels, a dense layer is a number of bytes a synapse. Only where
/// synapses are absent one by one are they listed (SynapseList).
///
/// Neurons of a population are numbered as in the network: (channel, row, column), the last
/// fastest; a population that no window touches has one channel and one row.

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "snn/receptive_field.hpp"

namespace spikeloom::mapping {

/// Channels, rows, columns.
using Extent3 = std::array<std::uint32_t, 3>;

struct Population {
  std::string name;
  Extent3 shape = {1, 1, 0};
  double rate = 0.0;  ///< events a neuron sends a tick
  std::uint32_t state_values =
      0;                   ///< of a neuron, parameters that differ from neuron to neuron too
  std::uint32_t sums = 1;  ///< slots that a neuron's input is added up in (an EGRU has 6)
  bool source = false;     ///< events come from outside; nothing is computed
  bool graded = false;     ///< its events carry a value
  std::int64_t node = -1;  ///< index into Program::nodes; -1: not from a program

  std::uint32_t neurons() const { return shape[0] * shape[1] * shape[2]; }
};

enum class Pattern {
  kAll,       ///< every source neuron to every target neuron
  kOneToOne,  ///< neuron i to neuron i
  kWindow,    ///< a convolution or pool: see Window
  kRandom,    ///< every pair is possible; only the number of synapses is known
  kList,      ///< see SynapseList
};
const char* to_string(Pattern pattern);

/// Of kWindow.
using WindowAxis = FieldAxis;
using Window = ReceptiveField;

/// Synapses one by one, by target; a source may come several times (once for each gate).
struct SynapseList {
  std::vector<std::uint64_t> start;   ///< neurons of the target + 1
  std::vector<std::uint32_t> source;  ///< ascending within a target
  friend bool operator==(const SynapseList&, const SynapseList&) = default;
};

struct Projection {
  std::uint32_t source = 0, target = 0;  ///< populations
  Pattern pattern = Pattern::kAll;
  std::uint32_t delay = 1;         ///< ticks, the longest
  std::uint32_t weight_bytes = 1;  ///< of a synapse, without padding or index
  std::uint32_t gates = 1;         ///< matrices below each other that have rows of their own
  std::uint64_t rows = 0;  ///< of kAll: rows of weights, where a pool leaves fewer than sources
  double synapses = 0.0;   ///< of kRandom: all of them
  Window window = {};      ///< of kWindow
  std::shared_ptr<const SynapseList> list = {};  ///< of kList
  std::vector<std::uint32_t> nodes = {};         ///< indices into Program::nodes on the way
};

/// What cannot be on the chip, with its size; costed apart.
struct OffChip {
  std::string name, why;
  double bytes = 0.0;
  friend bool operator==(const OffChip&, const OffChip&) = default;
};

struct PopulationGraph {
  std::string name;
  std::vector<Population> populations = {};
  std::vector<Projection> projections = {};
  std::vector<OffChip> off_chip = {};
};

/// kInvalidArgument naming the population or projection: numbers out of range, lists that do not
/// fit, no population, more than 2^31 neurons.
Status check(const PopulationGraph& graph);

}  // namespace spikeloom::mapping
