#include "models/simulation/layers.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "snn/simulation/connectivity.hpp"
#include "snn/simulation/draws.hpp"
#include "snn/simulation/neuron_equations.hpp"

namespace spikeloom {
namespace {

namespace sim = simulation;

Error unsupported(std::string what, const std::string& where, std::string expected) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = std::move(what),
               .where = where,
               .expected = std::move(expected)};
}

/// Parameters that all neurons of a population share, in ms and mV.
struct Neurons {
  double tau_m = 0.0, threshold = 0.0, rest = 0.0, t_ref = 0.0;
  double drive = 0.0;       ///< mV above rest that the current leads to
  double per_weight = 1.0;  ///< mV of a weight of 1
};

Result<double> shared(const sim::Network& network, std::uint32_t p, const char* parameter) {
  if (!sim::is_uniform(network, p, parameter)) {
    return unsupported(fmt::format("{} differs from neuron to neuron", parameter),
                       network.populations[p].name, "one value");
  }
  double value = 0.0;
  sim::parameter_values(network, p, parameter, 0, {&value, 1});
  return value;
}

Result<Neurons> neurons_of(const sim::Network& network, std::uint32_t p) {
  const sim::Population& population = network.populations[p];
  const bool is_exponential = population.model == "iaf_psc_exp";
  if (!is_exponential && population.model != "iaf_psc_delta") {
    return unsupported("neurons of this model are no layer", population.name,
                       "iaf_psc_delta or iaf_psc_exp");
  }
  Neurons made;
  SPIKELOOM_TRY(made.tau_m, shared(network, p, "tau_m"));
  SPIKELOOM_TRY(made.rest, shared(network, p, "E_L"));
  SPIKELOOM_TRY(made.t_ref, shared(network, p, "t_ref"));
  SPIKELOOM_TRY(const double threshold, shared(network, p, "V_th"));
  SPIKELOOM_TRY(const double reset, shared(network, p, "V_reset"));
  SPIKELOOM_TRY(const double current, shared(network, p, "I_e"));
  SPIKELOOM_TRY(const double capacity, shared(network, p, "C_m"));
  made.threshold = threshold - made.rest;
  made.drive = current * made.tau_m / capacity;
  if (is_exponential) {
    SPIKELOOM_TRY(const double excitatory, shared(network, p, "tau_syn_ex"));
    SPIKELOOM_TRY(const double inhibitory, shared(network, p, "tau_syn_in"));
    if (excitatory != inhibitory || excitatory > 0.1 * made.tau_m) {
      return unsupported("these synapses do not give their charge at once", population.name,
                         "one tau_syn, at most a tenth of tau_m");
    }
    made.per_weight = excitatory / capacity;
  } else {
    SPIKELOOM_TRY(const double lowest, shared(network, p, "V_min"));
    if (lowest != sim::kUnbounded) {
      return unsupported("the membrane is bounded from below", population.name, "no V_min");
    }
  }
  if (reset != made.rest) {
    return unsupported("the reset is not at rest", population.name, "V_reset = E_L");
  }
  return made;
}

Result<double> mean_delay(const sim::Projection& projection) {
  if (const auto* constant = std::get_if<sim::Constant>(&projection.delay)) return constant->value;
  if (const auto* normal = std::get_if<sim::Normal>(&projection.delay)) return normal->mean;
  return unsupported("delays of this distribution", projection.name, "a constant or a normal");
}

Tensor one(double value) { return Tensor::scalar(static_cast<float>(value)); }

/// (source, weight in mV) of each target; repeated pairs add up.
using Rows = std::vector<std::vector<std::pair<std::int64_t, float>>>;

Rows rows_of(const sim::Network& network, const sim::Connectivity& synapses, std::uint32_t number,
             double per_weight) {
  const sim::Projection& projection = network.projections[number];
  const std::int64_t first = sim::first_neurons(network)[projection.target];
  const auto* list = std::get_if<sim::ExplicitList>(&projection.rule);
  Rows rows(static_cast<std::size_t>(network.populations[projection.target].size));
  sim::Connectivity::Scratch scratch;
  std::vector<sim::Synapse> row;
  for (const sim::Connectivity::Block& block : synapses.blocks()) {
    if (block.projection != number) continue;
    for (std::int64_t s = 0; s < network.populations[projection.source].size; ++s) {
      row.clear();
      synapses.append_row(block, s, scratch, row);
      std::sort(row.begin(), row.end(),
                [](const auto& a, const auto& b) { return a.target < b.target; });
      for (const sim::Synapse& synapse : row) {
        const double weight = list != nullptr && !list->weight.empty()
                                  ? double{list->weight[synapse.entry]}
                                  : sim::draw(projection.weight, synapse.weight);
        const auto value = static_cast<float>(weight * per_weight);
        auto& target = rows[static_cast<std::size_t>(synapse.target - first)];
        if (!target.empty() && target.back().first == s) {
          target.back().second += value;
        } else {
          target.emplace_back(s, value);
        }
      }
    }
  }
  return rows;
}

node::SparseLinear matrix(const Rows& rows, std::int64_t sources) {
  std::vector<std::int64_t> start = {0}, column;
  std::vector<float> value;
  for (const auto& row : rows) {
    for (const auto& [source, weight] : row) {
      column.push_back(source);
      value.push_back(weight);
    }
    start.push_back(static_cast<std::int64_t>(column.size()));
  }
  const auto whole = [](const std::vector<std::int64_t>& numbers) {
    return Tensor::of<std::int64_t>({static_cast<std::int64_t>(numbers.size())}, numbers);
  };
  node::SparseLinear made;
  made.shape = whole({static_cast<std::int64_t>(rows.size()), sources});
  made.row_start = whole(start);
  made.column = whole(column);
  made.value = Tensor::of<float>({static_cast<std::int64_t>(value.size())}, value);
  return made;
}

node::Lif lif_of(const sim::Network& network, std::uint32_t p, const Neurons& all) {
  const std::int64_t size = network.populations[p].size;
  std::vector<double> membrane(static_cast<std::size_t>(size));
  sim::parameter_values(network, p, "V_m", 0, membrane);
  std::vector<float> initial;
  for (const double v : membrane) initial.push_back(static_cast<float>(v - all.rest));
  node::Lif lif{one(all.tau_m), Tensor::full({size}, 1.0F), one(all.drive), one(all.threshold),
                one(0.0)};
  if (all.t_ref > 0.0) lif.t_ref = one(all.t_ref);
  lif.v_initial = Tensor::of<float>({size}, initial);
  return lif;
}

/// Trains of one stimulus, elements from `first` on of `elements`, each to its neuron.
Rows rows_of(const sim::Network& network, const sim::PoissonStimulus& stimulus, std::int64_t first,
             double per_weight) {
  Rows rows(static_cast<std::size_t>(network.populations[stimulus.population].size));
  for (auto& row : rows) {
    row.emplace_back(first++, static_cast<float>(stimulus.weight * per_weight));
  }
  return rows;
}

}  // namespace

Result<Network> layers_of(const sim::Network& network) {
  SPIKELOOM_CHECK(sim::check(network));
  for (const sim::Stimulus& stimulus : network.stimuli) {
    if (std::holds_alternative<sim::PoissonStimulus>(stimulus)) continue;
    return unsupported("a current for a time is no layer", "stimuli",
                       "a constant current, I_e, or Poisson trains");
  }
  NetworkBuilder builder;
  std::vector<Neurons> neurons;
  for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
    SPIKELOOM_TRY(const Neurons all, neurons_of(network, p));
    neurons.push_back(all);
    builder.add(network.populations[p].name, lif_of(network, p, all));
  }
  SPIKELOOM_TRY(const auto synapses,
                sim::Connectivity::make(network, 0, sim::neuron_count(network)));
  std::map<std::pair<std::uint32_t, double>, std::string> delays;
  for (std::uint32_t i = 0; i < network.projections.size(); ++i) {
    const sim::Projection& projection = network.projections[i];
    const std::string& source = network.populations[projection.source].name;
    SPIKELOOM_TRY(const double delay, mean_delay(projection));
    std::string& node = delays[{projection.source, delay}];
    if (node.empty()) {
      node = fmt::format("{} {} ms", source, delay);
      // The link that leaves the neurons takes the other step.
      builder.add(node, node::Delay{one(std::max(delay - network.dt, 0.0))});
      builder.connect(source, node);
    }
    const Rows rows = rows_of(network, synapses, i, neurons[projection.target].per_weight);
    const std::string name =
        projection.name.empty() ? fmt::format("projection {}", i) : projection.name;
    builder.add(name, matrix(rows, network.populations[projection.source].size));
    builder.connect(node, name);
    builder.connect(name, network.populations[projection.target].name);
  }
  const auto elements = static_cast<std::int64_t>(layers_noise(network).size());
  if (elements > 0) builder.add("noise", node::Input{shape_tensor({elements})});
  std::int64_t first = 0;
  for (std::size_t i = 0; i < network.stimuli.size(); ++i) {
    const auto& stimulus = std::get<sim::PoissonStimulus>(network.stimuli[i]);
    const Rows rows = rows_of(network, stimulus, first, neurons[stimulus.population].per_weight);
    const std::string name = fmt::format("noise {}", i);
    builder.add(name, matrix(rows, elements));
    builder.connect("noise", name);
    builder.connect(name, network.populations[stimulus.population].name);
    first += static_cast<std::int64_t>(rows.size());
  }
  return std::move(builder).build();
}

std::vector<float> layers_noise(const sim::Network& network) {
  std::vector<float> spikes;
  for (const sim::Stimulus& stimulus : network.stimuli) {
    const auto* poisson = std::get_if<sim::PoissonStimulus>(&stimulus);
    if (poisson == nullptr) continue;
    const std::int64_t size = network.populations[poisson->population].size;
    spikes.insert(spikes.end(), static_cast<std::size_t>(size),
                  static_cast<float>(1e-3 * poisson->rate * network.dt));
  }
  return spikes;
}

Discretisation layers_discretisation(const sim::Network& network) {
  Discretisation d;
  d.dt = network.dt;
  d.time_unit = TimeUnit::kMilliseconds;
  d.integrator = Integrator::kRaw;
  d.spike_rule = SpikeRule::kGreaterEqual;
  d.link_delay = 1;
  return d;
}

}  // namespace spikeloom
