/// Plans of the target cpu, and the cpu backend with them.

#include <gtest/gtest.h>

#include "backends/cpu/planned.hpp"
#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "mapping/plan_file.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/size_cases.hpp"

namespace spikeloom::test {
namespace {

constexpr std::int64_t kInputs = 256, kHidden = 4096, kRows = 20, kOutputs = 512;

Network layers() {
  std::vector<float> weight;
  for (std::int64_t i = 0; i < kOutputs * kHidden; ++i) {
    weight.push_back(static_cast<float>(i * 7919 % 13 - 6));
  }
  return chain({kInputs},
               {uneven(kHidden, kInputs), relay(40.0F, kHidden), linear(kOutputs, kHidden, weight),
                relay(60.0F, kOutputs)},
               {kOutputs});
}

CodedInput flicker() {
  CodedInput input;
  input.steps = 12;
  for (std::int64_t step = 0; step < input.steps; ++step) {
    for (std::uint32_t i = 0; i < kInputs; ++i) {
      if ((i * 5 + static_cast<std::uint32_t>(step) * 11) % 3 == 0) continue;
      input.index.push_back(i);
      input.value.push_back(1.0);
    }
    input.step_start.push_back(input.index.size());
  }
  return input;
}

std::shared_ptr<const Executable> even(const Network& network) {
  RunRequest request{.arithmetic = Arithmetic::kFloat32, .backend = "cpu"};
  request.options.emplace_back("dt", "1");
  request.record = {{"layer1", Variable::kSpikes}};
  auto made = compile_network(network, request);
  EXPECT_TRUE(made.ok()) << error_of(made);
  return made.ok() ? *made : nullptr;
}

Result<mapping::Plan> plan_of(const Program& program, const std::string& target) {
  SPIKELOOM_TRY(const auto graph, mapping::population_graph(program));
  SPIKELOOM_TRY(const auto loaded, mapping::load_target(target));
  return mapping::map(graph, loaded);
}

TEST(CpuPlans, GiveThreadsEvenBytesAndTheSameSpikes) {
  const auto whole = even(layers());
  ASSERT_NE(whole, nullptr);
  const std::vector<CodedInput> inputs{flicker()};
  const auto expected = run_batch(*whole, inputs);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  ASSERT_GT(expected->front().events.at("layer1").size(), 1000U);
  for (const char* target : {"cpu:1", "cpu:2", "cpu:3", "cpu"}) {
    const auto plan = plan_of(whole->program(), target);
    ASSERT_TRUE(plan.ok()) << error_of(plan);
    EXPECT_TRUE(mapping::check(*plan).ok()) << target;
    const auto planned = cpu::compile_planned(whole->program(), whole->options(), *plan);
    ASSERT_TRUE(planned.ok()) << error_of(planned);
    EXPECT_EQ((*planned)->options().threads, static_cast<int>(plan->cores.size()));
    const auto got = run_batch(**planned, inputs);
    ASSERT_TRUE(got.ok()) << error_of(got);
    EXPECT_EQ(got->front().events, expected->front().events) << target;
  }
}

TEST(CpuPlans, ListedSynapsesAreCutByBytesAndConvolutionsByRows) {
  const auto whole = even(layers());
  const auto plan = plan_of(whole->program(), "cpu:2");
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  ASSERT_EQ(plan->cores.size(), 2U);
  const double bytes[] = {static_cast<double>(plan->cores[0].use.data_bytes()),
                          static_cast<double>(plan->cores[1].use.data_bytes())};
  EXPECT_NEAR(bytes[0] / bytes[1], 1.0, 0.02);
  const auto& hidden = plan->populations[1];
  ASSERT_EQ(hidden.slices, 2U);
  // Synapses grow with the square of the rows: half of them lie before 0.71 of the rows. State and
  // sums, the same for each, draw the cut a little to the middle.
  const double share = plan->slices[hidden.first_slice].count / double{kHidden};
  EXPECT_GT(share, 0.6);
  EXPECT_LT(share, 0.71);

  node::Conv2d convolution;
  convolution.weight = Tensor::full({3, 1, 3, 3}, 1.0F);
  convolution.padding.value = integers({1, 1});
  node::If neurons;
  neurons.r = neurons.v_threshold = Tensor::full({3, kRows, 8}, 1.0F);
  const auto image = even(chain({1, kRows, 8}, {convolution, neurons}, {3, kRows, 8}));
  ASSERT_NE(image, nullptr);
  const auto rows = plan_of(image->program(), "cpu:3");
  ASSERT_TRUE(rows.ok()) << error_of(rows);
  std::vector<std::uint32_t> counts;
  for (const auto& slice : rows->slices) {
    if (slice.population == 1) counts.push_back(slice.count);
  }
  EXPECT_EQ(counts, (std::vector<std::uint32_t>{7 * 24, 7 * 24, 6 * 24}));
}

TEST(CpuPlans, OfOtherNetworksOrMachinesAreRefused) {
  const auto whole = even(layers());
  const auto other =
      even(chain({4}, {linear(4, 4, std::vector<float>(16, 1.0F)), relay(1.0F, 4)}, {4}));
  ASSERT_NE(other, nullptr);
  const auto plan = plan_of(other->program(), "cpu:2");
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  const auto refused = cpu::compile_planned(whole->program(), whole->options(), *plan);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kShape);
  EXPECT_FALSE(mapping::load_target("cpu:0").ok());
  EXPECT_FALSE(mapping::load_target("cpu:2x").ok());
  EXPECT_FALSE(mapping::load_target("spinnaker1:2").ok());
}

}  // namespace
}  // namespace spikeloom::test
