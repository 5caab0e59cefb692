#include "cli/shade_picture.hpp"

#include <algorithm>
#include <array>

#include "cli/braille.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::array<const char*, 5> kShades = {" ", "░", "▒", "▓", "█"};
constexpr std::array<const char*, 10> kAsciiShades = {" ", ".", ":", "-", "=",
                                                      "+", "*", "#", "%", "@"};
constexpr std::array<const char*, 5> kAsciiBits = {".", ":", "+", "*", "#"};

template <std::size_t N>
const char* shade(const std::array<const char*, N>& shades, double light) {
  const auto at = static_cast<std::size_t>(std::clamp(light, 0.0, 1.0) * N);
  return shades[std::min(at, N - 1)];
}

}  // namespace

std::vector<std::string> draw_shades(std::span<const float> light, std::uint32_t width,
                                     std::uint32_t height, bool ascii) {
  std::vector<std::string> lines;
  for (std::size_t y = 0; y < height; y += 2) {
    std::string line;
    for (std::size_t x = 0; x < width; ++x) {
      double sum = 0.0;
      const std::size_t rows = y + 1 < height ? 2 : 1;
      for (std::size_t row = y; row < y + rows; ++row) {
        const float* rgb = light.data() + (row * width + x) * 3;
        sum += 0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2];  // ITU-R BT.601
      }
      const double mean = sum / static_cast<double>(rows);
      line += ascii ? shade(kAsciiShades, mean) : shade(kShades, mean);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> draw_bits(std::span<const std::uint8_t> bits, std::uint32_t width,
                                   std::uint32_t height, bool ascii) {
  const std::uint32_t wide = 2, high = ascii ? 2 : 4;
  const auto is_set = [&](std::uint32_t x, std::uint32_t y) {
    return x < width && y < height && bits[std::size_t{y} * width + x] != 0;
  };
  std::vector<std::string> lines;
  for (std::uint32_t y = 0; y < height; y += high) {
    std::string line;
    for (std::uint32_t x = 0; x < width; x += wide) {
      unsigned dots = 0;
      std::size_t count = 0;
      for (std::uint32_t dx = 0; dx < wide; ++dx) {
        for (std::uint32_t dy = 0; dy < high; ++dy) {
          if (!is_set(x + dx, y + dy)) continue;
          dots |= kBrailleDots[dx][dy];
          ++count;
        }
      }
      line += ascii ? std::string(kAsciiBits[count]) : braille(dots);
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<std::string> side_by_side(const std::vector<std::vector<std::string>>& blocks,
                                      std::size_t gap) {
  std::size_t rows = 0;
  for (const auto& block : blocks) rows = std::max(rows, block.size());
  std::vector<std::string> lines(rows);
  std::size_t written = 0;  // columns so far
  for (const auto& block : blocks) {
    std::size_t width = 0;
    for (const std::string& line : block) width = std::max(width, display_width(line));
    for (std::size_t row = 0; row < block.size(); ++row) {
      lines[row].append(written - display_width(lines[row]), ' ');
      lines[row] += block[row];
    }
    written += width + gap;
  }
  return lines;
}

}  // namespace spikeloom::cli
