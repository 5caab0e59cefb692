/// Expected values are worked out by hand from the definition of batch normalisation.

#include <gtest/gtest.h>

#include "models/fold_batch_norm.hpp"

namespace spikeloom::test {
namespace {

Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::of<float>(std::move(shape), values);
}

// Two outputs. variance + eps = 4 and 0.25, so 1 / sqrt = 0.5 and 2; gamma 3 and -1 make the gains
// 1.5 and -2. Biases: (1 - 2) * 1.5 + 10 = 8.5 and (0 - 0.5) * -2 + 20 = 21.
const BatchNorm kNorm{.mean = floats({2}, {2.F, 0.5F}),
                      .variance = floats({2}, {3.F, -0.75F}),
                      .gamma = floats({2}, {3.F, -1.F}),
                      .beta = floats({2}, {10.F, 20.F}),
                      .eps = 1.0};

TEST(FoldBatchNorm, MatchesTheHandComputation) {
  const auto folded =
      fold_batch_norm(floats({2, 3}, {1, 2, 3, 4, 5, 6}), floats({2}, {1.F, 0.F}), kNorm);
  ASSERT_TRUE(folded.ok()) << folded.error().message();
  EXPECT_EQ(folded->weight, floats({2, 3}, {1.5F, 3.F, 4.5F, -8.F, -10.F, -12.F}));
  EXPECT_EQ(folded->bias, floats({2}, {8.5F, 21.F}));
}

TEST(FoldBatchNorm, ConvolutionWithoutBiasOrAffine) {
  BatchNorm norm = kNorm;
  norm.gamma.reset();
  norm.beta.reset();
  // Gains 0.5 and 2; biases (0 - 2) * 0.5 = -1 and (0 - 0.5) * 2 = -1.
  const auto folded = fold_batch_norm(floats({2, 1, 1, 2}, {1, 2, 3, 4}), std::nullopt, norm);
  ASSERT_TRUE(folded.ok()) << folded.error().message();
  EXPECT_EQ(folded->weight, floats({2, 1, 1, 2}, {0.5F, 1.F, 6.F, 8.F}));
  EXPECT_EQ(folded->bias, floats({2}, {-1.F, -1.F}));
}

TEST(FoldBatchNorm, RefusesWhatDoesNotFit) {
  const auto three = fold_batch_norm(floats({3, 1}, {1, 2, 3}), std::nullopt, kNorm);
  ASSERT_FALSE(three.ok());
  EXPECT_EQ(three.error().code, ErrorCode::kShape);
  BatchNorm norm = kNorm;
  norm.eps = 0.0;
  const auto negative = fold_batch_norm(floats({2, 1}, {1, 2}), std::nullopt, norm);
  ASSERT_FALSE(negative.ok());
  EXPECT_NE(negative.error().message().find("channel 1"), std::string::npos);
}

std::vector<std::string> names(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> out;
  for (const NamedTensor& tensor : tensors) out.push_back(tensor.name);
  return out;
}

TEST(FoldBatchNorms, AStateDictionary) {
  const std::vector<NamedTensor> state = {
      {"conv.weight", floats({2, 1, 1, 1}, {1, 1})},
      {"bn.weight", *kNorm.gamma},
      {"bn.bias", *kNorm.beta},
      {"bn.running_mean", kNorm.mean},
      {"bn.running_var", kNorm.variance},
      {"bn.num_batches_tracked", Tensor::scalar<std::int64_t>(7)},
      {"fc.weight", floats({1, 2}, {1, 1})}};
  const auto folded = fold_batch_norms(state, {.eps = 1.0});
  ASSERT_TRUE(folded.ok()) << folded.error().message();
  EXPECT_EQ(names(*folded), (std::vector<std::string>{"conv.weight", "conv.bias", "fc.weight"}));
  EXPECT_EQ((*folded)[0].tensor, floats({2, 1, 1, 1}, {1.5F, -2.F}));
  // (0 - 2) * 1.5 + 10 = 7, (0 - 0.5) * -2 + 20 = 21
  EXPECT_EQ((*folded)[1].tensor, floats({2}, {7.F, 21.F}));
  EXPECT_EQ((*folded)[2].tensor, floats({1, 2}, {1, 1}));
}

TEST(FoldBatchNorms, AsksWhereTheLayerIsNotCertain) {
  const std::vector<NamedTensor> state = {{"a.weight", floats({2, 1}, {1, 1})},
                                          {"b.weight", floats({3, 2}, {1, 1, 1, 1, 1, 1})},
                                          {"bn.running_mean", kNorm.mean},
                                          {"bn.running_var", kNorm.variance}};
  const auto folded = fold_batch_norms(state, {.eps = 1.0});
  ASSERT_FALSE(folded.ok());
  EXPECT_EQ(folded.error().code, ErrorCode::kAmbiguous);
  EXPECT_NE(folded.error().message().find("\"bn\""), std::string::npos);
  const auto told = fold_batch_norms(state, {.eps = 1.0, .layers = {{"bn", "a"}}});
  ASSERT_TRUE(told.ok()) << told.error().message();
  EXPECT_EQ(names(*told), (std::vector<std::string>{"a.weight", "a.bias", "b.weight"}));
  EXPECT_EQ((*told)[0].tensor, floats({2, 1}, {0.5F, 2.F}));
}

}  // namespace
}  // namespace spikeloom::test
