#pragma once
/// Unicode's Braille patterns: a character of 2 x 4 dots.

#include <array>
#include <cstddef>
#include <string>

namespace spikeloom::cli {

/// Bit of dot (column, row) in a pattern.
inline constexpr std::array<std::array<unsigned, 4>, 2> kBrailleDots = {
    {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}}};

/// The dots for which is_set(column, row) holds, column 0 or 1 and row 0 to 3.
template <typename IsSet>
unsigned braille_dots(const IsSet& is_set) {
  unsigned dots = 0;
  for (unsigned column = 0; column < 2; ++column) {
    for (unsigned row = 0; row < 4; ++row) {
      if (is_set(column, row)) dots |= kBrailleDots[column][row];
    }
  }
  return dots;
}

/// U+2800 + dots in UTF-8.
inline std::string braille(unsigned dots) {
  const unsigned code = 0x2800 + dots;
  return {static_cast<char>(0xE0 | (code >> 12)), static_cast<char>(0x80 | ((code >> 6) & 0x3F)),
          static_cast<char>(0x80 | (code & 0x3F))};
}

/// The same, with a space where no dot is set: a picture that is mostly empty is easier to copy.
inline std::string braille_or_space(unsigned dots) { return dots == 0 ? " " : braille(dots); }

}  // namespace spikeloom::cli
