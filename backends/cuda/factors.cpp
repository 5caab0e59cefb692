/// Weights as factors of products of spikes (kernels/product.hpp).

#include <algorithm>
#include <cmath>

#include "backends/cuda/executable.hpp"

namespace spikeloom::cuda {
bool sends_units(const ProgramNode& node, const Discretisation& d) {
  if (std::holds_alternative<op::Threshold>(node.operation)) return true;
  const auto* neuron = std::get_if<op::Neuron>(&node.operation);
  if (neuron == nullptr) return false;
  const NeuronCoefficients& c = neuron->coefficients;
  return c.spiking && !c.sigma_delta && d.spike_amplitude() == 1.0 &&
         d.spike_rule != SpikeRule::kMultiple && d.spike_time == SpikeTime::kGrid;
}

bool reads_units(const Program& program, std::size_t node) {
  const std::vector<Link>& links = program.nodes[node].inputs;
  if (links.size() != 1 || links[0].bias_at_start) return false;
  const ProgramNode* source = &program.nodes[links[0].source];
  // An Exchange holds what its source sends.
  const bool exchanged =
      std::holds_alternative<op::Input>(source->operation) && !source->inputs.empty();
  if (exchanged) source = &program.nodes[source->inputs[0].source];
  return sends_units(*source, program.discretisation);
}

template <typename V>
Status make_factors(const Program& program, std::size_t n, const RunOptions& options,
                    const IntegerNode* integer, Machine& machine, WeightImage<V>& image) {
  const ProgramNode& node = program.nodes[n];
  const auto* dense = std::get_if<op::Dense>(&node.operation);
  if (dense == nullptr || options.schedule == Schedule::kRows || !reads_units(program, n) ||
      node.inputs[0].delay != 0) {
    return {};
  }
  const bool wanted =
      options.schedule == Schedule::kDense || dense->inputs * dense->outputs >= kWorthProduct;
  const bool fits = integer == nullptr || integer->fits_int8;
  if (!wanted || !fits || dense->inputs % kFactorPad != 0 || dense->outputs % kFactorPad != 0 ||
      !machine.has_products()) {
    return {};
  }
  const std::size_t size = dense->weight.size();
  image.factor_inputs = static_cast<std::uint32_t>(dense->inputs);
  image.factor_outputs = static_cast<std::uint32_t>(dense->outputs);
  std::vector<Factor<V>> factor(size);
  if constexpr (std::is_integral_v<V>) {
    for (std::size_t k = 0; k < size; ++k) factor[k] = static_cast<std::int8_t>(integer->weight[k]);
    SPIKELOOM_TRY(image.factor[0], Buffer<Factor<V>>::of(machine, factor));
  } else {
    std::vector<float> rest(dense->weight.begin(), dense->weight.end());
    constexpr float kMost = 3e38F;  // beyond, the first part rounds to infinity
    if (std::any_of(rest.begin(), rest.end(), [](float w) { return std::abs(w) > kMost; })) {
      return {};
    }
    for (auto& part : image.factor) {
      for (std::size_t k = 0; k < size; ++k) {
        factor[k] = to_bfloat16(rest[k]);
        rest[k] -= of_bfloat16(factor[k]);
      }
      SPIKELOOM_TRY(part, Buffer<Factor<V>>::of(machine, factor));
    }
  }
  return {};
}

template <typename V>
Status make_factors(const op::Decoder& decoder, const std::vector<float>& weight, Machine& machine,
                    WeightImage<V>& image) {
  constexpr bool kWhole = std::is_integral_v<V>;
  if (image.narrow.empty() || !machine.has_products()) return {};
  const auto words = static_cast<std::size_t>(decoder.words);
  const auto size = static_cast<std::size_t>(decoder.size);
  const std::size_t stride = tiles(static_cast<std::uint32_t>(size), kFactorPad) * kFactorPad;
  const std::size_t rows =
      kWhole ? std::size_t{tiles(static_cast<std::uint32_t>(words), kFactorPad)} * kFactorPad
             : words;
  std::vector<Factor<V>> factor(rows * stride, 0);
  std::vector<std::int32_t> sums(kWhole ? words : 0, 0);
  for (std::size_t word = 0; word < words; ++word) {
    for (std::size_t i = 0; i < size; ++i) {
      const float w = weight[word * size + i];
      if constexpr (kWhole) {
        factor[word * stride + i] = static_cast<std::int8_t>(w);
        sums[word] += static_cast<std::int32_t>(w);
      } else {
        factor[word * stride + i] = to_bfloat16(w);
      }
    }
  }
  SPIKELOOM_TRY(image.factor[0], Buffer<Factor<V>>::of(machine, factor));
  SPIKELOOM_TRY(image.factor_sums, Buffer<std::int32_t>::of(machine, sums));
  image.factor_inputs = static_cast<std::uint32_t>(stride);
  image.factor_outputs = static_cast<std::uint32_t>(rows);
  return {};
}

template Status make_factors(const op::Decoder&, const std::vector<float>&, Machine&,
                             WeightImage<float>&);
template Status make_factors(const op::Decoder&, const std::vector<float>&, Machine&,
                             WeightImage<std::int32_t>&);
template Status make_factors(const Program&, std::size_t, const RunOptions&, const IntegerNode*,
                             Machine&, WeightImage<float>&);
template Status make_factors(const Program&, std::size_t, const RunOptions&, const IntegerNode*,
                             Machine&, WeightImage<std::int32_t>&);

}  // namespace spikeloom::cuda
