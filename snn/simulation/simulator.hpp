#pragma once
/// What runs a simulated network: the reference, the engine of backends/simulation, ranks of them.
///
///     const auto count = [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
///       spikes += neurons.size();
///       return true;
///     };
///     SPIKELOOM_CHECK(simulator.advance(10000, count));
///     SPIKELOOM_TRY(const auto v, simulator.state(0, "V_m"));

#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom::simulation {

/// Called after each step with the neurons that fired in it, numbers of the network, ascending;
/// also when there are none. Returning false ends advance() after this step. Called by any thread
/// of the simulator, one at a time; must not throw.
using SpikeSink = std::function<bool(std::int64_t step, std::span<const std::uint32_t> neurons)>;

/// Since the simulator was made or loaded.
struct SimulationCounts {
  std::uint64_t spikes = 0;
  std::uint64_t synaptic_events = 0;  ///< spikes x synapses that have received them
  std::uint64_t neuron_updates = 0;
};

class Simulator {
 public:
  virtual ~Simulator() = default;

  virtual const Network& network() const = 0;
  /// Steps done since t = 0.
  virtual std::int64_t step() const = 0;
  /// kInvalidArgument: fewer than 0 steps; kCancelled: the sink said no (state is that after the
  /// step it saw, and can be advanced further).
  virtual Status advance(std::int64_t steps, const SpikeSink& sink = {}) = 0;
  /// A state variable of every neuron of a population after step() steps, in its unit.
  virtual Result<std::vector<double>> state(std::uint32_t population,
                                            std::string_view variable) const = 0;
  virtual SimulationCounts counts() const = 0;
};

}  // namespace spikeloom::simulation
