/// Spikes over time, one picture per recorded node, and their rate.

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "cli/page/page.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::int64_t kColumns = 480;
constexpr std::int64_t kRows = 96;
constexpr std::int64_t kRateBins = 120;
constexpr std::size_t kMostNodes = 12;

constexpr double kHeight = 144.0;  // pixels, as the style sheet has it

/// One mark per cell of the picture that holds a spike, so that its size is bounded.
std::string marks(const StoredEvents& events, std::int64_t steps) {
  const std::int64_t columns = std::min(kColumns, std::max<std::int64_t>(steps, 1));
  const std::int64_t rows = std::min(kRows, std::max<std::int64_t>(events.neurons, 1));
  std::set<std::pair<std::int64_t, std::int64_t>> cells;
  for (std::size_t i = 0; i < events.step.size(); ++i) {
    const std::int64_t column = events.step[i] * columns / std::max<std::int64_t>(steps, 1);
    const std::int64_t row = events.index[i] * rows / std::max<std::int64_t>(events.neurons, 1);
    if (column >= 0 && column < columns && row >= 0 && row < rows) cells.emplace(row, column);
  }
  std::string path;
  for (auto cell = cells.begin(); cell != cells.end();) {
    const auto [row, first] = *cell;
    std::int64_t last = first;
    while (++cell != cells.end() && *cell == std::pair(row, last + 1)) ++last;
    path += fmt::format("M{} {}.5H{}", first, row, last + 1);
  }
  return fmt::format(
      "<svg class=\"raster\" viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\" role=\"img\" "
      "aria-label=\"spikes of {} over time\"><path stroke-width=\"{:.3g}\" d=\"{}\"/></svg>\n",
      columns, rows, escaped(events.node),
      std::clamp(0.7 * kHeight / static_cast<double>(rows), 2.0, 10.0), path);
}

std::string rate(const StoredEvents& events, std::int64_t steps, double step_seconds) {
  const std::int64_t bins = std::clamp<std::int64_t>(steps, 1, kRateBins);
  std::vector<double> counts(static_cast<std::size_t>(bins), 0.0);
  for (const std::int64_t step : events.step) {
    const std::int64_t bin = step * bins / std::max<std::int64_t>(steps, 1);
    if (bin >= 0 && bin < bins) counts[static_cast<std::size_t>(bin)] += 1.0;
  }
  const double most = std::max(1.0, *std::max_element(counts.begin(), counts.end()));
  std::string path;
  for (std::size_t b = 0; b < counts.size(); ++b) {
    path +=
        fmt::format("{}{} {:.4g}H{}", b == 0 ? "M" : "L", b, 40.0 - 38.0 * counts[b] / most, b + 1);
  }
  const double steps_per_bin = static_cast<double>(steps) / static_cast<double>(bins);
  const double per_neuron_step =
      most / steps_per_bin / static_cast<double>(std::max<std::int64_t>(events.neurons, 1));
  const std::string peak = step_seconds > 0.0
                               ? fmt::format("{:.3g} Hz per neuron", per_neuron_step / step_seconds)
                               : fmt::format("{:.3g} spikes per neuron and step", per_neuron_step);
  return fmt::format(
      "<svg class=\"raster rate\" viewBox=\"0 0 {} 41\" preserveAspectRatio=\"none\" role=\"img\" "
      "aria-label=\"rate of {} over time, at most {}\"><path stroke-width=\"1.5\" "
      "d=\"{}\"/></svg>\n"
      "<p class=\"dim\">rate, at most {}</p>\n",
      bins, escaped(events.node), peak, path, peak);
}

}  // namespace

std::string raster_part(const StoredRecording& recording) {
  std::string made = fmt::format("<p class=\"dim\">{}{} steps</p>\n",
                                 recording.name.empty() ? "" : escaped(recording.name) + ", ",
                                 with_commas(static_cast<std::uint64_t>(recording.steps)));
  std::size_t shown = 0;
  for (const StoredEvents& events : recording.events) {
    if (++shown > kMostNodes) {
      made += fmt::format("<p class=\"dim\">and {} more recorded nodes</p>\n",
                          recording.events.size() - kMostNodes);
      break;
    }
    const auto neurons = with_commas(static_cast<std::uint64_t>(events.neurons));
    made += fmt::format("<figure><h3>{}: {} {}</h3>\n", escaped(events.node),
                        with_commas(static_cast<std::uint64_t>(events.step.size())),
                        events.variable == "y" ? "events" : "spikes");
    if (events.step.empty()) {
      made += fmt::format("<p class=\"dim\">{} neurons, silent</p></figure>\n", neurons);
      continue;
    }
    made += marks(events, recording.steps);
    const std::string end =
        recording.step_seconds > 0.0
            ? seconds_text(recording.step_seconds * static_cast<double>(recording.steps))
            : fmt::format("step {}", recording.steps);
    made += fmt::format(
        "<div class=\"axis dim\"><span>0</span><span>{} neurons, the first at the top</span>"
        "<span>{}</span></div>\n",
        neurons, end);
    made += rate(events, recording.steps, recording.step_seconds) + "</figure>\n";
  }
  return made;
}

}  // namespace spikeloom::cli
