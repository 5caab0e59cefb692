/// Weights as factors of products of spikes (kernels/product.hpp).

#include <algorithm>
#include <bit>
#include <cmath>

#include "backends/cuda/executable.hpp"

namespace spikeloom::cuda {
namespace {

constexpr std::int64_t kAligned = 16;  ///< what cuBLAS wants of int8's rows

/// To nearest, ties to even.
std::uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

}  // namespace

bool sends_units(const ProgramNode& node, const Discretisation& d) {
  if (std::holds_alternative<op::Threshold>(node.operation)) return true;
  const auto* neuron = std::get_if<op::Neuron>(&node.operation);
  if (neuron == nullptr) return false;
  const NeuronCoefficients& c = neuron->coefficients;
  return c.spiking && !c.sigma_delta && d.spike_amplitude() == 1.0 &&
         d.spike_rule != SpikeRule::kMultiple && d.spike_time == SpikeTime::kGrid;
}

template <typename V>
Status make_factors(const Program& program, std::size_t n, const RunOptions& options,
                    const IntegerNode* integer, Machine& machine, WeightImage<V>& image) {
  const ProgramNode& node = program.nodes[n];
  const auto* dense = std::get_if<op::Dense>(&node.operation);
  if (dense == nullptr || options.schedule == Schedule::kRows || node.inputs.size() != 1 ||
      node.inputs[0].delay != 0 ||
      !sends_units(program.nodes[node.inputs[0].source], program.discretisation)) {
    return {};
  }
  const bool wanted =
      options.schedule == Schedule::kDense || dense->inputs * dense->outputs >= kWorthProduct;
  const bool fits = integer == nullptr || integer->fits_int8;
  if (!wanted || !fits || dense->inputs % kAligned != 0 || dense->outputs % kAligned != 0 ||
      !machine.has_products()) {
    return {};
  }
  const std::size_t size = dense->weight.size();
  std::vector<SpikeFactor<V>> factor(size);
  if constexpr (std::is_integral_v<V>) {
    for (std::size_t k = 0; k < size; ++k) factor[k] = static_cast<std::int8_t>(integer->weight[k]);
    SPIKELOOM_TRY(image.factor[0], Buffer<SpikeFactor<V>>::of(machine, factor));
  } else {
    std::vector<float> rest(dense->weight.begin(), dense->weight.end());
    constexpr float kMost = 3e38F;  // beyond, the first part rounds to infinity
    if (std::any_of(rest.begin(), rest.end(), [](float w) { return std::abs(w) > kMost; })) {
      return {};
    }
    for (auto& part : image.factor) {
      for (std::size_t k = 0; k < size; ++k) {
        factor[k] = to_bfloat16(rest[k]);
        rest[k] -= std::bit_cast<float>(std::uint32_t{factor[k]} << 16);
      }
      SPIKELOOM_TRY(part, Buffer<SpikeFactor<V>>::of(machine, factor));
    }
  }
  return {};
}

template Status make_factors(const Program&, std::size_t, const RunOptions&, const IntegerNode*,
                             Machine&, WeightImage<float>&);
template Status make_factors(const Program&, std::size_t, const RunOptions&, const IntegerNode*,
                             Machine&, WeightImage<std::int32_t>&);

}  // namespace spikeloom::cuda
