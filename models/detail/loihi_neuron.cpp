#include "models/detail/loihi_neuron.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom::detail {
namespace {

constexpr double kDecayUnits = 4096.0;
/// Time constant, in steps, that no step loses anything to: a power of two, so that its products
/// with gains and biases are exact.
constexpr double kForever = 1099511627776.0;  // 2^40

double steps_per_tau(double decay) { return decay > 0.0 ? kDecayUnits / decay : kForever; }

}  // namespace

node::CubaLif loihi_neuron(const LoihiNeuron& neuron) {
  node::CubaLif made;
  const double membrane = steps_per_tau(neuron.membrane_decay);
  const double current = steps_per_tau(neuron.current_decay);
  made.tau_mem = Tensor::scalar(membrane * neuron.step);
  made.tau_syn = Tensor::scalar(current * neuron.step);
  made.r = Tensor::scalar(membrane);
  made.w_in = Tensor::scalar(current * std::exp2(neuron.weight_exponent));
  made.v_threshold = Tensor::scalar(neuron.threshold);
  made.v_leak = Tensor::scalar(0.0);
  if (!neuron.bias.empty()) {
    // The drive of a step is v_leak dt / tau.
    std::vector<double> leak = neuron.bias;
    for (double& value : leak) value *= membrane;
    made.v_leak = Tensor::of<double>(neuron.bias_shape, leak);
  }
  return made;
}

Tensor weight_tensor(Shape shape, const std::vector<double>& values) {
  const auto all_within = [&](double lowest, double highest) {
    return std::all_of(values.begin(), values.end(),
                       [&](double v) { return v >= lowest && v <= highest && v == std::trunc(v); });
  };
  if (all_within(-128, 127)) {
    return Tensor::of<std::int8_t>(std::move(shape),
                                   std::vector<std::int8_t>(values.begin(), values.end()));
  }
  if (all_within(-32768, 32767)) {
    return Tensor::of<std::int16_t>(std::move(shape),
                                    std::vector<std::int16_t>(values.begin(), values.end()));
  }
  return Tensor::of<float>(std::move(shape), std::vector<float>(values.begin(), values.end()));
}

std::vector<double> spread_over_channels(const std::vector<double>& values, const Shape& shape) {
  std::size_t plane = 1;
  for (std::size_t axis = 1; axis < shape.size(); ++axis) {
    plane *= static_cast<std::size_t>(shape[axis]);
  }
  std::vector<double> spread;
  for (const double value : values) spread.insert(spread.end(), plane, value);
  return spread;
}

}  // namespace spikeloom::detail
