#pragma once
/// Plans and fits for people and for JSON.

#include <string>

#include "base/value.hpp"
#include "mapping/fit.hpp"
#include "mapping/map.hpp"

namespace spikeloom::cli {

/// {kind: "plan", network, target, populations: [...], cores, chips, packets, hops, tree_links,
/// tables, ...}
Value plan_value(const mapping::Plan& plan);
std::string plan_text(const mapping::Plan& plan);

Value fit_value(const mapping::FitReport& report, const mapping::Target& target);
std::string fit_text(const mapping::FitReport& report, const mapping::Target& target);

}  // namespace spikeloom::cli
