#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include "backends/emulator/sanafe_fields_private.hpp"

namespace spikeloom::emulator {
namespace {

std::string shown(const Value& value) {
  if (value.is_null()) return "nothing";
  if (value.as_list() != nullptr) return "a list";
  if (value.as_map() != nullptr) return "a mapping";
  const std::string& text = *value.as_string();
  return text.size() <= 40 ? text : text.substr(0, 40) + "...";
}

Error expected(const Place& place, std::string what, const Value& value) {
  return Error{.code = ErrorCode::kFormat,
               .what = "a field has the wrong form",
               .where = place,
               .expected = std::move(what),
               .got = shown(value)};
}

template <typename Number>
bool parse(std::string_view text, Number& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

}  // namespace

Error format_error(const Place& place, std::string what) {
  return Error{.code = ErrorCode::kFormat, .what = std::move(what), .where = place};
}

Error unsupported(const Place& place, std::string what) {
  return Error{.code = ErrorCode::kUnsupported, .what = std::move(what), .where = place};
}

Result<double> to_number(const Value& value, const Place& place) {
  double number = 0.0;
  if (value.as_string() == nullptr || !parse(*value.as_string(), number) ||
      !std::isfinite(number)) {
    return expected(place, "a finite number", value);
  }
  return number;
}

Result<std::int64_t> to_integer(const Value& value, const Place& place) {
  std::int64_t number = 0;
  if (value.as_string() == nullptr || !parse(*value.as_string(), number)) {
    return expected(place, "an integer", value);
  }
  return number;
}

Result<bool> to_flag(const Value& value, const Place& place) {
  const std::string text = value.as_string() == nullptr ? std::string() : *value.as_string();
  if (text == "true" || text == "True" || text == "TRUE" || text == "1") return true;
  if (text == "false" || text == "False" || text == "FALSE" || text == "0") return false;
  return expected(place, "true or false", value);
}

Result<std::string> to_text(const Value& value, const Place& place) {
  if (value.as_string() == nullptr) return expected(place, "a word", value);
  return *value.as_string();
}

Result<Range> parse_range(std::string_view text, const Place& place) {
  const std::string whole(text);
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  Range range;
  const std::size_t dots = text.find("..");
  const bool is_one = dots == std::string_view::npos;
  const bool is_read =
      parse(text.substr(0, dots), range.first) &&
      (is_one ? parse(text, range.last) : parse(text.substr(dots + 2), range.last));
  // The last bound keeps count() from wrapping.
  if (!is_read || range.first > range.last || range.last > (std::uint64_t{1} << 40)) {
    return expected(place, "a number, or a range first..last", Value(whole));
  }
  return range;
}

Result<Fields> Fields::of(const Value& value, Place place) {
  Fields fields;
  fields.place_ = std::move(place);
  SPIKELOOM_CHECK(fields.add(value));
  return fields;
}

Status Fields::add(const Value& value) {
  if (value.is_null()) return {};
  if (const Value::List* list = value.as_list(); list != nullptr) {
    for (const Value& item : *list) SPIKELOOM_CHECK(add(item));
    return {};
  }
  if (value.as_map() == nullptr) return expected(place_, "a mapping", value);
  for (const auto& [key, entry] : *value.as_map()) {
    if (find(key) != nullptr) return format_error(place_, fmt::format("'{}' appears twice", key));
    entries_.emplace_back(key, &entry);
  }
  return {};
}

const Value* Fields::find(std::string_view key) const {
  for (const auto& [name, value] : entries_) {
    if (name == key) return value;
  }
  return nullptr;
}

Result<const Value*> Fields::need(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) return format_error(place_, fmt::format("'{}' is missing", key));
  return value;
}

Result<double> Fields::cost(std::string_view key) const {
  SPIKELOOM_TRY(const Value* value, need(key));
  const Place place = fmt::format("{}: {}", place_, key);
  SPIKELOOM_TRY(const double number, to_number(*value, place));
  if (number < 0.0) return expected(place, "a number not below 0", *value);
  return number;
}

Result<std::int64_t> Fields::integer(std::string_view key, std::int64_t least,
                                     std::int64_t most) const {
  SPIKELOOM_TRY(const Value* value, need(key));
  const Place place = fmt::format("{}: {}", place_, key);
  SPIKELOOM_TRY(const std::int64_t number, to_integer(*value, place));
  if (number < least || number > most) {
    return expected(place, fmt::format("{} to {}", least, most), *value);
  }
  return number;
}

Result<std::string> Fields::text(std::string_view key) const {
  SPIKELOOM_TRY(const Value* value, need(key));
  return to_text(*value, fmt::format("{}: {}", place_, key));
}

Status Fields::only(std::span<const std::string_view> known) const {
  for (const auto& [key, value] : entries_) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return unsupported(place_, fmt::format("the key '{}' is not known", key));
    }
  }
  return {};
}

std::vector<const Value*> items_of(const Value& value) {
  std::vector<const Value*> items;
  if (const Value::List* list = value.as_list(); list != nullptr) {
    for (const Value& item : *list) items.push_back(&item);
  } else {
    items.push_back(&value);
  }
  return items;
}

}  // namespace spikeloom::emulator
