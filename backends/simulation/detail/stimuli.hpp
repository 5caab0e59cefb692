#pragma once
/// Poisson sources and currents of a part of a slice.

#include <cstdint>
#include <vector>

#include "backends/simulation/detail/slices.hpp"
#include "snn/simulation/draws.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

class Stimuli {
 public:
  /// `unit` is that of the population's weights.
  Stimuli(const Network& network, const Part& part, double unit);

  bool has_poisson() const { return !poisson_.empty(); }
  /// Adds the spikes that step `step` draws to the accumulators of the slice.
  void add_poisson(std::int64_t step, std::int32_t* accumulators) const;
  /// The current in step `step`, pA.
  double current(std::int64_t step) const;

 private:
  struct Poisson {
    RandomStream stream;
    PoissonDraw draw;
    std::int32_t weight = 0;
    std::size_t accumulator = 0;
  };
  struct Current {
    double amplitude = 0.0;
    std::int64_t first = 0, last = 0;  ///< steps
  };
  std::int64_t first_ = 0, size_ = 0, blocks_ = 0;
  std::vector<Poisson> poisson_;
  std::vector<Current> currents_;
};

}  // namespace spikeloom::simulation
