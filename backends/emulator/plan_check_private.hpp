#pragma once
/// Whether a Plan can be one that a machine is loaded with.

#include "base/result.hpp"
#include "mapping/plan.hpp"

namespace spikeloom::emulator {

/// kShape, with the place: cores outside of the machine or twice the same, slices that do not cover
/// their population or share a core's neuron, keys that two slices share, blocks of a core's memory
/// that overlap or end beyond it.
Status check_plan(const mapping::Plan& plan);

}  // namespace spikeloom::emulator
