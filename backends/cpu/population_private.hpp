#pragma once
/// Neurons as the kernels read them, made of the program's coefficients.

#include <memory>
#include <vector>

#include "backends/cpu/executable.hpp"
#include "snn/integer.hpp"

namespace spikeloom::cpu {

/// `values` (logical order) in physical order, padded to whole blocks with `padding`.
template <typename V>
AlignedBuffer<V> lay_out(const std::vector<double>& values, const Order& order, V padding) {
  AlignedBuffer<V> out(block_count(values.size()) * kBlock);
  std::fill(out.begin(), out.end(), padding);
  for (std::size_t p = 0; p < values.size(); ++p) {
    out[p] = static_cast<V>(values[order.logical(p)]);
  }
  return out;
}

/// Coefficients as integer neurons have them, decays as real numbers again.
NeuronCoefficients whole_coefficients(const NeuronCoefficients& real, const IntegerNeurons& n);

/// `plan` has the order of the neurons and what is recorded of them.
template <typename V>
std::unique_ptr<Population<V>> make_population(const ProgramNode& node, const NodePlan<V>& plan,
                                               const Program& program, const NeuronCoefficients& c);

}  // namespace spikeloom::cpu
