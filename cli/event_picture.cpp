#include "cli/event_picture.hpp"

#include <algorithm>

#include "cli/braille.hpp"

namespace spikeloom::cli {

std::vector<std::string> draw_events(const EventPacket& events, Time begin, Time end,
                                     std::uint32_t width, std::uint32_t height,
                                     const PictureOptions& options) {
  const int wide = options.columns * (options.ascii ? 1 : 2);
  const int high = options.rows * (options.ascii ? 1 : 4);
  std::vector<std::uint32_t> counts(static_cast<std::size_t>(wide * high), 0);
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events.time[i] < begin || events.time[i] >= end) continue;
    if (events.x[i] >= width || events.y[i] >= height) continue;
    const auto x = static_cast<std::size_t>(events.x[i]) * static_cast<std::size_t>(wide) / width;
    const auto y = static_cast<std::size_t>(events.y[i]) * static_cast<std::size_t>(high) / height;
    ++counts[y * static_cast<std::size_t>(wide) + x];
  }
  const auto is_set = [&](int x, int y) {
    return counts[static_cast<std::size_t>(y * wide + x)] >= options.least;
  };
  std::vector<std::string> lines;
  for (int row = 0; row < options.rows; ++row) {
    std::string line;
    for (int column = 0; column < options.columns; ++column) {
      if (options.ascii) {
        line += is_set(column, row) ? '#' : '.';
        continue;
      }
      line += braille(braille_dots([&](unsigned dx, unsigned dy) {
        return is_set(2 * column + static_cast<int>(dx), 4 * row + static_cast<int>(dy));
      }));
    }
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace spikeloom::cli
