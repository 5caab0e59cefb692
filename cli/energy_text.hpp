#pragma once
/// An energy report for people: verdict first, then tables, then what every figure rests on.

#include <optional>
#include <string>

#include "energy/comparison.hpp"

namespace spikeloom::cli {

/// `detail`: the accounting whose layers, break-even points and prices are listed.
/// `grams_per_kwh`: a column of carbon; nothing leaves it out.
std::string energy_text(const EnergyReport& report, Accounting detail,
                        std::optional<double> grams_per_kwh);

/// A built-in table, entry by entry.
std::string cost_table_text(const CostTable& table);

}  // namespace spikeloom::cli
