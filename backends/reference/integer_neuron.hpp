#pragma once
/// The numbers of the reference neuron in integer arithmetic (docs/integer.md).
///
/// Overloads for std::int32_t of what neuron.hpp does with real numbers. Decays are in units of
/// 1 / 4096. Sums are formed in 64 bits and cut to the state's limit; that they would have fitted
/// 32 bits is what to_integer() proved.

#include <algorithm>
#include <cstdint>

#include "snn/discretisation.hpp"
#include "snn/integer.hpp"

namespace spikeloom::reference {

/// value x decay / 4096, cut off towards zero (Loihi) or rounded down.
inline std::int32_t decayed(std::int32_t value, std::int32_t decay, FixedPoint fixed_point) {
  const std::int64_t product = std::int64_t{value} * decay;
  std::int64_t quotient = product / kDecayUnit;  // towards zero
  if (fixed_point != FixedPoint::kLoihi && product % kDecayUnit < 0) --quotient;
  return static_cast<std::int32_t>(quotient);
}

/// kept + gain x input + drive within the limit of a state.
inline std::int32_t integrated(std::int32_t kept, std::int32_t gain, std::int32_t input,
                               std::int32_t drive) {
  constexpr std::int64_t kLimit = kIntegerStateLimit;
  const std::int64_t sum = kept + std::int64_t{gain} * input + drive;
  return static_cast<std::int32_t>(std::clamp(sum, -kLimit, kLimit));
}

/// kept + gain x input within the limit of a state.
inline std::int32_t integrated(std::int32_t kept, std::int32_t gain, std::int32_t input) {
  return integrated(kept, gain, input, 0);
}

/// Number of spikes for a membrane value.
inline std::int32_t spike_count(std::int32_t membrane, std::int32_t threshold, SpikeRule rule) {
  if (rule == SpikeRule::kGreater) return membrane > threshold ? 1 : 0;
  if (membrane < threshold) return 0;
  if (rule == SpikeRule::kGreaterEqual) return 1;
  return std::min(membrane / threshold, kMostSpikes);
}

}  // namespace spikeloom::reference
