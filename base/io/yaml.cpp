#include "base/io/yaml.hpp"

#include <charconv>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <yaml.h>

namespace spikeloom::io {
namespace {

constexpr std::size_t kMaxDepth = 100;

struct Event {
  yaml_event_t raw = {};
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&raw); }
};

class Parser {
 public:
  Parser(std::string_view text, const std::string& name) : name_(name) {
    if (yaml_parser_initialize(&parser_) == 0) return;
    ready_ = true;
    yaml_parser_set_input_string(&parser_, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (ready_) yaml_parser_delete(&parser_);
  }

  /// The next event of the document, or why there is none.
  Status next(Event& event) {
    if (!ready_) {
      return Error{.code = ErrorCode::kResource, .what = "no memory for a YAML parser"};
    }
    if (yaml_parser_parse(&parser_, &event.raw) == 0) {
      return error(fmt::format("not valid YAML: {}",
                               parser_.problem == nullptr ? "unknown problem" : parser_.problem),
                   parser_.problem_mark);
    }
    return {};
  }

  Error error(std::string what, const yaml_mark_t& at) const {
    return Error{.code = ErrorCode::kFormat,
                 .what = std::move(what),
                 .where = fmt::format("{}: line {}, column {}", name_, at.line + 1, at.column + 1)};
  }

 private:
  yaml_parser_t parser_ = {};
  bool ready_ = false;
  const std::string& name_;
};

template <typename Number>
bool parse_number(std::string_view text, Number& number) {
  if (text.starts_with('+')) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

Value scalar_value(std::string_view text, bool plain, YamlScalars scalars) {
  if (!plain) return Value(text);
  if (scalars == YamlScalars::kText) return text.empty() ? Value() : Value(text);
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL") return {};
  if (text == "true" || text == "True" || text == "TRUE") return true;
  if (text == "false" || text == "False" || text == "FALSE") return false;
  std::int64_t integer = 0;
  if (parse_number(text, integer)) return integer;
  double real = 0.0;
  // from_chars would take "inf" and "nan", which YAML spells with a dot.
  const bool numeric = text.find_first_not_of("+-.0123456789eE") == std::string_view::npos;
  if (numeric && parse_number(text, real)) return real;
  return Value(text);
}

/// A mapping or sequence that is being filled.
struct Open {
  Value value;
  std::string key;
  bool has_key = false;
  std::unordered_set<std::string> keys = {};  ///< of a mapping, so far
};

/// Collects events into one tree, without recursion.
class Tree {
 public:
  Tree(Parser& parser, YamlScalars scalars) : parser_(parser), scalars_(scalars) {}

  Status add(const yaml_event_t& event) {
    switch (event.type) {
      case YAML_ALIAS_EVENT:
        return parser_.error("aliases are not read", event.start_mark);
      case YAML_SCALAR_EVENT: {
        const auto& scalar = event.data.scalar;
        SPIKELOOM_CHECK(plain_node(scalar.anchor, scalar.tag, event.start_mark));
        const std::string_view text(reinterpret_cast<const char*>(scalar.value), scalar.length);
        if (wants_key()) return set_key(std::string(text), event.start_mark);
        return put(scalar_value(text, scalar.style == YAML_PLAIN_SCALAR_STYLE, scalars_));
      }
      case YAML_SEQUENCE_START_EVENT:
        SPIKELOOM_CHECK(plain_node(event.data.sequence_start.anchor, event.data.sequence_start.tag,
                                   event.start_mark));
        return open(Value::list(), event.start_mark);
      case YAML_MAPPING_START_EVENT:
        SPIKELOOM_CHECK(plain_node(event.data.mapping_start.anchor, event.data.mapping_start.tag,
                                   event.start_mark));
        return open(Value::map(), event.start_mark);
      case YAML_SEQUENCE_END_EVENT:
      case YAML_MAPPING_END_EVENT: {
        Value done = std::move(open_.back().value);
        open_.pop_back();
        return put(std::move(done));
      }
      default:
        return {};
    }
  }

  Value take() { return std::move(root_); }

 private:
  bool wants_key() const {
    return !open_.empty() && open_.back().value.as_map() != nullptr && !open_.back().has_key;
  }

  Status plain_node(const yaml_char_t* anchor, const yaml_char_t* tag, const yaml_mark_t& at) {
    if (anchor == nullptr && tag == nullptr) return {};
    return parser_.error("anchors and tags are not read", at);
  }

  Status set_key(std::string key, const yaml_mark_t& at) {
    Open& map = open_.back();
    if (!map.keys.insert(key).second) {
      return parser_.error(fmt::format("the key '{}' appears twice", key), at);
    }
    map.key = std::move(key);
    map.has_key = true;
    return {};
  }

  Status open(Value value, const yaml_mark_t& at) {
    if (wants_key()) return parser_.error("a key has to be one word", at);
    if (open_.size() >= kMaxDepth) {
      return parser_.error(fmt::format("nested deeper than {} levels", kMaxDepth), at);
    }
    open_.push_back({std::move(value), {}, false, {}});
    return {};
  }

  Status put(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (Open& parent = open_.back(); parent.value.as_map() != nullptr) {
      parent.value.as_map()->emplace_back(std::move(parent.key), std::move(value));
      parent.has_key = false;
    } else {
      parent.value.as_list()->push_back(std::move(value));
    }
    return {};
  }

  Parser& parser_;
  YamlScalars scalars_;
  std::vector<Open> open_;
  Value root_;
};

}  // namespace

Result<Value> parse_yaml(std::string_view text, const std::string& name, YamlScalars scalars) {
  Parser parser(text, name);
  Tree tree(parser, scalars);
  bool has_document = false;
  for (;;) {
    Event event;
    SPIKELOOM_CHECK(parser.next(event));
    if (event.raw.type == YAML_STREAM_END_EVENT) return tree.take();
    if (event.raw.type == YAML_DOCUMENT_START_EVENT) {
      if (has_document) return parser.error("a second document begins", event.raw.start_mark);
      has_document = true;
    }
    SPIKELOOM_CHECK(tree.add(event.raw));
  }
}

}  // namespace spikeloom::io
