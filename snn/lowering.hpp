#pragma once
/// Lowering: Network + Discretisation -> Program.
///
/// Delays. `link_delay` 0: forward links are immediate; inside a strongly connected component a
/// link that enters a neuron takes one step (with reset timing "next" the neuron's late emission
/// is that step). `link_delay` 1: every link that leaves a neuron takes one step, the one into
/// Output included. Links from Input take `input_delay`. Delay nodes add their own delay, rounded
/// to whole steps. With `record_spikes` at arrival a population emits a step after the crossing and
/// its links take no step: the same run, recorded and counted one step later. A cycle that all this
/// leaves without any delay is refused: its result would depend on the order of evaluation.
///
/// Shapes follow from Input nodes, weights and neuron parameters; differences that do not change
/// the number of elements, and an Output's declared shape, are bent with a note; others refused.

#include "base/result.hpp"
#include "snn/network.hpp"
#include "snn/program.hpp"

namespace spikeloom {

/// Lowers a network. kShape, kAmbiguous, kUnsupported and kInvalidArgument name the node.
Result<Program> lower(const Network& network, const Discretisation& discretisation);

}  // namespace spikeloom
