#include <memory>

#include <gtest/gtest.h>

#include "models/apply_weights.hpp"
#include "models/nir/nir_reader.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

Tensor filled(Shape shape, float value) { return Tensor::full(std::move(shape), value); }

node::Linear linear(std::int64_t out, std::int64_t in) { return {filled({out, in}, 0.F), {}}; }

/// in -> fc1 -> fc2 -> out, both (2, 2), as a chain or as two branches.
Network two_layers(bool chain) {
  NetworkBuilder builder;
  builder.add("in", node::Input{shape_tensor({2})});
  // Alphabetical order is not the order of the values.
  builder.add("b", linear(2, 2));
  builder.add("a", linear(2, 2));
  builder.add("out", node::Output{shape_tensor({2})});
  builder.connect("in", "b");
  builder.connect(chain ? "b" : "in", "a");
  if (!chain) builder.connect("b", "out");
  builder.connect("a", "out");
  return *std::move(builder).build();
}

const Tensor& weight_of(const Network& network, const char* name) {
  return std::get<node::Linear>(network[*network.find(name)].kind).weight;
}

TEST(ApplyWeights, ByExactName) {
  const std::vector<NamedTensor> tensors = {{"a.weight", filled({2, 2}, 1.F)},
                                            {"b.weight", filled({2, 2}, 2.F)}};
  const auto network = apply_weights(two_layers(false), tensors);
  ASSERT_TRUE(network.ok()) << network.error().message();
  EXPECT_EQ(weight_of(*network, "a"), filled({2, 2}, 1.F));
  EXPECT_EQ(weight_of(*network, "b"), filled({2, 2}, 2.F));
  EXPECT_EQ(network->edges().size(), 4U);
}

TEST(ApplyWeights, ByShapeAlongAChain) {
  const std::vector<NamedTensor> tensors = {{"layers.2.weight", filled({2, 2}, 1.F)},
                                            {"layers.10.weight", filled({2, 2}, 2.F)}};
  const auto network = apply_weights(two_layers(true), tensors);
  ASSERT_TRUE(network.ok()) << network.error().message();
  EXPECT_EQ(weight_of(*network, "b"), filled({2, 2}, 1.F));
  EXPECT_EQ(weight_of(*network, "a"), filled({2, 2}, 2.F));
}

TEST(ApplyWeights, RefusesToGuess) {
  const std::vector<NamedTensor> tensors = {{"x.0", filled({2, 2}, 1.F)},
                                            {"x.1", filled({2, 2}, 2.F)}};
  const std::vector<NamedTensor> shuffled = {tensors[1], tensors[0]};
  const std::vector<NamedTensor> fewer = {tensors[0]};
  const std::vector<std::pair<const Network, std::vector<NamedTensor>>> cases = {
      {two_layers(false), tensors}, {two_layers(true), shuffled}, {two_layers(true), fewer}};
  for (const auto& [network, given] : cases) {
    const auto applied = apply_weights(network, given);
    ASSERT_FALSE(applied.ok());
    EXPECT_EQ(applied.error().code, ErrorCode::kAmbiguous);
    const std::string message = applied.error().message();
    EXPECT_NE(message.find("a.weight"), std::string::npos) << message;
    EXPECT_NE(message.find("x.0"), std::string::npos) << message;
    EXPECT_NE(message.find("map"), std::string::npos) << message;
  }
  const auto told = apply_weights(two_layers(false), tensors,
                                  {.entries = {{"x.0", "a.weight"}, {"x.1", "b.weight"}}});
  ASSERT_TRUE(told.ok()) << told.error().message();
  EXPECT_EQ(weight_of(*told, "a"), filled({2, 2}, 1.F));
}

TEST(ApplyWeights, CompletenessIsAskedFor) {
  const std::vector<NamedTensor> tensors = {{"a.weight", filled({2, 2}, 1.F)},
                                            {"lif.beta", Tensor::scalar(0.9F)}};
  const auto unused = apply_weights(two_layers(false), tensors);
  ASSERT_FALSE(unused.ok());
  EXPECT_NE(unused.error().message().find("lif.beta ()"), std::string::npos);
  WeightMapping mapping;
  mapping.ignore_unused_tensors = true;
  const auto unmatched = apply_weights(two_layers(false), tensors, mapping);
  ASSERT_FALSE(unmatched.ok());
  EXPECT_NE(unmatched.error().message().find("b.weight (2, 2)"), std::string::npos);
  mapping.keep_unmatched_parameters = true;
  const auto network = apply_weights(two_layers(false), tensors, mapping);
  ASSERT_TRUE(network.ok()) << network.error().message();
  EXPECT_EQ(weight_of(*network, "b"), filled({2, 2}, 0.F));
}

TEST(ApplyWeights, WrongNamesAndShapesAreNamed) {
  const std::vector<NamedTensor> tensors = {{"a.weight", filled({2, 3}, 1.F)},
                                            {"b.weight", filled({2, 2}, 2.F)}};
  const auto shape = apply_weights(two_layers(false), tensors);
  ASSERT_FALSE(shape.ok());
  EXPECT_EQ(shape.error().code, ErrorCode::kShape);
  EXPECT_NE(shape.error().message().find("(expected (2, 2), got (2, 3))"), std::string::npos);
  for (const auto& entry :
       {std::make_pair("c.weight", "a.weight"), std::make_pair("a.weight", "c.weight")}) {
    const auto missing = apply_weights(two_layers(false), tensors, {.entries = {entry}});
    ASSERT_FALSE(missing.ok());
    EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
    EXPECT_NE(missing.error().message().find("\"c.weight\""), std::string::npos);
  }
}

TEST(ApplyWeights, ABiasMakesALinearAnAffine) {
  const std::vector<NamedTensor> tensors = {{"layer.weight", filled({3, 2}, 1.F)},
                                            {"layer.bias", filled({3}, 2.F)}};
  NetworkBuilder builder;
  builder.add("fc", linear(3, 2));
  const auto network = apply_weights(*std::move(builder).build(), tensors);
  ASSERT_TRUE(network.ok()) << network.error().message();
  const auto& affine = std::get<node::Affine>(network->nodes()[0].kind);
  EXPECT_EQ(affine.weight, filled({3, 2}, 1.F));
  EXPECT_EQ(affine.bias, filled({3}, 2.F));
}

TEST(ApplyWeights, FoldsBatchNormsFirst) {
  // variance + eps = 4, gamma 1: gain 0.5; bias (0 - 2) * 0.5 + 1 = 0
  const std::vector<NamedTensor> tensors = {{"fc.weight", filled({3, 2}, 1.F)},
                                            {"bn.weight", filled({3}, 1.F)},
                                            {"bn.bias", filled({3}, 1.F)},
                                            {"bn.running_mean", filled({3}, 2.F)},
                                            {"bn.running_var", filled({3}, 3.F)}};
  NetworkBuilder builder;
  builder.add("fc", linear(3, 2));
  WeightMapping mapping;
  mapping.batch_norms.eps = 1.0;
  const auto network = apply_weights(*std::move(builder).build(), tensors, mapping);
  ASSERT_TRUE(network.ok()) << network.error().message();
  const auto& affine = std::get<node::Affine>(network->nodes()[0].kind);
  EXPECT_EQ(affine.weight, filled({3, 2}, 0.5F));
  EXPECT_EQ(affine.bias, filled({3}, 0.F));
}

TEST(ApplyWeights, FloatWeightsDropTheScaleOfQuantisedOnes) {
  NetworkBuilder builder;
  builder.add("fc", node::Linear{Tensor::of<std::int8_t>({1, 1}, std::vector<std::int8_t>{3}),
                                 Tensor::scalar(0.5F)});
  const Network network = *std::move(builder).build();
  const std::vector<NamedTensor> tensors = {{"fc.weight", filled({1, 1}, 1.F)}};
  const auto applied = apply_weights(network, tensors);
  ASSERT_TRUE(applied.ok()) << applied.error().message();
  EXPECT_FALSE(std::get<node::Linear>(applied->nodes()[0].kind).weight_scale.has_value());
}

TEST(ApplyWeights, ReachesIntoNestedGraphs) {
  NetworkBuilder inner;
  inner.add("w_rec", linear(2, 2));
  NetworkBuilder builder;
  builder.add("fc", linear(3, 2));
  builder.add("rnn", node::Subgraph{std::make_shared<const Network>(*std::move(inner).build())});
  const Network network = *std::move(builder).build();
  const std::vector<NamedTensor> tensors = {{"fc.weight", filled({3, 2}, 1.F)},
                                            {"lif.recurrent.weight", filled({2, 2}, 2.F)}};
  for (const WeightMapping& mapping :
       {WeightMapping{},
        WeightMapping{.entries = {{"lif.recurrent.weight", "rnn/w_rec.weight"}}}}) {
    const auto applied = apply_weights(network, tensors, mapping);
    ASSERT_TRUE(applied.ok()) << applied.error().message();
    const auto& nested = std::get<node::Subgraph>(applied->nodes()[1].kind);
    EXPECT_EQ(weight_of(*nested.network, "w_rec"), filled({2, 2}, 2.F));
  }
}

// The Sinabs network and the weights it was exported from (the file has no biases; the network's
// are zeros).
TEST(ApplyWeights, PublishedWeightsEqualThePublishedNetwork) {
  REQUIRE_SHARED("acceptance/nir/02_cnn/pretrained_ann_weights.pth");
  const auto model = read_nir(shared_path("acceptance/nir/02_cnn/cnn_sinabs.nir").string());
  ASSERT_TRUE(model.ok()) << model.error().message();
  const auto file =
      read_tensor_file(shared_path("acceptance/nir/02_cnn/pretrained_ann_weights.pth").string());
  ASSERT_TRUE(file.ok()) << file.error().message();
  NetworkBuilder builder;
  const auto blank = [](const Tensor& tensor) { return Tensor::full(tensor.shape(), 0.F); };
  for (const Node& node : model->network.nodes()) {
    NodeKind kind = node.kind;
    if (auto* conv = std::get_if<node::Conv2d>(&kind)) conv->weight = blank(conv->weight);
    if (auto* affine = std::get_if<node::Affine>(&kind)) affine->weight = blank(affine->weight);
    builder.add(node.name, std::move(kind));
  }
  for (const Edge& edge : model->network.edges()) builder.connect(edge.source, edge.target);
  WeightMapping mapping;
  mapping.keep_unmatched_parameters = true;
  const auto applied = apply_weights(*std::move(builder).build(), file->tensors, mapping);
  ASSERT_TRUE(applied.ok()) << applied.error().message();
  std::size_t compared = 0;
  for (std::size_t i = 0; i < applied->nodes().size(); ++i) {
    const NodeKind& left = model->network.nodes()[i].kind;
    const NodeKind& right = applied->nodes()[i].kind;
    if (const auto* conv = std::get_if<node::Conv2d>(&left)) {
      EXPECT_EQ(conv->weight, std::get<node::Conv2d>(right).weight);
      ++compared;
    }
    if (const auto* affine = std::get_if<node::Affine>(&left)) {
      EXPECT_EQ(affine->weight, std::get<node::Affine>(right).weight);
      ++compared;
    }
  }
  EXPECT_EQ(compared, 5U);
}

}  // namespace
}  // namespace spikeloom::test
