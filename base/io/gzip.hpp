#pragma once
/// Files packed with gzip (RFC 1952), reading.
///
/// The unpacked size is limited by `max_bytes` and by what DEFLATE can do (1032 : 1), whatever the
/// file says. Errors: kFormat (damaged, truncated, bytes left over), kResource (over the limit).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::io {

/// True when the bytes start like a gzip file.
bool looks_like_gzip(std::span<const std::byte> bytes);

/// Unpacks every member of a gzip file; `name` is what errors call the bytes.
Result<std::vector<std::byte>> gunzip(std::span<const std::byte> bytes, const std::string& name,
                                      std::uint64_t max_bytes);

}  // namespace spikeloom::io
