#pragma once
/// What the importers of SLAYER and of Lava share: Loihi's neuron as a CubaLIF, and weights in the
/// smallest element type that holds them.

#include <cstdint>
#include <vector>

#include "base/tensor.hpp"
#include "snn/node_kinds.hpp"

namespace spikeloom::detail {

/// A neuron of Loihi in the units of its files. Decays are in 1/4096 a step.
struct LoihiNeuron {
  double step = 1.0;  ///< of the time unit that the network is run in
  double threshold = 0.0;
  double current_decay = 0.0, membrane_decay = 0.0;
  double weight_exponent = 0.0;   ///< weights count 2^exponent
  std::vector<double> bias = {};  ///< added to the membrane every step; one, or one per neuron
  Shape bias_shape = {};
};

/// CubaLIF with decays of exactly 1 - decay / 4096, gains of 2^exponent and 1, v_threshold and bias
/// in units of 64 (weight-scale and threshold-scale of the discretisation).
node::CubaLif loihi_neuron(const LoihiNeuron& neuron);

/// int8, int16, or float32 where a value is no integer within 16 bits. `shape` has as many
/// elements.
Tensor weight_tensor(Shape shape, const std::vector<double>& values);

/// One value per channel, repeated over (channels, rows, columns).
std::vector<double> spread_over_channels(const std::vector<double>& values, const Shape& shape);

}  // namespace spikeloom::detail
