#pragma once
/// Weights of fewer bits in a network that runs in real numbers: what rounding alone does.

#include "base/result.hpp"
#include "snn/network.hpp"

namespace spikeloom {

/// Every weight of Linear, Affine, Conv1d, Conv2d and EGRU nodes becomes an integer q of `bits`
/// bits, sign included, with a scale per output: s = max|w| / (2^(bits - 1) - 1), q = w / s rounded
/// to nearest, ties to even. Biases, thresholds and time constants stay. Nested graphs included.
/// kInvalidArgument: bits outside 2 .. 8, or a weight that is infinite or not a number in float32.
Result<Network> round_weights(const Network& network, int bits);

}  // namespace spikeloom
