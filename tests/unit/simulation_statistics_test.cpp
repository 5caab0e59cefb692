#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "snn/simulation/statistics.hpp"

/// Values worked out by hand.
namespace spikeloom::simulation {
namespace {

Network two_populations() {
  Network network;
  network.dt = 0.5;
  network.populations = {{"a", 3, "iaf_psc_exp", {}}, {"b", 2, "iaf_psc_exp", {}}};
  return network;
}

void spike(ActivityStatistics& statistics, std::int64_t step, std::vector<std::uint32_t> neurons) {
  statistics.add(step, neurons);
}

TEST(SimulationStatistics, PercentilesLieLinearlyBetweenValues) {
  const Distributed d = distributed({4.0, 1.0, 2.0, 3.0});
  EXPECT_DOUBLE_EQ(d.mean, 2.5);
  EXPECT_DOUBLE_EQ(d.sd, std::sqrt(1.25));
  EXPECT_DOUBLE_EQ(d.percentiles[0], 1.15);
  EXPECT_DOUBLE_EQ(d.percentiles[1], 1.75);
  EXPECT_DOUBLE_EQ(d.percentiles[2], 2.5);
  EXPECT_DOUBLE_EQ(d.percentiles[4], 3.85);
  EXPECT_EQ(distributed({}).mean, 0.0);
}

TEST(SimulationStatistics, RatesCountTheWindowOnly) {
  ActivityStatistics statistics(two_populations(), 10, 2010);  // 1 s
  spike(statistics, 9, {0, 3});
  spike(statistics, 10, {0});
  spike(statistics, 2009, {0, 4});
  spike(statistics, 2010, {0, 4});
  const PopulationStatistics a = statistics.of(0), b = statistics.of(1);
  EXPECT_EQ(a.spikes, 2U);
  EXPECT_EQ(a.rate.values, (std::vector<double>{2.0, 0.0, 0.0}));
  EXPECT_EQ(b.rate.values, (std::vector<double>{0.0, 1.0}));
  EXPECT_DOUBLE_EQ(b.rate.mean, 0.5);
}

TEST(SimulationStatistics, TheCvIsOfNeuronsWithFourSpikes) {
  ActivityStatistics statistics(two_populations(), 0, 1000);
  for (const int step : {100, 110, 130, 160}) spike(statistics, step, {0});  // 10, 20, 30
  for (const int step : {200, 210, 220, 230}) spike(statistics, step, {1});
  for (const int step : {300, 310, 330}) spike(statistics, step, {2});
  const PopulationStatistics a = statistics.of(0);
  ASSERT_EQ(a.cv.values.size(), 2U);
  EXPECT_NEAR(a.cv.values[0], std::sqrt(200.0 / 3.0) / 20.0, 1e-12);
  EXPECT_EQ(a.cv.values[1], 0.0);
}

TEST(SimulationStatistics, CorrelationsAreOfBinnedCountsOfNeuronsThatSpiked) {
  // Bins of 4 steps; 4 bins.
  ActivityStatistics statistics(two_populations(), 0, 16);
  spike(statistics, 0, {0, 1});
  spike(statistics, 3, {0});
  spike(statistics, 4, {3});
  spike(statistics, 9, {4});
  // Counts: (2 0 0 0), (1 0 0 0): in proportion. (0 1 0 0), (0 0 1 0): -1/3.
  const PopulationStatistics a = statistics.of(0), b = statistics.of(1);
  ASSERT_EQ(a.correlation.values.size(), 1U) << "the silent neuron is left out";
  EXPECT_NEAR(a.correlation.mean, 1.0, 1e-12);
  ASSERT_EQ(b.correlation.values.size(), 1U);
  EXPECT_NEAR(b.correlation.mean, -1.0 / 3.0, 1e-12);
}

TEST(SimulationStatistics, OnlyTheFirstNeuronsAreCorrelated) {
  Network network = two_populations();
  network.populations[0].size = 300;
  ActivityStatistics statistics(network, 0, 100);
  for (std::uint32_t n = 0; n < 300; ++n) spike(statistics, n % 90, {n});
  EXPECT_EQ(statistics.of(0).correlation.values.size(), 200U * 199U / 2U);
}

}  // namespace
}  // namespace spikeloom::simulation
