/// Every backend and arithmetic against the reference in double, over one list of cases.

#include <gtest/gtest.h>

#include "tests/support/compare_runs.hpp"
#include "tests/support/parity_cases.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {
namespace {

/// A decay of 1/2 adds a bit a step: inputs of 1/8 stay exact in float32 for this long.
constexpr std::int64_t kSteps = 14;

/// All but the measure.
std::vector<Runner> runners() {
  std::vector<Runner> all = real_runners();
  std::erase_if(all, [](const Runner& runner) {
    return runner.backend == "reference" && runner.arithmetic == Arithmetic::kDouble;
  });
  return all;
}

class Parity : public testing::TestWithParam<std::tuple<ParityCase, Runner>> {};

TEST_P(Parity, EqualsTheReferenceInDouble) {
  const auto& [parity, runner] = GetParam();
  const auto elements = element_count(parity.input);
  ASSERT_TRUE(elements.ok());
  const CodedInput input = busy_input(*elements, kSteps, 1);
  RunRequest request{.preset = "nir", .options = parity.options};
  request.options.emplace_back("dt", "1");
  for (const Node& node : parity.network.nodes()) {
    request.record.emplace_back(node.name, Variable::kOutput);
    if (is_neuron(node.kind)) request.record.emplace_back(node.name, Variable::kMembrane);
  }
  request.arithmetic = Arithmetic::kDouble;
  const auto expected = run_network(parity.network, input, request);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  ASSERT_GT(expected->stats.total(&NodeStats::events_out), 0U) << "the case is silent";
  request.backend = runner.backend;
  request.arithmetic = runner.arithmetic;
  const auto run = run_network(parity.network, input, request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_EQ(run->events, expected->events);
  EXPECT_EQ(run->state, expected->state);
  EXPECT_EQ(difference(expected->stats, run->stats), "");
}

INSTANTIATE_TEST_SUITE_P(Cases, Parity,
                         testing::Combine(testing::ValuesIn(parity_cases()),
                                          testing::ValuesIn(runners())),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" +
                                  to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace spikeloom::test
