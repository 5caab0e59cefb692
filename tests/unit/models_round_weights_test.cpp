/// Weights of fewer bits: nearest multiples of a step per output.

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "models/quantize/round_weights.hpp"
#include "snn/network.hpp"

namespace spikeloom {
namespace {

Network one_layer(const std::vector<float>& weights, std::optional<Tensor> scale) {
  NetworkBuilder builder;
  builder.add("in", node::Input{Tensor::of<std::int64_t>({1}, std::vector<std::int64_t>{3})});
  builder.add("fc", node::Linear{Tensor::of<float>({2, 3}, weights), std::move(scale)});
  builder.connect("in", "fc");
  return std::move(builder).build().value();
}

TEST(ModelsRoundWeights, EveryRowHasItsStep) {
  const std::vector<float> weights = {0.7F, -0.36F, 0.1F, 3.0F, 8.0F, -8.0F};
  const Network network =
      one_layer(weights, Tensor::of<float>({2}, std::vector<float>{1.0F, 0.5F}));
  const auto made = round_weights(network, 4);
  ASSERT_TRUE(made.ok());
  const auto& linear = std::get<node::Linear>(made->nodes()[1].kind);
  // 4 bits: -7 .. 7. Row 0: step 0.1. Row 1: 8 x 0.5 / 7.
  EXPECT_EQ(linear.weight.to_doubles(), (std::vector<double>{7, -4, 1, 3, 7, -7}));
  ASSERT_TRUE(linear.weight_scale);
  EXPECT_NEAR(linear.weight_scale->at(0), 0.1, 1e-7);
  EXPECT_NEAR(linear.weight_scale->at(1), 4.0 / 7, 1e-7);
}

TEST(ModelsRoundWeights, ZerosStayZero) {
  const auto made = round_weights(one_layer({0, 0, 0, 0, 0, 1}, std::nullopt), 2);
  ASSERT_TRUE(made.ok());
  const auto& linear = std::get<node::Linear>(made->nodes()[1].kind);
  EXPECT_EQ(linear.weight.to_doubles(), (std::vector<double>{0, 0, 0, 0, 0, 1}));
}

TEST(ModelsRoundWeights, WeightsTooSmallForAStepRoundToZero) {
  const float least = std::numeric_limits<float>::denorm_min();
  const auto made = round_weights(one_layer({least, 0, 0, 0, 0, 1}, std::nullopt), 8);
  ASSERT_TRUE(made.ok());
  const auto& linear = std::get<node::Linear>(made->nodes()[1].kind);
  EXPECT_EQ(linear.weight.to_doubles(), (std::vector<double>{0, 0, 0, 0, 0, 127}));
}

TEST(ModelsRoundWeights, WeightsWithoutAFiniteFloatAreRefused) {
  for (const float bad : {std::nanf(""), HUGE_VALF, -HUGE_VALF}) {
    const auto made = round_weights(one_layer({1, 1, 1, 1, bad, 1}, std::nullopt), 8);
    ASSERT_FALSE(made.ok()) << bad;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(made.error().message().find("fc"), std::string::npos) << made.error().message();
  }
}

TEST(ModelsRoundWeights, OtherBitsAreRefused) {
  const Network network = one_layer({1, 1, 1, 1, 1, 1}, std::nullopt);
  EXPECT_FALSE(round_weights(network, 1).ok());
  EXPECT_FALSE(round_weights(network, 9).ok());
}

}  // namespace
}  // namespace spikeloom
