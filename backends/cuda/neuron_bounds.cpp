#include "backends/cuda/neuron_bounds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace spikeloom::cuda {
namespace {

constexpr std::int32_t kOne = 1 << 12;  // of a decay

ReducedDecay reduced(std::int32_t decay, FixedPoint rounding) {
  ReducedDecay made{.factor = decay, .shift = 12};
  while (made.shift > 0 && made.factor % 2 == 0) made.factor /= 2, --made.shift;
  if (rounding == FixedPoint::kLoihi) made.most = (1 << made.shift) - 1;
  return made;
}

/// Magnitude of a state that decays and gets so much a step.
std::int64_t settled(std::int64_t input, std::int32_t decay) {
  return ((input + 1) * kOne + kOne - decay - 1) / (kOne - decay);
}

bool fits(std::int64_t bound, const ReducedDecay& by) {
  return bound <= equations::kStateLimit &&
         bound * by.factor + by.most <= std::numeric_limits<std::int32_t>::max();
}

}  // namespace

NeuronBounds find_bounds(const NeuronRef<std::int32_t>& shape, const IntegerNeurons& neurons,
                         std::int64_t in_bound, const std::vector<double>& initial) {
  const equations::StepOptions& o = shape.options;
  const bool resets = o.reset == Reset::kToVReset || o.reset == Reset::kSubtract;
  if (!shape.uniform || !o.has_current || !o.late || !o.spiking || o.clamped || !resets ||
      o.order != CubaOrder::kNewCurrent) {
    return {};
  }
  const std::int32_t gain = neurons.current_gain[0], reset = neurons.reset[0];
  const std::int32_t current_decay = neurons.current_decay[0], decay = neurons.decay[0];
  const auto decays = [](std::int32_t d) { return d >= 0 && d < kOne; };
  constexpr std::int64_t kMostInput = 1 << 30;
  if (neurons.gain[0] != 1 || neurons.drive[0] != 0 || neurons.threshold[0] <= 0 || gain < 0 ||
      !decays(current_decay) || !decays(decay) || in_bound > kMostInput ||
      in_bound * gain > kMostInput) {
    return {};
  }
  const std::int64_t current = settled(in_bound * gain, current_decay);
  std::int64_t membrane = std::max<std::int64_t>(settled(current, decay), std::abs(reset));
  for (const double v : initial) {
    membrane = std::max(membrane, static_cast<std::int64_t>(std::ceil(std::abs(v))));
  }
  NeuronBounds made;
  made.current_decay = reduced(current_decay, o.fixed_point);
  made.membrane_decay = reduced(decay, o.fixed_point);
  if (!fits(current, made.current_decay) || !fits(membrane, made.membrane_decay)) return {};
  made.hold = true;
  made.current = static_cast<std::int32_t>(current);
  made.membrane = static_cast<std::int32_t>(membrane);
  return made;
}

}  // namespace spikeloom::cuda
