/// Plans for gpu: cuda's blocks own what the Plan's cores have, and the spikes are the same.

#include <gtest/gtest.h>

#include "backends/cuda/planned.hpp"
#include "backends/cuda/share.hpp"
#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "tests/support/compare_runs.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/size_cases.hpp"

namespace spikeloom::test {
namespace {

Result<mapping::Plan> plan_of(const Program& program, const std::string& target) {
  SPIKELOOM_TRY(const auto graph, mapping::population_graph(program));
  SPIKELOOM_TRY(const auto loaded, mapping::load_target(target));
  return mapping::map(graph, loaded);
}

std::vector<SizeCase> plan_cases() {
  std::vector<SizeCase> cases = size_cases();
  cases.push_back(
      {"uneven", chain({256}, {uneven(3000, 256), relay(40.0F, 3000)}, {3000}), 256, 20});
  return cases;
}

std::vector<std::string> devices() {
  std::vector<std::string> names{"cuda-host", "cuda-host:2"};
  for (const char* const name : {"cuda", "cuda-parts:2", "cuda:2"}) {
    if (find_backend(name).ok()) names.push_back(name);
  }
  return names;
}

class CudaPlans : public testing::TestWithParam<Arithmetic> {};

TEST_P(CudaPlans, GiveTheSameSpikesAndCounts) {
  for (const SizeCase& one : plan_cases()) {
    const std::vector<CodedInput> inputs{busy_input(one.inputs, one.steps, 5),
                                         busy_input(one.inputs, one.steps, 6)};
    RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
    request.arithmetic = GetParam();
    request.record = {{"layer0", Variable::kOutput}, {"layer1", Variable::kMembrane}};
    request.backend = kCudaHostNodes;
    const auto even = compile_network(one.network, request);
    ASSERT_TRUE(even.ok()) << error_of(even);
    const auto expected = run_batch(**even, inputs);
    ASSERT_TRUE(expected.ok()) << error_of(expected);
    ASSERT_GT(expected->front().stats.nodes.back().events_in, 0U);
    for (const char* const target : {"gpu:1", "gpu:3", "gpu"}) {
      const auto plan = plan_of((*even)->program(), target);
      if (!plan.ok() && plan.error().code == ErrorCode::kResource) continue;  // too few cores
      ASSERT_TRUE(plan.ok()) << error_of(plan);
      for (const std::string& backend : devices()) {
        const bool team = backend.ends_with(":2");
        // Convolutions with groups stay whole.
        const bool whole = one.name == "convolution" || one.name == "small_groups";
        if (team && (whole || target != std::string("gpu:3"))) continue;
        SCOPED_TRACE(one.name + " " + target + " " + backend);
        const auto planned =
            cuda::compile_planned((*even)->program(), (*even)->options(), backend, *plan);
        ASSERT_TRUE(planned.ok()) << error_of(planned);
        const auto got = run_batch(**planned, inputs);
        ASSERT_TRUE(got.ok()) << error_of(got);
        for (std::size_t e = 0; e < inputs.size(); ++e) {
          EXPECT_TRUE((*got)[e].events == (*expected)[e].events) << e;
          EXPECT_TRUE((*got)[e].state == (*expected)[e].state) << e;
        }
        EXPECT_EQ(difference(expected->front().stats, got->front().stats), "");
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Arithmetics, CudaPlans,
                         testing::Values(Arithmetic::kFloat32, Arithmetic::kInteger),
                         [](const auto& info) { return to_string(info.param); });

TEST(CudaShares, AreThoseOfThePlansCores) {
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
  request.arithmetic = Arithmetic::kFloat32;
  request.backend = "cuda-host";
  const auto even = compile_network(plan_cases().back().network, request);
  ASSERT_TRUE(even.ok()) << error_of(even);
  const auto plan = plan_of((*even)->program(), "gpu:4");
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  const auto shares = cuda::shares_of((*even)->program(), *plan);
  ASSERT_TRUE(shares.ok()) << error_of(shares);
  const auto weights = (*even)->program().find("layer0");
  ASSERT_TRUE(weights.has_value());
  const std::vector<std::uint32_t>& bounds = (*shares)[*weights].bounds;
  ASSERT_EQ(bounds.size(), 5U);
  EXPECT_EQ(bounds.back(), 3000U);
  EXPECT_GT(bounds[1], 1000U) << "the first rows are the short ones";
}

TEST(CudaShares, BlocksHoldWholeCoresOrPiecesOfOne) {
  using Bounds = std::vector<std::uint32_t>;
  const Bounds cores{0, 10, 10, 25, 30, 130};
  EXPECT_EQ(cuda::block_bounds(cores, 0, 1000), (Bounds{0, 10, 25, 30, 130}));
  EXPECT_EQ(cuda::block_bounds(cores, 30, 1000), (Bounds{0, 30, 130}));
  EXPECT_EQ(cuda::block_bounds(cores, 29, 50), (Bounds{0, 25, 30, 80, 130}));
  EXPECT_EQ(cuda::block_bounds({0, 0, 0}, 5, 5), (Bounds{0}));
}

TEST(CudaPlans, OfOtherNetworksOrMachinesAreRefusedByName) {
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
  request.arithmetic = Arithmetic::kFloat32;
  request.backend = "cuda-host";
  const auto small = compile_network(
      chain({4}, {linear(4, 4, std::vector<float>(16, 1.0F)), relay(1.0F, 4)}, {4}), request);
  const auto large = compile_network(plan_cases().back().network, request);
  ASSERT_TRUE(small.ok() && large.ok());
  const auto plan = plan_of((*small)->program(), "gpu:2");
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  const auto other =
      cuda::compile_planned((*large)->program(), (*large)->options(), "cuda-host", *plan);
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.error().code, ErrorCode::kShape);
  EXPECT_NE(error_of(other).find("population 'in'"), std::string::npos) << error_of(other);
  for (const char* const target : {"cpu:2", "spinnaker2"}) {
    const auto foreign = plan_of((*small)->program(), target);
    if (!foreign.ok()) continue;  // links of no delay do not map onto chips
    const auto refused =
        cuda::compile_planned((*small)->program(), (*small)->options(), "cuda-host", *foreign);
    ASSERT_FALSE(refused.ok()) << target;
    EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
    EXPECT_NE(error_of(refused).find(foreign->target.name), std::string::npos);
  }
}

}  // namespace
}  // namespace spikeloom::test
