#pragma once
/// A network that is already placed on a chip: what each core holds in its memory, and to whom its
/// neurons send. It is plain data; an importer (sanafe.hpp) or a lowering fills it.
///
/// A step of length one has three parts. Every core works off its neurons in their order: leak, add
/// what arrived in the last step, compare, reset. A neuron that fires sends one message along each
/// of its axons, one per destination core. The receiving core walks the axon's row and adds each
/// weight to its neuron's sum, which the next step reads.
///
///     Loihi      v <- trunc(64 v leak_decay) / 64, not in the first step
///                u <- u input_decay + sum;  v <- v + bias + u;  fires if v > threshold
///     TrueNorth  v <- v - leak sign(v), or v + leak
///                v <- v + bias + sum;  fires if v >= threshold
///     Input      fires by its spike train, and at every floor(1 / rate)-th step
///
/// Sources: M. Davies et al., Loihi (IEEE Micro 2018); SANA-FE (J. Boyle et al., TCAD 2025), whose
/// conventions these are: what is computed before a refractory neuron is left alone, and which
/// neurons count as updated (a potential or a bias that is not 0, an event, or force_update).

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "backends/emulator/chip.hpp"

namespace spikeloom::emulator {

enum class ResetMode : std::uint8_t { kNone, kHard, kSoft, kSaturate };

/// Parameters that neurons of one run share. `leak` is TrueNorth's, the decays are Loihi's.
struct NeuronParameters {
  double threshold = 0.0, reverse_threshold = 0.0;
  double reset = 0.0, reverse_reset = 0.0;
  ResetMode reset_mode = ResetMode::kHard, reverse_reset_mode = ResetMode::kNone;
  double leak_decay = 1.0, input_decay = 0.0;
  std::int32_t refractory_delay = 0;
  double leak = 0.0;
  bool leak_towards_zero = true;
  bool force_update = false;

  friend bool operator==(const NeuronParameters&, const NeuronParameters&) = default;
};

/// Consecutive neurons of a core with one model and one set of parameters.
struct NeuronRun {
  std::uint32_t begin = 0, end = 0;
  std::uint32_t soma = 0;  ///< index into CoreKind::somas
  NeuronParameters parameters;
};

/// An input unit; neurons that share it take turns along its train.
struct InputUnit {
  std::vector<std::uint8_t> spikes;
  double rate = 0.0;
};

/// A message's way and what it costs and finds: the row [first, first + count) of the destination's
/// synapses. Everything about a message but its time is known beforehand.
struct Axon {
  std::uint32_t core = 0;
  std::uint32_t hops = 0;
  std::uint32_t first = 0, count = 0;
  double way_latency = 0.0;      ///< s, without contention
  double receive_latency = 0.0;  ///< s: axon in, synapses and dendrites
  double network_energy = 0.0;   ///< J: axon out, hops, axon in
  double synapse_energy = 0.0, dendrite_energy = 0.0;
};

/// One synapse in the row of an axon. Weights that are whole 16-bit numbers are kept as such.
struct CompactSynapse {
  std::uint16_t neuron = 0;  ///< within the core
  std::int16_t weight = 0;
};
struct WideSynapse {
  std::uint32_t neuron = 0;
  double weight = 0.0;
};

struct CoreProgram {
  std::vector<std::uint32_t> neuron;  ///< number in the network, in the order of working them off
  std::vector<NeuronRun> runs;        ///< cover them all
  std::vector<double> bias, potential;
  std::vector<std::uint32_t> input;  ///< by neuron, index into inputs; empty without inputs
  std::vector<InputUnit> inputs;
  std::vector<std::uint32_t> first_axon;  ///< by neuron, one more than neurons
  std::vector<Axon> axons;
  std::vector<CompactSynapse> compact;  ///< in a program of compact synapses
  std::vector<WideSynapse> wide;        ///< in all others
};

struct NeuronGroup {
  std::string name;
  std::uint32_t first = 0, count = 0;
};

struct MappedProgram {
  std::string name;
  Chip chip;
  std::vector<CoreProgram> cores;   ///< as chip.cores
  std::vector<NeuronGroup> groups;  ///< numbers of neurons are dealt out group by group
  std::vector<bool> logged;         ///< by neuron: its spikes are wanted
  bool compact = true;
  std::uint64_t synapses = 0;
  std::uint64_t used_tiles = 0;  ///< with at least one neuron
  std::vector<std::string> notes;

  std::uint64_t neurons() const { return logged.size(); }
  /// "group.index".
  std::string neuron_name(std::uint32_t neuron) const;
};

}  // namespace spikeloom::emulator
