#pragma once
/// A network to simulate: populations of neurons, projections between them, stimuli, recordings.
///
/// Plain data that says what the network is; nothing is drawn or allocated until an engine builds
/// it. Everything random is a function of `seed` and of the coordinates of what is drawn
/// (docs/simulation.md), so that the network is the same for any thread or rank count, stored or
/// regenerated. Times in ms, voltages in mV, currents in pA, capacities in pF, rates in Hz.
///
///     simulation::Network network;
///     network.populations = {{"E", 800, "iaf_psc_exp", {{"V_m", Normal{-58, 5}}}},
///                            {"I", 200, "iaf_psc_exp", {}}};
///     network.projections = {{"E to I", 0, 1, FixedInDegree{100}, Constant{20}, Constant{1.5}}};
///     network.stimuli = {PoissonStimulus{0, 8000.0, 20.0}};
///     network.recordings = {{0, 0, 100}};
///     SPIKELOOM_CHECK(check(network));
///
/// Step k leads from t = k dt to (k + 1) dt. A spike that leaves in step k arrives in step k + d,
/// d = max(1, round(delay / dt)): it is added to the synapse after that step's decay, as in NEST,
/// and moves the membrane from step k + d + 1 on (iaf_psc_delta: in step k + d itself).

#include <cstdint>
#include <limits>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "snn/simulation/distribution.hpp"

namespace spikeloom::simulation {

/// `size` neurons of one model. Neurons count from 0 within their population, and over the whole
/// network in the order of the populations.
struct Population {
  std::string name = {};
  std::int64_t size = 0;
  std::string model = "iaf_psc_exp";  ///< a name of neuron_models.hpp
  /// By the names of the model's table; what is absent has the table's default.
  std::map<std::string, Distribution> parameters = {};
};

/// Every source to every target; `autapses`: also a neuron to itself where both are one population.
struct AllToAll {
  bool autapses = true;
};
/// Neuron i to neuron i; the sizes are equal.
struct OneToOne {};
/// Each target draws `degree` sources, each source uniform: it may repeat and be the target itself.
struct FixedInDegree {
  std::int64_t degree = 0;
};
/// Each source draws `degree` targets, likewise.
struct FixedOutDegree {
  std::int64_t degree = 0;
};
/// `synapses` times a source and a target, both uniform.
struct FixedTotalNumber {
  std::int64_t synapses = 0;
};
/// Each pair with `probability`, at most one synapse a pair.
struct PairwiseBernoulli {
  double probability = 0.0;
  bool autapses = true;
};
/// Synapse i leads from source[i] to target[i], in any order. `weight` and `delay` are empty, and
/// the projection's distributions hold, or have a value for each synapse.
struct ExplicitList {
  std::vector<std::uint32_t> source = {}, target = {};
  std::vector<float> weight = {}, delay = {};
};

using ConnectionRule = std::variant<AllToAll, OneToOne, FixedInDegree, FixedOutDegree,
                                    FixedTotalNumber, PairwiseBernoulli, ExplicitList>;

struct Projection {
  std::string name = {};
  std::uint32_t source = 0, target = 0;  ///< populations
  ConnectionRule rule = FixedInDegree{};
  /// pA; mV for models with delta synapses. Below 0 it enters the inhibitory synapse, else the
  /// excitatory one.
  Distribution weight = Constant{0.0};
  Distribution delay = Constant{1.0};
};

/// Every neuron of the population gets its own Poisson train of `rate`; each spike acts like one
/// of a synapse of `weight`, in the step that it is drawn for.
struct PoissonStimulus {
  std::uint32_t population = 0;
  double rate = 0.0;
  double weight = 0.0;
};

/// A current into every neuron of the population in the steps from round(start / dt) to
/// round(stop / dt) - 1.
struct CurrentStimulus {
  std::uint32_t population = 0;
  double amplitude = 0.0;
  double start = 0.0;
  double stop = std::numeric_limits<double>::infinity();
};

using Stimulus = std::variant<PoissonStimulus, CurrentStimulus>;

/// Neurons [first, first + count) of a population. Without `variable` their spikes; else a state of
/// the model, such as "V_m", after every `interval` steps.
struct Recording {
  std::uint32_t population = 0;
  std::int64_t first = 0, count = 0;
  std::string variable = {};
  std::int64_t interval = 1;
};

struct Network {
  double dt = 0.1;
  std::uint64_t seed = 1;
  std::vector<Population> populations = {};
  std::vector<Projection> projections = {};
  std::vector<Stimulus> stimuli = {};
  std::vector<Recording> recordings = {};
};

/// The longest delay, in steps.
inline constexpr std::int64_t kLongestDelay = 4096;

/// Neurons of all populations.
std::int64_t neuron_count(const Network& network);

/// Number of the first neuron of each population, and at the end neuron_count().
std::vector<std::int64_t> first_neurons(const Network& network);

/// Synapses of a projection; the expected number for PairwiseBernoulli.
double expected_synapses(const Network& network, const Projection& projection);

/// kInvalidArgument: a number out of range, an unknown parameter, a delay under half a step or over
/// kLongestDelay; kNotFound: a population or model that there is not; kShape: sizes that do not fit
/// each other. The error names the population, projection or stimulus.
Status check(const Network& network);

}  // namespace spikeloom::simulation
