#pragma once
/// How large a target's constant may be, so that products and casts of them stay in range.

#include <string_view>

namespace spikeloom::mapping::detail {

inline double most_of_constant(std::string_view name) {
  if (name == "core.count" || name == "core.first") return 4096.0;
  if (name == "router.key_bits") return 32.0;
  if (name == "layout.index") return 8.0;  // images hold whole numbers of 64 bits at most
  if (name == "layout.align") return 4096.0;
  return name.starts_with("layout.") ? 1e6 : 1e12;
}

inline bool constant_in_range(std::string_view name, double value) {
  return value >= 0.0 && value <= most_of_constant(name);  // false for NaN
}

}  // namespace spikeloom::mapping::detail
