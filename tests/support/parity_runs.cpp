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

void run_reference(const ParityCase& parity, std::int64_t steps, std::uint64_t stream,
                   ReferenceRun& run) {
  const auto elements = element_count(parity.input);
  ASSERT_TRUE(elements.ok());
  run.input = busy_input(*elements, steps, stream);
  run.request = watching(parity);
  run.request.arithmetic = Arithmetic::kDouble;
  auto expected = run_network(parity.network, run.input, run.request);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  run.expected = *std::move(expected);
}

void expect_the_references(const ParityCase& parity, const Runner& runner, std::int64_t steps,
                           std::uint64_t stream) {
  ReferenceRun reference;
  ASSERT_NO_FATAL_FAILURE(run_reference(parity, steps, stream, reference));
  auto& [input, request, expected] = reference;
  ASSERT_GT(expected.stats.total(&NodeStats::events_out), 0U) << "the case is silent";
  request.backend = runner.backend;
  request.arithmetic = runner.arithmetic;
  const auto run = run_network(parity.network, input, request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_EQ(run->events, expected.events);
  EXPECT_EQ(run->state, expected.state);
  EXPECT_EQ(difference(expected.stats, run->stats), "");
}

}  // namespace spikeloom::test
