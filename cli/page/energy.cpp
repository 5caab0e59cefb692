/// Energy on the page: stacked bars, break-even, which price decides.

#include <algorithm>

#include <fmt/format.h>

#include "cli/page/page.hpp"
#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

std::string source_text(const CostTable& table, const CostEntry& entry) {
  return fmt::format("{}: {} = {:g} {} ({}): {}", table.name, entry.name, entry.written_value,
                     entry.unit, to_string(entry.status), entry.source);
}

/// Entries that a component of a breakdown is priced with, and its share on unverified ones.
struct Rest {
  std::vector<std::uint32_t> entries;
  double joules = 0.0, unverified = 0.0;
};

Rest rest_of(const EnergyBreakdown& side, const CostTable& table, Component component) {
  Rest rest;
  for (const EnergyItem& item : side.items) {
    if (item.component != component) continue;
    rest.joules += item.joules;
    if (table.entries[item.entry].status == CostStatus::kUnverified) rest.unverified += item.joules;
    if (std::find(rest.entries.begin(), rest.entries.end(), item.entry) == rest.entries.end()) {
      rest.entries.push_back(item.entry);
    }
  }
  return rest;
}

std::string bar(const std::string& name, const EnergyBreakdown& side, const EnergyReport& report,
                double longest, const std::string& key) {
  std::string track;
  for (std::size_t c = 0; c < kComponents; ++c) {
    const auto component = static_cast<Component>(c);
    const Rest rest = rest_of(side, report.table, component);
    if (rest.joules <= 0.0) continue;
    std::string tip =
        fmt::format("{}, {}: {}", name, to_string(component), joules_text(rest.joules));
    for (const std::uint32_t entry : rest.entries) {
      tip += "\n" + source_text(report.table, report.table.entries[entry]);
    }
    const auto piece = [&](double joules, const char* style) {
      if (joules <= 0.0) return;
      track += fmt::format("<i class=\"c{}{}\" style=\"width:{:.4g}%\" title=\"{}\"></i>", c, style,
                           100.0 * joules / longest, escaped(tip));
    };
    piece(rest.joules - rest.unverified, "");
    piece(rest.unverified, " hatched");
  }
  return fmt::format(
      "<span class=\"name\">{}</span>"
      "<span class=\"amount\" data-energy=\"{}\" data-joules=\"{:.17g}\">{}</span>"
      "<div class=\"track\">{}</div>\n",
      name, key, side.total(), joules_text(side.total()), track);
}

std::string legend(const EnergyReport& report) {
  std::string made = "<ul class=\"legend\">";
  bool hatched = false;
  for (std::size_t c = 0; c < kComponents; ++c) {
    bool used = false;
    for (const EnergyComparison& comparison : report.comparisons) {
      for (const auto& side : {comparison.spiking, comparison.dense, comparison.dense_int8}) {
        if (!side) continue;
        const Rest rest = rest_of(*side, report.table, static_cast<Component>(c));
        used = used || rest.joules > 0.0;
        hatched = hatched || rest.unverified > 0.0;
      }
    }
    if (used) {
      made +=
          fmt::format("<li><i class=\"c{}\"></i>{}</li>", c, to_string(static_cast<Component>(c)));
    }
  }
  if (hatched) made += "<li><i class=\"c7 hatched\"></i>on unverified prices</li>";
  return made + "</ul>\n";
}

/// The same figures as text, with the sources of each row.
std::string component_table(const EnergyReport& report, const EnergyComparison& c,
                            Footnotes& footnotes) {
  std::vector<std::vector<std::string>> rows;
  std::vector<std::pair<std::string, const EnergyBreakdown*>> sides;
  if (c.spiking) sides.emplace_back("spiking", &*c.spiking);
  if (c.dense) sides.emplace_back("dense", &*c.dense);
  if (c.dense_int8) sides.emplace_back("dense int8", &*c.dense_int8);
  for (std::size_t k = 0; k < kComponents; ++k) {
    const auto component = static_cast<Component>(k);
    std::vector<std::string> row = {to_string(component)};
    std::string marks;
    bool used = false;
    for (const auto& [name, side] : sides) {
      const Rest rest = rest_of(*side, report.table, component);
      used = used || rest.joules > 0.0;
      row.push_back(
          rest.joules > 0.0 ? joules_text(rest.joules) + (rest.unverified > 0.0 ? " *" : "") : "–");
      for (const std::uint32_t entry : rest.entries) {
        const std::string mark =
            footnotes.mark(source_text(report.table, report.table.entries[entry]));
        if (marks.find(mark) == std::string::npos) marks += (marks.empty() ? "" : " ") + mark;
      }
    }
    row.push_back(marks);
    if (used) rows.push_back(std::move(row));
  }
  std::vector<std::string> header = {"component"};
  for (const auto& [name, side] : sides) header.push_back(name);
  header.emplace_back("prices");
  return html_table(header, rows);
}

}  // namespace

std::string energy_part(const EnergyReport& report, Footnotes& footnotes) {
  std::string made = fmt::format(
      "<p>Per inference, with the prices of {} in {}. The dense network has the same layers and "
      "runs "
      "{}. Modelled, not measured.</p>\n",
      escaped(report.table.title), to_string(report.format), escaped(report.dense_reason));
  made += legend(report);
  for (const EnergyComparison& c : report.comparisons) {
    made += fmt::format("<h3>{}</h3>\n", to_string(c.accounting));
    if (!c.spiking) {
      made += "<p class=\"dim\">Not priced: " + escaped(c.spiking_missing) + "</p>\n";
      continue;
    }
    double longest = c.spiking->total();
    for (const auto& side : {c.dense, c.dense_int8}) {
      if (side) longest = std::max(longest, side->total());
    }
    longest = std::max(longest, 1e-30);
    const std::string key = to_string(c.accounting);
    made +=
        "<div class=\"bars\">\n" + bar("spiking", *c.spiking, report, longest, key + "/spiking");
    if (c.dense) made += bar("dense", *c.dense, report, longest, key + "/dense");
    if (c.dense_int8)
      made += bar("dense int8", *c.dense_int8, report, longest, key + "/dense_int8");
    made += "</div>\n";
    if (!c.dense && !c.dense_missing.empty()) {
      made += "<p class=\"dim\">No dense figure: " + escaped(c.dense_missing) + "</p>\n";
    }
    made += fmt::format("<p class=\"dim\">Leaves out {}.</p>\n", leaves_out(c.accounting));
    for (const std::string& note : c.spiking->notes) {
      made += "<p class=\"dim\">" + escaped(note) + "</p>\n";
    }
    made += component_table(report, c, footnotes);
  }
  if (!report.table.note.empty())
    made += "<p class=\"dim\">" + escaped(report.table.note) + "</p>\n";
  return made;
}

std::string break_even_part(const EnergyReport& report) {
  std::vector<std::string> header = {"layer", "spikes per input"};
  std::vector<std::vector<std::string>> rows;
  for (const EnergyComparison& c : report.comparisons) {
    if (c.layers.empty()) continue;
    header.push_back(fmt::format("break-even, {}", to_string(c.accounting)));
    if (rows.empty()) {
      for (const BreakEven& layer : c.layers) {
        rows.push_back(
            {escaped(report.layers[layer.layer].name), fmt::format("{:.4g}", layer.rate)});
      }
    }
    for (std::size_t i = 0; i < rows.size() && i < c.layers.size(); ++i) {
      const auto& point = c.layers[i].break_even_rate;
      std::string cell = "no spikes";
      if (point && *point <= 0.0) cell = "never";
      if (point && *point > 0.0) {
        cell = fmt::format("{:.4g} {}", *point, c.layers[i].rate < *point ? "(below)" : "(above)");
      }
      rows[i].push_back(cell);
    }
  }
  return "<p>Spikes per input element and inference, and the rate at which the layer, with the "
         "neurons "
         "after it, costs what the dense layer costs. Below it the spiking layer is "
         "cheaper.</p>\n" +
         html_table(header, rows);
}

std::string sensitivity_part(const EnergyReport& report, Footnotes& footnotes) {
  std::string made =
      "<p>The verdict of an accounting turns when one price, the others unchanged, "
      "crosses the value given.</p>\n";
  std::vector<std::vector<std::string>> rows;
  for (const EnergyComparison& c : report.comparisons) {
    for (const Sensitivity& one : c.sensitivity) {
      const CostEntry& entry = report.table.entries[one.entry];
      const double factor = entry.written_value > 0.0 ? entry.value / entry.written_value : 1.0;
      std::string stands = "at any price";
      if (one.turns_at) {
        stands = fmt::format("{} {:.4g} {}", one.highest ? "up to" : "from", *one.turns_at / factor,
                             entry.unit);
      }
      if (one.within_uncertainty) stands += ", which lies within its range";
      rows.push_back({fmt::format("{}, {}", to_string(c.accounting), entry.name),
                      fmt::format("{:g} {}{}", entry.written_value, entry.unit,
                                  footnotes.mark(source_text(report.table, entry))),
                      fmt::format("{:.1f} %", 100.0 * one.spiking_share),
                      fmt::format("{:.1f} %", 100.0 * one.dense_share), stands});
    }
  }
  return made + html_table({"price", "is", "of spiking", "of dense", "verdict stands"}, rows);
}

}  // namespace spikeloom::cli
