#include "models/simulation/fly.hpp"

#include <cmath>

#include <fmt/format.h>

namespace spikeloom {

Result<simulation::Network> make_fly(const FlyOptions& options) {
  using simulation::Constant;
  if (options.active < 1 || options.neurons <= options.active || options.connections < 0) {
    return Error{.what = "the sizes of the network",
                 .expected = "at least 1 active neuron, and more neurons than those",
                 .got = fmt::format("{} of {}, {} connections", options.active, options.neurons,
                                    options.connections)};
  }
  std::map<std::string, simulation::Distribution> lif = {
      {"tau_m", Constant{20.0}},     {"C_m", Constant{20.0}},       {"t_ref", Constant{2.2}},
      {"tau_syn_ex", Constant{5.0}}, {"tau_syn_in", Constant{5.0}}, {"E_L", Constant{-52.0}},
      {"V_reset", Constant{-52.0}},  {"V_th", Constant{-45.0}},     {"V_m", Constant{-52.0}}};
  simulation::Network network;
  network.dt = 0.1;
  network.seed = options.seed;
  network.populations = {{"active", options.active, "iaf_psc_exp", lif},
                         {"silent", options.neurons - options.active, "iaf_psc_exp", lif}};
  // 2.2 + 20 ln(10 / (10 - 7)) = 26.3 ms between spikes; at first anywhere below threshold.
  network.populations[0].parameters["I_e"] = Constant{10.0};
  network.populations[0].parameters["V_m"] = simulation::Uniform{-52.0, -45.0};
  const double degree =
      static_cast<double>(options.connections) / static_cast<double>(options.neurons);
  for (std::uint32_t source = 0; source < 2; ++source) {
    for (std::uint32_t target = 0; target < 2; ++target) {
      const double share = static_cast<double>(network.populations[target].size) /
                           static_cast<double>(options.neurons);
      const double synapses =
          degree * share * static_cast<double>(network.populations[source].size);
      network.projections.push_back({fmt::format("{} to {}", network.populations[source].name,
                                                 network.populations[target].name),
                                     source, target,
                                     simulation::FixedTotalNumber{std::llround(synapses)},
                                     Constant{0.275 * 3.3}, Constant{1.8}});
    }
  }
  return network;
}

}  // namespace spikeloom
