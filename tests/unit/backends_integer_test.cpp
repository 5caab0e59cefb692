/// Integer and ring16 runs where they differ from real numbers: saturation, limits, rounding.

#include <algorithm>

#include <gtest/gtest.h>

#include "snn/integer.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// Every available backend in one integer arithmetic.
std::vector<std::string> backends_with(Arithmetic arithmetic) {
  std::vector<std::string> names;
  for (const BackendInfo& info : backends()) {
    const auto& has = info.arithmetics;
    if (info.available && std::find(has.begin(), has.end(), arithmetic) != has.end()) {
      names.push_back(info.name);
    }
  }
  return names;
}

Network single(NodeKind weights, NodeKind neuron, std::int64_t inputs = 1) {
  NetworkBuilder builder;
  builder.add("in", input({inputs}));
  builder.add("w", std::move(weights));
  builder.add("n", std::move(neuron));
  builder.add("out", output({1}));
  builder.connect("in", "w");
  builder.connect("w", "n");
  builder.connect("n", "out");
  return *std::move(builder).build();
}

std::vector<double> membranes(const Network& network, const CodedInput& input,
                              const std::string& backend, Arithmetic arithmetic,
                              std::vector<std::pair<std::string, std::string>> options = {}) {
  options.emplace_back("dt", "1");
  const auto run = run_network(network, input,
                               {.preset = "nir",
                                .options = options,
                                .arithmetic = arithmetic,
                                .backend = backend,
                                .record = {{"n", Variable::kMembrane}}});
  EXPECT_TRUE(run.ok()) << error_of(run);
  std::vector<double> values;
  if (run.ok()) {
    for (const auto& step : run->state.at("n:v")) values.push_back(step[0]);
  }
  return values;
}

TEST(IntegerRun, MembranesSaturate) {
  // 32767 x 16384 = 536854528 a step; the limit is 536870911.
  const Network up = single(linear(1, 1, {16384}), integrator());
  const Network down = single(linear(1, 1, {-16384}), integrator());
  for (const std::string& backend : backends_with(Arithmetic::kInteger)) {
    EXPECT_EQ(membranes(up, one_per_step({32767, 32767, -1}), backend, Arithmetic::kInteger),
              (std::vector<double>{536854528, 536870911, 536870911 - 16384}))
        << backend;
    EXPECT_EQ(membranes(down, one_per_step({32767, 32767, -1}), backend, Arithmetic::kInteger),
              (std::vector<double>{-536854528, -536870911, -536870911 + 16384}))
        << backend;
  }
}

TEST(IntegerRun, LeakProductsRoundAsTheOptionSays) {
  // dt / tau = 1/3 is 1365 / 4096: -100 x 2731 / 4096 = -66.67..., 100 x 2731 / 4096 = 66.67...
  node::Li leaky{floats({1}, {3}), floats({1}, {3}), floats({1}, {0})};
  const Network network = single(linear(1, 1, {1}), leaky);
  for (const std::string& backend : backends_with(Arithmetic::kInteger)) {
    for (const auto& [rounding, expected] :
         std::vector<std::pair<const char*, double>>{{"loihi", -66}, {"floor", -67}}) {
      EXPECT_EQ(membranes(network, one_per_step({-100, 0}), backend, Arithmetic::kInteger,
                          {{"fixed-point", rounding}}),
                (std::vector<double>{-100, expected}))
          << backend;
    }
    EXPECT_EQ(membranes(network, one_per_step({100, 0}), backend, Arithmetic::kInteger,
                        {{"fixed-point", "loihi"}}),
              (std::vector<double>{100, 66}))
        << backend;
  }
}

TEST(IntegerRun, SpikesOfAStepStopAt255) {
  const Network network = single(linear(1, 1, {1}), relay(1));
  for (const std::string& backend : backends_with(Arithmetic::kInteger)) {
    EXPECT_EQ(membranes(network, one_per_step({300, 0}), backend, Arithmetic::kInteger,
                        {{"spike-rule", "multi"}, {"reset", "subtract"}}),
              (std::vector<double>{45, 0}))
        << backend;
  }
}

TEST(IntegerRun, InputsHaveToBeIntegersWithinTheProvenLimit) {
  Discretisation d;
  d.dt = 1.0;
  const auto program = lower(single(linear(1, 1, {32767}), integrator()), d);
  ASSERT_TRUE(program.ok()) << error_of(program);
  const auto integer = to_integer(*program);
  ASSERT_TRUE(integer.ok()) << error_of(integer);
  const double limit = integer->input_limit;
  ASSERT_EQ(limit, 32767);  // 32767 x 32767 <= 2^30
  for (const std::string& backend : backends_with(Arithmetic::kInteger)) {
    RunOptions options;
    options.arithmetic = Arithmetic::kInteger;
    const auto executable = compile(backend, *program, options);
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    auto session = (*executable)->open();
    ASSERT_TRUE(session.ok());
    const std::vector<Time> time = {0, 0};
    const std::vector<std::uint32_t> index = {0, 0};
    for (const double bad : {0.5, 32768.0}) {
      const std::vector<double> value = {bad, 1};
      const auto refused = (*session)->push(0, 0, {time, index, value});
      ASSERT_FALSE(refused.ok()) << backend << " " << bad;
      EXPECT_FALSE(refused.error().next.empty());
    }
    ASSERT_TRUE((*session)->reset().ok());
    const std::vector<double> value = {32767, 1};  // 32768 in one step
    ASSERT_TRUE((*session)->push(0, 0, {time, index, value}).ok()) << backend;
    const auto refused = (*session)->advance((*session)->step_time());
    ASSERT_FALSE(refused.ok()) << backend;
    EXPECT_NE(refused.error().message().find("32767"), std::string::npos);
  }
}

TEST(Ring16Run, SlotsStopAndSignsAreApart) {
  // 30000 and -30000: no shift. Three spikes of the first saturate its slot at 65535.
  const Network network = single(linear(1, 2, {30000, -30000}), integrator(), 2);
  CodedInput input;
  input.steps = 3;
  input.index = {0, 0, 1, 0, 1};
  input.value = {3, 3, 1, -3, 1};
  input.step_start = {0, 1, 3, 5};
  for (const std::string& backend : backends_with(Arithmetic::kRing16)) {
    EXPECT_EQ(membranes(network, input, backend, Arithmetic::kRing16),
              (std::vector<double>{65535, 65535 + 65535 - 30000, 65535 + 65535 - 30000 - 65535}))
        << backend;
  }
}

TEST(Ring16Run, WeightsAreHeldInUnitsOfTheShift) {
  // 3 x 32767 = 98301 needs one shift: 32767 / 2 = 16383.5 is 16384, read as 32768.
  const Network network = single(linear(1, 3, {32767, 32767, 32767}), integrator(), 3);
  CodedInput input;
  input.steps = 1;
  input.index = {0};
  input.value = {1};
  input.step_start = {0, 1};
  for (const std::string& backend : backends_with(Arithmetic::kRing16)) {
    EXPECT_EQ(membranes(network, input, backend, Arithmetic::kRing16), (std::vector<double>{32768}))
        << backend;
  }
}

}  // namespace
}  // namespace spikeloom::test
