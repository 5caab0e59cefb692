/// Integer form of programs: what is taken, what is refused, and how far the proof reaches.

#include <limits>

#include <gtest/gtest.h>

#include "snn/integer.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

using Options = std::vector<std::pair<std::string, std::string>>;

/// in -> layers ... -> out, lowered with dt 1 and options on top of preset nir.
Program program(const Shape& in, std::vector<NodeKind> layers, const Shape& out,
                const Options& options = {}) {
  Discretisation d;
  d.dt = 1.0;
  for (const auto& [name, value] : options) EXPECT_TRUE(set_option(d, name, value).ok()) << name;
  auto lowered = lower(chain(in, std::move(layers), out), d);
  EXPECT_TRUE(lowered.ok()) << error_of(lowered);
  return *std::move(lowered);
}

const IntegerNode& node_of(const Program& p, const IntegerProgram& integer, const char* name) {
  return integer.nodes[*p.find(name)];
}

TEST(Integer, TakesTheNumbersAsTheyAre) {
  const Program p = program({2}, {affine(2, 2, {1, -128, 3, 0}, {7, -9}), relay(5, 2)}, {2});
  const auto integer = to_integer(p);
  ASSERT_TRUE(integer.ok()) << error_of(integer);
  const IntegerNode& weights = node_of(p, *integer, "layer0");
  EXPECT_EQ(weights.weight, (std::vector<std::int16_t>{1, -128, 3, 0}));
  EXPECT_TRUE(weights.fits_int8);
  EXPECT_EQ(weights.bias, (std::vector<std::int32_t>{7, -9}));
  EXPECT_EQ(weights.in_bound, 32767);
  EXPECT_EQ(weights.out_bound, 129 * 32767 + 7);
  const IntegerNode& neurons = node_of(p, *integer, "layer1");
  EXPECT_EQ(neurons.neurons.threshold, (std::vector<std::int32_t>{5, 5}));
  EXPECT_EQ(neurons.neurons.decay, (std::vector<std::int32_t>{4096, 4096}));
  EXPECT_EQ(neurons.out_bound, 1);
  EXPECT_EQ(integer->input_limit, 32767);
}

TEST(Integer, WiderWeightsAreSixteenBits) {
  const Program p = program({1}, {linear(1, 1, {128}), relay()}, {1}, {{"if-gain", "r"}});
  // relay()'s threshold of 0.5 is no integer, so only the weights are looked at here.
  EXPECT_FALSE(to_integer(p).ok());
  const Program q = program({1}, {linear(1, 1, {128}), relay(1)}, {1});
  const auto integer = to_integer(q);
  ASSERT_TRUE(integer.ok()) << error_of(integer);
  EXPECT_FALSE(node_of(q, *integer, "layer0").fits_int8);
}

TEST(Integer, RefusalsOfFloatModelsNameNodeRowAndTheCommand) {
  const Program p = program({2}, {linear(2, 2, {1, 2, 3, 0.5F}), relay(1, 2)}, {2});
  const auto refused = to_integer(p);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(refused.error().where, "node \"layer0\"");
  EXPECT_NE(refused.error().what.find("row 1"), std::string::npos) << refused.error().what;
  EXPECT_NE(refused.error().next.find("spikeloom quantize MODEL -o OUT.sloom"), std::string::npos);
}

/// Everything that has no integer form, each with a word of its message.
TEST(Integer, RefusesWhatHasNoIntegerForm) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor two = integers({2, 2});
  const Tensor none = integers({0, 0});
  node::Linear scaled = linear(1, 1, {1});
  scaled.weight_scale = floats({1}, {0.5F});
  node::Lif leaky{floats({1}, {4}), floats({1}, {4}), floats({1}, {0}), floats({1}, {3}), {}};
  node::CubaLif cuba{floats({1}, {2}), floats({1}, {2}), floats({1}, {4}),
                     floats({1}, {0}), floats({1}, {3}), {},
                     floats({1}, {2})};
  const std::vector<std::tuple<const char*, Program>> cases = {
      {"weight", program({1}, {linear(1, 1, {nan})}, {1})},
      {"weight", program({1}, {linear(1, 1, {infinity})}, {1})},
      {"weight", program({1}, {linear(1, 1, {32768})}, {1})},
      {"bias", program({1}, {affine(1, 1, {1}, {3e9F})}, {1})},
      {"weight_scale", program({1}, {scaled}, {1})},
      {"threshold", program({1}, {relay(536870912)}, {1})},
      {"factor", program({1}, {scale(0.5F)}, {1})},
      {"average", program({1, 2, 2}, {node::AvgPool2d{two, two, none}}, {1, 1, 1})},
      {"fraction", program({1}, {leaky}, {1})},
      {"current to membrane", program({1}, {cuba}, {1}, {{"fixed-point", "loihi"}})},
      {"threshold", program({1}, {relay(-1)}, {1}, {{"reset", "subtract"}})},
      {"carries", program({1}, {relay(1)}, {1}, {{"dt", "0.5"}, {"spike-value", "per-dt"}})},
      {"16 bits", program({1}, {linear(1, 1, {1}), integrator(), linear(1, 1, {1})}, {1})},
  };
  for (const auto& [word, p] : cases) {
    const auto refused = to_integer(p);
    ASSERT_FALSE(refused.ok()) << word;
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(refused.error().message().find(word), std::string::npos) << refused.error().message();
    EXPECT_FALSE(refused.error().next.empty()) << refused.error().message();
  }
}

TEST(Integer, DecaysAreMultiplesOfAFourThousandNinetySixth) {
  // dt / tau = 1/3: 4096 / 3 = 1365.3 is cut to 1365; 2.73066e-4 is 163 / 4096 in float32.
  for (const auto& [tau, leak] : std::vector<std::pair<float, int>>{
           {3.0F, 1365}, {4096.0F / 163.0F, 163}, {1.0F, 4096}, {1e9F, 0}}) {
    for (const char* rounding : {"loihi", "floor"}) {
      node::Lif neuron{
          floats({1}, {tau}), floats({1}, {tau}), floats({1}, {0}), floats({1}, {3}), {}};
      const Program p = program({1}, {neuron}, {1}, {{"fixed-point", rounding}});
      const auto integer = to_integer(p);
      ASSERT_TRUE(integer.ok()) << error_of(integer);
      EXPECT_EQ(node_of(p, *integer, "layer0").neurons.decay,
                (std::vector<std::int32_t>{4096 - leak}))
          << tau;
    }
  }
}

TEST(Integer, TheInputLimitIsTheLargestProvableOne) {
  // Row sum 3 x 32767; the sum with the bias must stay within 2^31 - 1, so X = 21847 is too much:
  // 98301 x 21846 + 1000000 <= 2147483647 < 98301 x 21847.
  const Program p =
      program({3}, {affine(1, 3, {32767, -32767, 32767}, {1000000}), integrator(1)}, {1});
  const auto integer = to_integer(p);
  ASSERT_TRUE(integer.ok()) << error_of(integer);
  // The membrane asks for more: the sum at most 2^30, 98301 X + 1000000 <= 1073741824.
  EXPECT_EQ(integer->input_limit, (1073741824 - 1000000) / 98301);
  const Program q = program({3}, {affine(1, 3, {32767, -32767, 32767}, {1000000})}, {1});
  const auto no_neuron = to_integer(q);
  ASSERT_TRUE(no_neuron.ok()) << error_of(no_neuron);
  EXPECT_EQ(no_neuron->input_limit, (2147483647 - 1000000) / 98301);
}

TEST(Integer, ASumThatNoInputMakesSafeIsRefusedWithRowAndBound) {
  std::vector<float> row(2 * 70000, 1.0F);
  for (std::size_t i = 70000; i < row.size(); ++i) row[i] = 32767;
  const Program p = program({70000}, {linear(2, 70000, row)}, {2});
  const auto refused = to_integer(p);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().where, "node \"layer0\"");
  EXPECT_NE(refused.error().what.find("row 1"), std::string::npos);
  EXPECT_EQ(refused.error().got, "a bound of 2293690000");
  EXPECT_FALSE(refused.error().next.empty());
}

TEST(Integer, SeveralSpikesAreBoundedByWhatOneStepCanBring) {
  const auto bound = [](float threshold, const char* reset) {
    const Program p = program({1}, {linear(1, 1, {2}), relay(threshold)}, {1},
                              {{"spike-rule", "multi"}, {"reset", reset}});
    const auto integer = to_integer(p);
    EXPECT_TRUE(integer.ok()) << error_of(integer);
    return integer.ok() ? node_of(p, *integer, "layer1").out_bound : 0;
  };
  // Input at most 32767 x 2 a step, paid in full: (999 + 65534) div 1000 = 66 spikes.
  EXPECT_EQ(bound(1000, "subtract"), 66);
  EXPECT_EQ(bound(10, "subtract"), 255);
  // Without payment the membrane's limit decides: 536870911 div 4000000 = 134.
  EXPECT_EQ(bound(4000000, "none"), 134);
  EXPECT_EQ(bound(1000, "none"), 255);
}

TEST(Integer, CyclesAreBoundedByTheirNeurons) {
  const auto cycle = [](NodeKind inside, const Options& options) {
    NetworkBuilder builder;
    builder.add("in", input({1}));
    builder.add("a", std::move(inside));
    builder.add("back", linear(1, 1, {3}));
    builder.add("out", output({1}));
    for (const auto& [from, to] : std::vector<std::pair<const char*, const char*>>{
             {"in", "a"}, {"a", "back"}, {"back", "a"}, {"a", "out"}}) {
      builder.connect(from, to);
    }
    Discretisation d;
    d.dt = 1.0;
    for (const auto& [name, value] : options) EXPECT_TRUE(set_option(d, name, value).ok());
    auto lowered = lower(*std::move(builder).build(), d);
    EXPECT_TRUE(lowered.ok()) << error_of(lowered);
    return *std::move(lowered);
  };
  const Program spiking = cycle(relay(2), {});
  const auto bounded = to_integer(spiking);
  ASSERT_TRUE(bounded.ok()) << error_of(bounded);
  EXPECT_EQ(node_of(spiking, *bounded, "a").in_bound, 32767 + 3);
  const auto refused = to_integer(cycle(node::Delay{floats({1}, {1})}, {}));
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().what.find("cycle"), std::string::npos);
}

TEST(Integer, StatelessThresholdsRoundDown) {
  const Program p = program({3}, {node::Threshold{floats({3}, {0.25F, -0.25F, 2})}}, {3});
  const auto integer = to_integer(p);
  ASSERT_TRUE(integer.ok()) << error_of(integer);
  EXPECT_EQ(node_of(p, *integer, "layer0").threshold, (std::vector<std::int32_t>{0, -1, 2}));
}

TEST(Ring16, ShiftsComeFromTheRowSumsOfEachSign) {
  // 4 x 32767 = 131068 needs one shift more than 65535; 32767 needs none.
  const Program p = program({5}, {linear(1, 5, {32767, 32767, 32767, 32767, -32767})}, {1});
  const auto integer = to_integer(p);
  ASSERT_TRUE(integer.ok()) << error_of(integer);
  EXPECT_EQ(node_of(p, *integer, "layer0").ring, (RingShift{1, 0}));
}

TEST(Ring16, WeightsRoundToNearestTiesToEven) {
  EXPECT_EQ(ring_weight(5, 0), 5);
  EXPECT_EQ(ring_weight(-5, 0), 5);
  EXPECT_EQ(ring_weight(5, 1), 2);   // 2.5
  EXPECT_EQ(ring_weight(-7, 1), 4);  // 3.5
  EXPECT_EQ(ring_weight(7, 2), 2);   // 1.75
  EXPECT_EQ(ring_weight(-32768, 3), 4096);
}

}  // namespace
}  // namespace spikeloom::test
