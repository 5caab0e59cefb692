#pragma once
/// Building blocks for tests whose result a person can compute by hand.

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "snn/network.hpp"

namespace spikeloom::test {

inline Tensor floats(const Shape& shape, const std::vector<float>& values) {
  return Tensor::of<float>(shape, values);
}

inline Tensor integers(const std::vector<std::int64_t>& values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

inline node::Input input(const Shape& shape) { return {shape_tensor(shape)}; }
inline node::Output output(const Shape& shape) { return {shape_tensor(shape)}; }

/// Fires in the step in which it receives more than `threshold` in all; forgets nothing else.
inline node::If relay(float threshold = 0.5F, std::int64_t neurons = 1) {
  node::If neuron;
  neuron.r = Tensor::full({neurons}, 1.0F);
  neuron.v_threshold = Tensor::full({neurons}, threshold);
  return neuron;
}

/// Adds up what it receives; its output is the sum.
inline node::I integrator(std::int64_t neurons = 1) { return {Tensor::full({neurons}, 1.0F)}; }

inline node::Scale scale(float factor) { return {floats({1}, {factor})}; }

inline node::Linear linear(std::int64_t outputs, std::int64_t inputs,
                           const std::vector<float>& weight) {
  node::Linear made;
  made.weight = floats({outputs, inputs}, weight);
  return made;
}

inline node::Affine affine(std::int64_t outputs, std::int64_t inputs,
                           const std::vector<float>& weight, const std::vector<float>& bias) {
  node::Affine made;
  made.weight = floats({outputs, inputs}, weight);
  made.bias = floats({outputs}, bias);
  return made;
}

/// in -> layer0 -> layer1 ... -> out
inline Network chain(const Shape& in, std::vector<NodeKind> layers, const Shape& out) {
  NetworkBuilder builder;
  builder.add("in", input(in));
  std::string last = "in";
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string name = "layer" + std::to_string(i);
    builder.add(name, std::move(layers[i]));
    builder.connect(last, name);
    last = name;
  }
  builder.add("out", output(out));
  builder.connect(last, "out");
  auto network = std::move(builder).build();
  if (!network.ok()) std::abort();  // a broken case is a bug of the test
  return *std::move(network);
}

}  // namespace spikeloom::test
