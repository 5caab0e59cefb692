#pragma once
/// Bounds on every value of an integer program, and the overflow proof (docs/integer.md).

#include <cstdint>

#include "base/result.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::detail {

/// Fills in_bound and out_bound of every node for inputs of at most `input_limit`, or says which
/// node and row would not be exact. The nodes' arrays must be there.
Status bound_values(const Program& program, std::int32_t input_limit, IntegerProgram& integer);

}  // namespace spikeloom::detail
