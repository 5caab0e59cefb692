#include "base/io/toml.hpp"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

namespace spikeloom::io {
namespace {

constexpr int kMaxDepth = 100;

/// Dotted keys nest without brackets, which the parser does not limit: a run of this many dots
/// between separators is refused before it builds a tree too deep to walk.
constexpr int kMaxDots = 1000;

Error too_deep(const std::string& name, std::size_t line) {
  return Error{.code = ErrorCode::kFormat,
               .what = fmt::format("nested deeper than {} levels", kMaxDepth),
               .where = fmt::format("{}: line {}", name, line)};
}

Status check_dots(std::string_view text, const std::string& name) {
  int dots = 0;
  std::size_t line = 1;
  for (const char c : text) {
    if (c == '\n') ++line;
    if (c == '\n' || c == '=' || c == ',' || c == '{' || c == '[') dots = 0;
    if (c == '.' && ++dots > kMaxDots) return too_deep(name, line);
  }
  return {};
}

Result<Value> convert(const toml::node& node, const std::string& name, int depth);

template <typename Node>
std::string as_text(const Node& node) {
  std::ostringstream text;
  text << node.get();
  return text.str();
}

Result<Value> convert_table(const toml::table& table, const std::string& name, int depth) {
  // toml++ sorts tables by key; the file's order is in the positions.
  std::vector<std::pair<const toml::key*, const toml::node*>> entries;
  for (const auto& [key, node] : table) entries.emplace_back(&key, &node);
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    const auto& left = a.first->source().begin;
    const auto& right = b.first->source().begin;
    return std::pair(left.line, left.column) < std::pair(right.line, right.column);
  });
  Value::Map map;
  for (const auto& [key, node] : entries) {
    SPIKELOOM_TRY(Value value, convert(*node, name, depth + 1));
    map.emplace_back(std::string(key->str()), std::move(value));
  }
  return Value(std::move(map));
}

/// Called once convert() has held the depth to its limit.
void collect_positions(const toml::table& table, const std::string& prefix,
                       TomlPositions& positions) {
  for (const auto& [key, node] : table) {
    const std::string path = prefix + std::string(key.str());
    const auto& begin = key.source().begin;
    positions[path] = {static_cast<std::uint32_t>(begin.line),
                       static_cast<std::uint32_t>(begin.column)};
    if (const auto* inner = node.as_table()) collect_positions(*inner, path + ".", positions);
  }
}

Result<Value> convert(const toml::node& node, const std::string& name, int depth) {
  if (depth > kMaxDepth) return too_deep(name, node.source().begin.line);
  if (const auto* table = node.as_table()) return convert_table(*table, name, depth);
  if (const auto* array = node.as_array()) {
    Value::List list;
    for (const toml::node& item : *array) {
      SPIKELOOM_TRY(Value value, convert(item, name, depth + 1));
      list.push_back(std::move(value));
    }
    return Value(std::move(list));
  }
  if (const auto* text = node.as_string()) return Value(text->get());
  if (const auto* integer = node.as_integer()) return Value(integer->get());
  if (const auto* real = node.as_floating_point()) return Value(real->get());
  if (const auto* boolean = node.as_boolean()) return Value(boolean->get());
  if (const auto* date = node.as_date()) return Value(as_text(*date));
  if (const auto* time = node.as_time()) return Value(as_text(*time));
  if (const auto* both = node.as_date_time()) return Value(as_text(*both));
  return Value();
}

}  // namespace

Result<Value> parse_toml(std::string_view text, const std::string& name, TomlPositions* positions) {
  SPIKELOOM_CHECK(check_dots(text, name));
  try {
    const toml::table table = toml::parse(text, name);
    auto value = convert(table, name, 0);
    if (value.ok() && positions != nullptr) collect_positions(table, "", *positions);
    return value;
  } catch (const toml::parse_error& error) {
    return Error{.code = ErrorCode::kFormat,
                 .what = fmt::format("not valid TOML: {}", error.description()),
                 .where = fmt::format("{}: line {}, column {}", name, error.source().begin.line,
                                      error.source().begin.column)};
  } catch (const std::exception& failure) {
    return Error{.code = ErrorCode::kFormat,
                 .what = fmt::format("not readable as TOML: {}", failure.what()),
                 .where = name};
  }
}

}  // namespace spikeloom::io
