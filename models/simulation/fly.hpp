#pragma once
/// A network of the size and activity of the fly brain model, for sparse activity: 138,000 neurons,
/// 15 million connections, 450 neurons active at 38 Hz, 17,000 spikes a second. Synthetic:
/// connections are drawn at random, not the connectome's.
///
/// Neurons are those of P. Shiu et al., Nature 634:210 (2024): tau_m 20 ms, V_th 7 mV above rest
/// and reset (-52 mV), t_ref 2.2 ms, exponential currents of tau 5 ms (iaf_psc_exp with C_m 20 pF,
/// so that pA are its mV), delay 1.8 ms, 0.275 mV a synapse, 3.3 synapses a connection. A constant
/// current drives the active ones; nobody else reaches threshold.

#include <cstdint>

#include "base/result.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom {

struct FlyOptions {
  std::int64_t neurons = 138000, active = 450;
  std::int64_t connections = 15000000;  ///< drawn at random among all pairs, some twice
  std::uint64_t seed = 1;
};

/// kInvalidArgument: fewer neurons than active ones, or none.
Result<simulation::Network> make_fly(const FlyOptions& options = {});

}  // namespace spikeloom
