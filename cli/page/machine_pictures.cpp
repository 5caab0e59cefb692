/// Pictures of a machine: where neurons live, which links are busy, what cores do over time.

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "cli/page/html.hpp"
#include "cli/page/machine.hpp"
#include "cli/table.hpp"
#include "mapping/machine.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::size_t kLevels = 8;    ///< shades of a heat map
constexpr std::size_t kColours = 12;  ///< c0 .. c11 of the style sheet
constexpr std::size_t kMostColumns = 240, kMostRows = 160;
constexpr std::size_t kMostNamed = 40;  ///< populations of the legend
constexpr double kPitch = 64.0, kChip = 46.0, kMargin = 8.0;

struct Point {
  double x = 0.0, y = 0.0;
};

/// Chips on paper: y grows upwards, and rows of a hexagonal machine lean, so that the six
/// neighbours of a chip are next to it. Rows and columns of chips that the run did not touch are
/// left out.
class Sheet {
 public:
  explicit Sheet(const MachineRun& run)
      : target_(run.plan.target),
        lean_(target_.topology == mapping::Topology::kHex ? kPitch / 2 : 0.0) {
    for (const mapping::PlanCore& core : run.plan.cores) show(core.chip);
    for (const MachineLink& link : run.links) show(link.chip);
    double left = 1e9, right = 0.0;
    for (std::int32_t y = low_.y; y <= high_.y; ++y) {
      for (std::int32_t x = low_.x; x <= high_.x; ++x) {
        if (!has(x, y)) continue;
        left = std::min(left, raw(x, y).x);
        right = std::max(right, raw(x, y).x);
      }
    }
    left_ = left;
    width_ = right - left + kChip + 2 * kMargin;
    height_ = kPitch * static_cast<double>(high_.y - low_.y) + kChip + 2 * kMargin;
  }
  double width() const { return width_; }
  double height() const { return height_; }
  bool has(std::int32_t x, std::int32_t y) const {
    if (x < low_.x || x > high_.x || y < low_.y || y > high_.y) return false;
    const mapping::ChipSpan& row = target_.rows[static_cast<std::size_t>(y)];
    return x >= row.first && x < row.end;
  }
  /// Upper left corner of a chip.
  Point at(std::uint32_t chip) const {
    const auto width = static_cast<std::uint32_t>(target_.width);
    const Point p =
        raw(static_cast<std::int32_t>(chip % width), static_cast<std::int32_t>(chip / width));
    return {p.x - left_ + kMargin, p.y + kMargin};
  }

 private:
  struct Place {
    std::int32_t x = 0, y = 0;
  };
  void show(std::uint32_t chip) {
    const auto width = static_cast<std::uint32_t>(target_.width);
    const auto x = static_cast<std::int32_t>(chip % width);
    const auto y = static_cast<std::int32_t>(chip / width);
    low_ = {std::min(low_.x, x), std::min(low_.y, y)};
    high_ = {std::max(high_.x, x), std::max(high_.y, y)};
  }
  Point raw(std::int32_t x, std::int32_t y) const {
    const double up = high_.y - y;
    return {x * kPitch + up * lean_, up * kPitch};
  }

  const mapping::Target& target_;
  Place low_ = {1 << 20, 1 << 20}, high_ = {0, 0};
  double lean_ = 0.0, left_ = 0.0, width_ = 0.0, height_ = 0.0;
};

std::string svg_start(double width, double height, const std::string& label) {
  // As wide as the page, unless that would blow a single chip up.
  return fmt::format(
      "<svg class=\"machine\" viewBox=\"0 0 {0:.0f} {1:.0f}\" style=\"max-width:{2:.0f}px\" "
      "role=\"img\" aria-label=\"{3}\">\n",
      width, height, std::max(width * 1.6, 240.0), escaped(label));
}

/// "57.8 %", and from ten times on "2,430 %".
std::string share_text(double share) {
  if (share < 10.0) return fmt::format("{:.3g} %", 100.0 * share);
  return with_commas(static_cast<std::uint64_t>(100.0 * share)) + " %";
}

/// What of the machine is not drawn.
std::string left_out(const MachineRun& run, const Sheet& sheet) {
  std::uint64_t all = 0, drawn = 0;
  for (std::size_t y = 0; y < run.plan.target.rows.size(); ++y) {
    const mapping::ChipSpan& row = run.plan.target.rows[y];
    for (std::int32_t x = row.first; x < row.end; ++x) {
      ++all;
      drawn += sheet.has(x, static_cast<std::int32_t>(y)) ? 1 : 0;
    }
  }
  if (drawn == all) return {};
  return fmt::format("<p class=\"dim\">{} chips that the run did not touch are not drawn.</p>\n",
                     with_commas(all - drawn));
}

std::string chips(const MachineRun& run, const Sheet& sheet) {
  std::string made;
  const auto width = static_cast<std::uint32_t>(run.plan.target.width);
  for (std::uint32_t y = 0; y < run.plan.target.rows.size(); ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      if (!sheet.has(static_cast<std::int32_t>(x), static_cast<std::int32_t>(y))) continue;
      const Point p = sheet.at(y * width + x);
      made += fmt::format(
          "<rect class=\"box\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{}\" height=\"{}\" rx=\"3\"/>",
          p.x, p.y, kChip, kChip);
    }
  }
  return made + "\n";
}

/// The population of each core, by the Plan's order of cores.
std::vector<std::uint32_t> population_of_cores(const mapping::Plan& plan) {
  std::vector<std::uint32_t> found(plan.cores.size(), 0);
  for (const mapping::PlanSlice& slice : plan.slices) found[slice.core] = slice.population;
  return found;
}

std::string place_name(const mapping::Plan& plan, std::uint32_t core) {
  const auto width = static_cast<std::uint32_t>(plan.target.width);
  const mapping::PlanCore& placed = plan.cores[core];
  return fmt::format("chip ({}, {}) core {}", placed.chip % width, placed.chip / width,
                     placed.core);
}

double limit_of(const MachineRun& run) {
  const Value* cycles = run.run.find("tick_cycles");
  const double tick = cycles != nullptr && cycles->is_number() ? cycles->number() : 0.0;
  if (tick > 0.0) return tick;
  double most = 1.0;
  for (const MachineCore& core : run.cores) most = std::max(most, core.most_cycles);
  return most;
}

}  // namespace

std::string placement_part(const MachineRun& run) {
  const mapping::Plan& plan = run.plan;
  const Sheet sheet(run);
  const auto per_chip = static_cast<std::size_t>(std::max(1.0, plan.target.constants.cores));
  const auto side = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(per_chip))));
  const double cell = (kChip - 4.0) / static_cast<double>(side);
  const std::vector<std::uint32_t> population = population_of_cores(plan);
  const double limit = limit_of(run);
  std::string made =
      "<p>Each square is a core in the colour of its population, filled as far as its busiest tick "
      "filled a tick in real time.</p>\n" +
      svg_start(sheet.width(), sheet.height(), "placement of the network on the machine") +
      chips(run, sheet);
  for (std::uint32_t c = 0; c < plan.cores.size(); ++c) {
    const Point p = sheet.at(plan.cores[c].chip);
    const auto number = static_cast<std::size_t>(
        std::max(0.0, static_cast<double>(plan.cores[c].core) - plan.target.constants.first_core));
    const double share = std::min(1.0, run.cores[c].most_cycles / limit);
    const double x = p.x + 2.0 + cell * static_cast<double>(number % side);
    const double bottom = p.y + 2.0 + cell * (static_cast<double>(number / side) + 0.92);
    const std::size_t colour = population[c] % kColours;
    made += fmt::format(
        "<g><title>{}: {}, {} of a tick at most</title>"
        "<rect class=\"f{}\" fill-opacity=\".25\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" "
        "height=\"{:.2f}\"/><rect class=\"f{}\" x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" "
        "height=\"{:.2f}\"/></g>\n",
        place_name(plan, c), escaped(plan.populations[population[c]].name),
        share_text(run.cores[c].most_cycles / limit), colour, x, bottom - 0.92 * cell, 0.92 * cell,
        0.92 * cell, colour, x, bottom - 0.92 * cell * share, 0.92 * cell, 0.92 * cell * share);
  }
  made += "</svg>\n" + left_out(run, sheet) + "<ul class=\"legend\">";
  const std::size_t named = std::min(plan.populations.size(), kMostNamed);
  for (std::size_t p = 0; p < named; ++p) {
    made += fmt::format("<li><i class=\"f{0}\"></i>{1}, {2} core{3}</li>", p % kColours,
                        escaped(plan.populations[p].name), with_commas(plan.populations[p].slices),
                        plan.populations[p].slices == 1 ? "" : "s");
  }
  made += "</ul>\n";
  if (named < plan.populations.size()) {
    made += fmt::format("<p class=\"dim\">and {} more populations</p>\n",
                        plan.populations.size() - named);
  }
  if (plan.populations.size() > kColours) {
    made += fmt::format("<p class=\"dim\">Colours come back after {} populations.</p>\n", kColours);
  }
  return made;
}

std::string links_part(const MachineRun& run) {
  if (run.links.empty()) return "<p>No packet left its chip.</p>\n";
  const Sheet sheet(run);
  constexpr std::array<const char*, 6> kNames = {"E", "NE", "N", "W", "SW", "S"};
  constexpr std::array<Point, 6> kStep = {{{1, 0}, {1, 1}, {0, 1}, {-1, 0}, {-1, -1}, {0, -1}}};
  const double lean = run.plan.target.topology == mapping::Topology::kHex ? kPitch / 2 : 0.0;
  std::uint64_t most = 1;
  for (const MachineLink& link : run.links) most = std::max(most, link.packets);
  std::string made = fmt::format(
      "<p>Each half line is a link, seen from the chip that sends; the stronger, the more packets. "
      "At most {} in all over one link.</p>\n",
      with_commas(most));
  made += svg_start(sheet.width(), sheet.height(), "packets over the links of the machine") +
          chips(run, sheet);
  // The busiest are drawn last, on top.
  std::vector<const MachineLink*> by_load;
  for (const MachineLink& link : run.links) by_load.push_back(&link);
  std::stable_sort(by_load.begin(), by_load.end(), [](const MachineLink* a, const MachineLink* b) {
    return a->packets < b->packets;
  });
  const auto width = static_cast<std::uint32_t>(run.plan.target.width);
  const auto name = [&](const MachineLink& link) {
    return fmt::format("chip ({}, {}) {}", link.chip % width, link.chip / width,
                       escaped(link.direction));
  };
  for (const MachineLink* link : by_load) {
    const auto d = static_cast<std::size_t>(
        std::find(kNames.begin(), kNames.end(), link->direction) - kNames.begin());
    if (d >= kNames.size()) continue;
    const Point p = sheet.at(link->chip);
    const double x = p.x + kChip / 2, y = p.y + kChip / 2;
    const double dx = (kStep[d].x * kPitch - kStep[d].y * lean) / 2, dy = -kStep[d].y * kPitch / 2;
    const double share = static_cast<double>(link->packets) / static_cast<double>(most);
    made += fmt::format(
        "<line class=\"hot{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" "
        "stroke-opacity=\"{:.2f}\" stroke-width=\"{:.1f}\"><title>{}: {} packets</title></line>\n",
        link->timed_out > 0 ? " full" : "", x, y, x + dx, y + dy, 0.25 + 0.75 * share,
        1.5 + 6.5 * share, name(*link), with_commas(link->packets));
  }
  made += "</svg>\n";
  if (std::any_of(run.links.begin(), run.links.end(),
                  [](const MachineLink& link) { return link.timed_out > 0; })) {
    made +=
        "<ul class=\"legend\"><li><i class=\"hotkey\"></i>link</li><li><i class=\"fullkey\"></i>"
        "link that packets waited too long for</li></ul>\n";
  }
  std::vector<std::vector<std::string>> rows;
  for (auto link = by_load.rbegin(); link != by_load.rend() && rows.size() < 10; ++link) {
    const MachineLink& one = **link;
    rows.push_back({name(one), with_commas(one.packets), with_commas(one.most_in_a_tick),
                    one.busy_seconds > 0.0 && run.seconds > 0.0
                        ? share_text(one.busy_seconds / run.seconds)
                        : "–",
                    with_commas(one.timed_out)});
  }
  return made + "<h3>The busiest</h3>\n" +
         html_table({"link", "packets", "most in a tick", "busy", "timed out"}, rows);
}

std::string traffic_part(const MachineRun& run) {
  if (run.ticks.empty()) return "<p>The run had no tick.</p>\n";
  const std::size_t bins = std::min(run.ticks.size(), kMostColumns);
  std::vector<double> packets(bins, 0.0), lost(bins, 0.0), overruns(bins, 0.0);
  for (std::size_t t = 0; t < run.ticks.size(); ++t) {
    const std::size_t bin = t * bins / run.ticks.size();
    packets[bin] = std::max(packets[bin], run.ticks[t].packets);
    lost[bin] += run.ticks[t].lost;
    overruns[bin] += run.ticks[t].overruns;
  }
  const double most = std::max(1.0, *std::max_element(packets.begin(), packets.end()));
  std::string line, marks, late;
  for (std::size_t b = 0; b < bins; ++b) {
    line += fmt::format("{}{} {:.4g}H{}", b == 0 ? "M" : "L", b, 100.0 - 96.0 * packets[b] / most,
                        b + 1);
    if (lost[b] > 0.0) marks += fmt::format("M{} 2.5H{}", b, b + 1);
    if (overruns[b] > 0.0) late += fmt::format("M{} 7H{}", b, b + 1);
  }
  std::string made = fmt::format(
      "<svg class=\"raster\" viewBox=\"0 0 {} 101\" preserveAspectRatio=\"none\" role=\"img\" "
      "aria-label=\"packets per tick, at most {}\"><path stroke-width=\"1.5\" d=\"{}\"/>",
      bins, with_commas(static_cast<std::uint64_t>(most)), line);
  if (!marks.empty())
    made += fmt::format("<path class=\"bad\" stroke-width=\"5\" d=\"{}\"/>", marks);
  if (!late.empty())
    made += fmt::format("<path class=\"over\" stroke-width=\"5\" d=\"{}\"/>", late);
  made += fmt::format(
      "</svg>\n<div class=\"axis dim\"><span>tick 0</span><span>at most {} packets in a tick</span>"
      "<span>{}</span></div>\n",
      with_commas(static_cast<std::uint64_t>(most)), with_commas(run.ticks.size()));
  if (!marks.empty() || !late.empty()) {
    made += "<ul class=\"legend\">";
    if (!marks.empty()) made += "<li><i class=\"badkey\"></i>ticks with lost or late packets</li>";
    if (!late.empty()) made += "<li><i class=\"overkey\"></i>ticks that some core overran</li>";
    made += "</ul>\n";
  }
  return made;
}

std::string load_part(const MachineRun& run) {
  if (run.load.empty()) return "<p>The run had no tick.</p>\n";
  const std::size_t columns = std::min(run.load.size(), kMostColumns);
  const std::size_t cores = run.plan.cores.size(), rows = std::min(cores, kMostRows);
  std::vector<float> peak(columns * rows, 0.0F);
  for (std::size_t t = 0; t < run.load.size(); ++t) {
    const std::size_t column = t * columns / run.load.size();
    for (std::size_t c = 0; c < cores; ++c) {
      float& cell = peak[c * rows / cores * columns + column];
      cell = std::max(cell, run.load[t][c]);
    }
  }
  const double limit = limit_of(run);
  const double most = *std::max_element(peak.begin(), peak.end());
  const double top = std::max(1.0, most);
  // Runs of one shade are one line each, so that the picture's size stays bounded.
  std::array<std::string, kLevels + 1> paths;
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t column = 0; column < columns;) {
      const auto shade = [&](std::size_t at) {
        const double share = peak[row * columns + at] / top;
        return std::min(kLevels, static_cast<std::size_t>(std::ceil(share * kLevels)));
      };
      const std::size_t level = shade(column), first = column;
      while (column < columns && shade(column) == level) ++column;
      if (level > 0) paths[level] += fmt::format("M{} {}.5H{}", first, row, column);
    }
  }
  std::string made = fmt::format(
      "<p>A line is {}, from the first at the top; the darkest stands for {} cycles, {}.</p>\n"
      "<svg class=\"raster heat\" style=\"height:{:.1f}rem\" viewBox=\"0 0 {} {}\" "
      "preserveAspectRatio=\"none\" role=\"img\" aria-label=\"load of the cores over time\">",
      rows < cores ? fmt::format("the busiest of {} cores or so", (cores + rows - 1) / rows)
                   : std::string("a core"),
      with_commas(static_cast<std::uint64_t>(most)),
      run.plan.target.constants.tick_seconds > 0.0
          ? share_text(most / limit) + " of a tick in real time"
          : std::string("the most of a tick"),
      std::clamp(0.35 * static_cast<double>(rows), 6.0, 30.0), columns, rows);
  for (std::size_t level = 1; level <= kLevels; ++level) {
    if (paths[level].empty()) continue;
    made += fmt::format("<path stroke-opacity=\"{:.3g}\" d=\"{}\"/>",
                        static_cast<double>(level) / kLevels, paths[level]);
  }
  made += fmt::format(
      "</svg>\n<div class=\"axis dim\"><span>tick 0</span><span>{} cores</span><span>{}</span>"
      "</div>\n",
      with_commas(cores), with_commas(run.load.size()));
  std::vector<std::uint32_t> busiest(cores);
  for (std::uint32_t c = 0; c < cores; ++c) busiest[c] = c;
  std::stable_sort(busiest.begin(), busiest.end(), [&](std::uint32_t a, std::uint32_t b) {
    return run.cores[a].most_cycles > run.cores[b].most_cycles;
  });
  if (busiest.size() > 10) busiest.resize(10);
  const std::vector<std::uint32_t> population = population_of_cores(run.plan);
  std::vector<std::vector<std::string>> table;
  for (const std::uint32_t c : busiest) {
    const MachineCore& core = run.cores[c];
    table.push_back(
        {place_name(run.plan, c), escaped(run.plan.populations[population[c]].name),
         fmt::format("{} ({})", with_commas(static_cast<std::uint64_t>(core.most_cycles)),
                     share_text(core.most_cycles / limit)),
         with_commas(core.packets), with_commas(core.synaptic_events), with_commas(core.overruns),
         with_commas(core.late)});
  }
  return made + "<h3>The busiest cores</h3>\n" +
         html_table({"core", "population", "most cycles", "packets", "synaptic events", "overruns",
                     "late"},
                    table, 2);
}

}  // namespace spikeloom::cli
