/// Options of docs/discretisation.md that no published trace pins down: steps worked out by hand.
///
/// Every neuron has tau = 2 steps and r = w_in = 2, so that with forward Euler both decays are 1/2
/// and both gains 1, and all values are exact.

#include <gtest/gtest.h>

#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

Tensor one(float value) { return floats({1}, {value}); }

node::Lif lif(float v_reset = 0) { return {one(2), one(2), one(0), one(1), one(v_reset)}; }
node::CubaLif cuba_lif(float v_reset = 0) {
  return {one(2), one(2), one(2), one(0), one(1), one(v_reset), one(2)};
}

using Options = std::vector<std::pair<std::string, std::string>>;

using Values = std::vector<double>;
using Steps = std::vector<std::int64_t>;

/// The membrane after each step, and the steps with a spike.
struct Trace {
  Values v;
  Steps spikes;
};

Values always(double x) { return Values(5, x); }

/// One value of `input_values` arrives in each step.
Trace trace(NodeKind neuron, const Values& input_values, Options options) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("neuron", std::move(neuron));
  builder.add("out", output({1}));
  builder.connect("in", "neuron");
  builder.connect("neuron", "out");
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  CodedInput coded;
  coded.steps = static_cast<std::int64_t>(input_values.size());
  coded.index.assign(input_values.size(), 0);
  coded.value = input_values;
  for (std::size_t s = 1; s <= input_values.size(); ++s) coded.step_start.push_back(s);
  options.emplace_back("dt", "1");
  const auto result =
      run_network(*network, coded,
                  {.preset = "nir",
                   .options = std::move(options),
                   .record = {{"neuron", Variable::kMembrane}, {"neuron", Variable::kSpikes}}});
  EXPECT_TRUE(result.ok()) << error_of(result);
  Trace made;
  if (!result.ok()) return made;
  for (const auto& step : result->state.at("neuron:v")) made.v.push_back(step.at(0));
  const auto found = result->events.find("neuron");
  if (found == result->events.end()) return made;
  for (const Recorded& spike : found->second) made.spikes.push_back(spike.step);
  return made;
}

TEST(SnnOptions, AResetToVResetInTheNextStepComesBeforeItsIntegration) {
  const Trace lone = trace(lif(-1), always(1.5), {{"reset", "zero"}, {"reset-timing", "next"}});
  // 3/2 spikes in step 1, which starts from -1: -1/2 + 3/2 = 1, not above 1; 1/2 + 3/2 = 2; ...
  EXPECT_EQ(lone.v, Values({1.5, 1, 2, 1, 2}));
  EXPECT_EQ(lone.spikes, Steps({1, 3}));
  const Trace cuba = trace(cuba_lif(-1), always(1), {{"reset", "zero"}, {"reset-timing", "next"}});
  // i: 1, 3/2, 7/4, 15/8, 31/16. v: 1, not above 1; 1/2 + 3/2; -1/2 + 7/4; -1/2 + 15/8; ...
  EXPECT_EQ(cuba.v, Values({1, 2, 1.25, 1.375, 1.4375}));
  EXPECT_EQ(cuba.spikes, Steps({2, 3, 4}));
}

TEST(SnnOptions, ASubtractionInTheNextStepIsNotLeakedAwayExceptOfCubaLif) {
  const Trace lone = trace(lif(), always(1.5), {{"reset", "subtract"}, {"reset-timing", "next"}});
  // v <- v/2 + 3/2 - spikes: 3/2; 3/4 + 3/2 - 1; ...
  EXPECT_EQ(lone.v, Values({1.5, 1.25, 1.125, 1.0625, 1.03125}));
  EXPECT_EQ(lone.spikes, Steps({1, 2, 3, 4}));
  const Trace cuba =
      trace(cuba_lif(), always(1), {{"reset", "subtract"}, {"reset-timing", "next"}});
  // v <- (v - spikes)/2 + i: 1; 1/2 + 3/2; 1/2 + 7/4; 5/8 + 15/8; 3/4 + 31/16
  EXPECT_EQ(cuba.v, Values({1, 2, 2.25, 2.5, 2.6875}));
  EXPECT_EQ(cuba.spikes, Steps({2, 3, 4}));
}

TEST(SnnOptions, OnceIsSubtractWhenTheResetComesInTheNextStep) {
  for (const NodeKind& neuron : {NodeKind(lif()), NodeKind(cuba_lif())}) {
    const Trace once = trace(neuron, always(2.5), {{"reset", "once"}, {"reset-timing", "next"}});
    const Trace subtract =
        trace(neuron, always(2.5), {{"reset", "subtract"}, {"reset-timing", "next"}});
    EXPECT_EQ(once.v, subtract.v);
    EXPECT_EQ(once.spikes, subtract.spikes);
  }
}

TEST(SnnOptions, OnceInTheSameStepForgivesTheSpikesThatTheLastStepLeftStanding) {
  // 4 fires and leaves 3, still above 1. The next membrane, 3/2, is asked as 1/2.
  const Trace once = trace(lif(), {4, 0, 0, 0}, {{"reset", "once"}});
  EXPECT_EQ(once.v, Values({3, 1.5, 0.75, 0.375}));
  EXPECT_EQ(once.spikes, Steps({0}));
  const Trace subtract = trace(lif(), {4, 0, 0, 0}, {{"reset", "subtract"}});
  EXPECT_EQ(subtract.v, Values({3, 0.5, 0.25, 0.125}));
  EXPECT_EQ(subtract.spikes, Steps({0, 1}));
}

TEST(SnnOptions, DecayInputAllDecaysTheInputsGainAlone) {
  const node::Li li = {one(2), one(2), one(2)};  // a leak drive of 1
  EXPECT_EQ(trace(li, always(1), {{"decay-input", "all"}}).v,
            Values({1.5, 2.25, 2.625, 2.8125, 2.90625}));
  EXPECT_EQ(trace(li, always(1), {{"decay-input", "current"}}).v,
            trace(li, always(1), {{"decay-input", "none"}}).v);
  const node::CubaLi cuba = {one(2), one(2), one(2), one(0), one(2)};
  // i: 1/2, 3/4, 7/8, 15/16, 31/32; v <- v/2 + i.
  EXPECT_EQ(trace(cuba, always(1), {{"decay-input", "all"}}).v,
            Values({0.5, 1, 1.375, 1.625, 1.78125}));
  EXPECT_EQ(trace(cuba, always(1), {{"decay-input", "current"}}).v,
            trace(cuba, always(1), {{"decay-input", "all"}}).v);
}

/// Beyond dt = 2 tau forward Euler swings wider with every step: of membranes and of currents.
TEST(SnnOptions, AStepTooLongForATimeConstantIsRefused) {
  const auto refusal = [](float tau_syn, float tau_mem, const char* integrator) {
    const node::CubaLif cuba = {one(tau_syn), one(tau_mem), one(1), one(0), one(1), {}, {}};
    return error_of(
        compile_network(chain({1}, {cuba}, {1}),
                        {.preset = "nir", .options = {{"dt", "1"}, {"integrator", integrator}}}));
  };
  EXPECT_EQ(refusal(0.5F, 0.5F, "euler"), "");
  EXPECT_NE(refusal(0.5F, 0.4F, "euler").find("the membrane's time constant"), std::string::npos);
  EXPECT_NE(refusal(0.4F, 0.5F, "euler").find("the current's time constant"), std::string::npos);
  EXPECT_EQ(refusal(0.4F, 0.4F, "exponential"), "");
}

}  // namespace
}  // namespace spikeloom::test
