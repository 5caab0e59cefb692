#pragma once
/// Described networks on a GPU: the engine's neurons, rows and whole numbers, and its spikes.
///
/// State, synapses and what is on its way stay on the device. A step is one launch: some blocks
/// move the neurons, others add the rows of those that fired in the step before to a ring of coming
/// steps, by atomic additions of whole numbers. Many steps are one recorded sequence; who fired is
/// fetched after it.

#include <memory>

#include "base/result.hpp"
#include "snn/simulation/simulator.hpp"

namespace spikeloom::cuda {
class Machine;
}

namespace spikeloom::simulation {

class CudaSimulator : public Simulator {
 public:
  /// Errors of check(network). kUnsupported: populations whose currents the engine does not keep as
  /// whole numbers (backends/simulation/engine.hpp), Poisson stimuli, more than 131,072 neurons;
  /// kResource: memory. `threads` of the processor build the rows.
  static Result<std::unique_ptr<CudaSimulator>> make(Network network,
                                                     std::shared_ptr<cuda::Machine> machine,
                                                     int threads = 1);

  virtual std::uint64_t synapses() const = 0;
  /// Bytes on the device.
  virtual std::uint64_t device_bytes() const = 0;
};

}  // namespace spikeloom::simulation
