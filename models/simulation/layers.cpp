#include "models/simulation/layers.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "snn/simulation/connectivity.hpp"
#include "snn/simulation/draws.hpp"

namespace spikeloom {
namespace {

namespace sim = simulation;

Error unsupported(std::string what, const std::string& where, std::string expected) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = std::move(what),
               .where = where,
               .expected = std::move(expected)};
}

/// Parameters that all neurons of a population share, in ms, pF, pA, mV.
struct Neurons {
  double tau_m = 0.0, c_m = 0.0, tau_syn = 0.0, threshold = 0.0, current = 0.0;

  /// mV that a current of 1 pA adds to the membrane in the next step.
  double per_current(double dt) const {
    return tau_syn * tau_m / (tau_m - tau_syn) / c_m *
           (std::exp(-dt / tau_m) - std::exp(-dt / tau_syn));
  }
};

Result<Neurons> neurons_of(const sim::Network& network, std::uint32_t p) {
  const sim::Population& population = network.populations[p];
  if (population.model != "iaf_psc_exp") {
    return unsupported("neurons of this model are no layer", population.name, "iaf_psc_exp");
  }
  constexpr std::array<const char*, 8> kNames = {"tau_m", "C_m",  "tau_syn_ex", "tau_syn_in",
                                                 "E_L",   "V_th", "V_reset",    "I_e"};
  std::array<double, kNames.size()> value{};
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (!sim::is_uniform(network, p, kNames[i])) {
      return unsupported(fmt::format("{} differs from neuron to neuron", kNames[i]),
                         population.name, "one value");
    }
    sim::parameter_values(network, p, kNames[i], 0, {&value[i], 1});
  }
  const auto [tau_m, c_m, excitatory, inhibitory, rest, threshold, reset, current] = value;
  if (excitatory != inhibitory || excitatory == tau_m || rest != reset) {
    return unsupported("these neurons are no layer", population.name,
                       "tau_syn_ex = tau_syn_in, other than tau_m, and V_reset = E_L");
  }
  return Neurons{tau_m, c_m, excitatory, threshold - rest, current};
}

Result<double> mean_delay(const sim::Projection& projection) {
  if (const auto* constant = std::get_if<sim::Constant>(&projection.delay)) return constant->value;
  if (const auto* normal = std::get_if<sim::Normal>(&projection.delay)) return normal->mean;
  return unsupported("delays of this distribution", projection.name, "a constant or a normal");
}

Tensor one(double value) { return Tensor::scalar(static_cast<float>(value)); }

/// Synapses by target, repeated pairs added up.
struct Rows {
  std::vector<std::map<std::int64_t, double>> target;

  node::SparseLinear matrix(std::int64_t sources) const {
    std::vector<std::int64_t> start = {0}, column;
    std::vector<float> value;
    for (const auto& row : target) {
      for (const auto& [source, weight] : row) {
        column.push_back(source);
        value.push_back(static_cast<float>(weight));
      }
      start.push_back(static_cast<std::int64_t>(column.size()));
    }
    const auto whole = [](const std::vector<std::int64_t>& numbers) {
      return Tensor::of<std::int64_t>({static_cast<std::int64_t>(numbers.size())}, numbers);
    };
    node::SparseLinear made;
    made.shape = whole({static_cast<std::int64_t>(target.size()), sources});
    made.row_start = whole(start);
    made.column = whole(column);
    made.value = Tensor::of<float>({static_cast<std::int64_t>(value.size())}, value);
    return made;
  }
};

Result<Rows> rows_of(const sim::Network& network, const sim::Connectivity& synapses,
                     std::uint32_t number, double per_current) {
  const sim::Projection& projection = network.projections[number];
  const std::int64_t first = sim::first_neurons(network)[projection.target];
  const auto* list = std::get_if<sim::ExplicitList>(&projection.rule);
  Rows rows;
  rows.target.resize(static_cast<std::size_t>(network.populations[projection.target].size));
  sim::Connectivity::Scratch scratch;
  std::vector<sim::Synapse> row;
  for (const sim::Connectivity::Block& block : synapses.blocks()) {
    if (block.projection != number) continue;
    for (std::int64_t s = 0; s < network.populations[projection.source].size; ++s) {
      row.clear();
      synapses.append_row(block, s, scratch, row);
      for (const sim::Synapse& synapse : row) {
        const double weight = list != nullptr && !list->weight.empty()
                                  ? double{list->weight[synapse.entry]}
                                  : sim::draw(projection.weight, synapse.weight);
        rows.target[static_cast<std::size_t>(synapse.target - first)][s] += weight * per_current;
      }
    }
  }
  return rows;
}

}  // namespace

Result<Network> layers_of(const sim::Network& network) {
  SPIKELOOM_CHECK(sim::check(network));
  if (!network.stimuli.empty()) {
    return unsupported("stimuli are no layer", "stimuli", "a constant current, I_e, as drive");
  }
  NetworkBuilder builder;
  std::vector<Neurons> neurons;
  for (std::uint32_t p = 0; p < network.populations.size(); ++p) {
    SPIKELOOM_TRY(const Neurons all, neurons_of(network, p));
    neurons.push_back(all);
    node::CubaLif layer;
    layer.tau_syn = one(all.tau_syn);
    layer.tau_mem = one(all.tau_m);
    layer.r = Tensor::full({network.populations[p].size}, 1.0F);
    layer.v_leak = one(all.current * all.tau_m / all.c_m);
    layer.v_threshold = one(all.threshold);
    layer.v_reset = one(0.0);
    builder.add(network.populations[p].name, std::move(layer));
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
      node = fmt::format("{} {:g} ms", source, delay);
      // The link that leaves the neurons takes the other step.
      builder.add(node, node::Delay{one(std::max(delay - network.dt, 0.0))});
      builder.connect(source, node);
    }
    SPIKELOOM_TRY(const Rows rows, rows_of(network, synapses, i,
                                           neurons[projection.target].per_current(network.dt)));
    const std::string name =
        projection.name.empty() ? fmt::format("projection {}", i) : projection.name;
    builder.add(name, rows.matrix(network.populations[projection.source].size));
    builder.connect(node, name);
    builder.connect(name, network.populations[projection.target].name);
  }
  return std::move(builder).build();
}

Discretisation layers_discretisation(const sim::Network& network) {
  Discretisation d;
  d.dt = network.dt;
  d.time_unit = TimeUnit::kMilliseconds;
  d.integrator = Integrator::kRaw;
  d.spike_rule = SpikeRule::kGreaterEqual;
  d.cuba_order = CubaOrder::kOldCurrent;
  d.link_delay = 1;
  return d;
}

}  // namespace spikeloom
