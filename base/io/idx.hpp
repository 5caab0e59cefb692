#pragma once
/// IDX arrays, the format of MNIST (LeCun's page): 0 0 type rank, big-endian sizes, big-endian
/// elements; as it is or in gzip.
///
/// Errors are kFormat with the byte, or kResource. Nothing is allocated beyond what the header
/// claims, which is limited by `max_bytes` and, in gzip, by what DEFLATE can expand a file to.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "base/tensor.hpp"

namespace spikeloom::io {

/// True for an IDX header, or for gzip, whose content only parse_idx knows.
bool looks_like_idx(std::span<const std::byte> start);

/// `name` is what errors call the bytes: a path.
Result<Tensor> parse_idx(std::span<const std::byte> bytes, const std::string& name,
                         std::uint64_t max_bytes = std::uint64_t{4} << 30);

}  // namespace spikeloom::io
