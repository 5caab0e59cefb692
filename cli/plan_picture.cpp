#include "cli/plan_picture.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "cli/page/html.hpp"
#include "cli/table.hpp"
#include "mapping/machine.hpp"
#include "mapping/resources.hpp"

namespace spikeloom::cli {
namespace {

using namespace mapping;

/// Above this many chips a terminal has no room for four maps of them.
constexpr std::size_t kMostTextChips = 4000;

struct ChipFacts {
  bool there = false;
  std::vector<std::uint32_t> slices;
  std::size_t entries = 0;
  std::array<double, kDirections> load{};
  double busiest() const { return *std::max_element(load.begin(), load.end()); }
};

std::vector<ChipFacts> chip_facts(const Plan& plan) {
  const Target& target = plan.target;
  std::vector<ChipFacts> chips(static_cast<std::size_t>(target.width) * target.rows.size());
  for (std::size_t y = 0; y < target.rows.size(); ++y) {
    for (std::int32_t x = target.rows[y].first; x < target.rows[y].end; ++x) {
      chips[y * static_cast<std::size_t>(target.width) + static_cast<std::size_t>(x)].there = true;
    }
  }
  for (const auto& [x, y] : plan.faults.chips) {
    chips[static_cast<std::size_t>(y * target.width + x)].there = false;
  }
  for (std::uint32_t s = 0; s < plan.slices.size(); ++s) {
    chips[plan.cores[plan.slices[s].core].chip].slices.push_back(s);
  }
  for (const PlanTable& table : plan.tables) chips[table.chip].entries = table.entries.size();
  for (const PlanTree& tree : plan.trees) {
    double rate = 0.0;
    for (const std::uint32_t s : tree.slices) {
      rate += plan.populations[plan.slices[s].population].rate * plan.slices[s].count;
    }
    for (const TreeNode& node : tree.nodes) {
      for (int d = 0; d < kDirections; ++d) {
        if ((plan.routes[node.route].links >> d & 1) == 0) continue;
        chips[node.chip].load[static_cast<std::size_t>(d)] += rate;
      }
    }
  }
  return chips;
}

/// A to Z, a to z, 0 to 9, then again.
char letter(std::uint32_t population) {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  return kLetters[population % kLetters.size()];
}

/// The population with most slices of a chip.
std::uint32_t main_population(const Plan& plan, const ChipFacts& chip) {
  std::vector<std::uint32_t> count(plan.populations.size(), 0);
  for (const std::uint32_t s : chip.slices) ++count[plan.slices[s].population];
  return static_cast<std::uint32_t>(std::max_element(count.begin(), count.end()) - count.begin());
}

std::string level(double share, bool ascii) {
  constexpr std::array<const char*, 9> kBlocks = {"·", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
  const double clipped = std::clamp(share, 0.0, 1.0);
  if (ascii) return share <= 0.0 ? "." : fmt::format("{}", std::min(9, int(clipped * 10.0)));
  return kBlocks[static_cast<std::size_t>(std::ceil(clipped * 8.0))];
}

template <typename Cell>
std::string chip_map(const Plan& plan, const std::vector<ChipFacts>& chips, Cell cell) {
  std::string text;
  const auto width = static_cast<std::size_t>(plan.target.width);
  for (std::size_t y = plan.target.rows.size(); y-- > 0;) {
    text += "  ";
    for (std::size_t x = 0; x < width; ++x) {
      const ChipFacts& chip = chips[y * width + x];
      text += chip.there ? cell(chip) : std::string(" ");
      text += ' ';
    }
    text += '\n';
  }
  return text;
}

std::string bar(double share, bool ascii) {
  constexpr int kWidth = 20;
  const int full = static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kWidth));
  std::string text;
  for (int i = 0; i < kWidth; ++i) text += i < full ? (ascii ? "#" : "█") : (ascii ? "." : "░");
  return text;
}

/// The largest share of a limit that a core of a population has.
double fullest(const Plan& plan, const PlanPopulation& population, Resource resource,
               const CoreLimits& limits) {
  double most = 0.0;
  for (std::uint32_t i = 0; i < population.slices; ++i) {
    const CoreUse& use = plan.cores[plan.slices[population.first_slice + i].core].use;
    most = std::max(most, amount(use, resource) / amount(limits, resource));
  }
  return most;
}

std::string colour(std::uint32_t population) {
  // Hues a golden angle apart: neighbours in the list look different. As #rrggbb, which every
  // viewer knows.
  const double hue = std::fmod(population * 137.508, 360.0) / 30.0;
  const double light = population / 8 % 2 == 0 ? 0.45 : 0.62;
  const auto part = [&](double shift) {
    const double k = std::fmod(shift + hue, 12.0);
    const double wave = std::clamp(std::min(k - 3.0, 9.0 - k), -1.0, 1.0);
    return std::lround(255.0 * (light - 0.6 * std::min(light, 1.0 - light) * wave));
  };
  return fmt::format("#{:02x}{:02x}{:02x}", part(0.0), part(8.0), part(4.0));
}

}  // namespace

std::string plan_picture_text(const Plan& plan, bool ascii) {
  const std::vector<ChipFacts> chips = chip_facts(plan);
  std::string text;
  double load = 0.0;
  std::size_t entries = 0;
  for (const ChipFacts& chip : chips) {
    load = std::max(load, chip.busiest());
    entries = std::max(entries, chip.entries);
  }
  if (chips.size() <= kMostTextChips) {
    text += "populations (the one with most cores of a chip)\n";
    text += chip_map(plan, chips, [&](const ChipFacts& chip) {
      return chip.slices.empty() ? std::string(ascii ? "." : "·")
                                 : std::string(1, letter(main_population(plan, chip)));
    });
    text += fmt::format("\ncores used, of {:.0f}\n", plan.target.constants.cores);
    text += chip_map(plan, chips, [&](const ChipFacts& chip) {
      return level(static_cast<double>(chip.slices.size()) / plan.target.constants.cores, ascii);
    });
    if (!plan.tables.empty()) {
      text += fmt::format("\ntable entries, of the largest, {}\n", entries);
      text += chip_map(plan, chips, [&](const ChipFacts& chip) {
        return level(static_cast<double>(chip.entries) / static_cast<double>(entries), ascii);
      });
    }
    if (load > 0.0) {
      text +=
          fmt::format("\nbusiest link of a chip, of the busiest, {:.1f} packets a tick\n", load);
      text += chip_map(plan, chips,
                       [&](const ChipFacts& chip) { return level(chip.busiest() / load, ascii); });
    }
    text += "\n";
  }
  const CoreLimits limits = core_limits(plan.target, {});
  for (const Resource resource : {Resource::kNeurons, Resource::kData, Resource::kInAxons}) {
    if (amount(limits, resource) <= 0.0) continue;
    text += fmt::format("{} of the fullest core, of {}\n", mapping::to_string(resource),
                        with_commas(static_cast<std::uint64_t>(amount(limits, resource))));
    for (std::uint32_t p = 0; p < plan.populations.size(); ++p) {
      const double share = fullest(plan, plan.populations[p], resource, limits);
      text += fmt::format("  {} {} {:3.0f} %  {}\n", letter(p), bar(share, ascii), 100.0 * share,
                          plan.populations[p].name);
      if (p == 60 && plan.populations.size() > 62) {
        text += fmt::format("  and {} more\n", plan.populations.size() - 61);
        break;
      }
    }
    text += "\n";
  }
  return text;
}

std::string plan_picture_svg(const Plan& plan) {
  const std::vector<ChipFacts> chips = chip_facts(plan);
  const auto width = static_cast<std::size_t>(plan.target.width);
  const std::size_t height = plan.target.rows.size();
  const auto cores = static_cast<std::size_t>(plan.target.constants.cores);
  const auto columns = static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(cores))));
  const double pitch = chips.size() > 400 ? 36.0 : 64.0, size = 0.75 * pitch;
  const double cell = size / static_cast<double>(columns);
  double load = 0.0;
  std::size_t entries = 1;
  for (const ChipFacts& chip : chips) {
    load = std::max(load, chip.busiest());
    entries = std::max(entries, chip.entries);
  }
  // Rows of a hex machine lean, so that all six neighbours of a chip are next to it.
  const double lean = plan.target.topology == Topology::kHex ? 0.5 * pitch : 0.0;
  const auto place = [&](std::size_t chip) {
    const std::size_t x = chip % width, y = chip / width;
    return std::array<double, 2>{
        20.0 + static_cast<double>(x) * pitch + static_cast<double>(height - 1 - y) * lean,
        40.0 + static_cast<double>(height - 1 - y) * pitch};
  };
  const double total =
      40.0 + static_cast<double>(width) * pitch + static_cast<double>(height) * lean;
  const std::size_t legend = std::min<std::size_t>(plan.populations.size(), 40);
  const double bottom = 60.0 + static_cast<double>(height) * pitch;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0f} {:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"12\">\n<title>{} on {}:{}</title>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
      "<text x=\"20\" y=\"16\">{} on {}:{}</text>\n"
      "<text x=\"20\" y=\"32\" fill=\"#555\">core: colour of its population, filled to its share "
      "of "
      "memory; line: packets a tick; bar below a chip: its table</text>\n",
      std::max(total, 700.0), bottom + 18.0 * static_cast<double>(legend) + 20.0,
      escaped(plan.network), escaped(plan.target.name), escaped(plan.target.size),
      escaped(plan.network), escaped(plan.target.name), escaped(plan.target.size));
  constexpr std::array<std::array<double, 2>, kDirections> kStep = {
      {{1, 0}, {1, 1}, {0, 1}, {-1, 0}, {-1, -1}, {0, -1}}};
  for (std::size_t c = 0; c < chips.size() && load > 0.0; ++c) {
    const auto [x, y] = place(c);
    for (std::size_t d = 0; d < kDirections; ++d) {
      if (chips[c].load[d] <= 0.0) continue;
      // Half way to the neighbour; the other half is its own load towards this chip.
      const double dx = (kStep[d][0] * pitch - kStep[d][1] * lean) / 2;
      const double dy = -kStep[d][1] * pitch / 2;
      svg += fmt::format(
          "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#c33\" "
          "stroke-width=\"{:.2f}\"><title>{:.1f} packets a tick</title></line>\n",
          x + size / 2, y + size / 2, x + size / 2 + dx, y + size / 2 + dy,
          0.5 + 5.0 * chips[c].load[d] / load, chips[c].load[d]);
    }
  }
  const double memory = plan.target.constants.data_bytes;
  for (std::size_t c = 0; c < chips.size(); ++c) {
    if (!chips[c].there) continue;
    const auto [x, y] = place(c);
    svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
        "fill=\"#f4f4f4\" stroke=\"#888\" stroke-width=\"0.5\"/>\n",
        x, y, size, size);
    for (const std::uint32_t s : chips[c].slices) {
      const PlanCore& core = plan.cores[plan.slices[s].core];
      const auto number = static_cast<std::size_t>(
          core.core - static_cast<std::uint32_t>(plan.target.constants.first_core));
      const double share = memory > 0.0 ? static_cast<double>(core.use.data_bytes()) / memory : 1.0;
      const double tall = cell * std::max(0.08, std::min(1.0, share));
      svg += fmt::format(
          "<rect x=\"{:.2f}\" y=\"{:.2f}\" width=\"{:.2f}\" height=\"{:.2f}\" "
          "fill=\"{}\"/>\n",
          x + cell * static_cast<double>(number % columns),
          y + cell * static_cast<double>(number / columns + 1) - tall, 0.9 * cell, 0.95 * tall,
          colour(plan.slices[s].population));
    }
    svg += fmt::format(
        "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"3\" "
        "fill=\"#357\"><title>{} entries</title></rect>\n",
        x, y + size + 1,
        size * static_cast<double>(chips[c].entries) / static_cast<double>(entries),
        chips[c].entries);
  }
  for (std::size_t p = 0; p < legend; ++p) {
    const double y = bottom + 18.0 * static_cast<double>(p);
    svg += fmt::format(
        "<rect x=\"20\" y=\"{:.0f}\" width=\"12\" height=\"12\" fill=\"{}\"/>"
        "<text x=\"38\" y=\"{:.0f}\">{}</text>\n",
        y, colour(static_cast<std::uint32_t>(p)), y + 11.0, escaped(plan.populations[p].name));
  }
  return svg + "</svg>\n";
}

}  // namespace spikeloom::cli
