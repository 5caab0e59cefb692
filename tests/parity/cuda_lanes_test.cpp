/// Layers of cuda as a device runs them, lane by lane (support/lanes.hpp), beside cpu: ballots,
/// shuffles and words that lanes hold, which loops over threads do not have.

#include <gtest/gtest.h>

#include "backends/cuda/executable.hpp"
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
};

std::vector<LaneCase> lane_cases() {
  node::CubaLif current;
  current.tau_syn = floats({1}, {3.0F});
  current.w_in = floats({1}, {3.0F});
  current.tau_mem = floats({1}, {4.0F});
  current.r = floats({1}, {4.0F});
  current.v_leak = floats({1}, {0.0F});
  current.v_threshold = floats({1}, {1.0F});
  const auto made = [](std::int64_t out, std::int64_t in_group, std::int64_t size,
                       std::int64_t stride, std::int64_t groups) {
    node::Conv2d conv = convolution(out, in_group, size);
    conv.bias = {};
    conv.stride = integers({stride, stride});
    if (size > stride) conv.padding.value = integers({1, 1});
    conv.groups = Tensor::scalar(groups);
    return conv;
  };
  node::SumPool2d pool;
  pool.kernel_size = pool.stride = integers({2, 2});
  pool.padding = integers({0, 0});
  return {// 34 columns: rows of windows lie in two words, 16 outputs a row in a warp of two rows.
          {"digits",
           chain({2, 34, 34},
                 {made(16, 2, 5, 2, 1), relay(9.0F), pool, made(8, 16, 3, 1, 1), relay(6.0F)},
                 {8, 8, 8}),
           2312},
          {"gesture",
           chain({2, 32, 32},
                 {made(2, 1, 2, 2, 2), current, made(16, 2, 3, 1, 1), current,
                  made(16, 1, 2, 2, 16), current},
                 {16, 8, 8}),
           2048, true},
          {"odd", chain({3, 13, 13}, {made(5, 3, 3, 1, 1), relay(6.0F)}, {5, 13, 13}), 507},
          {"dense",
           chain({300},
                 {linear(148, 300, whole(std::int64_t{148} * 300, 1)), relay(20.0F, 148),
                  linear(10, 148, whole(std::int64_t{10} * 148, 2)), relay(9.0F, 10)},
                 {10}),
           300}};
}

TEST_P(CudaLanes, EqualCpu) {
  for (const LaneCase& one : lane_cases()) {
    SCOPED_TRACE(one.name);
    const CodedInput input = busy_input(one.inputs, 9, 3);
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
    const auto lanes =
        GetParam() == Arithmetic::kInteger
            ? cuda::compile_cuda<std::int32_t>(program, options, "cuda", make_lanes_machine(5))
            : cuda::compile_cuda<float>(program, options, "cuda", make_lanes_machine(5));
    ASSERT_TRUE(lanes.ok()) << error_of(lanes);
    const auto run = run_batch(**lanes, std::vector<CodedInput>(2, input));
    ASSERT_TRUE(run.ok()) << error_of(run);
    for (std::size_t e = 0; e < 2; ++e) EXPECT_TRUE((*run)[e].events == (*expected)[e].events) << e;
    EXPECT_EQ(difference((*expected)[0].stats, (*run)[0].stats), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Arithmetics, CudaLanes,
                         testing::Values(Arithmetic::kFloat32, Arithmetic::kInteger),
                         [](const auto& info) { return to_string(info.param); });

}  // namespace
}  // namespace spikeloom::test
