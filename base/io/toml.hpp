#pragma once
/// TOML 1.0 to Value: tables become maps in the order of the file, dates become text.
///
/// Errors are kFormat and name the line. Tables are limited to 100 levels.

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom::io {

/// `name` is what errors call the text: a path.
Result<Value> parse_toml(std::string_view text, const std::string& name);

}  // namespace spikeloom::io
