#include "snn/simulation/weight_units.hpp"

#include <algorithm>
#include <cmath>

#include "snn/simulation/distribution.hpp"

namespace spikeloom::simulation {
namespace {

/// Weights into one population.
struct Weights {
  double largest = 0.0;
  bool constant = true;
  std::vector<double> values = {};  ///< while they are constants

  void add(double weight) {
    weight = std::abs(weight);
    largest = std::max(largest, weight);
    if (weight > 0.0) values.push_back(weight);
  }
};

/// A divisor of all values, by Euclid's algorithm on reals; 0 where there is none to speak of.
double common_divisor(const Weights& weights) {
  const double least = weights.largest / kMostWeight * (1.0 - 1e-9);
  double divisor = 0.0;
  for (double value : weights.values) {
    while (value > 1e-9 * weights.largest) {
      if (divisor == 0.0) {
        std::swap(divisor, value);
        break;
      }
      const double rest = std::abs(divisor - value * std::round(divisor / value));
      divisor = value;
      value = rest;
    }
    if (divisor < least) return 0.0;
  }
  const auto is_multiple = [&](double value) {
    return std::abs(value / divisor - std::round(value / divisor)) < 1e-7;
  };
  const bool all = std::all_of(weights.values.begin(), weights.values.end(), is_multiple);
  return all ? divisor : 0.0;
}

}  // namespace

std::vector<double> weight_units(const Network& network) {
  std::vector<Weights> weights(network.populations.size());
  for (const Projection& projection : network.projections) {
    Weights& into = weights[projection.target];
    const auto* list = std::get_if<ExplicitList>(&projection.rule);
    if (list != nullptr && !list->weight.empty()) {
      into.constant = false;
      for (const float w : list->weight) {
        into.largest = std::max(into.largest, std::abs(static_cast<double>(w)));
      }
      continue;
    }
    const auto [low, high] = range(projection.weight);
    if (low != high) into.constant = false;
    into.add(low);
    into.add(high);
  }
  for (const Stimulus& stimulus : network.stimuli) {
    if (const auto* poisson = std::get_if<PoissonStimulus>(&stimulus)) {
      weights[poisson->population].add(poisson->weight);
    }
  }
  std::vector<double> units;
  for (const Weights& into : weights) {
    const double divisor = into.constant && into.largest > 0.0 ? common_divisor(into) : 0.0;
    const double finest = into.largest > 0.0 ? into.largest / kMostWeight : 1.0;
    // A power of two finer, the weights are still exact.
    if (divisor > 0.0) units.push_back(std::ldexp(divisor, -std::ilogb(divisor / finest)));
    if (divisor == 0.0) units.push_back(finest);
  }
  return units;
}

}  // namespace spikeloom::simulation
