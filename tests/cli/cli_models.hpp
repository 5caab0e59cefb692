#pragma once
/// Small networks and recordings whose results can be worked out by hand.

#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/io/npy.hpp"
#include "models/nir/nir_writer.hpp"
#include "sensors/recording_io.hpp"
#include "snn/network.hpp"

namespace spikeloom::test {

inline Tensor floats(const Shape& shape, const std::vector<float>& values) {
  return Tensor::of<float>(shape, values);
}

/// in -> weights (targets x sources) -> IF(r 1, one threshold for all) -> out.
inline Network if_network(const Tensor& weights, float threshold) {
  const std::int64_t targets = weights.shape()[0];
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({weights.shape()[1]})});
  node::Linear linear;
  linear.weight = weights;
  builder.add("weights", linear);
  node::If neurons;
  neurons.r = Tensor::full({targets}, 1.0F);
  neurons.v_threshold = Tensor::full({targets}, threshold);
  builder.add("neurons", neurons);
  builder.add("out", node::Output{shape_tensor({targets})});
  builder.connect("in", "weights");
  builder.connect("weights", "neurons");
  builder.connect("neurons", "out");
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok());
  return *std::move(network);
}

/// in (2) -> weights [[1, 0], [0, 2]] -> IF(r 1, threshold 1.5) -> out (2).
///
/// Strictly above the threshold, then back to 0: with a 1 in every step, neuron 0 fires at every
/// second step (1, 2 > 1.5) and neuron 1 at every step (2 > 1.5).
inline Network two_if_network() { return if_network(floats({2, 2}, {1, 0, 0, 2}), 1.5F); }

/// in (1) -> LIF(tau 10 ms, r 1, threshold 0.5): needs a time step, which the file does not hold.
inline Network lif_network() {
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({1})});
  node::Lif neuron;
  neuron.tau = floats({1}, {0.01F});
  neuron.r = floats({1}, {1});
  neuron.v_leak = floats({1}, {0});
  neuron.v_threshold = floats({1}, {0.5});
  builder.add("lif", neuron);
  builder.add("out", node::Output{shape_tensor({1})});
  builder.connect("in", "lif");
  builder.connect("lif", "out");
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok());
  return *std::move(network);
}

/// in (2, 4, 4) -> Flatten -> weights that sum OFF into 0 and ON into 1 -> IF(threshold 0.5).
inline Network polarity_network() {
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({2, 4, 4})});
  node::Flatten flat;
  flat.start_dim = Tensor::scalar<std::int64_t>(0);
  builder.add("flat", flat);
  std::vector<float> weights(64, 0.0F);
  for (int i = 0; i < 16; ++i) {
    weights[i] = 1.0F;
    weights[32 + 16 + i] = 1.0F;
  }
  node::Linear linear;
  linear.weight = floats({2, 32}, weights);
  builder.add("weights", linear);
  node::If neurons;
  neurons.r = floats({2}, {1, 1});
  neurons.v_threshold = floats({2}, {0.5, 0.5});
  builder.add("neurons", neurons);
  builder.add("out", node::Output{shape_tensor({2})});
  builder.connect("in", "flat");
  builder.connect("flat", "weights");
  builder.connect("weights", "neurons");
  builder.connect("neurons", "out");
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok());
  return *std::move(network);
}

inline void save(const Network& network, const std::string& path) {
  const Status written = write_nir(network, path);
  ASSERT_TRUE(written.ok()) << written.error().message();
}

inline void save_array(const std::string& path, const Shape& shape,
                       const std::vector<float>& values) {
  const Status written = io::write_npy(path, floats(shape, values));
  ASSERT_TRUE(written.ok()) << written.error().message();
}

/// Events at 0, 1, 2, ... ms, one each, at (x, y) = (i % 4, 0) with polarity `on`.
inline Recording one_event_per_ms(int count, bool on) {
  Recording recording;
  for (int i = 0; i < count; ++i) {
    recording.events.push_back(i * kMillisecond, static_cast<std::uint16_t>(i % 4), 0, on ? 1 : 0);
  }
  return recording;
}

inline void save_recording(const Recording& recording, const std::string& path) {
  const auto written = write_recording(recording, path);
  ASSERT_TRUE(written.ok()) << written.error().message();
}

}  // namespace spikeloom::test
