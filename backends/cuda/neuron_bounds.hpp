#pragma once
/// Within what the states of integer neurons stay.

#include <cstdint>
#include <vector>

#include "backends/cuda/kernels/neurons.hpp"
#include "snn/integer.hpp"

namespace spikeloom::cuda {

/// Of neurons that share all their coefficients and have this input at most
/// (IntegerNode::in_bound). With n = |x| g at most, a current stays within (n + 1) / (1 - d): every
/// step it is rounded by less than 1. The same holds for the membrane behind it, and what it is set
/// to.
NeuronBounds find_bounds(const NeuronRef<std::int32_t>& shape, const IntegerNeurons& neurons,
                         std::int64_t in_bound, const std::vector<double>& initial);

}  // namespace spikeloom::cuda
