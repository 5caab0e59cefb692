#pragma once
/// Bytes of an HDF5 file, and where its addresses point. Not installed.
///
/// The reading half of base/io/hdf5.hpp is written from the HDF5 File Format Specification 3.0
/// (docs.hdfgroup.org), not on top of the HDF5 library: the library trusts lengths that a file
/// claims and crashes or leaks on damaged files, and this reader must not.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::io::detail {

using Bytes = std::vector<std::byte>;

constexpr std::uint64_t kUndefined = ~std::uint64_t{0};  ///< HDF5's "no address"

/// kFormat: `what`, and to get the file again.
Error hdf5_damaged(std::string what);

/// Reads little-endian fields; a read past the end gives 0 and makes ok() false from then on.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : bytes_(bytes) {}

  bool ok() const { return ok_; }
  std::size_t left() const { return bytes_.size() - at_; }
  std::size_t at() const { return at_; }

  std::uint64_t uint(std::size_t size) {
    const auto field = take(size);
    std::uint64_t value = 0;
    for (std::size_t i = field.size(); i-- > 0;) {
      value = value << 8 | std::to_integer<std::uint64_t>(field[i]);
    }
    return value;
  }
  std::uint8_t u8() { return static_cast<std::uint8_t>(uint(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(uint(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(uint(4)); }
  std::uint64_t u64() { return uint(8); }
  /// An address or length of `size` bytes; all ones means kUndefined.
  std::uint64_t address(std::size_t size) {
    const std::uint64_t value = uint(size);
    const bool none = size < 8 && value == (std::uint64_t{1} << (8 * size)) - 1;
    return none ? kUndefined : value;
  }
  std::span<const std::byte> take(std::size_t size) {
    if (!ok_ || size > left()) {
      ok_ = false;
      return {};
    }
    const auto field = bytes_.subspan(at_, size);
    at_ += size;
    return field;
  }
  void skip(std::size_t size) { take(size); }
  /// Text up to a zero byte, which is taken too.
  std::string c_string();
  /// True when the next bytes are this signature.
  bool signature(std::string_view text);

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

/// An open file or an image in memory, with the superblock's facts.
class Source {
 public:
  /// Both find the superblock; kFormat when there is none, or the file is shorter than it says.
  static Result<std::shared_ptr<const Source>> open(const std::string& path);
  static Result<std::shared_ptr<const Source>> view(std::span<const std::byte> bytes);

  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source();

  std::uint64_t size() const { return size_; }
  std::size_t offset_size() const { return offset_size_; }
  std::size_t length_size() const { return length_size_; }
  std::uint64_t root() const { return root_; }  ///< address of the root group's object header

  /// Bytes at an address (relative to the base address); kFormat when they leave the file.
  Result<Bytes> fetch(std::uint64_t address, std::uint64_t size) const;
  Status read(std::uint64_t address, std::span<std::byte> out) const;
  /// At most `size` bytes: fewer at the end of the file.
  Result<Bytes> fetch_up_to(std::uint64_t address, std::uint64_t size) const;

 private:
  Status raw(std::uint64_t position, std::span<std::byte> out) const;
  Status read_superblock();

  int fd_ = -1;
  std::span<const std::byte> image_;
  std::uint64_t size_ = 0;
  std::uint64_t base_ = 0;
  std::size_t offset_size_ = 8;
  std::size_t length_size_ = 8;
  std::uint64_t root_ = kUndefined;
};

/// Jenkins' lookup3 `hashlittle`, the checksum of version 2 structures.
std::uint32_t hdf5_checksum(std::span<const std::byte> bytes);

}  // namespace spikeloom::io::detail
