#pragma once
/// Spiking beside dense: who wins, from which spike rate on, and which price decides it.
///
/// The dense twin has the same layers, every input element non-zero. It runs `passes` times per
/// inference: once, like a network that looks at one frame, unless the network holds delays or
/// cycles, which only make sense at every step.
///
/// Every energy is a sum of count times price, so it is linear in each price and (per layer) in
/// the number of events; break-even points and ranges are exact, not searched.

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "energy/accounting.hpp"

namespace spikeloom {

/// One weight layer with what follows it up to the next one.
struct BreakEven {
  std::uint32_t layer = 0;
  double spiking_joules = 0.0, dense_joules = 0.0;
  double rate = 0.0;  ///< events per input element and inference, as measured
  /// The rate at which both cost the same: dynamic energy grows with the events, the rest stays.
  /// Nothing when the layer saw no events (its price per event is unknown); 0 or less when its
  /// updates alone cost more than the dense layer: no rate is low enough.
  std::optional<double> break_even_rate;
};

/// How the verdict hangs on one price.
struct Sensitivity {
  std::uint32_t entry = 0;  ///< index into the table
  double spiking_share = 0.0, dense_share = 0.0;
  /// The price (SI) at which the verdict turns; nothing when no price above 0 does.
  std::optional<double> turns_at;
  double lowest = 0.0;              ///< the verdict stands from here ...
  std::optional<double> highest;    ///< ... to here; nothing: however high
  bool within_uncertainty = false;  ///< it turns inside the range the table gives for the price
};

struct EnergyComparison {
  Accounting accounting = Accounting::kCompute;
  std::optional<EnergyBreakdown> spiking, dense, dense_int8;
  /// Why a figure is not there: what the table lacks.
  std::string spiking_missing, dense_missing;
  std::vector<BreakEven> layers;         ///< against `dense`
  std::vector<Sensitivity> sensitivity;  ///< against `dense`, by share, largest first

  bool comparable() const { return spiking && dense; }
  bool loses() const { return comparable() && spiking->total() >= dense->total(); }
  bool loses_to_int8() const {
    return spiking && dense_int8 && spiking->total() >= dense_int8->total();
  }
  double spiking_unverified = 0.0, dense_unverified = 0.0;  ///< joules on unverified prices
  /// Fit for a headline: nothing in it is unverified.
  bool verified() const { return spiking_unverified == 0.0 && dense_unverified == 0.0; }
};

struct EnergyReport {
  CostTable table;
  NumberFormat format = NumberFormat::kFp32;
  double inferences = 1.0, steps = 0.0;  ///< steps per inference
  double dense_passes = 1.0;
  std::string dense_reason;  ///< why so many passes
  std::vector<LayerDescription> layers;
  std::vector<EnergyComparison> comparisons;  ///< compute, lemaire, traffic
  std::string verdict;  ///< one sentence; begins with the loss where there is one
};

struct ReportRequest {
  std::optional<NumberFormat> format = {};  ///< nothing: the run's
  double inferences = 1.0;
  double step_seconds = 0.0, chips = 1.0;
  std::optional<double> dense_passes = {};  ///< nothing: by the network
  std::vector<NodeTransport> transport = {};
};

/// kUnsupported: the table prices nothing of what the run did, in any accounting.
Result<EnergyReport> energy_report(std::vector<LayerDescription> layers, const RunStats& stats,
                                   CostTable table, const ReportRequest& request);

/// "3.86 uJ": joules with a prefix and three digits.
std::string joules_text(double joules);

/// Grams of CO2 of so many joules from a grid of `grams_per_kwh`.
double carbon_grams(double joules, double grams_per_kwh);

/// The whole report; docs/cli.md lists the keys.
Value to_value(const EnergyReport& report);

}  // namespace spikeloom
