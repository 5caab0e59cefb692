/// Layers of cuda as a device runs them, lane by lane (support/lanes.hpp), beside cpu: ballots,
/// shuffles and words that lanes hold, which loops over threads do not have.

#include <algorithm>

#include <gtest/gtest.h>

#include "backends/cuda/executable.hpp"
#include "backends/cuda/kernels/layer.hpp"
#include "tests/support/compare_runs.hpp"
#include "tests/support/lanes.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/size_cases.hpp"

namespace spikeloom::test {
namespace {

class CudaLanes : public testing::TestWithParam<Arithmetic> {};

struct LaneCase {
  const char* name;
  Network network;
  std::int64_t inputs;
  bool late = false;  ///< spikes at a step's beginning
  /// Those kernels by channels and head whose neurons have coefficients of their own.
  std::vector<std::pair<std::uint32_t, cuda::LayerHead>> own = {};
  bool few = false;  ///< sources are active, each once
};

std::vector<LaneCase> lane_cases() {
  using Head = cuda::LayerHead;
  node::CubaLif current;
  current.tau_syn = floats({1}, {3.0F});
  current.w_in = floats({1}, {3.0F});
  current.tau_mem = floats({1}, {4.0F});
  current.r = floats({1}, {4.0F});
  current.v_leak = floats({1}, {0.0F});
  current.v_threshold = floats({1}, {1.0F});
  const auto conv = [](std::int64_t out, std::int64_t in_group, std::int64_t size,
                       std::int64_t stride, std::int64_t padding, std::int64_t groups = 1) {
    node::Conv2d made = convolution(out, in_group, size);
    made.bias = {};
    made.stride = integers({stride, stride});
    made.padding.value = integers({padding, padding});
    made.groups = Tensor::scalar(groups);
    return made;
  };
  const auto pool = [](std::int64_t size, std::int64_t stride, std::int64_t padding) {
    node::SumPool2d made;
    made.kernel_size = integers({size, size});
    made.stride = integers({stride, stride});
    made.padding = integers({padding, padding});
    return made;
  };
  const auto dense = [](std::int64_t out, std::int64_t in) {
    return linear(out, in, whole(out * in, 1));
  };
  return {
      // 34 columns: rows of windows lie in two words, 16 outputs a row in a warp of two rows.
      {"digits",
       chain({2, 34, 34},
             {conv(16, 2, 5, 2, 1), relay(9.0F), pool(2, 2, 0), conv(8, 16, 3, 1, 1), relay(6.0F)},
             {8, 8, 8}),
       2312},
      {"gesture",
       chain({2, 32, 32},
             {conv(2, 1, 2, 2, 0, 2), current, conv(16, 2, 3, 1, 1), current,
              conv(16, 1, 2, 2, 0, 16), current, conv(8, 16, 3, 1, 1), current},
             {8, 8, 8}),
       2048, true},
      {"dense, late", chain({300}, {dense(148, 300), current, dense(10, 148), current}, {10}), 300,
       true},
      // A row of 64 columns has two words.
      {"wide",
       chain({2, 8, 64}, {conv(8, 2, 3, 1, 1), relay(6.0F), conv(8, 1, 3, 1, 1, 8), relay(3.0F)},
             {8, 8, 64}),
       1024},
      {"wide, 16 channels", chain({2, 4, 96}, {conv(16, 2, 3, 1, 1), relay(6.0F)}, {16, 4, 96}),
       768},
      {"wide pool",
       chain({2, 8, 64}, {relay(), pool(3, 2, 1), conv(8, 2, 3, 1, 1), relay(6.0F)}, {8, 4, 32}),
       1024},
      // More padding than a row of outputs needs; rows that no word begins.
      {"padded", chain({2, 6, 12}, {conv(16, 2, 3, 1, 3), relay(6.0F)}, {16, 10, 16}), 144},
      {"five rows", chain({2, 8, 32}, {conv(16, 2, 5, 1, 2), relay(6.0F)}, {16, 8, 32}), 512},
      // Few sources are added one by one.
      {"few",
       chain({2, 34, 34}, {conv(16, 2, 5, 2, 1), relay(), conv(8, 16, 3, 1, 1), relay()},
             {8, 16, 16}),
       2312,
       false,
       {},
       true},
      {"few, padded",
       chain({2, 6, 12}, {conv(16, 2, 3, 1, 3), relay()}, {16, 10, 16}),
       144,
       false,
       {},
       true},
      {"narrow", chain({3, 7, 15}, {conv(8, 3, 2, 1, 1), relay(6.0F)}, {8, 8, 16}), 315},
      {"odd", chain({3, 13, 13}, {conv(5, 3, 3, 1, 1), relay(6.0F)}, {5, 13, 13}), 507},
      {"dense",
       chain({300}, {dense(148, 300), relay(20.0F, 148), dense(10, 148), relay(9.0F, 10)}, {10}),
       300},
      {"own thresholds",
       chain({2, 34, 34},
             {conv(16, 2, 5, 2, 1), own_relay({16, 16, 16}, 9), pool(2, 2, 0), conv(8, 16, 3, 1, 1),
              own_relay({8, 8, 8}, 6), conv(8, 1, 3, 1, 1, 8), own_relay({8, 8, 8}, 2)},
             {8, 8, 8}),
       2312,
       false,
       {{16, Head::kWindow}, {8, Head::kWindow}}},
      {"own leaks",
       chain({2, 34, 34},
             {conv(16, 2, 5, 2, 1), own_leaky({16, 16, 16}, 9), pool(2, 2, 0), conv(8, 16, 3, 1, 1),
              own_leaky({8, 8, 8}, 6), conv(8, 1, 3, 1, 1, 8), own_leaky({8, 8, 8}, 2)},
             {8, 8, 8}),
       2312,
       false,
       {{16, Head::kWindow}, {8, Head::kWindow}}},
      {"own currents",
       chain({2, 32, 32},
             {conv(2, 1, 2, 2, 0, 2), own_current({2, 16, 16}), conv(16, 2, 3, 1, 1),
              own_current({16, 16, 16}), conv(16, 1, 2, 2, 0, 16), own_current({16, 8, 8}),
              conv(8, 16, 3, 1, 1), own_current({8, 8, 8})},
             {8, 8, 8}),
       2048,
       true,
       {{16, Head::kWindow}, {8, Head::kWindow}}},
      {"own, odd",
       chain({3, 13, 13}, {conv(5, 3, 3, 1, 1), own_leaky({5, 13, 13}, 6)}, {5, 13, 13}),
       507,
       false,
       {{1, Head::kWindow}}},
      {"own, dense",
       chain({300}, {dense(148, 300), own_leaky({148}, 20), dense(10, 148), own_relay({10}, 9)},
             {10}),
       300,
       false,
       {{4, Head::kRows}, {1, Head::kRows}}},
      {"own, dense, late",
       chain({300}, {dense(148, 300), own_current({148}), dense(10, 148), own_current({10})}, {10}),
       300,
       true,
       {{4, Head::kRows}, {1, Head::kRows}}}};
}

/// In half of the steps nothing comes: neurons go on with what they have.
CodedInput half_busy_input(std::int64_t elements) {
  constexpr std::size_t kBusy = 6;
  CodedInput made = busy_input(elements, 2 * kBusy, 3);
  const std::size_t events = made.step_start[kBusy];
  std::fill(made.step_start.begin() + kBusy, made.step_start.end(), events);
  made.index.resize(events);
  made.value.resize(events);
  return made;
}

/// Every 16th event alone, as a spike.
CodedInput few_of(const CodedInput& input) {
  constexpr std::size_t kEvery = 16;
  CodedInput made = input;
  made.index.clear(), made.value.clear();
  for (std::size_t s = 0; s + 1 < input.step_start.size(); ++s) {
    for (std::size_t i = input.step_start[s]; i < input.step_start[s + 1]; i += kEvery) {
      made.index.push_back(input.index[i]);
      made.value.push_back(1.0);
    }
    made.step_start[s + 1] = made.index.size();
  }
  return made;
}

TEST_P(CudaLanes, EqualCpu) {
  for (const LaneCase& one : lane_cases()) {
    SCOPED_TRACE(one.name);
    const CodedInput busy = half_busy_input(one.inputs), input = one.few ? few_of(busy) : busy;
    RunRequest request{.preset = "nir", .options = {{"dt", "1"}, {"reset", "subtract"}}};
    if (one.late) request.options.push_back({"reset-timing", "next"});
    request.arithmetic = GetParam();
    if (GetParam() == Arithmetic::kInteger) request.options.push_back({"fixed-point", "loihi"});
    request.backend = "cpu";
    const auto compiled = compile_network(one.network, request);
    ASSERT_TRUE(compiled.ok()) << error_of(compiled);
    const auto expected = run_batch(**compiled, std::vector<CodedInput>(2, input));
    ASSERT_TRUE(expected.ok()) << error_of(expected);
    ASSERT_GT((*expected)[0].stats.nodes.back().events_in, 20U);
    const Program& program = (*compiled)->program();
    const RunOptions& options = (*compiled)->options();
    std::vector<LaneKernel> ran;
    const auto machine = make_lanes_machine(5, &ran);
    const auto lanes = GetParam() == Arithmetic::kInteger
                           ? cuda::compile_cuda<std::int32_t>(program, options, "cuda", machine)
                           : cuda::compile_cuda<float>(program, options, "cuda", machine);
    ASSERT_TRUE(lanes.ok()) << error_of(lanes);
    const auto run = run_batch(**lanes, std::vector<CodedInput>(2, input));
    ASSERT_TRUE(run.ok()) << error_of(run);
    for (std::size_t e = 0; e < 2; ++e) EXPECT_TRUE((*run)[e].events == (*expected)[e].events) << e;
    EXPECT_EQ(difference((*expected)[0].stats, (*run)[0].stats), "");
    for (const auto& [channels, head] : one.own) {
      using Form = cuda::LayerForm;
      const LaneKernel kernel{
          .real = GetParam() == Arithmetic::kFloat32,
          .channels = channels,
          .form = static_cast<int>(one.late ? Form::kOwnLateCurrent : Form::kOwnMembrane),
          .head = static_cast<int>(head)};
      EXPECT_TRUE(std::find(ran.begin(), ran.end(), kernel) != ran.end())
          << channels << " " << static_cast<int>(head);
    }
  }
}

/// Four sums of a thread together need more than 32 bits.
TEST(CudaLayers, CountsLargeWholeNumbers) {
  constexpr std::int64_t kSize = 128;
  const Network network =
      chain({kSize},
            {linear(kSize, kSize, std::vector<float>(kSize * kSize, 8192.0F)), relay(1e6F, kSize)},
            {kSize});
  CodedInput input;
  input.steps = 2;
  for (std::uint32_t i = 0; i < kSize; ++i) input.index.push_back(i), input.value.push_back(1000.0);
  input.step_start = {0, input.index.size(), input.index.size()};
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}, {"reset", "subtract"}}};
  request.arithmetic = Arithmetic::kInteger;
  std::vector<RunStats> stats;
  for (const char* const backend : {"cpu", "cuda-host"}) {
    request.backend = backend;
    const auto compiled = compile_network(network, request);
    ASSERT_TRUE(compiled.ok()) << error_of(compiled);
    const auto run = run_batch(**compiled, std::vector<CodedInput>(1, input));
    ASSERT_TRUE(run.ok()) << error_of(run);
    stats.push_back((*run)[0].stats);
  }
  EXPECT_EQ(difference(stats[0], stats[1]), "");
  EXPECT_EQ(stats[0].nodes[2].value_sum, 134217728000.0);  // 128 x 128 x 8192 x 1000
}

INSTANTIATE_TEST_SUITE_P(Arithmetics, CudaLanes,
                         testing::Values(Arithmetic::kFloat32, Arithmetic::kInteger),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace spikeloom::test
