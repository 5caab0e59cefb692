#include "models/simulation/microcircuit.hpp"

#include <cmath>
#include <string>

#include <fmt/format.h>

namespace spikeloom {
namespace {

using simulation::Constant;
using simulation::Normal;

constexpr std::size_t kPopulations = kMicrocircuitPopulations.size();
constexpr std::array<double, kPopulations> kSizes = {20683, 5834, 21915, 5479,
                                                     4850,  1065, 14395, 2948};
/// Of a pair, target by source.
constexpr double kProbability[kPopulations][kPopulations] = {
    {0.1009, 0.1689, 0.0437, 0.0818, 0.0323, 0, 0.0076, 0},
    {0.1346, 0.1371, 0.0316, 0.0515, 0.0755, 0, 0.0042, 0},
    {0.0077, 0.0059, 0.0497, 0.135, 0.0067, 0.0003, 0.0453, 0},
    {0.0691, 0.0029, 0.0794, 0.1597, 0.0033, 0, 0.1057, 0},
    {0.1004, 0.0622, 0.0505, 0.0057, 0.0831, 0.3726, 0.0204, 0},
    {0.0548, 0.0269, 0.0257, 0.0022, 0.06, 0.3158, 0.0086, 0},
    {0.0156, 0.0066, 0.0211, 0.0166, 0.0572, 0.0197, 0.0396, 0.2252},
    {0.0364, 0.001, 0.0034, 0.0005, 0.0277, 0.008, 0.0658, 0.1443}};
constexpr std::array<double, kPopulations> kExternal = {1600, 1500, 2100, 1900,
                                                        2000, 1900, 2900, 2100};
constexpr std::array<double, kPopulations> kInitialMean = {-68.28, -63.16, -63.33, -63.45,
                                                           -63.11, -61.66, -66.72, -61.43};
constexpr std::array<double, kPopulations> kInitialSd = {5.36, 4.57, 4.74, 4.94,
                                                         4.94, 4.55, 5.46, 4.48};
/// Hz, of the full network; what a smaller one is compensated with.
constexpr std::array<double, kPopulations> kFullRates = {0.90, 2.97, 4.41, 5.88,
                                                         7.57, 8.63, 1.11, 7.83};
constexpr double kWeight = 87.80849, kInhibition = -4.0;  // pA
constexpr double kTauSyn = 0.5;                           // ms
constexpr double kExternalRate = 8.0;                     // Hz
constexpr std::size_t kL23E = 0, kL4E = 2;

bool excitatory(std::size_t population) { return population % 2 == 0; }

/// Mean weight of the full network, pA.
double weight(std::size_t target, std::size_t source) {
  if (!excitatory(source)) return kInhibition * kWeight;
  return target == kL23E && source == kL4E ? 2.0 * kWeight : kWeight;
}

/// As the package rounds it: log(1 - x), not log1p.
double full_synapses(std::size_t target, std::size_t source) {
  const double pairs = kSizes[target] * kSizes[source];
  return std::round(std::log(1.0 - kProbability[target][source]) / std::log(1.0 - 1.0 / pairs));
}

/// Mean current of the recurrent input of a neuron at the full network's rates, pA.
double recurrent_current(std::size_t target) {
  double sum = 0.0;
  for (std::size_t source = 0; source < kPopulations; ++source) {
    sum += weight(target, source) * full_synapses(target, source) / kSizes[target] *
           kFullRates[source];
  }
  return 1e-3 * kTauSyn * sum;
}

double external_current(std::size_t target) {
  return 1e-3 * kTauSyn * kWeight * kExternalRate * kExternal[target];
}

}  // namespace

Result<simulation::Network> make_microcircuit(const MicrocircuitOptions& options) {
  const double scale = options.scale;
  if (!(scale > 0.0 && scale <= 1.0) || std::llround(1065.0 * scale) < 1) {
    return Error{.what = "the scale of the microcircuit",
                 .expected = "above 0.0005, at most 1",
                 .got = fmt::format("{}", scale)};
  }
  const double stronger = 1.0 / std::sqrt(scale);
  const bool poisson = options.drive == MicrocircuitDrive::kPoisson;
  simulation::Network network;
  network.dt = 0.1;
  network.seed = options.seed;
  for (std::size_t t = 0; t < kPopulations; ++t) {
    const double external = external_current(t);
    double current = poisson ? (1.0 - std::sqrt(scale)) * external : external;
    current += (1.0 - std::sqrt(scale)) * recurrent_current(t);
    network.populations.push_back({std::string(kMicrocircuitPopulations[t]),
                                   std::llround(kSizes[t] * scale),
                                   "iaf_psc_exp",
                                   {{"tau_m", Constant{10.0}},
                                    {"C_m", Constant{250.0}},
                                    {"tau_syn_ex", Constant{kTauSyn}},
                                    {"tau_syn_in", Constant{kTauSyn}},
                                    {"t_ref", Constant{2.0}},
                                    {"E_L", Constant{-65.0}},
                                    {"V_reset", Constant{-65.0}},
                                    {"V_th", Constant{-50.0}},
                                    {"I_e", Constant{current}},
                                    {"V_m", Normal{kInitialMean[t], kInitialSd[t]}}}});
    if (poisson) {
      network.stimuli.push_back(simulation::PoissonStimulus{
          static_cast<std::uint32_t>(t), kExternalRate * kExternal[t] * scale, kWeight * stronger});
    }
  }
  for (std::size_t t = 0; t < kPopulations; ++t) {
    for (std::size_t s = 0; s < kPopulations; ++s) {
      if (kProbability[t][s] == 0.0) continue;
      const double mean = weight(t, s) * stronger;
      Normal weights{mean, 0.1 * std::abs(mean)};
      (excitatory(s) ? weights.low : weights.high) = 0.0;
      const double delay = excitatory(s) ? 1.5 : 0.75;
      network.projections.push_back(
          {fmt::format("{} to {}", kMicrocircuitPopulations[s], kMicrocircuitPopulations[t]),
           static_cast<std::uint32_t>(s), static_cast<std::uint32_t>(t),
           simulation::FixedTotalNumber{std::llround(full_synapses(t, s) * scale * scale)}, weights,
           Normal{delay, 0.5 * delay, 0.05}});
    }
  }
  return network;
}

}  // namespace spikeloom
