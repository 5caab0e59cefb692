#pragma once
/// Layers that take several blocks, tiles, chunks of sources and chunks of steps of cuda's kernels.

#include <algorithm>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {

/// Whole numbers in [-4, 4], always the same for one `stream`.
inline std::vector<float> whole(std::int64_t count, std::uint64_t stream) {
  const RandomStream random{11, stream};
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(random.words(static_cast<std::uint64_t>(i))[0] % 9) - 4.0F);
  }
  return values;
}

inline node::Conv2d convolution(std::int64_t out, std::int64_t in_group, std::int64_t size) {
  node::Conv2d conv;
  conv.weight = floats({out, in_group, size, size}, whole(out * in_group * size * size, 3));
  conv.bias = floats({out}, whole(out, 4));
  return conv;
}

/// One value a neuron, of(channel, neuron).
template <typename Of>
Tensor by_neuron(const Shape& shape, const Of& of) {
  std::int64_t size = 1;
  for (const std::int64_t n : shape) size *= n;
  std::vector<float> values;
  for (std::int64_t i = 0; i < size; ++i) {
    values.push_back(static_cast<float>(of(i / (size / shape[0]), i)));
  }
  return floats(shape, values);
}

/// Neurons with coefficients of their own, whole numbers where a step is 1: thresholds and resets
/// by channel, as weights of 8 bits make them; gains by neuron.
inline node::If own_relay(const Shape& shape, std::int64_t least) {
  node::If made;
  made.r = by_neuron(shape, [](auto, auto i) { return 1 + i % 2; });
  made.v_threshold = by_neuron(shape, [&](auto c, auto) { return least + c % 5; });
  made.v_reset = by_neuron(shape, [](auto c, auto) { return c % 2; });
  return made;
}
/// Decays and drives by neuron, too.
inline node::Lif own_leaky(const Shape& shape, std::int64_t least) {
  const auto tau = [](auto, auto i) { return 2 << i % 3; };
  node::Lif made;
  made.tau = made.r = by_neuron(shape, tau);
  made.v_leak = by_neuron(shape, [&](auto c, auto i) { return tau(c, i) * (i / 3 % 2); });
  made.v_threshold = by_neuron(shape, [&](auto c, auto) { return least + c % 5; });
  return made;
}
/// Currents with gains, decays of both by neuron.
inline node::CubaLif own_current(const Shape& shape) {
  node::CubaLif made;
  made.tau_syn = by_neuron(shape, [](auto, auto i) { return 2 << i % 2; });
  made.w_in = made.tau_syn;
  made.tau_mem = made.r = by_neuron(shape, [](auto, auto i) { return 2 << i % 3; });
  made.v_leak = by_neuron(shape, [](auto, auto) { return 0; });
  made.v_threshold = by_neuron(shape, [](auto c, auto) { return 1 + c % 5; });
  return made;
}

/// Row o has o / 64 + 1 synapses, so that even bytes are not even rows: the first half of the rows
/// holds a quarter of them.
inline node::SparseLinear uneven(std::int64_t outputs, std::int64_t inputs) {
  std::vector<std::int64_t> row_start{0}, column;
  std::vector<float> value;
  for (std::int64_t o = 0; o < outputs; ++o) {
    for (std::int64_t i = 0; i <= o / 64; ++i) {
      column.push_back((o + 3 * i) % inputs);
      value.push_back(static_cast<float>((o + i) % 5 - 1));
    }
    std::sort(column.begin() + row_start.back(), column.end());
    row_start.push_back(static_cast<std::int64_t>(column.size()));
  }
  node::SparseLinear made;
  made.shape = integers({outputs, inputs});
  made.row_start = integers(row_start);
  made.column = integers(column);
  made.value = floats({static_cast<std::int64_t>(value.size())}, value);
  return made;
}

struct SizeCase {
  std::string name;
  Network network;
  std::int64_t inputs = 0;
  std::int64_t steps = 3;
};

inline std::vector<SizeCase> size_cases() {
  std::vector<SizeCase> cases;
  const auto add = [&](const char* name, const Shape& in, NodeKind layer, const Shape& out,
                       std::int64_t steps) {
    std::int64_t inputs = 1;
    for (const std::int64_t n : in) inputs *= n;
    const std::int64_t neurons = out.size() == 1 ? out[0] : 1;
    cases.push_back(
        {name, chain(in, {std::move(layer), relay(3.0F, neurons)}, out), inputs, steps});
  };
  // 5,000 sources are two lists, 700 outputs two tiles; 40 steps three chunks.
  add("dense", {5000}, linear(700, 5000, whole(std::int64_t{700} * 5000, 1)), {700}, 3);
  add("dense_steps", {40}, linear(150, 40, whole(std::int64_t{150} * 40, 1)), {150}, 40);
  // 16 steps of 9,000 outputs are enough blocks for four outputs a thread, the last ones not full.
  add("dense_wide", {40}, linear(9000, 40, whole(std::int64_t{9000} * 40, 1)), {9000}, 16);
  // 2,500 targets are three blocks.
  node::RandomSparse random;
  random.shape = integers({2500, 3000});
  random.source_start = integers({0, 1000});
  random.source_count = integers({1000, 2000});
  random.degree = integers({9, 14});
  random.weight = floats({2}, {3.0F, -2.0F});
  random.repeats = integers({1, 0});
  add("rows", {3000}, random, {2500}, 3);
  // 40 channels are two tiles, 60 rows many bands; 2 groups of 3 x 60 x 60 sources several lists.
  node::Conv2d wide = convolution(80, 3, 3);
  wide.groups = Tensor::scalar<std::int64_t>(2);
  wide.padding.value = integers({1, 1});
  add("convolution", {6, 60, 60}, wide, {80, 60, 60}, 2);
  node::Conv2d strided = convolution(5, 2, 3);
  strided.stride = integers({2, 3});
  strided.dilation = integers({2, 1});
  add("strided_convolution", {2, 70, 70}, strided, {5, 33, 23}, 2);
  // Smaller, with steps between outputs, and in groups.
  node::Conv2d halving = convolution(40, 2, 3);
  halving.stride = integers({2, 2});
  add("small_convolution", {2, 50, 50}, halving, {40, 24, 24}, 3);
  node::Conv2d grouped = convolution(12, 2, 3);
  grouped.groups = Tensor::scalar<std::int64_t>(2);
  grouped.padding.value = integers({1, 1});
  add("small_groups", {4, 40, 40}, grouped, {12, 40, 40}, 3);
  return cases;
}

}  // namespace spikeloom::test
