#pragma once
/// Rounding of language models to int8 or ternary weights with one scale per row.
///
/// A row is one gate of one unit, or one word. In float32, as egru_lm/quantise.py has it:
///     int8:     s = max |w| / 127, q = w / s to nearest, ties to even
///     ternary:  over the row's non-zero weights d = 0.7 mean |w|; q = sign(w) where |w| > d, else
///     0;
///               s = mean |w| over those (Li et al., arXiv 1605.04711)
/// Means are summed in double here; a row of zeros has s = 1. Pruned weights stay 0. Matrices with
/// a scale are rounded already and stay what they are.

#include "base/result.hpp"
#include "snn/network.hpp"

namespace spikeloom {

enum class RowRounding { kInt8, kTernary };

/// True for networks that hold a recurrent layer or a Decoder.
bool is_language_network(const Network& network);

/// Every recurrent layer with `stack`; Embedding and Decoder to int8, tied ones together.
/// kUnsupported names a node whose matrices have no rows to round, kInvalidArgument one with a
/// weight that is infinite or not a number in float32.
Result<Network> quantize_language(const Network& network, RowRounding stack = RowRounding::kInt8);

}  // namespace spikeloom
