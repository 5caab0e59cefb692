/// The power of chips: the law by hand, joules from cycles, and published figures.

#include <gtest/gtest.h>

#include "energy/chip_states.hpp"
#include "energy/machine_power.hpp"

namespace spikeloom {
namespace {

TEST(ChipPower, ALawIsFoundAgainFromItsOwnStates) {
  // base 1 W, sleep 2 mW, active 3 mW at 0.5 V and 150 MHz; 10 cores at 1 V and 300 MHz take
  // 1 + 10 x 4 x 2 mW asleep and 10 x 4 x 2 x 3 mW more when they all work.
  const ChipState off = {"off", 0.5, 150e6, 0.0, 0.0, 1.0};
  const ChipState asleep = {"asleep", 1.0, 300e6, 10.0, 0.0, 1.08};
  const ChipState half = {"half", 0.5, 150e6, 10.0, 5.0, 1.035};
  const auto law = calibrate(std::array<ChipState, 3>{off, asleep, half});
  ASSERT_TRUE(law.ok());
  EXPECT_NEAR(law->base, 1.0, 1e-12);
  EXPECT_NEAR(law->sleep, 2e-3, 1e-12);
  EXPECT_NEAR(law->active, 3e-3, 1e-12);
  EXPECT_NEAR(law->watts({"", 1.0, 300e6, 10.0, 10.0, 0.0}), 1.32, 1e-12);
}

TEST(ChipPower, StatesThatLeaveAConstantOpenAreRefused) {
  const auto states = spinnaker2_states();
  const auto law = calibrate(std::array<ChipState, 3>{states[0], states[1], states[3]});
  ASSERT_FALSE(law.ok());
  EXPECT_EQ(law.error().code, ErrorCode::kInvalidArgument);
}

TEST(ChipPower, ThreeOfSpiNNaker2sStatesForetellTheOtherTwo) {
  const auto all = calibrations(spinnaker2_states());
  ASSERT_FALSE(all.empty());
  const Calibration& low = all.front();
  EXPECT_EQ(low.known, (std::array<std::size_t, 3>{0, 1, 2}));
  // By hand: (235.4 - 75.2) / 152 mW and (424.6 - 235.4) / 152 mW a core.
  EXPECT_NEAR(low.law.sleep, 1.05395e-3, 1e-8);
  EXPECT_NEAR(low.law.active, 1.24474e-3, 1e-8);
  ASSERT_EQ(low.others.size(), 2U);
  // 75.2 + 160.2 x 2.56 = 485.3 mW, and 189.2 x 2.56 x 2 = 968.7 mW more.
  EXPECT_NEAR(low.others[0].predicted, 0.485312, 1e-6);
  EXPECT_NEAR(low.others[1].predicted, 1.454016, 1e-6);
  EXPECT_NEAR(low.others[0].published, 0.5647, 1e-12);
  EXPECT_NEAR(low.others[1].published, 1.2479, 1e-12);
}

TEST(ChipPower, JoulesAreSecondsAndCyclesTimesWatts) {
  const MachinePower power{.base = 2.0,
                           .board = 1.0,
                           .cores = 4.0,
                           .hop = 1e-9,
                           .levels = {{100e6, 0.5, 1.0}, {200e6, 0.75, 3.0}}};
  MachineWork work{.seconds = 0.01, .chips = 2.0, .cycles = {}, .hops = 1000.0};
  work.cycles = {{0.0, 1e5, 2e5, 3e5}, {0.0, 0.0, 0.0, 4e5}};
  const MachineEnergy energy = machine_energy(power, work);
  EXPECT_NEAR(energy.base, 0.04, 1e-12);
  EXPECT_NEAR(energy.board, 0.02, 1e-12);
  EXPECT_NEAR(energy.sleep, 0.02 * 4.0 * 0.5, 1e-12);
  EXPECT_NEAR(energy.tasks[1], 1e-3, 1e-12);
  EXPECT_NEAR(energy.tasks[2], 2e-3, 1e-12);
  // The fast level takes its higher sleeping power as well: 2 ms x (3 + 0.25) W.
  EXPECT_NEAR(energy.tasks[3], 3e-3 + 6.5e-3, 1e-12);
  EXPECT_NEAR(energy.network, 1e-6, 1e-15);
  EXPECT_NEAR(energy.total(), 0.04 + 0.02 + 0.04 + 1e-3 + 2e-3 + 9.5e-3 + 1e-6, 1e-12);
}

}  // namespace
}  // namespace spikeloom
