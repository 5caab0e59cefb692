#pragma once
/// Pictures and maps of bits as text.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace spikeloom::cli {

/// Lines of a picture, a character for one pixel across and two down; brightness by shades.
/// `light`: [y][x][3], 0 to 1.
std::vector<std::string> draw_shades(std::span<const float> light, std::uint32_t width,
                                     std::uint32_t height, bool ascii);

/// Lines of a map of bits [y][x]: Braille patterns of 2 x 4, or a character for 2 x 2 in ASCII, the
/// denser the more of them are set.
std::vector<std::string> draw_bits(std::span<const std::uint8_t> bits, std::uint32_t width,
                                   std::uint32_t height, bool ascii);

/// Blocks of lines side by side, each filled up with spaces to its widest line.
std::vector<std::string> side_by_side(const std::vector<std::vector<std::string>>& blocks,
                                      std::size_t gap);

}  // namespace spikeloom::cli
