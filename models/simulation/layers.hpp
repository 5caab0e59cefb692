#pragma once
/// A network to simulate as a network of layers: for `quantize`, `map` and the emulator.
///
/// Populations become LIF layers, projections SparseLinear layers of the same synapses. With V
/// measured from E_L and exact steps of dt
///
///     v <- exp(-dt/tau_m) v + x + (1 - exp(-dt/tau_m)) I_e tau_m / C_m;  at V_th - E_L or above a
///     spike, v = 0 for t_ref, and what arrives meanwhile is lost
///
/// iaf_psc_delta is this neuron. For iaf_psc_exp it is one whose synapses give their charge at
/// once, w tau_syn / C_m, in the step in which they would begin to: good where tau_syn is far below
/// tau_m. Every synapse of a projection has its mean delay. Poisson trains become an Input "noise"
/// with an element for each neuron that gets one, through a weight of its own.

#include <vector>

#include "base/result.hpp"
#include "snn/discretisation.hpp"
#include "snn/network.hpp"
#include "snn/simulation/network.hpp"

namespace spikeloom {

/// kUnsupported, with the population or projection: another model, parameters other than V_m that
/// differ between neurons, synapses of different tau_syn, or above a tenth of tau_m, E_L other than
/// V_reset, delays that are neither constant nor normal, currents as stimuli.
Result<Network> layers_of(const simulation::Network& network);

/// Spikes a step that each element of "noise" gets on average; empty without Poisson trains.
std::vector<float> layers_noise(const simulation::Network& network);

/// Steps of the network's dt, in ms; every link between populations takes one.
Discretisation layers_discretisation(const simulation::Network& network);

}  // namespace spikeloom
