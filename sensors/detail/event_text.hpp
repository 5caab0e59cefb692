#pragma once
/// The words of a line of events in text: columns, numbers, units. See docs/formats/events.md.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "sensors/codec.hpp"

namespace spikeloom::detail {

/// Where in a line each part of an event stands; -1: the file does not have it.
struct EventColumns {
  int t = 0;
  int x = 1;
  int y = 2;
  int p = 3;
  int count = 4;                              ///< columns a line needs at least
  EventTimeUnit unit = EventTimeUnit::kAuto;  ///< as the header names it
  bool exact = true;                          ///< a line has `count` columns and no more
};

/// "txyp" and the like; kInvalidArgument for other letters, repeats, or no t or x.
Result<EventColumns> parse_columns(std::string_view letters);

/// Columns from the names of a header line; nothing if it has no column for t or for x. With
/// `strict` every name has to be known.
std::optional<EventColumns> parse_header(std::string_view line, bool strict);

/// Splits at blanks, commas and semicolons; between two commas is an empty word. At most `limit`
/// words; `words` is filled anew.
void split_words(std::string_view line, std::size_t limit, std::vector<std::string_view>& words);

/// A decimal number times `unit` (1, 1e3, 1e6 or 1e9 ns) rounded to ns: exact without an exponent.
/// Nothing when the word is no number or the time does not fit 64 bits.
std::optional<Time> parse_time(std::string_view word, std::int64_t unit_ns);

/// An integer, also one written as a real number ("3.0", "1e2").
std::optional<std::int64_t> parse_integer(std::string_view word);

/// True when the word is written with a decimal point or an exponent.
bool is_real(std::string_view word);

std::int64_t nanoseconds(EventTimeUnit unit);

}  // namespace spikeloom::detail
