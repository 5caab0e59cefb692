#pragma once
/// Small random language networks: Embedding, recurrent layers, tied Decoder.

#include <cstdint>
#include <vector>

#include "base/random.hpp"
#include "snn/network.hpp"

namespace spikeloom::test {

inline constexpr std::int64_t kWords = 70, kVector = 24;

/// Normal numbers; a share of `pruned` is 0.
inline Tensor random_matrix(std::int64_t rows, std::int64_t columns, std::uint64_t stream,
                            double size, double pruned = 0.0) {
  const RandomStream random{11, stream};
  std::vector<float> values;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(rows * columns); ++i) {
    const bool kept = random.uniform(2 * i) >= pruned;
    values.push_back(kept ? static_cast<float>(size * random.normal(2 * i + 1)) : 0.0F);
  }
  return Tensor::of<float>(columns == 1 ? Shape{rows} : Shape{rows, columns}, values);
}

template <typename Kind>
Kind random_layer(std::int64_t gates, std::int64_t units, std::int64_t inputs, std::uint64_t stream,
                  double pruned) {
  Kind layer;
  layer.kernel = random_matrix(gates * units, inputs, stream, 0.7, pruned);
  layer.recurrent = random_matrix(gates * units, units, stream + 1, 0.7, pruned);
  layer.bias = random_matrix(gates * units, 1, stream + 2, 0.3);
  layer.recurrent_bias = random_matrix(gates * units, 1, stream + 3, 0.3);
  return layer;
}

inline node::Egru random_egru(std::int64_t units, std::int64_t inputs, std::uint64_t stream,
                              double pruned = 0.0, std::int64_t form = 0) {
  auto layer = random_layer<node::Egru>(3, units, inputs, stream, pruned);
  std::vector<float> threshold;
  for (std::int64_t i = 0; i < units; ++i) {
    threshold.push_back(0.02F * static_cast<float>(1 + i % 9));
  }
  layer.threshold = Tensor::of<float>({units}, threshold);
  layer.form = Tensor::scalar<std::int64_t>(form);
  return layer;
}

/// Input -> Embedding -> layers -> Decoder -> Output; the last layer has kVector units.
inline Result<Network> word_network(const std::vector<NodeKind>& layers) {
  NetworkBuilder builder;
  const Tensor words = random_matrix(kWords, kVector, 500, 0.6);
  builder.add("in", node::Input{shape_tensor({kWords})});
  builder.add("words", node::Embedding{words, {}});
  std::string last = "words";
  builder.connect("in", last);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const std::string name = "layer" + std::to_string(i + 1);
    builder.add(name, layers[i]);
    builder.connect(last, name);
    last = name;
  }
  builder.add("decoder", node::Decoder{words, random_matrix(kWords, 1, 501, 0.2), {}});
  builder.add("out", node::Output{shape_tensor({kWords})});
  builder.connect(last, "decoder");
  builder.connect("decoder", "out");
  return std::move(builder).build();
}

}  // namespace spikeloom::test
