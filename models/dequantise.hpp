#pragma once
/// Networks without the parameters that NIR does not have.

#include "base/result.hpp"
#include "snn/network.hpp"

namespace spikeloom {

/// Multiplies every weight by its `weight_scale` (rounded once, to the scale's float type, float32
/// for an integer scale) and stores SparseLinear as Linear, or Affine if it has a bias, with zeros
/// for pruned synapses: results are equal, but pruned synapses now count as operations. Nested
/// graphs included. kUnsupported: a dense matrix over 4 GiB.
Result<Network> dequantise(const Network& network);

}  // namespace spikeloom
