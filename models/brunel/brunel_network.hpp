#pragma once
/// brunel_dc: recurrent excitatory and inhibitory LIF neurons under constant drive.
///
/// After Brunel, J. Comput. Neurosci. 8:183 (2000), without external noise, so that simulators can
/// be compared by rate. N neurons, 80 % excitatory first; each draws K sources, round(0.8 K) of
/// them excitatory. dt 0.1 ms, exact exponential:
///
///     tau dv/dt = mu - v          tau 20 ms, mu 40 mV; v(0) uniform in [0, 20) mV
///     v >= 20 mV                  spike; v = 0 for 2 ms, input meanwhile is lost
///     a spike, 1.5 ms later       v += J, excitatory 125 mV / K, inhibitory -5 times that
///
///     neurons (LIF) -> delay (Delay 1.4 ms) -> synapses (RandomSparse) -> neurons
///
/// The link that leaves the neurons takes the remaining 0.1 ms (link-delay 1). No Input, no Output:
/// the node "neurons" is recorded or counted.

#include <cstdint>

#include "base/result.hpp"
#include "snn/discretisation.hpp"
#include "snn/network.hpp"

namespace spikeloom {

struct BrunelOptions {
  std::int64_t neurons = 12500, degree = 1250;
  std::uint64_t seed = 1;  ///< of connections and initial membranes
  bool repeats = true;     ///< a neuron may draw a source twice
};

/// kInvalidArgument: fewer than 5 neurons or sources, or too many sources to draw none twice.
Result<Network> make_brunel_network(const BrunelOptions& options = {});

/// dt 0.1 ms, parameters in ms and mV.
Discretisation brunel_discretisation();

}  // namespace spikeloom
