#pragma once
/// Rates, irregularity and correlations of simulated populations.
///
///     rate    spikes of a neuron / duration, Hz; over all neurons
///     cv      standard deviation / mean of a neuron's inter-spike intervals (both of its n - 1
///             intervals, divided by n - 1), over neurons with at least 4 spikes
///     cc      Pearson correlation of spike counts in bins of 2 ms, over all pairs of the first 200
///             neurons of the population that spiked
///
/// Definitions of the microcircuit's reference statistics (docs/simulation.md). A spike of step k
/// counts in the window if first <= k < last and falls into bin floor((k - first) / bin). Memory:
/// 40 bytes a neuron and the bins of 200 neurons a population; spikes are not kept.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

/// Mean and standard deviation (divided by n) and the percentiles 5, 25, 50, 75 and 95, linear
/// between values; zeros when there are none.
struct Distributed {
  std::vector<double> values = {};
  double mean = 0.0, sd = 0.0;
  std::array<double, 5> percentiles = {};
};

Distributed distributed(std::vector<double> values);

struct PopulationStatistics {
  std::uint64_t spikes = 0;
  Distributed rate, cv, correlation;
};

struct StatisticsOptions {
  double bin_ms = 2.0;
  std::int64_t correlated = 200;   ///< neurons of a population
  std::uint32_t least_spikes = 4;  ///< for a CV
};

class ActivityStatistics {
 public:
  /// Of the steps [first, last).
  ActivityStatistics(const Network& network, std::int64_t first, std::int64_t last,
                     const StatisticsOptions& options = {});

  /// Neurons of the network that fired in a step; steps ascend.
  void add(std::int64_t step, std::span<const std::uint32_t> neurons);

  PopulationStatistics of(std::uint32_t population) const;

 private:
  struct Train {
    std::uint32_t spikes = 0;
    std::int64_t first = 0, last = 0;
    double squares = 0.0;  ///< of intervals, in steps: exact up to 2^53
  };
  struct Counted {
    std::uint32_t first = 0, count = 0;  ///< neurons of the network
    std::vector<std::uint16_t> bins = {};
  };

  std::vector<double> correlations(std::uint32_t population) const;

  StatisticsOptions options_;
  double dt_ = 0.1;
  std::int64_t first_ = 0, last_ = 0, bin_steps_ = 1, bins_ = 0;
  std::vector<std::int64_t> first_neuron_;
  std::vector<Train> trains_;
  std::vector<Counted> counted_;              ///< by population
  std::vector<std::uint32_t> population_of_;  ///< of each neuron
};

}  // namespace spikeloom::simulation
