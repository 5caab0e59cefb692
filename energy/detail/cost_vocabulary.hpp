#pragma once
/// The entries a cost table may have and the units they may be written in; private to energy.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "energy/cost_table.hpp"

namespace spikeloom::detail {

/// What a figure is per.
enum class Dimension { kPerOperation, kPerByte, kPerBit, kPerPixel, kWatts };

/// The dimension of a known entry ("mac.fp32", "sram.8KiB"); nothing for an unknown name.
std::optional<Dimension> entry_dimension(std::string_view name);

/// Factor from the unit as written to SI of the dimension: "pJ" 1e-12, "pJ/64bit" per byte
/// 1.25e-13. kFormat: not a unit, or one of another dimension; lists what would do.
Result<double> unit_factor(std::string_view unit, Dimension dimension);

/// Entries without which a table cannot price an accounting, as alternatives: one complete set is
/// enough. "ac.*" stands for at least one number format.
std::vector<std::vector<std::string>> required_entries(Accounting accounting);

}  // namespace spikeloom::detail
