#pragma once
/// Neuron nodes with integers for their coefficients.

#include "base/result.hpp"
#include "models/quantize/detail/units.hpp"
#include "snn/node_kinds.hpp"

namespace spikeloom::detail {

/// The kind whose coefficients under quantized_options() are those of `neurons` in integers: the
/// membrane is held in units of in_unit x gain / 2^fraction. Errors do not name the node.
Result<NodeKind> quantize_neurons(const NodeKind& kind, const NeuronCoefficients& neurons,
                                  const Shape& shape, const Unit& in_unit,
                                  const Discretisation& discretisation, int fraction);

/// How the quantised network is run: what the float network's options did to its coefficients is
/// in the nodes now.
Discretisation quantized_options(const Discretisation& discretisation, FixedPoint rounding);

}  // namespace spikeloom::detail
