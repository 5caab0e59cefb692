#pragma once
/// Four ternary elements in a byte: 2 bits each, the first element in the lowest bits; code 0 is
/// 0, 1 is +1, 2 is -1, 3 is not used. Bits after the last element are 0.

#include "base/result.hpp"
#include "base/tensor.hpp"

namespace spikeloom::detail {

/// True for int8 tensors of -1, 0 and 1 that are long enough for packing to pay.
bool is_packable(const Tensor& tensor);

/// uint8 codes of a packable tensor.
Tensor pack_ternary(const Tensor& tensor);

/// The int8 tensor of that shape. kShape or kFormat when the codes do not fit it.
Result<Tensor> unpack_ternary(const Tensor& codes, const Shape& shape);

}  // namespace spikeloom::detail
