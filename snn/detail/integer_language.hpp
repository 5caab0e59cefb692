#pragma once
/// Integer form of language layers (docs/integer.md); private to snn.

#include "snn/integer.hpp"

namespace spikeloom::detail {

/// Fills the language part of integer.nodes[index] and the exponent of every kind of node; the
/// nodes before it are done. kUnsupported: weights that are no integers of 8 bits, a form without
/// integers, units that do not fit.
Status convert_language(const Program& program, std::size_t index, IntegerProgram& integer);

/// kUnsupported where a link from a later node does not carry whole numbers; after all nodes.
Status check_cycle_units(const Program& program, const IntegerProgram& integer);

}  // namespace spikeloom::detail
