#pragma once
/// JSON (RFC 8259) to and from Value.
///
/// Reading: integers that fit int64 stay integers, other numbers become reals. Nesting is limited
/// to 100 levels and a key may appear once per object; comments and trailing commas are errors.
/// Errors are kFormat and name line and column.
///
/// Writing: keys in the map's order; reals in the shortest form that reads back as the same double,
/// always with a point or an exponent; NaN and infinities, which JSON lacks, become null; bytes
/// that are not UTF-8 become U+FFFD.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom::io {

/// `name` is what errors call the text: a path, or empty.
Result<Value> parse_json(std::string_view text, const std::string& name = {});

/// One line when `indent` is 0, else that many spaces a level.
std::string to_json(const Value& value, int indent = 0);

}  // namespace spikeloom::io
