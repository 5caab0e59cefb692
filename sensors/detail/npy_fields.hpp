#pragma once
/// The header of a structured .npy of events (NumPy's numpy/lib/format.py).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "sensors/detail/load.hpp"

namespace spikeloom::detail {

inline constexpr std::size_t kShortestNpyHeader = 12;
inline constexpr std::size_t kLongestNpyRecord = 64;

/// An integer within a record.
struct NpyField {
  std::size_t offset = 0;
  std::size_t bytes = 0;  ///< 1, 2, 4 or 8; 0: the record has no such field
  bool is_signed = false;
  bool is_big = false;

  /// Above 2^63 of an unsigned field: a negative number, which is out of every range here.
  std::int64_t load(const std::byte* record) const {
    const std::byte* at = record + offset;
    std::uint64_t value = 0;
    switch (bytes) {
      case 1:
        value = load_little<std::uint8_t>(at);
        break;
      case 2:
        value = is_big ? load_big<std::uint16_t>(at) : load_little<std::uint16_t>(at);
        break;
      case 4:
        value = is_big ? load_big<std::uint32_t>(at) : load_little<std::uint32_t>(at);
        break;
      default:
        value = is_big ? load_big<std::uint64_t>(at) : load_little<std::uint64_t>(at);
        break;
    }
    if (!is_signed) return static_cast<std::int64_t>(value);
    const unsigned shift = 64 - 8 * static_cast<unsigned>(bytes);
    return static_cast<std::int64_t>(value << shift) >> shift;
  }
};

struct NpyFields {
  NpyField t, x, y, p;
  std::size_t bytes = 1;  ///< of a record
  std::uint64_t events = 0;
};

/// Magic, version, length and text; 0 while `head` is too short to say, or is no .npy.
std::size_t npy_header_bytes(std::span<const std::byte> head);
bool is_structured_npy(std::span<const std::byte> header);
/// kFormat: no header of this kind; kUnsupported: without t, x and y of integers, or in records of
/// more than kLongestNpyRecord bytes; kShape: not one-dimensional.
Result<NpyFields> parse_npy_fields(std::span<const std::byte> header);
/// The header that is written, always of one size.
std::vector<std::byte> npy_fields_header(std::uint64_t events);

}  // namespace spikeloom::detail
