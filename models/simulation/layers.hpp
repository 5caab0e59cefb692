#pragma once
/// A network to simulate as a network of layers: for `quantize`, `map` and the emulator.
///
/// Populations of iaf_psc_exp become CubaLIF layers, projections SparseLinear layers of the same
/// synapses. With V measured from E_L and dt exact (S. Rotter and M. Diesmann, Biol. Cybern.
/// 81:381, 1999):
///
///     i <- exp(-dt/tau_syn) i + x
///     v <- exp(-dt/tau_m) v + i' + (1 - exp(-dt/tau_m)) I_e tau_m / C_m,  i' the i before
///
/// and weights in mV: w (1/C_m) tau_s tau_m / (tau_m - tau_s) (exp(-dt/tau_m) - exp(-dt/tau_s)).
///
/// What layers do not have is left out, and said by the caller: a refractory time, and initial
/// potentials (all start at E_L). Every synapse of a projection has its mean delay; projections
/// from one population have one.

#include "base/result.hpp"
#include "snn/discretisation.hpp"
#include "snn/network.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom {

/// kUnsupported, with the population or projection: another model, parameters that differ between
/// neurons or between the two synapses, E_L other than V_reset, delays of distributions without a
/// mean, stimuli.
Result<Network> layers_of(const simulation::Network& network);

/// Steps of the network's dt, in ms; every link between populations takes one.
Discretisation layers_discretisation(const simulation::Network& network);

}  // namespace spikeloom
