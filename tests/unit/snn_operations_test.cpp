/// Weight nodes, pools and counts against results computed by hand.

#include <gtest/gtest.h>

#include "energy/inference_counts.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// in -> layer -> out, one step with the whole input given.
struct OneStep {
  std::vector<double> out;
  NodeStats stats;  ///< of the layer
  std::int64_t dense_macs = 0;
};

OneStep run_layer(const Shape& in, NodeKind layer, const Shape& out,
                  const std::vector<double>& values) {
  NetworkBuilder builder;
  builder.add("in", input(in));
  builder.add("layer", std::move(layer));
  builder.add("out", output(out));
  builder.connect("in", "layer");
  builder.connect("layer", "out");
  OneStep result;
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  if (!network.ok()) return result;
  Shape sequence = {1};
  sequence.insert(sequence.end(), in.begin(), in.end());
  const auto coded =
      code_sequence(Tensor::of<double>(sequence, values), in, {.coding = Coding::kCurrent});
  EXPECT_TRUE(coded.ok()) << error_of(coded);
  if (!coded.ok()) return result;
  const auto run = run_network(*network, *coded, {});
  EXPECT_TRUE(run.ok()) << error_of(run);
  if (!run.ok()) return result;
  const auto count = element_count(out);
  result.out = run->sums("out", static_cast<std::size_t>(*count));
  for (const NodeStats& stats : run->stats.nodes) {
    if (stats.name == "layer") result.stats = stats;
  }
  return result;
}

node::Conv2d conv2d(const Shape& weight_shape, const std::vector<float>& weight) {
  node::Conv2d conv;
  conv.weight = floats(weight_shape, weight);
  conv.padding.value = Tensor::scalar<std::int64_t>(0);
  return conv;
}

TEST(SnnOperations, ConvolutionIsACrossCorrelationWithPadding) {
  node::Conv2d conv = conv2d({1, 1, 2, 2}, {1, 10, 100, 1000});
  conv.padding.value = Tensor::scalar<std::int64_t>(1);
  // One event at row 0, column 1 of 2 x 2; output 3 x 3, output (r, c) sees input (r - 1 + kr,
  // ...).
  const OneStep step = run_layer({1, 2, 2}, conv, {1, 3, 3}, {0, 1, 0, 0});
  EXPECT_EQ(step.out, (std::vector<double>{0, 1000, 100, 0, 10, 1, 0, 0, 0}));
  EXPECT_EQ(step.stats.ac, 4U);
  EXPECT_EQ(step.stats.mac, 0U);
  // 16 pairs lie inside: every input element is seen by all four taps.
  EXPECT_EQ(step.stats.dense_macs, 16U);
}

TEST(SnnOperations, PaddingOfTheOtherSideDoesNotCount) {
  // 2 x 2 input, 2 x 2 kernel, no padding: one output; each element has one in-bounds tap.
  const OneStep step =
      run_layer({1, 2, 2}, conv2d({1, 1, 2, 2}, {1, 2, 3, 4}), {1, 1, 1}, {0, 1, 0, 3});
  EXPECT_EQ(step.out, std::vector<double>({2 + 12}));
  EXPECT_EQ(step.stats.events_in, 2U);
  EXPECT_EQ(step.stats.value_sum, 4.0);
  EXPECT_EQ(step.stats.ac, 1U);   // the 1
  EXPECT_EQ(step.stats.mac, 1U);  // the 3 needs a multiply
  EXPECT_EQ(step.stats.dense_macs, 4U);
}

TEST(SnnOperations, StrideDilationAndNonSquareKernels) {
  node::Conv2d conv = conv2d({1, 1, 1, 3}, {1, 10, 100});
  conv.stride = integers({1, 2});
  conv.dilation = integers({1, 2});
  // Row of 7; outputs at columns 0 and 2 see columns c, c + 2, c + 4.
  const OneStep step = run_layer({1, 1, 7}, conv, {1, 1, 2}, {1, 2, 3, 4, 5, 6, 7});
  EXPECT_EQ(step.out, std::vector<double>({1 + 30 + 500, 3 + 50 + 700}));
  EXPECT_EQ(step.stats.ac + step.stats.mac, 6U);
  EXPECT_EQ(step.stats.dense_macs, 6U);
}

TEST(SnnOperations, GroupsKeepChannelsApart) {
  node::Conv2d conv = conv2d({2, 1, 1, 1}, {2, 3});
  conv.groups = Tensor::scalar<std::int64_t>(2);
  const OneStep step = run_layer({2, 1, 1}, conv, {2, 1, 1}, {5, 7});
  EXPECT_EQ(step.out, std::vector<double>({10, 21}));
  EXPECT_EQ(step.stats.mac, 2U);
}

TEST(SnnOperations, SamePaddingPutsTheOddElementBehind) {
  node::Conv1d conv;
  conv.weight = floats({1, 1, 2}, {1, 10});
  conv.padding.value = std::string("same");
  // Total padding 1, all of it behind: y[i] = x[i] + 10 x[i + 1].
  const OneStep step = run_layer({1, 3}, conv, {1, 3}, {1, 2, 3});
  EXPECT_EQ(step.out, std::vector<double>({21, 32, 3}));
}

TEST(SnnOperations, SumAverageAndMaximumPools) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const Tensor two = integers({2, 2});
  const Tensor one = integers({1, 1});
  const Tensor none = integers({0, 0});
  EXPECT_EQ(run_layer({1, 3, 3}, node::SumPool2d{two, one, none}, {1, 2, 2}, values).out,
            std::vector<double>({12, 16, 24, 28}));
  EXPECT_EQ(run_layer({1, 3, 3}, node::AvgPool2d{two, one, none}, {1, 2, 2}, values).out,
            std::vector<double>({3, 4, 6, 7}));
  EXPECT_EQ(run_layer({1, 3, 3}, node::MaxPool2d{two, one, none}, {1, 2, 2}, values).out,
            std::vector<double>({5, 6, 8, 9}));
  // Padded corners: the average divides by the full kernel, the maximum ignores the padding.
  const Tensor three = integers({3, 3});
  EXPECT_EQ(run_layer({1, 1, 1}, node::AvgPool2d{three, one, one}, {1, 1, 1}, {-9}).out,
            std::vector<double>({-1}));
  EXPECT_EQ(run_layer({1, 1, 1}, node::MaxPool2d{three, one, one}, {1, 1, 1}, {-9}).out,
            std::vector<double>({-9}));
}

TEST(SnnOperations, MaximumPoolOfSpikesIsAnOr) {
  const OneStep step =
      run_layer({1, 2, 2}, node::MaxPool2d{integers({2, 2}), integers({2, 2}), integers({0, 0})},
                {1, 1, 1}, {1, 0, 1, 1});
  EXPECT_EQ(step.out, std::vector<double>({1}));
  EXPECT_EQ(step.stats.ac + step.stats.mac, 0U);  // pooling is no synaptic operation
}

TEST(SnnOperations, TernaryAndPowerOfTwoWeightsAccumulate) {
  EXPECT_EQ(run_layer({2}, linear(2, 2, {1, 0, -1, 1}), {2}, {3, 1}).stats.ac, 4U);
  EXPECT_EQ(run_layer({2}, linear(2, 2, {0.25F, -4, 0, 2}), {2}, {3, 1}).stats.ac, 4U);
  const NodeStats mixed = run_layer({2}, linear(2, 2, {1, 0, -1, 3}), {2}, {3, -1}).stats;
  EXPECT_EQ(mixed.mac, 2U);  // the 3 on both its weights
  EXPECT_EQ(mixed.ac, 2U);   // the -1 on both
}

TEST(SnnOperations, QuantisedWeightsAreScaledOncePerOutput) {
  node::Affine layer;
  layer.weight = Tensor::of<std::int8_t>({2, 2}, std::vector<std::int8_t>{1, -1, 0, 1});
  layer.weight_scale = floats({2}, {0.5F, 4.0F});
  layer.bias = floats({2}, {10, 20});
  const OneStep step = run_layer({2}, layer, {2}, {3, 7});
  EXPECT_EQ(step.out, std::vector<double>({0.5 * (3 - 7) + 10, 4.0 * 7 + 20}));
  EXPECT_EQ(step.stats.ac, 4U);
}

TEST(SnnOperations, PrunedEntriesOfASparseFormatDoNotCount) {
  node::SparseLinear sparse;
  sparse.shape = integers({2, 3});
  sparse.row_start = integers({0, 2, 3});
  sparse.column = integers({0, 2, 1});
  sparse.value = floats({3}, {5, 0, 7});
  const OneStep step = run_layer({3}, sparse, {2}, {1, 1, 1});
  EXPECT_EQ(step.out, std::vector<double>({5, 7}));
  EXPECT_EQ(step.stats.ac, 3U);  // the stored zero counts, the three absent entries do not
  EXPECT_EQ(step.stats.dense_macs, 6U);
}

TEST(SnnOperations, FlattenMergesTheAxesItNames) {
  node::Flatten flatten;
  flatten.start_dim = Tensor::scalar<std::int64_t>(1);
  flatten.end_dim = Tensor::scalar<std::int64_t>(-1);
  EXPECT_EQ(run_layer({2, 1, 2}, flatten, {2, 2}, {1, 2, 3, 4}).out,
            std::vector<double>({1, 2, 3, 4}));
}

TEST(SnnOperations, ThresholdAndScaleActPerElement) {
  EXPECT_EQ(run_layer({3}, node::Threshold{floats({3}, {1, 2, 3})}, {3}, {1.5, 2, 4}).out,
            std::vector<double>({1, 0, 1}));  // strictly greater
  EXPECT_EQ(run_layer({2}, node::Scale{floats({2}, {2, 3})}, {2}, {5, 7}).out,
            std::vector<double>({10, 21}));
}

TEST(InferenceCounts, AreMeansPerInferenceWithTheDenseRatio) {
  RunStats stats;
  stats.steps = 10;
  NodeStats layer;
  layer.kind = "Linear";
  layer.ac = 30;
  layer.mac = 10;
  layer.events_out = 8;
  layer.dense_macs = 400;
  stats.nodes = {layer};
  const auto counts = count_inference(stats, 2);
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(counts->steps, 5.0);
  EXPECT_EQ(counts->synaptic_operations, 20.0);
  EXPECT_EQ(counts->events, 4.0);
  EXPECT_EQ(counts->dense_ratio, 10.0);
  EXPECT_FALSE(count_inference(stats, 0).ok());
}

}  // namespace
}  // namespace spikeloom::test
