#include "backends/simulation/reference_simulator.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "snn/simulation/connectivity.hpp"
#include "snn/simulation/draws.hpp"
#include "snn/simulation/neuron_equations.hpp"
#include "snn/simulation/neuron_models.hpp"

namespace spikeloom::simulation {
namespace {

using Input = NeuronInput<double>;

/// The neurons of one population.
class Neurons {
 public:
  virtual ~Neurons() = default;
  virtual bool step(std::size_t neuron, const Input& input) = 0;
  virtual Result<std::vector<double>> state(std::string_view variable) const = 0;
};

template <typename Model>
class NeuronsOf : public Neurons {
 public:
  using Parameters = typename Model::Parameters;

  NeuronsOf(const Network& network, std::uint32_t population) {
    const auto size = static_cast<std::size_t>(network.populations[population].size);
    std::vector<Parameters> parameters(size);
    std::vector<double> values(size);
    for (const auto& info : Model::kParameters) {
      parameter_values(network, population, info.name, 0, values);
      for (std::size_t i = 0; i < size; ++i) parameters[i].*info.member = values[i];
    }
    for (const Parameters& p : parameters) {
      coefficients_.push_back(Model::coefficients(p, network.dt));
      states_.push_back(Model::initial(p));
      if constexpr (requires { p.E_L; }) {
        rest_.push_back(p.E_L);
      } else {
        rest_.push_back(0.0);
      }
    }
  }
  bool step(std::size_t neuron, const Input& input) override {
    return Model::step(states_[neuron], input, coefficients_[neuron]);
  }
  Result<std::vector<double>> state(std::string_view variable) const override {
    const auto found = std::find(Model::kStates.begin(), Model::kStates.end(), variable);
    if (found == Model::kStates.end()) {
      return Error{.what = fmt::format("{} has no such state variable", Model::kName),
                   .expected = fmt::format("one of {}", fmt::join(Model::kStates, ", ")),
                   .got = std::string(variable)};
    }
    const auto member = static_cast<std::size_t>(found - Model::kStates.begin());
    std::vector<double> values;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      const auto all = std::bit_cast<std::array<double, Model::kStates.size()>>(states_[i]);
      values.push_back(all[member] + (member == 0 ? rest_[i] : 0.0));
    }
    return values;
  }

 private:
  std::vector<typename Model::template Coefficients<double>> coefficients_;
  std::vector<typename Model::template State<double>> states_;
  std::vector<double> rest_;
};

struct StoredSynapse {
  std::uint32_t target = 0;
  std::int32_t delay = 0;  ///< in steps
  double weight = 0.0;
};

/// Sums of what arrives in one step, for every neuron of the network.
struct Arrivals {
  std::vector<double> excitatory, inhibitory;
  explicit Arrivals(std::size_t neurons) : excitatory(neurons), inhibitory(neurons) {}
  void add(std::size_t neuron, double weight) {
    (weight < 0.0 ? inhibitory : excitatory)[neuron] += weight;
  }
  void clear() {
    std::fill(excitatory.begin(), excitatory.end(), 0.0);
    std::fill(inhibitory.begin(), inhibitory.end(), 0.0);
  }
};

class ReferenceSimulator : public Simulator {
 public:
  explicit ReferenceSimulator(Network network)
      : network_(std::move(network)), first_(first_neurons(network_)) {}

  Status build() {
    make_neurons();
    SPIKELOOM_CHECK(make_synapses());
    std::int32_t longest = 1;
    for (const auto& row : synapses_) {
      for (const StoredSynapse& synapse : row) longest = std::max(longest, synapse.delay);
    }
    const auto neurons = static_cast<std::size_t>(first_.back());
    arrivals_.assign(static_cast<std::size_t>(longest) + 1, Arrivals(neurons));
    return {};
  }

  const Network& network() const override { return network_; }
  std::int64_t step() const override { return step_; }
  SimulationCounts counts() const override { return counts_; }

  Status advance(std::int64_t steps, const SpikeSink& sink) override {
    if (steps < 0) {
      return Error{.what = "a negative number of steps", .got = std::to_string(steps)};
    }
    for (std::int64_t k = 0; k < steps; ++k) {
      const std::vector<std::uint32_t> fired = update_neurons();
      for (const std::uint32_t neuron : fired) send(neuron);
      const std::int64_t done = step_++;
      if (sink && !sink(done, fired)) {
        return Error{.code = ErrorCode::kCancelled, .what = "the simulation was stopped"};
      }
    }
    return {};
  }

  Result<std::vector<double>> state(std::uint32_t population,
                                    std::string_view variable) const override {
    if (population >= neurons_.size()) {
      return Error{.code = ErrorCode::kNotFound,
                   .what = "no such population",
                   .expected = fmt::format("0 to {}", neurons_.size() - 1),
                   .got = std::to_string(population)};
    }
    return neurons_[population]->state(variable);
  }

 private:
  void make_neurons() {
    for (std::uint32_t p = 0; p < network_.populations.size(); ++p) {
      with_model(network_.populations[p].model, [&]<typename Model>() {
        neurons_.push_back(std::make_unique<NeuronsOf<Model>>(network_, p));
      });
    }
  }

  Status make_synapses() {
    synapses_.resize(static_cast<std::size_t>(first_.back()));
    SPIKELOOM_TRY(const Connectivity rows, Connectivity::make(network_, 0, first_.back()));
    Connectivity::Scratch scratch;
    std::vector<Synapse> row;
    for (const Connectivity::Block& block : rows.blocks()) {
      const Projection& projection = network_.projections[block.projection];
      const auto first = static_cast<std::size_t>(first_[projection.source]);
      for (std::int64_t s = 0; s < network_.populations[projection.source].size; ++s) {
        row.clear();
        rows.append_row(block, s, scratch, row);
        for (const Synapse& synapse : row) {
          synapses_[first + static_cast<std::size_t>(s)].push_back(stored(projection, synapse));
        }
      }
    }
    return {};
  }

  StoredSynapse stored(const Projection& projection, const Synapse& synapse) const {
    double weight = draw(projection.weight, synapse.weight);
    double delay = draw(projection.delay, synapse.delay);
    if (const auto* list = std::get_if<ExplicitList>(&projection.rule)) {
      if (!list->weight.empty()) weight = static_cast<double>(list->weight[synapse.entry]);
      if (!list->delay.empty()) delay = static_cast<double>(list->delay[synapse.entry]);
    }
    const double steps = std::max(1.0, std::round(delay / network_.dt));
    return {synapse.target, static_cast<std::int32_t>(steps), weight};
  }

  Arrivals& arrivals(std::int64_t step) {
    return arrivals_[static_cast<std::size_t>(step) % arrivals_.size()];
  }

  std::vector<std::uint32_t> update_neurons() {
    Arrivals& now = arrivals(step_);
    add_poisson(now);
    std::vector<std::uint32_t> fired;
    for (std::size_t p = 0; p < neurons_.size(); ++p) {
      const double current = current_into(p);
      for (auto n = static_cast<std::size_t>(first_[p]);
           n < static_cast<std::size_t>(first_[p + 1]); ++n) {
        const Input input{now.excitatory[n], now.inhibitory[n], current};
        if (neurons_[p]->step(n - static_cast<std::size_t>(first_[p]), input)) {
          fired.push_back(static_cast<std::uint32_t>(n));
        }
      }
    }
    now.clear();
    counts_.spikes += fired.size();
    counts_.neuron_updates += static_cast<std::uint64_t>(first_.back());
    return fired;
  }

  void send(std::uint32_t neuron) {
    for (const StoredSynapse& synapse : synapses_[neuron]) {
      arrivals(step_ + synapse.delay).add(synapse.target, synapse.weight);
    }
    counts_.synaptic_events += synapses_[neuron].size();
  }

  void add_poisson(Arrivals& now) {
    for (std::size_t i = 0; i < network_.stimuli.size(); ++i) {
      const auto* source = std::get_if<PoissonStimulus>(&network_.stimuli[i]);
      if (source == nullptr) continue;
      const PoissonDraw spikes(source->rate * network_.dt * 1e-3);
      const RandomStream stream = draw_stream(network_.seed, DrawKind::kPoisson, i, 0);
      const auto size = static_cast<std::uint64_t>(network_.populations[source->population].size);
      const std::uint64_t begin = static_cast<std::uint64_t>(step_) * ((size + 3) / 4);
      for (std::uint64_t n = 0; n < size; ++n) {
        const std::uint32_t count = spikes(stream.words(begin + n / 4)[n % 4]);
        now.add(static_cast<std::size_t>(first_[source->population]) + n, count * source->weight);
      }
    }
  }

  double current_into(std::size_t population) const {
    double sum = 0.0;
    for (const Stimulus& stimulus : network_.stimuli) {
      const auto* source = std::get_if<CurrentStimulus>(&stimulus);
      if (source == nullptr || source->population != population) continue;
      const auto at = static_cast<double>(step_);
      const bool on = at >= std::round(source->start / network_.dt) &&
                      at < std::round(source->stop / network_.dt);
      if (on) sum += source->amplitude;
    }
    return sum;
  }

  Network network_;
  std::vector<std::int64_t> first_;
  std::vector<std::unique_ptr<Neurons>> neurons_;
  std::vector<std::vector<StoredSynapse>> synapses_;  ///< by source
  std::vector<Arrivals> arrivals_;                    ///< of a step, at step mod their number
  std::int64_t step_ = 0;
  SimulationCounts counts_;
};

}  // namespace

Result<std::unique_ptr<Simulator>> make_reference_simulator(Network network) {
  SPIKELOOM_CHECK(check(network));
  double synapses = 0.0;
  for (const Projection& projection : network.projections) {
    synapses += expected_synapses(network, projection);
  }
  if (synapses > kMostReferenceSynapses) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the reference simulator does not hold so many synapses",
                 .expected = fmt::format("at most {:.3g}", kMostReferenceSynapses),
                 .got = fmt::format("{:.3g}", synapses),
                 .next = "use the cpu engine, or a smaller network"};
  }
  auto simulator = std::make_unique<ReferenceSimulator>(std::move(network));
  SPIKELOOM_CHECK(simulator->build());
  return std::unique_ptr<Simulator>(std::move(simulator));
}

}  // namespace spikeloom::simulation
