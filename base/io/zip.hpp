#pragma once
/// ZIP archives, reading: entries stored or deflated, ZIP64 included.
///
/// Format: PKWARE APPNOTE 6.3.x; only the central directory is believed. Before anything is
/// unpacked: every entry lies inside the file, none overlaps another, none claims to expand beyond
/// what DEFLATE can do (1032 : 1), and all together stay under the limit. CRC-32 is checked.
/// Encrypted, split and otherwise compressed archives are kUnsupported; the rest is kFormat,
/// kResource, kNotFound or kIo.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/io/file.hpp"
#include "base/result.hpp"

namespace spikeloom::io {

struct ZipEntry {
  std::string name;
  std::uint16_t method = 0;  ///< 0 stored, 8 deflated
  std::uint32_t crc = 0;
  std::uint64_t packed_bytes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;  ///< of the packed data in the file
};

class ZipArchive {
 public:
  /// Reads the directory. `max_bytes` limits the file and the sum of the unpacked entries.
  static Result<ZipArchive> open(const std::string& path,
                                 std::uint64_t max_bytes = kDefaultMaxFileBytes);
  /// The bytes have to outlive the archive; `name` is what errors call them.
  static Result<ZipArchive> view(std::span<const std::byte> bytes, const std::string& name,
                                 std::uint64_t max_bytes = kDefaultMaxFileBytes);

  /// In the order of the central directory; folders (names ending in '/') included.
  const std::vector<ZipEntry>& entries() const { return entries_; }
  /// Nullptr when there is none.
  const ZipEntry* find(std::string_view name) const;
  Result<std::vector<std::byte>> read(const ZipEntry& entry) const;

 private:
  std::string name_;
  std::shared_ptr<const std::vector<std::byte>> owned_;
  std::span<const std::byte> bytes_;
  std::vector<ZipEntry> entries_;
};

/// True when the bytes start with a ZIP record.
bool looks_like_zip(std::span<const std::byte> bytes);

}  // namespace spikeloom::io
