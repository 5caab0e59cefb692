/// Options, presets, detection, input coding and read-out.

#include <cmath>

#include <gtest/gtest.h>

#include "snn/input_coding.hpp"
#include "snn/read_out.hpp"
#include "snn/resolve.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

Network one_neuron(NodeKind neuron) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("neuron", std::move(neuron));
  builder.add("out", output({1}));
  builder.connect("in", "neuron");
  builder.connect("neuron", "out");
  return *std::move(builder).build();
}

node::Lif lif(float tau, float r) {
  return {floats({1}, {tau}), floats({1}, {r}), floats({1}, {0}), floats({1}, {1}), {}};
}

TEST(Discretisation, EveryOptionReadsBackWhatItPrints) {
  for (const std::string_view name : preset_names()) {
    auto preset = make_preset(name);
    ASSERT_TRUE(preset.ok()) << name;
    preset->dt = 2.5e-4;
    Discretisation copy;
    for (const OptionInfo& option : discretisation_options()) {
      const std::string text = get_option(*preset, option.name);
      EXPECT_TRUE(set_option(copy, option.name, text).ok()) << option.name << " " << text;
      EXPECT_EQ(get_option(copy, option.name), text);
    }
    const auto from_value = discretisation_from_value(to_value(*preset));
    ASSERT_TRUE(from_value.ok()) << error_of(from_value);
    EXPECT_EQ(to_value(*from_value), to_value(*preset));
  }
}

TEST(Discretisation, WrongValuesNameTheOptionAndWhatItTakes) {
  Discretisation d;
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"reset", "hard"}, {"dt", "-1"}, {"dt", "nan"}, {"dt", "1e-3x"}, {"link-delay", "2"}}) {
    const auto refused = set_option(d, name, value);
    ASSERT_FALSE(refused.ok()) << name << " " << value;
    EXPECT_NE(refused.error().message().find("--" + name), std::string::npos);
    EXPECT_FALSE(refused.error().expected.empty());
  }
  EXPECT_EQ(set_option(d, "colour", "blue").error().code, ErrorCode::kNotFound);
  EXPECT_EQ(make_preset("brian").error().code, ErrorCode::kNotFound);
}

TEST(Resolve, FlagsBeatThePresetWhateverTheirOrder) {
  const Network network = one_neuron(lif(0.01F, 1.0F));
  const auto resolved = resolve_discretisation(
      network,
      {.preset = "sinabs", .options = {{"reset", "zero"}, {"dt", "1e-3"}}, .declared = {}});
  ASSERT_TRUE(resolved.ok()) << error_of(resolved);
  EXPECT_EQ(resolved->discretisation.reset, Reset::kToVReset);
  EXPECT_EQ(resolved->discretisation.integrator, Integrator::kRaw);
}

TEST(Resolve, AMissingStepIsRefusedWithTheOptionToGive) {
  const auto refused = resolve_discretisation(one_neuron(lif(0.01F, 1.0F)), {});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kAmbiguous);
  EXPECT_NE(refused.error().message().find("--dt"), std::string::npos);
}

TEST(Resolve, FindsTheProducersConventions) {
  const auto preset_and_dt = [](const Network& network) {
    const auto resolved = resolve_discretisation(network, {});
    EXPECT_TRUE(resolved.ok()) << error_of(resolved);
    return resolved.ok() ? std::pair(resolved->discretisation.preset, resolved->discretisation.dt)
                         : std::pair(std::string(), 0.0);
  };
  // snnTorch: beta 0.9, dt 1e-4: tau = dt / (1 - beta), r = tau / dt.
  EXPECT_EQ(preset_and_dt(one_neuron(lif(1e-3F, 10.0F))), std::pair(std::string("snntorch"), 1e-4));
  // Spyx: beta 0.75, tau = 1 / (1 - beta) steps, r = beta.
  EXPECT_EQ(preset_and_dt(one_neuron(lif(4.0F, 0.75F))), std::pair(std::string("spyx"), 1.0));
  // Rockpool: tau 20 ms, dt 1 ms: r = tau exp(-dt/tau) / dt.
  const auto r = static_cast<float>(20.0 * std::exp(-0.05));
  EXPECT_EQ(preset_and_dt(one_neuron(lif(0.02F, r))), std::pair(std::string("rockpool"), 1e-3));
  // Neurons without time constants need no step.
  EXPECT_EQ(preset_and_dt(one_neuron(relay())), std::pair(std::string("nir"), 0.0));
}

TEST(Resolve, SpikingJellysIfGainIsSeenWhenTheStepIsKnown) {
  node::If neuron = relay();
  neuron.r = floats({1}, {1e4F});
  const auto resolved = resolve_discretisation(
      one_neuron(neuron), {.preset = {}, .options = {{"dt", "1e-4"}}, .declared = {}});
  ASSERT_TRUE(resolved.ok());
  EXPECT_EQ(resolved->discretisation.if_gain, IfGain::kRTimesDt);
}

TEST(InputCoding, CountsInBinsFromTheFirstEventAndDropsTheLastBin) {
  // ms:       5    5    5.5   6.2   7.9 -> bins of 1 ms from 5: {2 + 1}, {1}, and 7..8 not full
  const std::vector<Time> time = {5000000, 5000000, 5500000, 6200000, 7900000};
  const std::vector<std::uint16_t> x = {1, 1, 1, 0, 0};
  const std::vector<std::uint16_t> y = {0, 0, 0, 1, 1};
  const std::vector<std::uint8_t> polarity = {1, 1, 0, 1, 1};
  const AddressEvents events{time, x, y, polarity};
  const auto coded = code_recording(events, {2, 2, 2}, kMillisecond, {});
  ASSERT_TRUE(coded.ok()) << error_of(coded);
  EXPECT_EQ(coded->steps, 2);
  EXPECT_EQ(coded->step_start, (std::vector<std::size_t>{0, 2, 3}));
  EXPECT_EQ(coded->index, (std::vector<std::uint32_t>{1, 5, 6}));  // OFF (0,1), ON (0,1), ON (1,0)
  EXPECT_EQ(coded->value, (std::vector<double>{1, 2, 1}));
  InputCoding binary;
  binary.coding = Coding::kBinary;
  EXPECT_EQ(code_recording(events, {2, 2, 2}, kMillisecond, binary)->value,
            (std::vector<double>{1, 1, 1}));
  // One polarity channel takes both.
  EXPECT_EQ(code_recording(events, {1, 2, 2}, kMillisecond, {})->value,
            (std::vector<double>{3, 1}));
  EXPECT_EQ(code_recording(events, {2, 1, 2}, kMillisecond, {}).error().code, ErrorCode::kShape);
  EXPECT_EQ(code_recording(events, {2, 2, 2}, 0, {}).error().code, ErrorCode::kAmbiguous);
}

TEST(InputCoding, LatencySpikesOnceAndStrongInputsFirst) {
  InputCoding coding;
  coding.coding = Coding::kLatency;
  const auto coded = code_static(floats({3}, {1.0F, 0.5F, 0.0F}), {3}, 5, coding, 0);
  ASSERT_TRUE(coded.ok());
  EXPECT_EQ(coded->step_start, (std::vector<std::size_t>{0, 1, 1, 2, 2, 2}));
  EXPECT_EQ(coded->index, (std::vector<std::uint32_t>{0, 1}));
}

TEST(InputCoding, RateIsAProbabilityAndRepeatsWithItsSeed) {
  InputCoding coding;
  coding.coding = Coding::kRate;
  const Tensor values = floats({2}, {0.25F, 1.0F});
  const auto coded = code_static(values, {2}, 4000, coding, 7);
  ASSERT_TRUE(coded.ok());
  double quarter = 0;
  double always = 0;
  for (const std::uint32_t index : coded->index) (index == 0 ? quarter : always) += 1;
  EXPECT_EQ(always, 4000);
  EXPECT_NEAR(quarter / 4000, 0.25, 5 * std::sqrt(0.25 * 0.75 / 4000));  // five sigma
  EXPECT_EQ(code_static(values, {2}, 4000, coding, 7)->index, coded->index);
  EXPECT_NE(code_static(values, {2}, 4000, coding, 8)->index, coded->index);
}

TEST(ReadOut, ScoresFollowTheirDefinitionsAndTiesGoToTheLowestIndex) {
  const auto scores = [](ReadOut read_out) {
    ReadOutAccumulator accumulator(read_out, 3, 1.0);
    const std::vector<std::uint32_t> both = {0, 1};
    accumulator.add(1, both, std::vector<double>{-2, 4});
    accumulator.add(3, std::vector<std::uint32_t>{0}, std::vector<double>{6});
    return accumulator.scores(4);
  };
  EXPECT_EQ(scores(ReadOut::kCount), (std::vector<double>{4, 4, 0}));
  EXPECT_EQ(scores(ReadOut::kFirst), (std::vector<double>{3, 3, 0}));
  EXPECT_EQ(scores(ReadOut::kLast), (std::vector<double>{6, 0, 0}));
  EXPECT_EQ(scores(ReadOut::kMax), (std::vector<double>{6, 4, 0}));
  EXPECT_EQ(scores(ReadOut::kMean), (std::vector<double>{1, 1, 0}));
  ReadOutAccumulator tie(ReadOut::kCount, 3, 1.0);
  tie.add(0, std::vector<std::uint32_t>{1, 2}, std::vector<double>{5, 5});
  EXPECT_EQ(tie.prediction(1), 1);
}

}  // namespace
}  // namespace spikeloom::test
