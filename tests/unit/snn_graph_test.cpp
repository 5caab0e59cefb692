/// Graphs that no file covers, against results computed by hand.

#include <gtest/gtest.h>

#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

using Steps = std::vector<std::int64_t>;

Network build(NetworkBuilder builder) {
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  return network.ok() ? *std::move(network) : Network();
}

RunResult run(const Network& network, const std::vector<double>& input, RunRequest request) {
  // Relays need no dt; networks with delays in seconds do.
  request.options.emplace_back("dt", "1");
  auto result = run_network(network, one_per_step(input), request);
  EXPECT_TRUE(result.ok()) << error_of(result);
  return result.ok() ? *std::move(result) : RunResult();
}

Steps spike_steps(const RunResult& result, const std::string& node) {
  Steps steps;
  const auto found = result.events.find(node);
  if (found == result.events.end()) return steps;
  for (const Recorded& event : found->second) steps.push_back(event.step);
  return steps;
}

std::vector<double> values(const RunResult& result, const std::string& node, std::int64_t steps) {
  std::vector<double> values(static_cast<std::size_t>(steps), 0.0);
  const auto found = result.events.find(node);
  if (found == result.events.end()) return values;
  for (const Recorded& event : found->second) {
    values.at(static_cast<std::size_t>(event.step)) = event.value;
  }
  return values;
}

/// in -> a -> c and in -> a -> b -> c; c needs two spikes.
Network unequal_paths() {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("a", relay());
  builder.add("b", relay());
  builder.add("c", relay(1.5F));
  builder.add("out", output({1}));
  builder.connect("in", "a");
  builder.connect("a", "b");
  builder.connect("a", "c");
  builder.connect("b", "c");
  builder.connect("c", "out");
  return build(std::move(builder));
}

TEST(SnnGraph, TwoPathsOfUnequalDepth) {
  const Network network = unequal_paths();
  const std::vector<std::pair<std::string, Variable>> record = {
      {"a", Variable::kSpikes}, {"b", Variable::kSpikes}, {"c", Variable::kSpikes}};
  const RunResult immediate = run(network, {1, 0, 0, 0, 0}, {.record = record});
  EXPECT_EQ(spike_steps(immediate, "a"), Steps({0}));
  EXPECT_EQ(spike_steps(immediate, "b"), Steps({0}));
  EXPECT_EQ(spike_steps(immediate, "c"), Steps({0}));
  EXPECT_EQ(spike_steps(immediate, "out"), Steps({0}));
  // One step a link: c receives a's spike at 1 and b's at 2, and Output c's at 3.
  const RunResult delayed =
      run(network, {1, 0, 0, 0, 0}, {.options = {{"link-delay", "1"}}, .record = record});
  EXPECT_EQ(spike_steps(delayed, "a"), Steps({0}));
  EXPECT_EQ(spike_steps(delayed, "b"), Steps({1}));
  EXPECT_EQ(spike_steps(delayed, "c"), Steps({2}));
  EXPECT_EQ(spike_steps(delayed, "out"), Steps({3}));
}

TEST(SnnGraph, InputDelayMovesEverythingByOneStep) {
  const RunResult result = run(unequal_paths(), {1, 0, 0}, {.options = {{"input-delay", "1"}}});
  EXPECT_EQ(spike_steps(result, "out"), Steps({1}));
}

TEST(SnnGraph, ACycleWithoutNeuronIsRefusedWithTheReason) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("first", linear(1, 1, {0.5F}));
  builder.add("second", scale(1.0F));
  builder.add("out", output({1}));
  builder.connect("in", "first");
  builder.connect("first", "second");
  builder.connect("second", "first");
  builder.connect("second", "out");
  const auto program = lower(build(std::move(builder)), {});
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, ErrorCode::kAmbiguous);
  const std::string message = program.error().message();
  EXPECT_NE(message.find("cycle"), std::string::npos) << message;
  EXPECT_NE(message.find("\"first\""), std::string::npos) << message;
  EXPECT_NE(message.find("\"second\""), std::string::npos) << message;
}

TEST(SnnGraph, ASkipConnectionOverANeuron) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("weights", scale(1.0F));
  builder.add("neuron", relay());
  builder.add("sum", integrator());
  builder.add("out", output({1}));
  builder.connect("in", "weights");
  builder.connect("weights", "neuron");
  builder.connect("neuron", "sum");
  builder.connect("weights", "sum");
  builder.connect("sum", "out");
  const Network network = build(std::move(builder));
  const std::vector<std::pair<std::string, Variable>> record = {{"sum", Variable::kMembrane}};
  const RunResult immediate = run(network, {1, 0, 1}, {.record = record});
  EXPECT_EQ(immediate.state.at("sum:v"), (std::vector<std::vector<double>>{{2}, {2}, {4}}));
  // The skipped neuron's spike is one step late, the direct value is not.
  const RunResult delayed =
      run(network, {1, 0, 1}, {.options = {{"link-delay", "1"}}, .record = record});
  EXPECT_EQ(delayed.state.at("sum:v"), (std::vector<std::vector<double>>{{1}, {2}, {3}}));
}

TEST(SnnGraph, DuplicateEdgesAddUpOrCountOnce) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("sum", integrator());
  builder.add("out", output({1}));
  builder.connect("in", "sum");
  builder.connect("in", "sum");
  builder.connect("sum", "out");
  const Network network = build(std::move(builder));
  EXPECT_EQ(values(run(network, {1}, {}), "out", 1), std::vector<double>({2}));
  EXPECT_EQ(values(run(network, {1}, {.options = {{"duplicate-edges", "once"}}}), "out", 1),
            std::vector<double>({1}));
}

TEST(SnnGraph, ANestedGraphTwoDeep) {
  NetworkBuilder inner;
  inner.add("input", input({1}));
  inner.add("triple", scale(3.0F));
  inner.add("output", output({1}));
  inner.connect("input", "triple");
  inner.connect("triple", "output");
  NetworkBuilder middle;
  middle.add("input", input({1}));
  middle.add("inner", node::Subgraph{std::make_shared<Network>(build(std::move(inner)))});
  middle.add("double", scale(2.0F));
  middle.add("output", output({1}));
  middle.connect("input", "inner");
  middle.connect("inner", "double");
  middle.connect("double", "output");
  NetworkBuilder outer;
  outer.add("in", input({1}));
  outer.add("middle", node::Subgraph{std::make_shared<Network>(build(std::move(middle)))});
  outer.add("out", output({1}));
  outer.connect("in", "middle");
  outer.connect("middle", "out");
  const Network network = build(std::move(outer));
  const RunResult result =
      run(network, {1, 0, 5}, {.record = {{"middle/inner/triple", Variable::kOutput}}});
  EXPECT_EQ(values(result, "out", 3), std::vector<double>({6, 0, 30}));
  EXPECT_EQ(values(result, "middle/inner/triple", 3), std::vector<double>({3, 0, 15}));
}

TEST(SnnGraph, ADelayNodeInACycleAddsToTheLinksDelay) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("neuron", relay());
  builder.add("delay", node::Delay{floats({1}, {2.0F})});
  builder.add("out", output({1}));
  builder.connect("in", "neuron");
  builder.connect("neuron", "delay");
  builder.connect("delay", "neuron");
  builder.connect("neuron", "out");
  const Network network = build(std::move(builder));
  const std::vector<std::pair<std::string, Variable>> record = {{"neuron", Variable::kSpikes}};
  // Two steps of the Delay and one of the link into the neuron (link_delay 0) or out of it (1).
  for (const char* link_delay : {"0", "1"}) {
    const RunResult result = run(network, {1, 0, 0, 0, 0, 0, 0, 0},
                                 {.options = {{"link-delay", link_delay}}, .record = record});
    EXPECT_EQ(spike_steps(result, "neuron"), Steps({0, 3, 6})) << link_delay;
  }
}

TEST(SnnGraph, ADelayAloneMakesACycleOfWeightsCausal) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("weights", scale(0.5F));
  builder.add("delay", node::Delay{floats({1}, {2.0F})});
  builder.add("out", output({1}));
  builder.connect("in", "weights");
  builder.connect("weights", "delay");
  builder.connect("delay", "weights");
  builder.connect("weights", "out");
  // y(t) = (x(t) + y(t - 2)) / 2
  EXPECT_EQ(values(run(build(std::move(builder)), {8, 0, 0, 0, 0, 0}, {}), "out", 6),
            std::vector<double>({4, 0, 2, 0, 1, 0}));
}

TEST(SnnGraph, AnInputFeedsTwoLayers) {
  NetworkBuilder builder;
  builder.add("in", input({2}));
  builder.add("left", linear(1, 2, {1, 10}));
  builder.add("right", linear(1, 2, {100, 0}));
  builder.add("sum", integrator());
  builder.add("out", output({1}));
  builder.connect("in", "left");
  builder.connect("in", "right");
  builder.connect("left", "sum");
  builder.connect("right", "sum");
  builder.connect("sum", "out");
  const Network network = build(std::move(builder));
  CodedInput coded;
  coded.steps = 2;
  coded.step_start = {0, 2, 3};
  coded.index = {0, 1, 1};
  coded.value = {1, 1, 1};
  const auto result = run_network(network, coded, {});
  ASSERT_TRUE(result.ok()) << error_of(result);
  // (1 + 10) + 100, then another 10.
  EXPECT_EQ(values(*result, "out", 2), std::vector<double>({111, 121}));
}

TEST(SnnGraph, ARecurrentBiasActsAtStepZeroUnlessSwitchedOff) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("sum", integrator());
  builder.add("recurrent", affine(1, 1, {0.0F}, {1.0F}));
  builder.add("out", output({1}));
  builder.connect("in", "sum");
  builder.connect("sum", "recurrent");
  builder.connect("recurrent", "sum");
  builder.connect("sum", "out");
  const Network network = build(std::move(builder));
  EXPECT_EQ(values(run(network, {0, 0, 0}, {}), "out", 3), std::vector<double>({1, 2, 3}));
  EXPECT_EQ(
      values(run(network, {0, 0, 0}, {.options = {{"recurrent-bias-at-start", "off"}}}), "out", 3),
      std::vector<double>({0, 1, 2}));
}

TEST(SnnGraph, ABiasOutsideTheCycleDoesNotActBeforeStepZero) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("outside", affine(1, 1, {1.0F}, {3.0F}));
  builder.add("sum", relay(1000.0F));
  builder.add("recurrent", linear(1, 1, {7.0F}));
  builder.add("out", output({1}));
  builder.connect("in", "outside");
  builder.connect("outside", "sum");
  builder.connect("outside", "recurrent");
  builder.connect("sum", "recurrent");
  builder.connect("recurrent", "sum");
  builder.connect("sum", "out");
  // 3 a step, and from step 1 on 7 x 3 more through the recurrent weight, which has no bias.
  const RunResult result =
      run(build(std::move(builder)), {0, 0, 0}, {.record = {{"sum", Variable::kMembrane}}});
  EXPECT_EQ(result.state.at("sum:v"), (std::vector<std::vector<double>>{{3}, {27}, {51}}));
}

TEST(SnnGraph, AnAffineBiasActsOnceAStepWithoutInputToo) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("layer", affine(1, 1, {2.0F}, {0.5F}));
  builder.add("out", output({1}));
  builder.connect("in", "layer");
  builder.connect("layer", "out");
  EXPECT_EQ(values(run(build(std::move(builder)), {0, 3, 0}, {}), "out", 3),
            std::vector<double>({0.5, 6.5, 0.5}));
}

TEST(SnnGraph, SpikesEmittedOneStepLateCloseACycleByThemselves) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("neuron", relay());
  builder.add("out", output({1}));
  builder.connect("in", "neuron");
  builder.connect("neuron", "neuron");
  builder.connect("neuron", "out");
  const RunResult result =
      run(build(std::move(builder)), {1, 0, 0, 0},
          {.options = {{"reset-timing", "next"}}, .record = {{"neuron", Variable::kSpikes}}});
  // Crossing at 0, emitted at 1, back at the neuron in the same step, emitted again at 2.
  EXPECT_EQ(spike_steps(result, "neuron"), Steps({1, 2, 3}));
}

TEST(SnnGraph, MismatchedShapesNameTheEdgeOrTheNode) {
  NetworkBuilder builder;
  builder.add("in", input({3}));
  builder.add("layer", linear(2, 4, std::vector<float>(8, 1.0F)));
  builder.add("out", output({2}));
  builder.connect("in", "layer");
  builder.connect("layer", "out");
  const auto program = lower(build(std::move(builder)), {});
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, ErrorCode::kShape);
  EXPECT_NE(program.error().message().find("\"layer\""), std::string::npos)
      << program.error().message();
}

TEST(SnnGraph, ABatchAxisInANeuronsShapeIsIgnoredWhateverTheNodeOrder) {
  // As old exports have it: parameters of shape (1, C, H, W), and nodes in alphabetical order.
  node::If neurons;
  neurons.r = Tensor::full({1, 1, 2, 2}, 1.0F);
  neurons.v_threshold = Tensor::full({1, 1, 2, 2}, 0.5F);
  node::Conv2d conv;
  conv.weight = floats({1, 1, 1, 1}, {1.0F});
  NetworkBuilder builder;
  builder.add("0", conv);
  builder.add("1", neurons);
  builder.add("2", conv);
  builder.add("input", input({1, 1, 2, 2}));
  builder.add("output", output({1, 2, 2}));
  builder.connect("input", "0");
  builder.connect("0", "1");
  builder.connect("1", "2");
  builder.connect("2", "output");
  const auto program = lower(build(std::move(builder)), {});
  ASSERT_TRUE(program.ok()) << error_of(program);
  EXPECT_EQ(program->nodes[program->outputs[0]].in_shape, Shape({1, 2, 2}));
  EXPECT_FALSE(program->notes.empty());
}

}  // namespace
}  // namespace spikeloom::test
