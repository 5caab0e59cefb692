#pragma once
/// brunel_dc as a network to simulate: the one of models/brunel/brunel_network.hpp, which runs on
/// the layer runtime.
///
/// N iaf_psc_delta neurons, 80 % of them excitatory; each draws round(0.8 K) excitatory and the
/// other K sources inhibitory, repeats and itself allowed. tau_m 20 ms, V_th 20 mV above rest and
/// reset, t_ref 2 ms, a current that alone would hold V at 40 mV, weights 125 mV / K and -5 times
/// that, delays 1.5 ms, V(0) uniform below threshold, dt 0.1 ms.

#include <cstdint>

#include "base/result.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom {

struct BrunelDcOptions {
  std::int64_t neurons = 12500, degree = 1250;
  std::uint64_t seed = 1;
};

/// kInvalidArgument: fewer than 5 neurons or sources.
Result<simulation::Network> make_brunel_dc(const BrunelDcOptions& options = {});

}  // namespace spikeloom
