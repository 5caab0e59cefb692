#pragma once
/// Fields of SANA-FE's YAML: a mapping, or a list of mappings that stands for one. Scalars are text
/// until someone asks for a number (base/io/yaml.hpp, YamlScalars::kText).

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/value.hpp"

namespace spikeloom::emulator {

/// "chip.yaml: tile 'a' of core 'b'": what errors name.
using Place = std::string;

Error format_error(const Place& place, std::string what);
Error unsupported(const Place& place, std::string what);

Result<double> to_number(const Value& value, const Place& place);
Result<std::int64_t> to_integer(const Value& value, const Place& place);
Result<bool> to_flag(const Value& value, const Place& place);
Result<std::string> to_text(const Value& value, const Place& place);

struct Range {
  std::uint64_t first = 0, last = 0;

  std::uint64_t count() const { return last - first + 1; }
};
/// "3", "3..8" or "[3..8]"; the first is not above the last.
Result<Range> parse_range(std::string_view text, const Place& place);

class Fields {
 public:
  /// Null is a map without entries. A key may appear once.
  static Result<Fields> of(const Value& value, Place place);

  const Value* find(std::string_view key) const;
  Result<const Value*> need(std::string_view key) const;
  /// Numbers have to be finite; `energy` and `latency` not below 0.
  Result<double> cost(std::string_view key) const;
  Result<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most) const;
  Result<std::string> text(std::string_view key) const;

  /// kUnsupported that names the first key that is not among `known`.
  Status only(std::span<const std::string_view> known) const;

  const std::vector<std::pair<std::string_view, const Value*>>& entries() const { return entries_; }
  const Place& place() const { return place_; }

 private:
  Status add(const Value& value);

  Place place_;
  std::vector<std::pair<std::string_view, const Value*>> entries_;
};

/// A list as it is, anything else as a list of one.
std::vector<const Value*> items_of(const Value& value);

}  // namespace spikeloom::emulator
