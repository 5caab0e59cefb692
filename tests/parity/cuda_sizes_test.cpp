/// The kernels of cuda on layers that take several blocks, tiles, chunks of sources and chunks of
/// steps, beside cpu; the parity cases fit into one of each.

#include <gtest/gtest.h>

#include "backends/cuda/executable.hpp"
#include "backends/cuda/tuning.hpp"
#include "tests/support/compare_runs.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/size_cases.hpp"

namespace spikeloom::test {
namespace {

/// The kernels as loops, and on a GPU where there is one.
std::vector<std::string> host_and_device() {
  std::vector<std::string> backends = {kCudaHost};
  if (find_backend("cuda").ok()) backends.emplace_back("cuda");
  return backends;
}

/// Runs once more: events, states and counts are `expected`'s. The counts.
RunStats stats_of_equal_run(const Network& network, const CodedInput& input,
                            const RunRequest& request, const RunResult& expected) {
  SCOPED_TRACE(request.backend);
  const auto run = run_network(network, input, request);
  EXPECT_TRUE(run.ok()) << error_of(run);
  if (!run.ok()) return {};
  EXPECT_TRUE(run->events == expected.events);
  EXPECT_TRUE(run->state == expected.state);
  EXPECT_EQ(difference(expected.stats, run->stats), "");
  return run->stats;
}

class CudaSizes : public testing::TestWithParam<Arithmetic> {};

TEST_P(CudaSizes, EqualCpu) {
  for (const SizeCase& one : size_cases()) {
    SCOPED_TRACE(one.name);
    const CodedInput input = busy_input(one.inputs, one.steps, 5);
    RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
    request.arithmetic = GetParam();
    request.record = {{"layer0", Variable::kOutput}, {"layer1", Variable::kMembrane}};
    request.backend = "cpu";
    const auto expected = run_network(one.network, input, request);
    ASSERT_TRUE(expected.ok()) << error_of(expected);
    ASSERT_GT(expected->stats.nodes.back().events_in, 0U) << "nothing reaches the output";
    std::vector<std::string> backends = unlisted_cuda();
    if (find_backend("cuda").ok()) backends.emplace_back("cuda");
    for (const std::string& backend : backends) {
      request.backend = backend;
      stats_of_equal_run(one.network, input, request, *expected);
    }
  }
}

bool takes_layers(const Executable& executable, Arithmetic arithmetic) {
  return arithmetic == Arithmetic::kInteger
             ? static_cast<const cuda::CudaExecutable<std::int32_t>&>(executable).takes_layers()
             : static_cast<const cuda::CudaExecutable<float>&>(executable).takes_layers();
}

/// Launches of a step and of several, few channels a thread; on the processor also threads in
/// another order, which would show what a barrier is missing for.
TEST_P(CudaSizes, OfLaunchesMakeNoDifference) {
  const cuda::Tuning tunings[] = {{.steps = 1},
                                  {.steps = 2, .chunks = 1},
                                  {.channels = 8},
                                  {.backwards = true},
                                  {.steps = 1, .channels = 8, .backwards = true}};
  for (const SizeCase& one : size_cases()) {
    SCOPED_TRACE(one.name);
    const CodedInput input = busy_input(one.inputs, one.steps, 7);
    RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
    request.arithmetic = GetParam();
    request.record = {{"layer1", Variable::kSpikes}};
    request.backend = "cpu";
    const auto expected = run_network(one.network, input, request);
    ASSERT_TRUE(expected.ok()) << error_of(expected);
    for (const std::string& backend : host_and_device()) {
      request.backend = backend;
      const auto executable = compile_network(one.network, request);
      ASSERT_TRUE(executable.ok()) << error_of(executable);
      EXPECT_TRUE(takes_layers(**executable, GetParam()) || !one.name.starts_with("small"));
      for (const cuda::Tuning& tuning : tunings) {
        cuda::tuning() = tuning;
        const auto run = run_network(one.network, input, request);
        cuda::tuning() = {};
        ASSERT_TRUE(run.ok()) << error_of(run);
        EXPECT_TRUE(run->events == expected->events) << backend << " " << &tuning - tunings;
        EXPECT_EQ(difference(expected->stats, run->stats), "") << &tuning - tunings;
      }
    }
  }
}

/// By layers convolutions into neurons that nobody records (the last ones are) have code of their
/// own: for sizes that are multiples of 32 and others, for neurons that rest at 0 or below
/// threshold, with a current, and with spikes that leave a step later.
TEST_P(CudaSizes, UnrecordedNeuronsEqualCpu) {
  node::Conv2d halving = convolution(40, 2, 3);
  halving.stride = integers({2, 2});
  node::Conv2d odd = convolution(3, 2, 3);
  node::Conv2d many = convolution(32, 2, 3);
  many.stride = integers({2, 2});
  node::Conv2d wide = convolution(8, 2, 7);  // more taps than a word has bits
  wide.stride = integers({2, 3});
  wide.padding.value = integers({1, 4});
  wide.dilation = integers({2, 2});
  halving.bias = odd.bias = many.bias = wide.bias = {};
  node::Lif leaky;
  leaky.tau = floats({1}, {4.0F});
  leaky.r = floats({1}, {4.0F});
  leaky.v_leak = floats({1}, {0.0F});
  leaky.v_threshold = floats({1}, {6.0F});
  node::CubaLif current;
  current.tau_syn = floats({1}, {3.0F});
  current.w_in = floats({1}, {3.0F});
  current.tau_mem = leaky.tau;
  current.r = leaky.r;
  current.v_leak = leaky.v_leak;
  current.v_threshold = floats({1}, {1.0F});
  node::Conv2d wide_rows = convolution(8, 2, 3);  // 64 columns: a window may lie in two words
  wide_rows.bias = {};
  wide_rows.padding.value = integers({1, 1});
  const struct {
    const char* name;
    Network network;
    std::int64_t inputs = 5000;
  } networks[] = {
      {"even", chain({2, 50, 50}, {halving, relay(6.0F), relay(0.5F)}, {40, 24, 24})},
      {"even leaky", chain({2, 50, 50}, {halving, leaky, relay(0.5F)}, {40, 24, 24})},
      {"even current", chain({2, 50, 50}, {halving, current, relay(0.5F)}, {40, 24, 24})},
      {"odd current", chain({2, 13, 13}, {odd, current, relay(0.5F)}, {3, 11, 11}), 338},
      {"odd", chain({2, 13, 13}, {odd, relay(6.0F), relay(0.5F)}, {3, 11, 11}), 338},
      {"odd leaky", chain({2, 13, 13}, {odd, leaky, relay(0.5F)}, {3, 11, 11}), 338},
      {"even many", chain({2, 50, 50}, {many, relay(6.0F), relay(0.5F)}, {32, 24, 24})},
      {"even many current", chain({2, 50, 50}, {many, current, relay(0.5F)}, {32, 24, 24})},
      {"rows of 64", chain({2, 8, 64}, {wide_rows, relay(6.0F), relay(0.5F)}, {8, 8, 64}), 1024},
      {"even wide", chain({2, 50, 50}, {wide, relay(6.0F), relay(0.5F)}, {8, 20, 16})},
      {"own", chain({2, 50, 50}, {halving, own_relay({40, 24, 24}, 6), relay(0.5F)}, {40, 24, 24})},
      {"own leaky",
       chain({2, 50, 50}, {many, own_leaky({32, 24, 24}, 6), relay(0.5F)}, {32, 24, 24})},
      {"own current",
       chain({2, 50, 50}, {many, own_current({32, 24, 24}), relay(0.5F)}, {32, 24, 24})},
      {"own odd", chain({2, 13, 13}, {odd, own_leaky({3, 11, 11}, 6), relay(0.5F)}, {3, 11, 11}),
       338}};
  using Options = std::vector<std::pair<std::string, std::string>>;
  const Options ways[] = {{{"dt", "1"}},
                          {{"dt", "1"}, {"reset", "subtract"}},
                          {{"dt", "1"}, {"spike-rule", "ge"}, {"reset-every", "5"}},
                          {{"dt", "1"}, {"reset-timing", "next"}},
                          {{"dt", "1"}, {"reset", "subtract"}, {"reset-timing", "next"}},
                          {{"dt", "1"}, {"reset-timing", "next"}, {"reset-every", "5"}}};
  for (const auto& [name, network, inputs] : networks) {
    for (const Options& way : ways) {
      SCOPED_TRACE(name);
      const CodedInput input = busy_input(inputs, 12, 9);
      RunRequest request{.preset = "nir", .options = way};
      request.arithmetic = GetParam();
      if (GetParam() == Arithmetic::kInteger) request.options.push_back({"fixed-point", "loihi"});
      request.backend = "cpu";
      const auto expected = run_network(network, input, request);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      ASSERT_GT(expected->stats.nodes.back().events_in, 20U);
      request.backend = kCudaHost;
      const auto layers = compile_network(network, request);
      ASSERT_TRUE(layers.ok()) << error_of(layers);
      EXPECT_TRUE(takes_layers(**layers, GetParam()));
      for (const bool backwards : {false, true}) {
        cuda::tuning() = {.steps = 5, .backwards = backwards};
        stats_of_equal_run(network, input, request, *expected);
        cuda::tuning() = {};
      }
    }
  }
}

/// Whole numbers add up to the same in any order, so that a dense product shows every mistake.
TEST(CudaProducts, EqualCpu) {
  for (const SizeCase& one : size_cases()) {
    if (!one.name.starts_with("dense")) continue;
    SCOPED_TRACE(one.name);
    const CodedInput input = busy_input(one.inputs, one.steps, 6);
    RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
    request.arithmetic = Arithmetic::kFloat32;
    request.record = {{"layer0", Variable::kOutput}, {"layer1", Variable::kMembrane}};
    request.backend = "cpu";
    const auto expected = run_network(one.network, input, request);
    ASSERT_TRUE(expected.ok()) << error_of(expected);
    request.schedule = Schedule::kDense;
    for (const std::string& backend : host_and_device()) {
      request.backend = backend;
      const RunStats stats = stats_of_equal_run(one.network, input, request, *expected);
      EXPECT_GT(stats.total(&NodeStats::steps_dense), 0U) << backend;
      // Every step was a product, which multiplies everything once.
      EXPECT_EQ(stats.total(&NodeStats::executed_mac), stats.total(&NodeStats::dense_macs));
      EXPECT_EQ(stats.total(&NodeStats::executed_ac), 0U);
    }
  }
}

/// Spikes times weights on tensor cores: whole numbers are exact there, with and without biases, in
/// whole chunks and a rest.
TEST(CudaProducts, OfSpikesEqualCpu) {
  constexpr std::int64_t kIn = 96, kOut = 160;
  const auto weight = whole(kOut * kIn, 7);
  const Network networks[] = {
      chain({kIn}, {relay(1.0F, kIn), linear(kOut, kIn, weight), relay(3.0F, kOut)}, {kOut}),
      chain({kIn}, {relay(1.0F, kIn), affine(kOut, kIn, weight, whole(kOut, 8)), relay(3.0F, kOut)},
            {kOut})};
  for (const Network& network : networks) {
    for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
      const CodedInput input = busy_input(kIn, 40, 8);
      RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
      request.arithmetic = arithmetic;
      request.record = {{"layer1", Variable::kOutput}, {"layer2", Variable::kMembrane}};
      request.backend = "cpu";
      const auto expected = run_network(network, input, request);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      request.schedule = Schedule::kDense;
      for (const std::string& backend : host_and_device()) {
        request.backend = backend;
        const RunStats stats = stats_of_equal_run(network, input, request, *expected);
        EXPECT_GT(stats.total(&NodeStats::steps_dense), 0U) << backend;
      }
    }
  }
}

/// A float weight is three parts of eight bits: the products are exact, the sums float's.
TEST(CudaProducts, OfSpikesKeepFloatWeights) {
  constexpr std::int64_t kIn = 128, kOut = 64;
  const RandomStream random{12, 1};
  std::vector<float> weight;
  for (std::uint64_t i = 0; i < kIn * kOut; ++i) {
    weight.push_back(static_cast<float>(random.normal(i)));
  }
  const Network network =
      chain({kIn}, {relay(1.0F, kIn), linear(kOut, kIn, weight), integrator(kOut)}, {kOut});
  const CodedInput input = busy_input(kIn, 16, 9);
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
  request.record = {{"layer2", Variable::kMembrane}};
  request.backend = "reference";
  request.arithmetic = Arithmetic::kDouble;
  const auto exact = run_network(network, input, request);
  ASSERT_TRUE(exact.ok()) << error_of(exact);
  request.arithmetic = Arithmetic::kFloat32;
  request.schedule = Schedule::kDense;
  for (const std::string& backend : host_and_device()) {
    request.backend = backend;
    const auto run = run_network(network, input, request);
    ASSERT_TRUE(run.ok()) << error_of(run);
    const auto& a = exact->state.at("layer2:v").back();
    const auto& b = run->state.at("layer2:v").back();
    ASSERT_EQ(a.size(), b.size());
    // 600 additions around 30: two bfloat16 parts would err by 1e-3.
    for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-4) << backend;
  }
}

INSTANTIATE_TEST_SUITE_P(Arithmetics, CudaSizes,
                         testing::Values(Arithmetic::kFloat32, Arithmetic::kInteger),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace spikeloom::test
