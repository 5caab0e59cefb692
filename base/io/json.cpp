#include "base/io/json.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace spikeloom::io {
namespace {

constexpr std::size_t kMaxDepth = 100;

/// Walks the text and counts, so that errors of our own have a place too.
struct Characters {
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  const char* at;
  std::size_t* consumed;

  reference operator*() const { return *at; }
  Characters& operator++() {
    ++at;
    ++*consumed;
    return *this;
  }
  Characters operator++(int) {
    const Characters before = *this;
    ++*this;
    return before;
  }
  bool operator==(const Characters& other) const { return at == other.at; }
};

/// Builds a Value from the parser's events. The tree grows in `open_`, one frame a level, so no
/// pointer into a growing vector is kept.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return add(Value()); }
  bool boolean(bool value) override { return add(Value(value)); }
  bool number_integer(number_integer_t value) override { return add(Value(value)); }
  bool number_unsigned(number_unsigned_t value) override {
    if (value <= static_cast<std::uint64_t>(INT64_MAX)) {
      return add(Value(static_cast<std::int64_t>(value)));
    }
    return add(Value(static_cast<double>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override { return add(Value(value)); }
  bool string(string_t& value) override { return add(Value(std::move(value))); }
  bool binary(binary_t&) override { return fail("binary data"); }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    Frame& frame = open_.back();
    if (!frame.keys.insert(name).second) {
      return fail(fmt::format("the key '{}' appears twice in one object", name));
    }
    frame.key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t, const std::string& token,
                   const nlohmann::json::exception&) override {
    problem_ = token.empty() || token == "<U+0000>"
                   ? "unexpected end or character"
                   : fmt::format("unexpected '{}'", token.substr(0, 40));
    return false;
  }

  Value take() { return std::move(root_); }
  const std::string& problem() const { return problem_; }

 private:
  struct Frame {
    bool is_map = false;
    Value::Map map;
    Value::List list;
    std::string key;
    std::unordered_set<std::string> keys;
  };

  bool fail(std::string problem) {
    problem_ = std::move(problem);
    return false;
  }
  bool add(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Frame& frame = open_.back(); frame.is_map) {
      frame.map.emplace_back(std::move(frame.key), std::move(value));
    } else {
      frame.list.push_back(std::move(value));
    }
    return true;
  }
  bool open(bool is_map) {
    if (open_.size() >= kMaxDepth) {
      return fail(fmt::format("nested deeper than {} levels", kMaxDepth));
    }
    open_.emplace_back().is_map = is_map;
    return true;
  }
  bool close() {
    Frame frame = std::move(open_.back());
    open_.pop_back();
    return add(frame.is_map ? Value(std::move(frame.map)) : Value(std::move(frame.list)));
  }

  Value root_;
  std::vector<Frame> open_;
  std::string problem_;
};

void write_text(const std::string& text, std::string& out) {
  out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void write_real(double value, std::string& out) {
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  const std::string digits = fmt::format("{}", value);
  out += digits;
  if (digits.find_first_of(".e") == std::string::npos) out += ".0";
}

void write(const Value& value, int indent, int level, std::string& out) {
  const auto line = [&](int depth) {
    if (indent <= 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(depth) * static_cast<std::size_t>(indent), ' ');
  };
  if (const bool* boolean = value.as_bool()) {
    out += *boolean ? "true" : "false";
  } else if (const auto* integer = value.as_integer()) {
    out += std::to_string(*integer);
  } else if (const double* real = value.as_real()) {
    write_real(*real, out);
  } else if (const std::string* text = value.as_string()) {
    write_text(*text, out);
  } else if (const Value::List* list = value.as_list()) {
    out += '[';
    for (std::size_t i = 0; i < list->size(); ++i) {
      if (i > 0) out += indent > 0 ? "," : ", ";
      line(level + 1);
      write((*list)[i], indent, level + 1, out);
    }
    if (!list->empty()) line(level);
    out += ']';
  } else if (const Value::Map* map = value.as_map()) {
    out += '{';
    for (std::size_t i = 0; i < map->size(); ++i) {
      if (i > 0) out += indent > 0 ? "," : ", ";
      line(level + 1);
      write_text((*map)[i].first, out);
      out += ": ";
      write((*map)[i].second, indent, level + 1, out);
    }
    if (!map->empty()) line(level);
    out += '}';
  } else {
    out += "null";
  }
}

}  // namespace

Result<Value> parse_json(std::string_view text, const std::string& name) {
  Builder builder;
  bool parsed = false;
  std::string problem;
  std::size_t consumed = 0;
  try {
    parsed = nlohmann::json::sax_parse(Characters{text.data(), &consumed},
                                       Characters{text.data() + text.size(), &consumed}, &builder);
    problem = builder.problem();
  } catch (const std::exception& failure) {
    problem = failure.what();
  }
  if (parsed) return builder.take();
  std::string where = name;
  if (consumed > 0) {
    const std::string_view before = text.substr(0, consumed - 1);
    const auto lines = std::count(before.begin(), before.end(), '\n');
    const std::size_t start = before.rfind('\n') + 1;  // npos + 1 is 0
    where += fmt::format("{}line {}, column {}", name.empty() ? "" : ": ", lines + 1,
                         before.size() - start + 1);
  }
  return Error{
      .code = ErrorCode::kFormat, .what = "not valid JSON: " + problem, .where = std::move(where)};
}

std::string to_json(const Value& value, int indent) {
  std::string out;
  write(value, indent, 0, out);
  return out;
}

}  // namespace spikeloom::io
