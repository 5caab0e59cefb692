#include "tests/support/parity_runs.hpp"

#include <gtest/gtest.h>

#include "tests/support/compare_runs.hpp"

namespace spikeloom::test {

RunRequest watching(const ParityCase& parity) {
  RunRequest request{.preset = "nir", .options = parity.options};
  request.options.emplace_back("dt", "1");
  for (const Node& node : parity.network.nodes()) {
    request.record.emplace_back(node.name, Variable::kOutput);
    if (is_neuron(node.kind)) request.record.emplace_back(node.name, Variable::kMembrane);
  }
  return request;
}

void expect_the_references(const ParityCase& parity, const Runner& runner, std::int64_t steps,
                           std::uint64_t stream) {
  const auto elements = element_count(parity.input);
  ASSERT_TRUE(elements.ok());
  const CodedInput input = busy_input(*elements, steps, stream);
  RunRequest request = watching(parity);
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

}  // namespace spikeloom::test
