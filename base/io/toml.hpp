#pragma once
/// TOML 1.0 to Value: tables become maps in the order of the file, dates become text.
///
/// Errors are kFormat and name the line. Tables are limited to 100 levels.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom::io {

/// Where a key stands in its file, from 1.
struct TomlPosition {
  std::uint32_t line = 0, column = 0;
};
/// Positions by dotted path: "sram.8KiB.value". Keys inside lists are left out.
using TomlPositions = std::map<std::string, TomlPosition>;

/// `name` is what errors call the text: a path. `positions`, where given, gets every key's place,
/// for readers whose own complaints have to name it.
Result<Value> parse_toml(std::string_view text, const std::string& name,
                         TomlPositions* positions = nullptr);

/// kFormat: a reader's complaint about the key `path` of file `name`, with its line and column. A
/// key that is not there is missed at the table that should hold it.
Error toml_fault(const std::string& name, const TomlPositions& positions, std::string path,
                 std::string what, std::string expected = {}, std::string got = {});

}  // namespace spikeloom::io
