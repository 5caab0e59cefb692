#include "models/simulation/brunel_dc.hpp"

#include <cmath>

#include <fmt/format.h>

namespace spikeloom {

Result<simulation::Network> make_brunel_dc(const BrunelDcOptions& options) {
  using simulation::Constant;
  using simulation::FixedInDegree;
  if (options.neurons < 5 || options.degree < 5) {
    return Error{.what = "the network is too small for both kinds of neurons",
                 .expected = "at least 5 neurons and 5 sources of each",
                 .got = fmt::format("{} and {}", options.neurons, options.degree)};
  }
  const std::int64_t excitatory = std::llround(0.8 * static_cast<double>(options.neurons));
  const std::int64_t from_excitatory = std::llround(0.8 * static_cast<double>(options.degree));
  const double weight = 125.0 / static_cast<double>(options.degree);
  // I tau / C = 40 mV.
  const std::map<std::string, simulation::Distribution> lif = {
      {"tau_m", Constant{20.0}},  {"C_m", Constant{20.0}},
      {"t_ref", Constant{2.0}},   {"E_L", Constant{0.0}},
      {"V_reset", Constant{0.0}}, {"V_th", Constant{20.0}},
      {"I_e", Constant{40.0}},    {"V_m", simulation::Uniform{0.0, 20.0}}};
  simulation::Network network;
  network.dt = 0.1;
  network.seed = options.seed;
  network.populations = {{"E", excitatory, "iaf_psc_delta", lif},
                         {"I", options.neurons - excitatory, "iaf_psc_delta", lif}};
  for (std::uint32_t target = 0; target < 2; ++target) {
    network.projections.push_back({target == 0 ? "E to E" : "E to I", 0, target,
                                   FixedInDegree{from_excitatory}, Constant{weight},
                                   Constant{1.5}});
    network.projections.push_back({target == 0 ? "I to E" : "I to I", 1, target,
                                   FixedInDegree{options.degree - from_excitatory},
                                   Constant{-5.0 * weight}, Constant{1.5}});
  }
  return network;
}

}  // namespace spikeloom
