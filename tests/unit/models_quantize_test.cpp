/// Quantising: scales, units, thresholds and leaks by hand, and what is refused.

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "models/language/quantize_language.hpp"
#include "models/quantize/detail/fit.hpp"
#include "models/quantize/quantize.hpp"
#include "snn/integer.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

using Options = std::vector<std::pair<std::string, std::string>>;

Discretisation options_of(const Options& options) {
  Discretisation d;
  d.dt = 1.0;
  for (const auto& [name, value] : options) EXPECT_TRUE(set_option(d, name, value).ok()) << name;
  return d;
}

/// The integers of a quantised network's node.
IntegerNode integers_of(const QuantizedNetwork& made, const char* name) {
  const auto program = lower(made.network, made.discretisation);
  EXPECT_TRUE(program.ok()) << error_of(program);
  const auto integer = to_integer(*program);
  EXPECT_TRUE(integer.ok()) << error_of(integer);
  return integer->nodes[*program->find(name)];
}

TEST(Quantize, ScalesAreTheLargestWeightOfEachChannelOverTheLargestInteger) {
  // Rows: largest 127/128 -> scale 1/128; largest 127/512 -> scale 1/512.
  const Network network = chain(
      {2}, {linear(2, 2, {127 / 128.0F, -50 / 128.0F, 50 / 512.0F, -127 / 512.0F}), relay(1, 2)},
      {2});
  const auto made = quantize(network, options_of({}), {.bits = 8});
  ASSERT_TRUE(made.ok()) << error_of(made);
  EXPECT_EQ(integers_of(*made, "layer0").weight, (std::vector<std::int16_t>{127, -50, 50, -127}));
  // v > 1 is v > 128 and v > 512 in these units.
  EXPECT_EQ(integers_of(*made, "layer1").neurons.threshold, (std::vector<std::int32_t>{128, 512}));
  ASSERT_EQ(made->layers.size(), 1U);
  EXPECT_EQ(made->layers[0].largest_scale, 1 / 128.0);
  EXPECT_EQ(made->layers[0].smallest_scale, 1 / 512.0);
  EXPECT_EQ(made->layers[0].rms_error, 0.0);
  const auto per_layer = quantize(network, options_of({}), {.bits = 8, .per_channel = false});
  ASSERT_TRUE(per_layer.ok()) << error_of(per_layer);
  // 50/512 is 12.5 of 1/128, a tie; -127/512 is -31.75.
  EXPECT_EQ(integers_of(*per_layer, "layer0").weight,
            (std::vector<std::int16_t>{127, -50, 12, -32}));
  const auto four = quantize(network, options_of({}), {.bits = 4});
  ASSERT_TRUE(four.ok()) << error_of(four);
  EXPECT_EQ(integers_of(*four, "layer0").weight, (std::vector<std::int16_t>{7, -3, 3, -7}));
}

TEST(Quantize, WhatPeopleReadKeepsOneScale) {
  // A membrane and an Output compare their elements: one scale for both rows.
  for (const auto& layers : std::vector<std::vector<NodeKind>>{
           {linear(2, 1, {1.27F, 0.1F}), integrator(2)}, {linear(2, 1, {1.27F, 0.1F})}}) {
    const auto made = quantize(chain({1}, layers, {2}), options_of({}), {.bits = 8});
    ASSERT_TRUE(made.ok()) << error_of(made);
    EXPECT_EQ(integers_of(*made, "layer0").weight, (std::vector<std::int16_t>{127, 10}));
  }
}

TEST(Quantize, WeightNodesThatAddUpShareTheirScale) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("small", linear(1, 1, {0.5F}));
  builder.add("large", linear(1, 1, {12.7F}));
  builder.add("neuron", relay(1));
  builder.add("out", output({1}));
  for (const auto& [from, to] :
       std::vector<std::pair<const char*, const char*>>{{"in", "small"},
                                                        {"in", "large"},
                                                        {"small", "neuron"},
                                                        {"large", "neuron"},
                                                        {"neuron", "out"}}) {
    builder.connect(from, to);
  }
  const auto made = quantize(*std::move(builder).build(), options_of({}), {.bits = 8});
  ASSERT_TRUE(made.ok()) << error_of(made);
  EXPECT_EQ(integers_of(*made, "small").weight, (std::vector<std::int16_t>{5}));
  EXPECT_EQ(integers_of(*made, "large").weight, (std::vector<std::int16_t>{127}));
}

TEST(Quantize, IntegerWeightsStayWhatTheyAre) {
  node::Linear ternary;
  ternary.weight = Tensor::of<std::int8_t>({2, 2}, std::vector<std::int8_t>{1, 0, -1, 1});
  ternary.weight_scale = floats({2}, {0.5F, 0.25F});
  const auto made = quantize(chain({2}, {ternary, relay(1, 2)}, {2}), options_of({}), {});
  ASSERT_TRUE(made.ok()) << error_of(made);
  EXPECT_EQ(integers_of(*made, "layer0").weight, (std::vector<std::int16_t>{1, 0, -1, 1}));
  EXPECT_EQ(integers_of(*made, "layer1").neurons.threshold, (std::vector<std::int32_t>{2, 4}));
  EXPECT_EQ(made->layers[0].max_error, 0.0);
}

TEST(Quantize, LeaksGainsAndThresholdsOfALeakyNeuron) {
  // tau 2, r 2: decay 1/2, gain 1. Weight 1 is an integer already: scale 1, membrane in 2^-12.
  node::Lif lif{floats({1}, {2}), floats({1}, {2}), floats({1}, {0.5F}), floats({1}, {1.5F}),
                floats({1}, {-0.25F})};
  const auto made = quantize(chain({1}, {linear(1, 1, {1}), lif}, {1}), options_of({}), {});
  ASSERT_TRUE(made.ok()) << error_of(made);
  EXPECT_EQ(made->fraction, 12);
  const IntegerNeurons n = integers_of(*made, "layer1").neurons;
  EXPECT_EQ(n.decay, (std::vector<std::int32_t>{2048}));
  EXPECT_EQ(n.gain, (std::vector<std::int32_t>{4096}));
  EXPECT_EQ(n.drive, (std::vector<std::int32_t>{1024}));  // v_leak / 2
  EXPECT_EQ(n.threshold, (std::vector<std::int32_t>{6144}));
  EXPECT_EQ(n.reset, (std::vector<std::int32_t>{-1024}));
  EXPECT_EQ(made->discretisation.fixed_point, FixedPoint::kLoihi);
}

TEST(Quantize, FractionalBitsGiveWayToTheProof) {
  // 2^f x 127 x 255 x 1000 inputs <= 2^30: f is 5.
  node::Lif lif{floats({1}, {2}), floats({1}, {2}), floats({1}, {0}), floats({1}, {1}), {}};
  const Network network =
      chain({1000}, {linear(1, 1000, std::vector<float>(1000, 0.5F)), lif}, {1});
  const auto made = quantize(network, options_of({}), {});
  ASSERT_TRUE(made.ok()) << error_of(made);
  EXPECT_EQ(made->fraction, 5);
  EXPECT_GE(made->input_limit, 255);
  const auto binary = quantize(network, options_of({}), {.input_bound = 1});
  ASSERT_TRUE(binary.ok()) << error_of(binary);
  EXPECT_EQ(binary->fraction, 12);
}

TEST(Quantize, AveragesBecomeSums) {
  const Tensor two = integers({2, 2});
  const Network network =
      chain({1, 2, 2},
            {node::AvgPool2d{two, two, integers({0, 0})},
             node::Flatten{Tensor::scalar<std::int64_t>(0), Tensor::scalar<std::int64_t>(-1), {}},
             linear(1, 1, {1.27F}), relay(1)},
            {1});
  const auto made = quantize(network, options_of({}), {});
  ASSERT_TRUE(made.ok()) << error_of(made);
  EXPECT_EQ(integers_of(*made, "layer2").weight, (std::vector<std::int16_t>{127}));
  // Unit 0.01 / 4: v > 1 is v > 400 (399 or 400 after float32's 1.27).
  EXPECT_NEAR(integers_of(*made, "layer3").neurons.threshold[0], 400, 1);
}

TEST(Quantize, RefusesWhatHasNoIntegerFormAndSaysWhatToDo) {
  node::If negative = relay(1);
  negative.r = floats({1}, {-1});
  NetworkBuilder mixed;
  mixed.add("in", input({1}));
  mixed.add("w", linear(1, 1, {0.3F}));
  mixed.add("neuron", relay(1));
  mixed.add("out", output({1}));
  mixed.connect("in", "w");
  mixed.connect("w", "neuron");
  mixed.connect("in", "neuron");
  mixed.connect("neuron", "out");
  const std::vector<std::tuple<const char*, Network, Options>> cases = {
      {"not positive", chain({1}, {linear(1, 1, {0.3F}), negative}, {1}), {}},
      {"meet", *std::move(mixed).build(), {}},
      {"clamp", chain({1}, {linear(1, 1, {0.3F}), relay(1)}, {1}), {{"clamp", "-2"}}},
      {"fixed point", chain({1}, {relay(1)}, {1}), {{"fixed-point", "loihi"}}},
      {"16 bits", chain({1}, {linear(1, 1, {0.3F}), integrator(), linear(1, 1, {1.5F})}, {1}), {}},
  };
  for (const auto& [word, network, options] : cases) {
    const auto refused = quantize(network, options_of(options), {});
    ASSERT_FALSE(refused.ok()) << word;
    EXPECT_NE(refused.error().message().find(word), std::string::npos) << refused.error().message();
    EXPECT_FALSE(refused.error().next.empty()) << word;
  }
  const Network fine = chain({1}, {linear(1, 1, {0.3F}), relay(1)}, {1});
  EXPECT_FALSE(quantize(fine, options_of({}), {.bits = 1}).ok());
  EXPECT_FALSE(quantize(fine, options_of({}), {.rounding = FixedPoint::kNone}).ok());
}

/// One large weight that never hears anything among forty that do: its scale, 1.2 / 7, would round
/// them by up to half of it; steps of about 0.1 leave them nearly exact.
TEST(Quantize, ScalesFitWhatReachesTheWeights) {
  std::vector<float> weights = {1.2F};
  for (int i = 0; i < 10; ++i) weights.insert(weights.end(), {0.3F, 0.2F, -0.1F, 0.4F});
  const Network network = chain({41}, {linear(1, 41, weights), relay(0.45F, 1)}, {1});
  const auto by_largest = quantize(network, options_of({}), {.bits = 4});
  ASSERT_TRUE(by_largest.ok()) << error_of(by_largest);
  EXPECT_NEAR(by_largest->layers[0].largest_scale, 1.2 / 7.0, 1e-6);
  EXPECT_FALSE(by_largest->layers[0].fitted);
  QuantizeOptions options{.bits = 4};
  InputActivity& activity = options.activity["layer0"];
  activity.mean.assign(41, 0.3);
  activity.square.assign(41, 0.3);
  activity.mean[0] = activity.square[0] = 0.0;
  const auto fitted = quantize(network, options_of({}), options);
  ASSERT_TRUE(fitted.ok()) << error_of(fitted);
  EXPECT_TRUE(fitted->layers[0].fitted);
  EXPECT_NEAR(fitted->layers[0].largest_scale, 0.1, 0.005);
  EXPECT_EQ(integers_of(*fitted, "layer0").weight[0], 7);
  EXPECT_EQ(integers_of(*fitted, "layer0").weight[1], 3);
  options.activity["layer0"].mean.pop_back();
  const auto refused = quantize(network, options_of({}), options);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kShape);
}

TEST(Quantize, FittedIntegersKeepTheMeanOfTheSum) {
  // 0.4 + 0.4 + 0.4 with inputs that are always 1: to the nearest the sum is 0, moved it is 1.
  const std::vector<detail::FittedWeight> row(3, {0.4, 1.0, 1.0});
  const auto integers = detail::fit_integers(row, 1.0, 7.0);
  EXPECT_EQ(integers[0] + integers[1] + integers[2], 1.0);
  // (1 - 1.2)^2 and no spread.
  EXPECT_NEAR(detail::fit_error(row, integers, 1.0), 0.04, 1e-12);
  // Inputs that vary and have no mean: the nearest is best. 3 x 0.4^2 x 1.
  const std::vector<detail::FittedWeight> varied(3, {0.4, 0.0, 1.0});
  EXPECT_EQ(detail::fit_integers(varied, 1.0, 7.0), (std::vector<double>{0, 0, 0}));
  EXPECT_NEAR(detail::fit_error(varied, std::vector<double>{0, 0, 0}, 1.0), 0.48, 1e-12);
  // Nothing beyond the largest integer.
  const std::vector<detail::FittedWeight> large(1, {9.0, 1.0, 1.0});
  EXPECT_EQ(detail::fit_integers(large, 1.0, 7.0), (std::vector<double>{7}));
}

/// One word layer of one unit whose first weight is `weight`, its other weights 0.
Result<Network> rounded_word_layer(Tensor weight) {
  NetworkBuilder builder;
  builder.add("in", input({2}));
  builder.add("words", node::Embedding{std::move(weight), {}});
  builder.add("out", output({1}));
  builder.connect("in", "words");
  builder.connect("words", "out");
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  return quantize_language(*network);
}

TEST(QuantizeLanguage, AWeightWithoutAFiniteFloatIsRefused) {
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL, 1e300}) {
    const auto made = rounded_word_layer(Tensor::of<double>({2, 1}, std::vector<double>{0.5, bad}));
    ASSERT_FALSE(made.ok()) << bad;
    EXPECT_EQ(made.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(made.error().message().find("words"), std::string::npos) << made.error().message();
    EXPECT_NE(made.error().message().find("row 1"), std::string::npos) << made.error().message();
  }
}

TEST(QuantizeLanguage, WeightsTooSmallForAScaleRoundToZero) {
  const float least = std::numeric_limits<float>::denorm_min();
  const auto made = rounded_word_layer(Tensor::of<float>({2, 1}, std::vector<float>{least, 1.0F}));
  ASSERT_TRUE(made.ok()) << error_of(made);
  const auto& words = std::get<node::Embedding>((*made)[*made->find("words")].kind);
  EXPECT_EQ(words.weight.to_doubles(), (std::vector<double>{0, 127}));
}

TEST(InputActivity, AddsUpLinksAndCountsSilence) {
  // in -> w -> n -> out and n -> back -> n: of w the input, of back n's spikes a step later.
  NetworkBuilder builder;
  builder.add("in", input({2}));
  builder.add("w", linear(1, 2, {1, 1}));
  builder.add("n", relay(0.5F, 1));
  builder.add("back", linear(1, 1, {0.1F}));
  builder.add("out", output({1}));
  for (const auto& [from, to] : std::vector<std::pair<const char*, const char*>>{
           {"in", "w"}, {"w", "n"}, {"n", "back"}, {"back", "n"}, {"n", "out"}}) {
    builder.connect(from, to);
  }
  const auto program = lower(*std::move(builder).build(), options_of({}));
  ASSERT_TRUE(program.ok()) << error_of(program);
  InputActivityMeter meter(*program);
  const std::uint32_t in = *program->find("in"), n = *program->find("n");
  EXPECT_EQ(meter.nodes(), (std::vector<std::uint32_t>{std::min(in, n), std::max(in, n)}));
  const std::vector<std::uint32_t> second = {1}, first = {0};
  const std::vector<double> three = {3}, one = {1};
  meter.add(in, 0, second, three);
  meter.add(in, 2, second, one);
  meter.add(n, 1, first, one);
  meter.end_recording(4);
  const ActivityProfile profile = meter.activity();
  EXPECT_EQ(profile.at("w").mean, (std::vector<double>{0, 1}));      // (3 + 1) / 4
  EXPECT_EQ(profile.at("w").square, (std::vector<double>{0, 2.5}));  // (9 + 1) / 4
  EXPECT_EQ(profile.at("back").mean, (std::vector<double>{0.25}));
}

}  // namespace
}  // namespace spikeloom::test
