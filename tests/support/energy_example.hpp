#pragma once
/// The three-layer network of docs/energy.md, whose spikes are known by hand.

#include <vector>

#include <gtest/gtest.h>

#include "snn/network.hpp"

namespace spikeloom::test {

/// in (1, 3, 3) -> conv 2x2, 2 channels of weights 1 and 3 -> IF, threshold 2.5 -> flat
/// -> fc1 8 to 3, weights 1, biases 0 -> LIF, decay 1/2, threshold 3.5
/// -> fc2 3 to 2, weights 1 -> IF, threshold 2.5 -> out.
inline Network energy_example_network() {
  const auto filled = [](const Shape& shape, double value) {
    std::int64_t count = 1;
    for (const std::int64_t side : shape) count *= side;
    return Tensor::of<double>(shape, std::vector<double>(static_cast<std::size_t>(count), value));
  };
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({1, 3, 3})});
  node::Conv2d conv;
  conv.weight = Tensor::of<double>({2, 1, 2, 2}, {1, 1, 1, 1, 3, 3, 3, 3});
  conv.input_shape = shape_tensor({3, 3});
  builder.add("conv", conv);
  node::If first;
  first.r = filled({2, 2, 2}, 1.0);
  first.v_threshold = filled({2, 2, 2}, 2.5);
  builder.add("if1", first);
  node::Flatten flat;
  flat.start_dim = Tensor::scalar<std::int64_t>(0);
  builder.add("flat", flat);
  builder.add("fc1", node::Affine{filled({3, 8}, 1.0), filled({3}, 0.0), {}});
  node::Lif second;
  second.tau = filled({3}, 2e-3);
  second.r = filled({3}, 2.0);
  second.v_leak = filled({3}, 0.0);
  second.v_threshold = filled({3}, 3.5);
  builder.add("lif2", second);
  builder.add("fc2", node::Linear{filled({2, 3}, 1.0), {}});
  node::If third;
  third.r = filled({2}, 1.0);
  third.v_threshold = filled({2}, 2.5);
  builder.add("if3", third);
  builder.add("out", node::Output{shape_tensor({2})});
  const std::vector<const char*> chain = {"in",   "conv", "if1", "flat", "fc1",
                                          "lif2", "fc2",  "if3", "out"};
  for (std::size_t i = 1; i < chain.size(); ++i) builder.connect(chain[i - 1], chain[i]);
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok());
  return *std::move(network);
}

}  // namespace spikeloom::test
