#pragma once
/// Whole files in and out of memory.
///
/// Errors: kNotFound, kIo (not a regular file, not readable, disk full), kResource (larger than
/// the limit, or than memory). Nothing is allocated beyond the file's size.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::io {

constexpr std::uint64_t kDefaultMaxFileBytes = std::uint64_t{4} << 30;

Result<std::vector<std::byte>> read_file(const std::string& path,
                                         std::uint64_t max_bytes = kDefaultMaxFileBytes);
Result<std::string> read_text_file(const std::string& path, std::uint64_t max_bytes = 64 << 20);

/// Writes to a temporary name in the same folder and renames, so that a file of this name is
/// either the old or the new one, whole. The folder has to exist.
Status write_file_atomic(const std::string& path, std::span<const std::byte> bytes);
Status write_file_atomic(const std::string& path, std::string_view text);

}  // namespace spikeloom::io
