#include "energy/comparison.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include <fmt/format.h>

namespace spikeloom {
namespace {

std::vector<BreakEven> break_even(const EnergyReport& report, const RunStats& stats,
                                  const EnergyBreakdown& spiking, const EnergyBreakdown& dense) {
  std::map<std::uint32_t, BreakEven> groups;
  std::map<std::uint32_t, double> dynamic;
  const auto add = [&](const EnergyBreakdown& side, double BreakEven::*sum, bool events) {
    for (const EnergyItem& item : side.items) {
      if (item.layer == kWholeChip) continue;
      const std::uint32_t group = report.layers[item.layer].group;
      if (report.layers[group].role != LayerRole::kWeights) continue;
      groups[group].*sum += item.joules;
      if (events && item.dynamic) dynamic[group] += item.joules;
    }
  };
  add(spiking, &BreakEven::spiking_joules, true);
  add(dense, &BreakEven::dense_joules, false);
  std::vector<BreakEven> made;
  for (auto& [layer, group] : groups) {
    group.layer = layer;
    const double events = static_cast<double>(stats.nodes[layer].events_in) / report.inferences;
    const double inputs =
        static_cast<double>(std::max<std::int64_t>(report.layers[layer].in_size, 1));
    group.rate = events / inputs;
    if (events > 0.0 && dynamic[layer] > 0.0) {
      const double clocked = group.spiking_joules - dynamic[layer];
      group.break_even_rate = (group.dense_joules - clocked) / (dynamic[layer] / events) / inputs;
    }
    made.push_back(group);
  }
  return made;
}

/// Joules of `side` that are due to an entry.
double due_to(const EnergyBreakdown& side, std::uint32_t entry) {
  double sum = 0.0;
  for (const EnergyItem& item : side.items) sum += item.entry == entry ? item.joules : 0.0;
  return sum;
}

double count_of(const EnergyBreakdown& side, std::uint32_t entry) {
  double sum = 0.0;
  for (const EnergyItem& item : side.items) sum += item.entry == entry ? item.count : 0.0;
  return sum;
}

std::vector<Sensitivity> sensitivities(const CostTable& table, const EnergyBreakdown& spiking,
                                       const EnergyBreakdown& dense) {
  std::vector<Sensitivity> all;
  for (std::uint32_t e = 0; e < table.entries.size(); ++e) {
    const double in_spiking = count_of(spiking, e);
    const double in_dense = count_of(dense, e);
    if (in_spiking == 0.0 && in_dense == 0.0) continue;
    const CostEntry& entry = table.entries[e];
    Sensitivity one;
    one.entry = e;
    one.spiking_share = spiking.total() > 0.0 ? due_to(spiking, e) / spiking.total() : 0.0;
    one.dense_share = dense.total() > 0.0 ? due_to(dense, e) / dense.total() : 0.0;
    // spiking(x) = rest_s + x in_s, dense(x) = rest_d + x in_d; equal at x.
    const double rest = (dense.total() - due_to(dense, e)) - (spiking.total() - due_to(spiking, e));
    const double slope = in_spiking - in_dense;
    if (slope != 0.0 && rest / slope > 0.0) {
      one.turns_at = rest / slope;
      if (*one.turns_at > entry.value) {
        one.highest = one.turns_at;
      } else {
        one.lowest = *one.turns_at;
      }
      one.within_uncertainty = entry.lowest && entry.highest && *one.turns_at >= *entry.lowest &&
                               *one.turns_at <= *entry.highest;
    }
    all.push_back(one);
  }
  std::stable_sort(all.begin(), all.end(), [](const Sensitivity& a, const Sensitivity& b) {
    return std::max(a.spiking_share, a.dense_share) > std::max(b.spiking_share, b.dense_share);
  });
  return all;
}

std::string against(const EnergyComparison& c, const EnergyBreakdown& dense) {
  return fmt::format("{}: {} against {}", to_string(c.accounting), joules_text(c.spiking->total()),
                     joules_text(dense.total()));
}

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, "; "));
}

/// Only accountings free of unverified figures may speak in the headline.
std::string verdict_of(const EnergyReport& report) {
  std::vector<std::string> lost, won, lost_int8;  // lost_int8: won against `dense` alone
  std::size_t left_out = 0;
  for (const EnergyComparison& c : report.comparisons) {
    if (!c.comparable()) continue;
    if (!c.verified()) {
      ++left_out;
      continue;
    }
    (c.loses() ? lost : won).push_back(against(c, *c.dense));
    if (!c.loses() && c.loses_to_int8()) lost_int8.push_back(against(c, *c.dense_int8));
  }
  const std::string twin =
      fmt::format("the same layers dense ({}, {:.6g} {} an inference)", to_string(report.format),
                  report.dense_passes, report.dense_passes == 1.0 ? "pass" : "passes");
  std::string text;
  if (!lost.empty()) {
    text = fmt::format("The spiking network LOSES to {} by {}", twin, joined(lost));
    if (!won.empty()) text += fmt::format("; it wins by {}", joined(won));
    if (!lost_int8.empty()) {
      text += fmt::format(", but not against int8 ({})", joined(lost_int8));
    }
  } else if (!won.empty() && !lost_int8.empty()) {
    text = fmt::format(
        "The spiking network LOSES to the same layers dense in int8 by {}; it beats {} by {}",
        joined(lost_int8), twin, joined(won));
  } else if (!won.empty()) {
    text = fmt::format("The spiking network needs less than {} by {}", twin, joined(won));
  } else if (left_out > 0) {
    text = fmt::format(
        "No verdict on published figures: the table '{}' prices this run with "
        "unverified ones only",
        report.table.name);
  } else {
    text =
        fmt::format("No verdict: the table '{}' cannot price the dense network", report.table.name);
  }
  if (left_out > 0 && (!lost.empty() || !won.empty())) {
    text += fmt::format("; {} more {} on unverified figures", left_out,
                        left_out == 1 ? "accounting rests" : "accountings rest");
  }
  return text + ".";
}

}  // namespace

Result<EnergyReport> energy_report(std::vector<LayerDescription> layers, const RunStats& stats,
                                   CostTable table, const ReportRequest& request) {
  EnergyReport report;
  report.table = std::move(table);
  report.layers = std::move(layers);
  report.format = request.format.value_or(format_of(report.layers, stats, report.table));
  report.inferences = request.inferences;
  report.steps = static_cast<double>(stats.steps) / request.inferences;
  const bool every_step = needs_every_step(report.layers);
  report.dense_passes = request.dense_passes.value_or(every_step ? report.steps : 1.0);
  report.dense_reason = request.dense_passes ? "as asked"
                        : every_step         ? "at every step: the network has delays or cycles"
                                     : "once: nothing in the network needs time but its neurons";
  EnergyRequest run{.format = report.format,
                    .inferences = request.inferences,
                    .step_seconds = request.step_seconds,
                    .chips = request.chips,
                    .transport = request.transport};
  std::string why;
  bool any = false;
  for (const Accounting accounting : kAccountings) {
    EnergyComparison c;
    c.accounting = accounting;
    if (!report.table.prices_accounting(accounting)) {
      c.spiking_missing = c.dense_missing =
          fmt::format("the table '{}' does not price it", report.table.name);
      report.comparisons.push_back(std::move(c));
      continue;
    }
    auto spiking = price_run(accounting, report.layers, stats, report.table, run);
    if (spiking.ok()) {
      c.spiking = *std::move(spiking);
      any = true;
    } else if (spiking.error().code == ErrorCode::kUnsupported) {
      c.spiking_missing = why = spiking.error().message();
    } else {
      return std::move(spiking).error();
    }
    auto dense = price_dense(accounting, report.layers, report.table,
                             {.format = report.format, .passes = report.dense_passes});
    if (dense.ok()) {
      c.dense = *std::move(dense);
    } else {
      c.dense_missing = dense.error().message();
    }
    auto int8 = price_dense(accounting, report.layers, report.table,
                            {.format = NumberFormat::kInt8, .passes = report.dense_passes});
    if (int8.ok() && report.format != NumberFormat::kInt8) c.dense_int8 = *std::move(int8);
    if (c.spiking) c.spiking_unverified = c.spiking->unverified(report.table);
    if (c.dense) c.dense_unverified = c.dense->unverified(report.table);
    if (c.comparable()) {
      c.layers = break_even(report, stats, *c.spiking, *c.dense);
      c.sensitivity = sensitivities(report.table, *c.spiking, *c.dense);
    }
    report.comparisons.push_back(std::move(c));
  }
  if (!any && !why.empty()) return Error{.code = ErrorCode::kUnsupported, .what = why};
  report.verdict = verdict_of(report);
  return report;
}

std::string joules_text(double joules) {
  constexpr std::array<std::pair<double, const char*>, 6> kUnits = {
      {{1.0, "J"}, {1e-3, "mJ"}, {1e-6, "uJ"}, {1e-9, "nJ"}, {1e-12, "pJ"}, {1e-15, "fJ"}}};
  for (const auto& [factor, unit] : kUnits) {
    if (std::abs(joules) >= factor * 0.9995) return fmt::format("{:.3g} {}", joules / factor, unit);
  }
  return joules == 0.0 ? "0 J" : fmt::format("{:.3g} J", joules);
}

double carbon_grams(double joules, double grams_per_kwh) {
  constexpr double kJoulesPerKwh = 3.6e6;
  return joules / kJoulesPerKwh * grams_per_kwh;
}

}  // namespace spikeloom
