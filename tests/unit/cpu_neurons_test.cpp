/// Neurons of the cpu backend: what properties found, as small as it gets.

#include <gtest/gtest.h>

#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// With spikes at their exact time a neuron may fire several times in a step, whatever the rule:
/// an input of 2 crosses a threshold of 1/4 eight times; the last crossing, at the very end of the
/// step, belongs to the next one.
TEST(CpuNeurons, SeveralSpikesWithinAStepAreCounted) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("neuron", relay(0.25F));
  builder.add("out", output({1}));
  builder.connect("in", "neuron");
  builder.connect("neuron", "out");
  const auto network = std::move(builder).build();
  ASSERT_TRUE(network.ok()) << error_of(network);
  RunRequest request{
      .preset = "nir",
      .options = {{"dt", "1"}, {"spike-time", "substep"}, {"integrator", "exponential"}},
      .arithmetic = Arithmetic::kFloat32,
      .backend = "cpu"};
  const auto run = run_network(*network, one_per_step({2.0}), request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  const std::vector<Recorded> expected = {{0, 0, 7.0}};
  EXPECT_EQ(run->events.at("out"), expected);
}

}  // namespace
}  // namespace spikeloom::test
