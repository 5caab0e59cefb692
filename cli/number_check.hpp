#pragma once
/// Checks of numbers on the command line. Each returns what CLI11 wants of a check: nothing when
/// the text is right, else the complaint; CLI11 puts the flag's name before it.

#include <string>

#include <CLI/CLI.hpp>

namespace spikeloom::cli {

/// 0, 1, 2, ...: for flags that become an unsigned or a 64-bit integer. A sign, which unsigned
/// conversion would wrap around, is refused.
std::string whole_number(const std::string& text);

/// A finite number, 0 or more.
std::string not_negative(const std::string& text);

/// A finite number above 0.
std::string positive(const std::string& text);

/// A number from `lowest` to `highest`, which the help shows. CLI::Range lets NaN through.
CLI::Validator within(double lowest, double highest);

}  // namespace spikeloom::cli
