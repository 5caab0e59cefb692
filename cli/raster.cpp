#include "cli/raster.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "cli/braille.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::int64_t kDotsAcross = 2;
constexpr std::int64_t kDotsDown = 4;

/// Spikes per dot, row-major.
struct Dots {
  std::int64_t rows = 0, columns = 0;
  std::vector<std::uint32_t> count;
  std::uint32_t at(std::int64_t row, std::int64_t column) const {
    if (row >= rows || column >= columns) return 0;
    return count[static_cast<std::size_t>(row * columns + column)];
  }
};

std::string pattern(const Dots& dots, std::int64_t row, std::int64_t column) {
  return braille_or_space(braille_dots([&](unsigned dx, unsigned dy) {
    return dots.at(row * kDotsDown + dy, column * kDotsAcross + dx) > 0;
  }));
}

/// Two dots across, each as tall as the row: for rows of one neuron.
std::string bar(const Dots& dots, std::int64_t row, std::int64_t column) {
  const bool left = dots.at(row, column * kDotsAcross) > 0;
  const bool right = dots.at(row, column * kDotsAcross + 1) > 0;
  return left ? (right ? "█" : "▌") : right ? "▐" : " ";
}

std::string character(const Dots& dots, std::int64_t row, std::int64_t column) {
  const std::uint32_t spikes = dots.at(row, column);
  if (spikes == 0) return " ";
  return spikes == 1 ? "." : spikes < 4 ? ":" : "#";
}

std::string time_text(std::int64_t step, double step_seconds) {
  if (step_seconds <= 0.0) return fmt::format("step {}", step);
  return seconds_text(static_cast<double>(step) * step_seconds);
}

}  // namespace

std::string draw_raster(std::span<const std::int64_t> step, std::span<const std::int64_t> index,
                        std::int64_t neurons, std::int64_t steps, const RasterOptions& options) {
  if (neurons <= 0 || steps <= 0) return "(nothing to draw)\n";
  const std::int64_t across = options.ascii ? 1 : kDotsAcross;
  const bool named = !options.names.empty();
  const std::int64_t down = options.ascii || named ? 1 : kDotsDown;
  Dots dots;
  dots.rows = named ? neurons : std::min<std::int64_t>(neurons, std::max(options.height, 1) * down);
  dots.columns = std::min<std::int64_t>(steps, std::max(options.width, 1) * across);
  dots.count.assign(static_cast<std::size_t>(dots.rows * dots.columns), 0);
  for (std::size_t i = 0; i < step.size(); ++i) {
    if (step[i] < 0 || step[i] >= steps || index[i] < 0 || index[i] >= neurons) continue;
    const std::int64_t row = index[i] * dots.rows / neurons;
    const std::int64_t column = step[i] * dots.columns / steps;
    ++dots.count[static_cast<std::size_t>(row * dots.columns + column)];
  }
  const std::int64_t cell_rows = (dots.rows + down - 1) / down;
  const std::int64_t cell_columns = (dots.columns + across - 1) / across;
  const auto label = [&](std::int64_t neuron) {
    const auto at = static_cast<std::size_t>(neuron);
    return at < options.names.size() ? options.names[at] : std::to_string(neuron);
  };
  std::size_t label_width = named ? 0 : std::to_string(neurons - 1).size();
  for (const std::string& name : options.names) {
    label_width = std::max(label_width, display_width(name));
  }
  std::string text;
  for (std::int64_t r = 0; r < cell_rows; ++r) {
    // The first neuron of the row of cells: the smallest index that falls into its first dot.
    const std::int64_t first = (r * down * neurons + dots.rows - 1) / dots.rows;
    const std::string name = label(first);
    text +=
        std::string(label_width - std::min(label_width, display_width(name)), ' ') + name + " |";
    for (std::int64_t c = 0; c < cell_columns; ++c) {
      text += options.ascii ? character(dots, r, c) : named ? bar(dots, r, c) : pattern(dots, r, c);
    }
    text += "|\n";
  }
  const std::string start = time_text(0, options.step_seconds);
  const std::string end = time_text(steps, options.step_seconds);
  const auto inner = static_cast<std::size_t>(cell_columns);
  const std::size_t gap = inner > start.size() + end.size() ? inner - start.size() - end.size() : 1;
  text += fmt::format("{:{}}  {}{}{}\n", "", label_width, start, std::string(gap, ' '), end);
  return text;
}

}  // namespace spikeloom::cli
