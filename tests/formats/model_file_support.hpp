#pragma once
/// A network with every node kind and every kind of parameter, for the model file's tests.

#include <cstdint>
#include <memory>
#include <vector>

#include "snn/network.hpp"

namespace spikeloom::test {

inline Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::of<float>(std::move(shape), values);
}

inline Tensor integers(const std::vector<std::int64_t>& values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

/// An int8 matrix (rows, columns) of the repeating pattern 0, 1, -1, 1.
inline Tensor ternary(std::int64_t rows, std::int64_t columns) {
  std::vector<std::int8_t> values(static_cast<std::size_t>(rows * columns));
  constexpr std::int8_t pattern[] = {0, 1, -1, 1};
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = pattern[i % 4];
  return Tensor::of<std::int8_t>({rows, columns}, values);
}

inline Network every_kind() {
  NetworkBuilder inner;
  inner.add("input", node::Input{integers({4})});
  inner.add("lif", node::Lif{Tensor::full({4}, 0.02F), Tensor::full({4}, 1.F),
                             Tensor::full({4}, 0.F), Tensor::full({4}, 1.F), std::nullopt});
  inner.add("output", node::Output{integers({4})});
  inner.connect("input", "lif");
  inner.connect("lif", "lif");
  inner.connect("lif", "output");
  inner.set_metadata({{"of", std::string("the nested graph")}});
  auto nested = std::move(inner).build();

  NetworkBuilder builder;
  builder.add("z first", node::Input{integers({2, 8, 8})});
  node::Conv2d conv;
  conv.weight = Tensor::of<std::int8_t>({4, 1, 3, 3}, std::vector<std::int8_t>(36, 7));
  conv.weight_scale = floats({4}, {0.5F, 0.25F, 0.125F, 2.F});
  conv.groups = Tensor::scalar<std::int64_t>(2);
  conv.padding.value = std::string("same");
  conv.input_shape = integers({8, 8});
  builder.add("conv2d", conv);
  node::Conv1d conv1;
  conv1.weight = Tensor::full({2, 1, 3}, 0.1F);
  conv1.bias = Tensor::full({2}, 0.F);
  conv1.padding.value = integers({1});
  builder.add("conv1d", conv1);
  const auto two = integers({2, 2});
  const auto zero = integers({0, 0});
  builder.add("sum", node::SumPool2d{two, two, zero});
  builder.add("avg", node::AvgPool2d{two, two, zero});
  builder.add("max", node::MaxPool2d{two, two, zero});
  builder.add("flatten", node::Flatten{});
  builder.add("ternary", node::Linear{ternary(32, 16), Tensor::scalar(0.1F)});
  builder.add("embedding", node::Linear{Tensor::full({64, 64}, 0.5F), std::nullopt});
  builder.add("tied", node::Affine{Tensor::full({64, 64}, 0.5F), Tensor::full({64}, 0.F), {}});
  // (3, 4) with entries (0, 1) = 5, (2, 0) = -3, (2, 3) = 1; the middle row is empty.
  builder.add("sparse", node::SparseLinear{
                            integers({3, 4}),
                            Tensor::of<std::int32_t>({4}, std::vector<std::int32_t>{0, 1, 1, 3}),
                            Tensor::of<std::int32_t>({3}, std::vector<std::int32_t>{1, 0, 3}),
                            Tensor::of<std::int8_t>({3}, std::vector<std::int8_t>{5, -3, 1}),
                            Tensor::scalar(0.5F), Tensor::full({3}, 1.F)});
  builder.add("random", node::RandomSparse{integers({3, 4}), integers({0, 2}), integers({2, 2}),
                                           integers({5, 1}), floats({2}, {0.5F, -1.F}),
                                           integers({1, 0}), Tensor::scalar<std::int64_t>(77)});
  builder.add("scale", node::Scale{floats({2}, {1.F, 2.F})});
  builder.add("delay", node::Delay{Tensor::of<double>({2}, std::vector<double>{0.001, 0.002})});
  builder.add("threshold", node::Threshold{Tensor::scalar(0.5)});
  builder.add("i", node::I{Tensor::full({2}, 1.F)});
  builder.add("if", node::If{Tensor::full({2}, 1.F), Tensor::full({2}, 1.F), Tensor::scalar(0.5F)});
  builder.add("li",
              node::Li{Tensor::scalar<std::int64_t>(3), Tensor::scalar(1.F), Tensor::scalar(0.F)});
  builder.add("cubali", node::CubaLi{Tensor::scalar(2.F), Tensor::scalar(3.F), Tensor::scalar(1.F),
                                     Tensor::scalar(0.F), std::nullopt});
  builder.add("cubalif",
              node::CubaLif{Tensor::scalar(2.F), Tensor::scalar(3.F), Tensor::scalar(1.F),
                            Tensor::scalar(0.F), Tensor::scalar(1.F), Tensor::scalar(0.F),
                            Tensor::scalar(1.5F)});
  builder.add("lif", node::Lif{Tensor::scalar(2.0), Tensor::scalar(1.0), Tensor::scalar(0.0),
                               Tensor::scalar(1.0), std::nullopt, Tensor::scalar(0.002),
                               Tensor::scalar(0.25)});
  builder.add("graph", node::Subgraph{std::make_shared<const Network>(*std::move(nested))},
              {{"note", std::string("on the node")}});
  builder.add("a last", node::Output{integers({4})},
              {{"flag", Tensor::scalar(true)}, {"texts", StringArray{{2}, {"x", "y"}}}});
  builder.connect("sparse", "a last");
  builder.connect("z first", "conv2d");
  builder.connect("z first", "conv2d");
  builder.set_metadata({{"b", std::vector<MetadataItem>{{"c", Tensor::scalar(1.5)}}}});
  builder.set_producer_version("1.0.7");
  return *std::move(builder).build();
}

}  // namespace spikeloom::test
