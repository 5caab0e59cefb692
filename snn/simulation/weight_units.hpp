#pragma once
/// Weights as whole numbers: sums of them depend on no order, so that any thread or rank count
/// gives the same spikes.

#include <cstdint>
#include <vector>

#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

/// Weights are at most this many units, either sign.
inline constexpr std::int32_t kMostWeight = (1 << 14) - 1;

/// The unit of the weights into each population (pA; mV for delta synapses), a function of the
/// network alone: where all weights are constants that share a divisor of which the largest is at
/// most kMostWeight times, that divisor over the largest power of two, so that they are exact; else
/// the largest weight that can be drawn / kMostWeight. 1 where nothing arrives. A weight is
/// llround(weight / unit) units.
std::vector<double> weight_units(const Network& network);

}  // namespace spikeloom::simulation
