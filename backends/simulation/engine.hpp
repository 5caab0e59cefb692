#pragma once
/// The fast simulator of described networks, on one machine.
///
///     SPIKELOOM_TRY(auto engine, Engine::make(network, {.threads = 2}));
///     SPIKELOOM_CHECK(engine->advance(10000));
///
/// A step: synapses of earlier spikes that are due are added to their targets' accumulators, whole
/// numbers, so that their order does not matter; Poisson sources likewise; the neurons move and
/// fire. Rows by source and delay (detail/rows.hpp) or regenerated at each spike (`procedural`)
/// hold the same synapses. Neurons are split into slices, of which each thread has its own; the
/// spikes of a step are known to all slices in the next one. Spikes are the same for any number of
/// threads, stored or procedural, on any processor. Sinks are called by any of the threads, one at
/// a time.
///
/// Arithmetic. Weights are whole numbers of a unit (snn/simulation/weight_units.hpp). Neurons are
/// float32, or double with `in_double`: the equations of neuron_equations.hpp, each operation
/// rounded. In float32, populations of iaf_psc_exp whose neurons share their parameters and one
/// synaptic time constant below 9.5 steps have currents in whole units, too
/// (detail/neuron_kernels.hpp); their I_syn_ex is the sum of both currents.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "backends/simulation/ranks.hpp"
#include "base/result.hpp"
#include "snn/simulation/simulator.hpp"

namespace spikeloom::simulation {

struct EngineOptions {
  int threads = 1;
  bool procedural = false;  ///< hold no synapses, make a source's when it fires
  bool in_double = false;
  /// Populations of iaf_psc_exp that share parameters and one synaptic time constant, without
  /// stimuli, move only when something reaches them (detail/lazy_neurons.hpp): time follows spikes.
  /// Several steps at once round once, so that spikes differ from those of other engines in the
  /// end.
  bool closed_form = false;
  /// Bytes; 0: what the machine has available, shared by its ranks.
  double memory_limit = 0.0;
  /// Null: this process has all neurons. Else each rank makes an engine, and calls advance, state,
  /// save and load together with the others; a sink sees all spikes on every rank, and has to give
  /// the same answers.
  std::shared_ptr<Ranks> ranks = nullptr;
};

/// Bytes of this rank, predicted without building anything.
struct MemoryEstimate {
  double synapses = 0.0;  ///< rows, their lengths and delays
  double neurons = 0.0;   ///< state, accumulators, parameters
  double building = 0.0;  ///< what construction needs besides
  double total() const { return synapses + neurons + building; }
};

/// kNotFound, kInvalidArgument, kShape: of check(network).
Result<MemoryEstimate> estimate_memory(const Network& network, const EngineOptions& options = {});

/// Seconds of the first thread, since the engine was made.
struct EnginePhases {
  double delivery = 0.0, neurons = 0.0, stimuli = 0.0, exchange = 0.0;
};

class Engine : public Simulator {
 public:
  /// Errors of check(network); kResource: the estimate is over the limit, which it names;
  /// kInvalidArgument: threads not in 1 to 1,024. Sums of weights have 32 bits, unchecked: at most
  /// 131,000 of the largest weight in one step, 13,000 where currents are whole.
  static Result<std::unique_ptr<Engine>> make(Network network, const EngineOptions& options = {});

  /// The state after step() steps, to go on from elsewhere: same network and arithmetic, any
  /// number of threads and ranks, stored or procedural.
  virtual Result<std::vector<std::byte>> save() const = 0;
  /// kFormat, kInvalidArgument: not a checkpoint of this network; nothing has changed then.
  virtual Status load(std::span<const std::byte> checkpoint) = 0;

  /// Of this rank's neurons, as the following.
  virtual std::uint64_t synapses() const = 0;
  /// Bytes of synapses, row lengths and delays.
  virtual std::uint64_t synapse_bytes() const = 0;
  /// Measures phases from now on; costs a few clock reads a step.
  virtual void measure_phases(bool on) = 0;
  virtual EnginePhases phases() const = 0;
};

}  // namespace spikeloom::simulation
