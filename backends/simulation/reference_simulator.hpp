#pragma once
/// The simulator that defines the right result: plain loops in double, written to be read.
///
/// It takes the rows of snn/simulation/connectivity.hpp and the draws of draws.hpp, as the engine
/// does, and shares the equations of a neuron with it; synapses are held as (target, delay,
/// weight), and delivery, order and arithmetic are its own. Step k, in this order:
///
///     1. every neuron integrates; its input is what arrives in step k: the weights of the spikes
///        that left in step k - delay, and the Poisson spikes of step k
///     2. each neuron that fired puts its synapses' weights down for step k + delay
///
/// Memory: 16 bytes a synapse; at most kMostReferenceSynapses.

#include <cstdint>
#include <memory>

#include "base/result.hpp"
#include "snn/simulation/simulator.hpp"

namespace spikeloom::simulation {

inline constexpr double kMostReferenceSynapses = 1 << 26;

/// What check() says of the network; kResource: more synapses than kMostReferenceSynapses.
Result<std::unique_ptr<Simulator>> make_reference_simulator(Network network);

}  // namespace spikeloom::simulation
