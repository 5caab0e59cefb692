#include "cli/energy_text.hpp"

#include <fmt/format.h>

#include "cli/table.hpp"

namespace spikeloom::cli {
namespace {

/// Joules; a star where some of them rest on unverified figures.
std::string joules_cell(const std::optional<EnergyBreakdown>& side, const CostTable& table) {
  if (!side) return "-";
  return joules_text(side->total()) + (side->unverified(table) > 0.0 ? " *" : "");
}

std::string ratio_cell(const EnergyComparison& c) {
  if (!c.comparable() || c.spiking->total() <= 0.0) return "-";
  return fmt::format("{:.3g}x", c.dense->total() / c.spiking->total());
}

std::string summary_table(const EnergyReport& report, std::optional<double> grams_per_kwh) {
  std::vector<std::string> header = {"accounting", "spiking", "dense", "dense int8",
                                     "dense / spiking"};
  if (grams_per_kwh) header.insert(header.end(), {"spiking g CO2", "dense g CO2"});
  Table table(std::move(header), 1);
  for (const EnergyComparison& c : report.comparisons) {
    std::vector<std::string> cells = {to_string(c.accounting), joules_cell(c.spiking, report.table),
                                      joules_cell(c.dense, report.table),
                                      joules_cell(c.dense_int8, report.table), ratio_cell(c)};
    if (grams_per_kwh) {
      for (const auto& side : {c.spiking, c.dense}) {
        cells.push_back(side ? fmt::format("{:.3g}", carbon_grams(side->total(), *grams_per_kwh))
                             : "-");
      }
    }
    table.row(std::move(cells));
  }
  return table.text();
}

std::string layer_rows(const EnergyReport& report, const EnergyBreakdown& breakdown) {
  std::vector<Component> shown;
  std::vector<std::string> header = {"layer"};
  for (std::size_t k = 0; k < kComponents; ++k) {
    const auto component = static_cast<Component>(k);
    if (breakdown.of_component(component) == 0.0) continue;
    shown.push_back(component);
    header.emplace_back(to_string(component));
  }
  header.emplace_back("sum");
  Table table(std::move(header), 1);
  const auto cells_of = [&](const std::string& name, auto joules_of, double sum) {
    std::vector<std::string> cells = {name};
    for (const Component component : shown) {
      const double joules = joules_of(component);
      cells.push_back(joules == 0.0 ? "." : joules_text(joules));
    }
    cells.push_back(joules_text(sum));
    return cells;
  };
  const auto row = [&](const std::string& name, std::uint32_t layer) {
    const double sum = breakdown.of_layer(layer);
    if (sum == 0.0) return;
    table.row(cells_of(
        name, [&](Component c) { return breakdown.of(layer, c); }, sum));
  };
  for (std::uint32_t i = 0; i < report.layers.size(); ++i) row(report.layers[i].name, i);
  row("(whole chip)", kWholeChip);
  table.total(cells_of(
      "sum", [&](Component c) { return breakdown.of_component(c); }, breakdown.total()));
  return table.text();
}

std::string break_even_rows(const EnergyReport& report, const EnergyComparison& c) {
  Table table({"layer", "spiking", "dense", "spikes per input", "break-even", ""}, 1);
  for (const BreakEven& layer : c.layers) {
    std::string point = "unknown: no spikes";
    std::string verdict;
    if (layer.break_even_rate) {
      point =
          *layer.break_even_rate <= 0.0 ? "never" : fmt::format("{:.4g}", *layer.break_even_rate);
      verdict = layer.rate < *layer.break_even_rate ? "below" : "above";
    }
    table.row({report.layers[layer.layer].name, joules_text(layer.spiking_joules),
               joules_text(layer.dense_joules), fmt::format("{:.4g}", layer.rate), point, verdict});
  }
  return table.text();
}

/// A price in the unit of its entry, so that it compares with the table at sight.
std::string price_text(const CostEntry& entry, double value) {
  const double factor = entry.written_value > 0.0 ? entry.value / entry.written_value : 1.0;
  return fmt::format("{:.4g} {}", value / factor, entry.unit);
}

std::string sensitivity_rows(const EnergyReport& report, const EnergyComparison& c) {
  Table table({"price", "is", "of spiking", "of dense", "verdict stands", ""}, 1);
  for (const Sensitivity& one : c.sensitivity) {
    const CostEntry& entry = report.table.entries[one.entry];
    std::string range = "at any price";
    if (one.turns_at && one.highest) range = "up to " + price_text(entry, *one.highest);
    if (one.turns_at && !one.highest) range = "from " + price_text(entry, one.lowest);
    table.row({entry.name, price_text(entry, entry.value),
               fmt::format("{:.1f} %", 100.0 * one.spiking_share),
               fmt::format("{:.1f} %", 100.0 * one.dense_share), range,
               one.within_uncertainty ? "turns within its range" : ""});
  }
  return table.text();
}

std::string missing_text(const EnergyReport& report) {
  std::string text;
  for (const EnergyComparison& c : report.comparisons) {
    if (!c.spiking_missing.empty()) {
      text += fmt::format("{}: not priced: {}\n", to_string(c.accounting), c.spiking_missing);
    } else if (!c.dense_missing.empty()) {
      text += fmt::format("{}: no dense figure: {}\n", to_string(c.accounting), c.dense_missing);
    }
    if (!c.spiking) continue;
    for (const std::string& note : c.spiking->notes) {
      text += fmt::format("{}: {}\n", to_string(c.accounting), note);
    }
  }
  return text;
}

std::string sources_text(const EnergyReport& report) {
  std::vector<bool> used(report.table.entries.size(), false);
  for (const EnergyComparison& c : report.comparisons) {
    for (const auto& side : {c.spiking, c.dense, c.dense_int8}) {
      if (!side) continue;
      for (const EnergyItem& item : side->items) used[item.entry] = true;
    }
  }
  std::string text = fmt::format("\nprices: {} ({})\n", report.table.name, report.table.title);
  for (std::size_t e = 0; e < used.size(); ++e) {
    const CostEntry& entry = report.table.entries[e];
    if (!used[e]) continue;
    text += fmt::format("{} {} = {:g} {}, {}: {}\n",
                        entry.status == CostStatus::kUnverified ? "*" : " ", entry.name,
                        entry.written_value, entry.unit, to_string(entry.status), entry.source);
  }
  if (!report.table.note.empty()) text += "  " + report.table.note + "\n";
  return text;
}

}  // namespace

std::string energy_text(const EnergyReport& report, Accounting detail,
                        std::optional<double> grams_per_kwh) {
  std::string text = report.verdict + "\n\n";
  text +=
      fmt::format("per inference, {:g} of them, {:g} steps each; {}; the dense network runs {}\n\n",
                  report.inferences, report.steps, to_string(report.format), report.dense_reason);
  text += summary_table(report, grams_per_kwh) + "\n";
  for (const EnergyComparison& c : report.comparisons) {
    if (c.spiking) {
      text += fmt::format("{} leaves out {}\n", to_string(c.accounting), leaves_out(c.accounting));
    }
  }
  text += missing_text(report);
  for (const EnergyComparison& c : report.comparisons) {
    if (c.accounting != detail || !c.spiking) continue;
    text += fmt::format("\n{}, spiking, by layer and component\n\n{}", to_string(detail),
                        layer_rows(report, *c.spiking));
    if (!c.comparable()) continue;
    text += fmt::format("\n{}, each weight layer with the neurons after it\n\n{}",
                        to_string(detail), break_even_rows(report, c));
    text += fmt::format("\n{}, which price decides\n\n{}", to_string(detail),
                        sensitivity_rows(report, c));
  }
  return text + sources_text(report);
}

std::string cost_table_text(const CostTable& table) {
  std::string text = fmt::format("{}: {}\n{}\n\n", table.name, table.title, table.note);
  for (const CostEntry& entry : table.entries) {
    text += fmt::format("{:<22} {:>10g} {:<10} {:<10} {}\n", entry.name, entry.written_value,
                        entry.unit, to_string(entry.status), entry.source);
  }
  return text;
}

}  // namespace spikeloom::cli
