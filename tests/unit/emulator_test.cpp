/// The emulator's neurons, energies and timings beside their equations, worked out by hand.

#include "backends/emulator/emulator.hpp"

#include <gtest/gtest.h>

#include "backends/emulator/sanafe.hpp"
#include "tests/support/mapped_example.hpp"

namespace spikeloom::test {
namespace {

using emulator::Emulator;
using emulator::MappedProgram;
using emulator::StepRecord;
using emulator::Timing;

Emulator machine(const std::string& network, Timing timing = Timing::kAnalytic) {
  auto program = parse_mapped(network);
  EXPECT_TRUE(program.ok()) << (program.ok() ? "" : program.error().message());
  return {
      std::make_shared<const MappedProgram>(program.ok() ? *std::move(program) : MappedProgram{}),
      {timing, true}};
}

/// Steps at which a lone neuron with these attributes fires.
std::vector<std::uint32_t> fires(const std::string& soma, const std::string& attributes,
                                 int steps) {
  Emulator one =
      machine(example_network("  - {name: n, attributes: {soma_hw_name: " + soma +
                                  ", log_spikes: true, " + attributes + "}, neurons: [{0: {}}]}\n",
                              "", "- n.0: {core: '0.0'}\n"));
  for (int step = 0; step < steps; ++step) one.step();
  std::vector<std::uint32_t> at;
  for (const emulator::Spike& spike : one.take_spikes()) at.push_back(spike.step);
  return at;
}

using Steps = std::vector<std::uint32_t>;

TEST(EmulatedLoihi, FiresAboveTheThresholdOnly) {
  // v = 5, then 10 > 5.
  EXPECT_EQ(fires("loihi", "bias: 5, threshold: 5", 6), (Steps{2, 4, 6}));
}

TEST(EmulatedLoihi, LeaksAfterTheFirstStep) {
  // 10, 15, 17.5, 18.75, towards 20.
  EXPECT_EQ(fires("loihi", "bias: 10, threshold: 18, leak_decay: 0.5", 4), (Steps{4}));
  EXPECT_EQ(fires("loihi", "bias: 10, threshold: 20, leak_decay: 0.5", 40), (Steps{}));
  // A potential that is there at the start is not leaked before the first comparison.
  EXPECT_EQ(fires("loihi", "potential: 3, threshold: 2, leak_decay: 0.5", 2), (Steps{1}));
}

TEST(EmulatedLoihi, CutsThePotentialToSixtyFourths) {
  // 0.5 is left of 1; 63/64 of it is 31.5/64, cut to 31/64: below, it would stay above 31/64.
  EXPECT_EQ(fires("loihi", "potential: 0.5, threshold: 0.485, leak_decay: 0.984375, bias: 0", 3),
            (Steps{1}));
  EXPECT_EQ(
      fires("loihi", "potential: 0.5, threshold: 0.485, leak_decay: 0.984375, reset_mode: none", 3),
      (Steps{1}));
  EXPECT_EQ(
      fires("loihi", "potential: 0.5, threshold: 0.484, leak_decay: 0.984375, reset_mode: none", 3),
      (Steps{1, 2}));
}

TEST(EmulatedLoihi, ResetModes) {
  // 3, 6 - 4, 5 - 4, 4, 7 - 4.
  EXPECT_EQ(fires("loihi", "bias: 3, threshold: 4, reset_mode: soft", 5), (Steps{2, 3, 5}));
  EXPECT_EQ(fires("loihi", "bias: 3, threshold: 4, reset_mode: none", 5), (Steps{2, 3, 4, 5}));
  EXPECT_EQ(fires("loihi", "bias: 3, threshold: 4, reset: 2", 5), (Steps{2, 3, 4, 5}));
  EXPECT_EQ(fires("loihi", "bias: 3, threshold: 4, reset: -2", 6), (Steps{2, 5}));
}

TEST(EmulatedLoihi, RefractorySteps) {
  EXPECT_EQ(fires("loihi", "bias: 5, threshold: 4, refractory_delay: 1", 4), (Steps{1, 2, 3, 4}));
  EXPECT_EQ(fires("loihi", "bias: 5, threshold: 4, refractory_delay: 3", 8), (Steps{1, 4, 7}));
}

TEST(EmulatedLoihi, ReverseThresholds) {
  // -3, -6 -> -5, ... a bias of its own sign never fires; saturating does not change that.
  EXPECT_EQ(fires("loihi",
                  "bias: -3, threshold: 1, reverse_threshold: -5, "
                  "reverse_reset_mode: saturate",
                  9),
            (Steps{}));
  // -3, -6 + 5 = -1, -4, -7 + 5 = -2: soft adds 5. Hard: -3, -6 -> 7 > 1 only in the next step.
  EXPECT_EQ(fires("loihi",
                  "bias: -3, threshold: 1, reverse_threshold: -5, "
                  "reverse_reset_mode: hard, reverse_reset: 7",
                  5),
            (Steps{3}));
}

TEST(EmulatedTrueNorth, FiresAtTheThreshold) {
  EXPECT_EQ(fires("truenorth", "bias: 2, threshold: 6", 6), (Steps{3, 6}));
  // 2, 3, 4, 5, 6: one of the two is leaked once there is a potential.
  EXPECT_EQ(fires("truenorth", "bias: 2, threshold: 6, leak: 1", 5), (Steps{5}));
  // Away from zero the leak is added, at 0 too.
  EXPECT_EQ(fires("truenorth", "bias: 2, threshold: 6, leak: 1, leak_towards_zero: false", 4),
            (Steps{2, 4}));
}

TEST(EmulatedInputs, RatesAndTrains) {
  EXPECT_EQ(fires("'inputs[0]'", "rate: 0.25", 9), (Steps{4, 8}));
  EXPECT_EQ(fires("'inputs[0]'", "rate: 0.3", 9), (Steps{3, 6, 9}));  // floor(1 / 0.3) = 3
  EXPECT_EQ(fires("'inputs[3]'", "spikes: [1, 0, 1]", 9), (Steps{1, 3}));
}

TEST(EmulatedInputs, NeuronsOfOneUnitTakeTurns) {
  Emulator two = machine(
      example_network("  - {name: n, attributes: {soma_hw_name: 'inputs[1]', log_spikes: true, "
                      "spikes: [1, 0, 1, 1]}, neurons: [0..1: {}]}\n",
                      "", "- n: {core: '0.0'}\n"));
  two.step();
  two.step();
  const auto spikes = two.take_spikes();
  ASSERT_EQ(spikes.size(), 3U);
  EXPECT_EQ(spikes[0].neuron, 0U);
  EXPECT_EQ(spikes[1].step, 2U);
  EXPECT_EQ(spikes[2].neuron, 1U);
}

TEST(EmulatedLoihi, OneThatFiresAtRestIsUpdated) {
  Emulator below = machine(example_network(
      "  - {name: n, attributes: {soma_hw_name: loihi, threshold: -1}, neurons: [{0: {}}]}\n", "",
      "- n: {core: '0.0'}\n"));
  const StepRecord step = below.step();
  EXPECT_EQ(step.fired, 1U);
  EXPECT_EQ(step.updated, 1U);
  EXPECT_DOUBLE_EQ(step.energy.soma, 1.0 + 100.0 + 10000.0);
}

/// A source that fires in step 1 and three targets: two in a core of tile 3, one at home.
std::string fan_out() {
  return example_network(
      "  - {name: s, attributes: {soma_hw_name: loihi, threshold: 4, bias: 0}, "
      "neurons: [{0: {potential: 5}}]}\n"
      "  - {name: t, attributes: {soma_hw_name: loihi, threshold: 6, log_spikes: true}, "
      "neurons: [0..2: {}]}\n",
      "  - s -> t: {type: dense, weight: [7, 6, -1]}\n",
      "- s: {core: '0.1'}\n- t.0: {core: '3.0'}\n- t.1: {core: '3.0', synapse: sparse}\n"
      "- t.2: {core: '0.0'}\n");
}

TEST(EmulatedMessages, CountsAndEnergiesByHand) {
  Emulator few = machine(fan_out());
  const StepRecord first = few.step();
  EXPECT_EQ(first.fired, 1U);
  EXPECT_EQ(first.updated, 1U);  // the targets have neither potential nor bias
  EXPECT_EQ(first.messages, 2U);
  EXPECT_EQ(first.synaptic_events, 3U);
  // Tile 3 is at x = 1, y = 1: one hop east, one north; the other message stays in the tile.
  EXPECT_EQ(first.hops, 2U);
  EXPECT_DOUBLE_EQ(first.energy.soma, 4 * 1.0 + 100.0 + 10000.0);
  EXPECT_DOUBLE_EQ(first.energy.synapse, 2.0 + 7.0 + 2.0);
  EXPECT_DOUBLE_EQ(first.energy.dendrite, 3 * 0.5);
  EXPECT_DOUBLE_EQ(first.energy.network, 2 * (2e5 + 3e4) + 10.0 + 1.0);
  const StepRecord second = few.step();
  EXPECT_EQ(second.fired, 1U);    // 7 > 6; 6 is not above 6
  EXPECT_EQ(second.updated, 3U);  // every target that got an event; the source is at 0
  EXPECT_EQ(second.messages, 0U);
  const auto spikes = few.take_spikes();
  ASSERT_EQ(spikes.size(), 1U);
  EXPECT_EQ(few.program().neuron_name(spikes[0].neuron), "t.0");
  EXPECT_EQ(few.step().updated, 2U);  // -1 and 6 are still there, 7 was reset
}

TEST(EmulatedTime, AnalyticByHand) {
  Emulator few = machine(fan_out(), Timing::kAnalytic);
  // The source: access, update and spike, 90 ns, and the first message out, 40 ns. The message to
  // core 0.0 is first; that to 3.0 leaves 40 ns later, travels 2 + 1 ns and takes 20 + 5 + 9 ns.
  // The barrier of two tiles takes 2 us.
  EXPECT_NEAR(few.step().seconds, (90 + 40 + 40 + 3 + 34 + 2000) * 1e-9, 1e-15);
  // Three neurons in two cores, two of them updated and one fired in 3.0: 2 x 40 + 50 ns.
  EXPECT_NEAR(few.step().seconds, (130 + 2000) * 1e-9, 1e-15);
}

TEST(EmulatedTime, EventsByHandInCycles) {
  Emulator few = machine(fan_out(), Timing::kEvents);
  // The second message is sent in cycle 170, enters its router in 172, leaves it in 173 and the two
  // others in 177 and 181; it is received from 182 on for 34 cycles.
  EXPECT_NEAR(few.step().seconds, (182 + 34 + 2000) * 1e-9, 1e-15);
}

/// Messages of one core to another, `count` of them in one step, and 64 neurons of work after them.
std::string stream(int count) {
  std::string edges = "  - s -> t: {type: dense, weight: [1";
  for (int i = 1; i < count; ++i) edges += ", 1";
  return example_network(
      "  - {name: s, attributes: {soma_hw_name: truenorth, threshold: 1, "
      "bias: 1}, neurons: [0.." +
          std::to_string(count - 1) +
          ": {}]}\n"
          "  - {name: t, attributes: {soma_hw_name: loihi, threshold: 1000, "
          "synapse_hw_name: sparse}, neurons: [{0: {}}]}\n",
      edges + "]}\n", "- s: {core: '0.0'}\n- t: {core: '5.1'}\n");
}

TEST(EmulatedTime, TheSlowerEndDecides) {
  // Sending takes 130 ns a message, receiving 29: the sender is the slower one. Way: 3 hops.
  const int count = 50;
  Emulator slow_sender = machine(stream(count), Timing::kEvents);
  EXPECT_NEAR(slow_sender.step().seconds, (count * 130 + 3 * 4 + 4 + 29 + 2000) * 1e-9, 1e-14);
  // The analytic model: two hops east, one north.
  Emulator analytic = machine(stream(count), Timing::kAnalytic);
  EXPECT_NEAR(analytic.step().seconds, (count * 130 + 2 * 2 + 1 + 29 + 2000) * 1e-9, 1e-14);
}

}  // namespace
}  // namespace spikeloom::test
