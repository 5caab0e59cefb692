#pragma once
/// Little-endian numbers in an image.

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace spikeloom::mapping::detail {

class ImageWriter {
 public:
  void number(std::uint64_t value, std::uint32_t bytes) {
    for (std::uint32_t i = 0; i < bytes; ++i) {
      bytes_.push_back(i < 8 ? static_cast<std::byte>(value >> (8 * i) & 0xFF) : std::byte{0});
    }
  }
  /// int8, int16 or float32.
  void weight(double value, std::uint32_t bytes) {
    if (bytes == 4) {
      number(std::bit_cast<std::uint32_t>(static_cast<float>(value)), 4);
    } else {
      number(static_cast<std::uint64_t>(static_cast<std::int64_t>(value)), bytes);
    }
  }
  void align(std::uint32_t unit) { bytes_.resize((bytes_.size() + unit - 1) / unit * unit); }
  void fill(std::size_t size) { bytes_.resize(size); }
  std::size_t size() const { return bytes_.size(); }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

/// The caller has to see to it that what it reads is there.
class ImageReader {
 public:
  explicit ImageReader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::uint64_t number(std::size_t at, std::uint32_t bytes) const {
    std::uint64_t value = 0;
    for (std::uint32_t i = 0; i < std::min(bytes, 8U); ++i) {
      value |= std::to_integer<std::uint64_t>(bytes_[at + i]) << (8 * i);
    }
    return value;
  }
  double weight(std::size_t at, std::uint32_t bytes) const {
    const auto word = static_cast<std::uint32_t>(number(at, bytes));
    if (bytes == 4) return std::bit_cast<float>(word);
    if (bytes == 2) return static_cast<std::int16_t>(word);
    return static_cast<std::int8_t>(word);
  }
  bool has(std::size_t at, std::uint64_t bytes) const {
    return at <= bytes_.size() && bytes <= bytes_.size() - at;
  }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace spikeloom::mapping::detail
