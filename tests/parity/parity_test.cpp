/// Every backend and arithmetic against the reference in double, over one list of cases.

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/parity_cases.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {
namespace {

/// A decay of 1/2 adds a bit a step: inputs of 1/8 stay exact in float32 for this long.
constexpr std::int64_t kSteps = 14;

/// A third of the elements active, with values 1, 1, 2, -1.
CodedInput busy_input(std::int64_t elements) {
  const RandomStream random{7, 1};
  CodedInput input;
  input.steps = kSteps;
  std::uint64_t draw = 0;
  for (std::int64_t s = 0; s < kSteps; ++s) {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(elements); ++i, ++draw) {
      if (random.uniform(draw) >= 0.33) continue;
      constexpr double kValues[] = {1, 1, 2, -1};
      input.index.push_back(i);
      input.value.push_back(kValues[random.words(draw)[2] % 4]);
    }
    input.step_start.push_back(input.index.size());
  }
  return input;
}

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
  const CodedInput input = busy_input(*elements);
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
  ASSERT_EQ(run->stats.nodes.size(), expected->stats.nodes.size());
  for (std::size_t i = 0; i < run->stats.nodes.size(); ++i) {
    const NodeStats& mine = run->stats.nodes[i];
    const NodeStats& theirs = expected->stats.nodes[i];
    EXPECT_EQ(mine.events_in, theirs.events_in) << mine.name;
    EXPECT_EQ(mine.value_sum, theirs.value_sum) << mine.name;
    EXPECT_EQ(mine.events_out, theirs.events_out) << mine.name;
    EXPECT_EQ(mine.ac, theirs.ac) << mine.name;
    EXPECT_EQ(mine.mac, theirs.mac) << mine.name;
    EXPECT_EQ(mine.dense_macs, theirs.dense_macs) << mine.name;
    EXPECT_EQ(mine.neuron_updates, theirs.neuron_updates) << mine.name;
  }
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
