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
  if (arithmetic == Arithmetic::kInteger) {
    for (const std::string& name : unlisted_cuda()) names.push_back(name);
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

/// A refused step has not begun, and the session goes on with what is pushed in its place.
TEST(IntegerRun, GoesOnAfterARefusedInput) {
  Discretisation d;
  d.dt = 1.0;
  const auto program = lower(single(linear(1, 1, {1}), integrator()), d);
  ASSERT_TRUE(program.ok()) << error_of(program);
  for (const std::string& backend : backends_with(Arithmetic::kInteger)) {
    SCOPED_TRACE(backend);
    RunOptions options;
    options.arithmetic = Arithmetic::kInteger;
    options.threads = 2;
    options.record = {{*program->find("n"), Variable::kMembrane}};
    const auto executable = compile(backend, *program, options);
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    auto session = (*executable)->open(3);
    ASSERT_TRUE(session.ok());
    const Time step = (*session)->step_time();
    const auto push = [&](std::uint32_t element, std::int64_t at, double value) {
      const Time time = at * step;
      const std::uint32_t index = 0;
      ASSERT_TRUE((*session)->push(element, 0, {{&time, 1}, {&index, 1}, {&value, 1}}).ok());
    };
    for (const std::uint32_t element : {0U, 1U, 2U}) push(element, 2, 10.0 + element);
    push(1, 5, 20000);
    push(1, 5, 20000);
    push(2, 5, 3);
    push(1, 6, 4);
    const Status refused = (*session)->advance(8 * step);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(refused.error().message().find("step 5, batch element 1"), std::string::npos)
        << refused.error().message();
    EXPECT_EQ((*session)->steps_done(), 5);
    EXPECT_EQ((*session)->stats().input.dropped, 2U);
    push(1, 5, 7);
    ASSERT_TRUE((*session)->advance(8 * step).ok());
    struct Membranes : Sink {
      std::vector<double> last = {0, 0, 0};
      void events(std::uint32_t, Variable, std::uint32_t, std::int64_t,
                  std::span<const std::uint32_t>, std::span<const double>) override {}
      void state(std::uint32_t, Variable, std::uint32_t element, std::int64_t,
                 std::span<const double> value) override {
        last[element] = value[0];
      }
    } sink;
    ASSERT_TRUE((*session)->read(sink).ok());
    EXPECT_EQ(sink.last, (std::vector<double>{10, 11 + 7 + 4, 12 + 3}));
    EXPECT_EQ((*session)->stats().steps, 8U);
  }
}

TEST(IntegerRun, AStepsEventsMayAddUpToMoreOnTheWay) {
  // 70,000 x 32767 exceeds 2^31 before as many negative events bring it back to 5.
  Discretisation d;
  d.dt = 1.0;
  const auto program = lower(single(linear(1, 1, {1}), integrator()), d);
  ASSERT_TRUE(program.ok()) << error_of(program);
  std::vector<double> value(70'000, 32767);
  value.resize(140'000, -32767);
  value.push_back(5);
  const std::vector<Time> time(value.size(), 0);
  const std::vector<std::uint32_t> index(value.size(), 0);
  for (const std::string& backend : backends_with(Arithmetic::kInteger)) {
    RunOptions options;
    options.arithmetic = Arithmetic::kInteger;
    const auto executable = compile(backend, *program, options);
    ASSERT_TRUE(executable.ok()) << error_of(executable);
    auto session = (*executable)->open();
    ASSERT_TRUE(session.ok());
    ASSERT_TRUE((*session)->push(0, 0, {time, index, value}).ok());
    ASSERT_TRUE((*session)->advance((*session)->step_time()).ok());
    const RunStats stats = (*session)->stats();
    EXPECT_EQ(stats.nodes[0].value_sum, 5.0) << backend;
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
    // 90,000 in the excitatory slot twice; then -3 x 30,000 + -30,000 in the inhibitory one.
    const auto run = run_network(network, input,
                                 {.preset = "nir",
                                  .options = {{"dt", "1"}},
                                  .arithmetic = Arithmetic::kRing16,
                                  .backend = backend});
    ASSERT_TRUE(run.ok()) << error_of(run);
    EXPECT_EQ(run->stats.total(&NodeStats::saturated), 3U) << backend;
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
