#include "cli/number_check.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

namespace spikeloom::cli {
namespace {

std::string complaint(std::string_view expected, const std::string& text) {
  return fmt::format("expected {}, got '{}'", expected, text);
}

/// The whole text as a finite number, or NaN.
double finite(const std::string& text) {
  double value = 0.0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  const bool whole = parsed.ec == std::errc() && parsed.ptr == end && std::isfinite(value);
  return whole ? value : std::nan("");
}

}  // namespace

std::string whole_number(const std::string& text) {
  const bool digits = !text.empty() && std::all_of(text.begin(), text.end(),
                                                   [](char c) { return c >= '0' && c <= '9'; });
  return digits ? "" : complaint("a whole number, 0 or more", text);
}

std::string not_negative(const std::string& text) {
  return finite(text) >= 0.0 ? "" : complaint("a number, 0 or more", text);
}

std::string positive(const std::string& text) {
  return finite(text) > 0.0 ? "" : complaint("a number above 0", text);
}

CLI::Validator within(double lowest, double highest) {
  const auto check = [lowest, highest](const std::string& text) {
    const double value = finite(text);
    if (value >= lowest && value <= highest) return std::string();
    return complaint(fmt::format("a number from {} to {}", lowest, highest), text);
  };
  return CLI::Validator(check, fmt::format("FLOAT in [{} - {}]", lowest, highest));
}

}  // namespace spikeloom::cli
