#pragma once
/// The safetensors format: 8 bytes little-endian header length, a JSON header
/// {name: {dtype, shape, data_offsets: [begin, end]}}, then the raw little-endian data.
///
/// Source: github.com/huggingface/safetensors, section "Format" of its README. As there, a header
/// is at most 100 MB, the data have no holes and no overlap, and `__metadata__` is a map of text to
/// text. Errors as in tensor_file.hpp.

#include <cstddef>
#include <span>
#include <string>

#include "models/tensors/tensor_file.hpp"

namespace spikeloom {

/// BOOL, I8 to I64, U8 to U64, F16, BF16 (both widened to float32), F32, F64.
Result<TensorFile> parse_safetensors(std::span<const std::byte> bytes, const std::string& name);

/// True when the bytes start like a safetensors file: a possible length, then '{'.
bool looks_like_safetensors(std::span<const std::byte> bytes);

/// Writes tensors and the text entries of the metadata; atomically. Wider elements come first in
/// the data, so that each tensor is aligned; the header keeps the given order. kInvalidArgument for
/// a name that is `__metadata__`, occurs twice or is not UTF-8.
Status write_safetensors(const std::string& path, const TensorFile& file);

}  // namespace spikeloom
