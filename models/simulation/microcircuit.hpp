#pragma once
/// The cortical microcircuit of Potjans and Diesmann, Cerebral Cortex 24:785 (2014), as a network
/// to simulate: eight populations of iaf_psc_exp neurons, 77,169 neurons and 298,880,968 synapses.
///
/// Numbers are those of the INM-6 package microcircuit-PD14-model. From N_s to N_t neurons
/// n = round(ln(1 - p) / ln(1 - 1 / (N_s N_t))) synapses, drawn as a fixed total. Weights are
/// normal (sd a tenth of the mean) within their sign, delays normal (sd half the mean) from 0.05 ms
/// on. Drive: the mean of 8 Hz of K_ext inputs as a constant current, or Poisson trains.
///
/// A `scale` s below 1 keeps s N neurons and s K sources for each: weights / sqrt(s), and the mean
/// input that is missing, at the full network's rates, as a current (van Albada et al., PLoS
/// Comput. Biol. 11:e1004490, 2015). Rates stay near, correlations do not.

#include <array>
#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom {

enum class MicrocircuitDrive { kCurrent, kPoisson };

struct MicrocircuitOptions {
  double scale = 1.0;  ///< (0, 1]
  MicrocircuitDrive drive = MicrocircuitDrive::kCurrent;
  std::uint64_t seed = 1;
};

inline constexpr std::array<std::string_view, 8> kMicrocircuitPopulations = {
    "L23E", "L23I", "L4E", "L4I", "L5E", "L5I", "L6E", "L6I"};

/// kInvalidArgument: a scale outside (0, 1], or one that leaves a population without a neuron.
Result<simulation::Network> make_microcircuit(const MicrocircuitOptions& options = {});

}  // namespace spikeloom
