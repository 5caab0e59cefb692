#pragma once
/// Unicode's Braille patterns: a character of 2 x 4 dots.

#include <array>
#include <cstddef>
#include <string>

namespace spikeloom::cli {

/// Bit of dot (column, row) in a pattern.
inline constexpr std::array<std::array<unsigned, 4>, 2> kBrailleDots = {
    {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};

/// U+2800 + dots in UTF-8.
inline std::string braille(unsigned dots) {
  const unsigned code = 0x2800 + dots;
  return {static_cast<char>(0xE0 | (code >> 12)), static_cast<char>(0x80 | ((code >> 6) & 0x3F)),
          static_cast<char>(0x80 | (code & 0x3F))};
}

}  // namespace spikeloom::cli
