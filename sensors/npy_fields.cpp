#include "sensors/detail/npy_fields.hpp"

#include <charconv>
#include <string_view>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kWrittenHeader = 192;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Error wrong(ErrorCode code, std::string what, std::string_view got) {
  return {.code = code,
          .what = std::move(what),
          .where = "byte 0",
          .expected = "fields t, x, y and p of integers",
          .got = std::string(got.substr(0, 64))};
}

/// Walks over a Python literal.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : text_(text) {}
  bool take(char c) {
    while (!text_.empty() && text_.front() == ' ') text_.remove_prefix(1);
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }
  bool text(std::string_view& value) {
    const char quote = take('\'') ? '\'' : take('"') ? '"' : '\0';
    if (quote == '\0') return false;
    const std::size_t end = text_.find(quote);
    if (end == text_.npos) return false;
    value = text_.substr(0, end);
    text_.remove_prefix(end + 1);
    return true;
  }
  std::string_view rest() const { return text_; }

 private:
  std::string_view text_;
};

/// "<i8": false for what is no type of a known size.
bool parse_type(std::string_view type, NpyField& field, char& kind) {
  if (type.size() < 3) return false;
  field.is_big = type[0] == '>';
  kind = type[1];
  field.is_signed = kind == 'i';
  const auto [end, error] =
      std::from_chars(type.data() + 2, type.data() + type.size(), field.bytes);
  return error == std::errc() && end == type.data() + type.size() &&
         field.bytes <= kLongestNpyRecord;
}

NpyField* field_for(NpyFields& fields, std::string_view name) {
  if (name == "t" || name == "ts" || name == "time" || name == "timestamp") return &fields.t;
  if (name == "x") return &fields.x;
  if (name == "y") return &fields.y;
  if (name == "p" || name == "pol" || name == "polarity" || name == "on") return &fields.p;
  return nullptr;
}

Status parse_descr(std::string_view text, NpyFields& fields) {
  Scanner scan(text);
  if (!scan.take('[')) return wrong(ErrorCode::kFormat, "not a list of fields", text);
  fields.bytes = 0;
  while (!scan.take(']')) {
    std::string_view name, type;
    NpyField field;
    char kind = 0;
    const std::string_view here = scan.rest();
    if (!scan.take('(') || !scan.text(name) || !scan.take(',') || !scan.text(type) ||
        !scan.take(')')) {
      return wrong(ErrorCode::kUnsupported, "not a field of one number", here);
    }
    if (!parse_type(type, field, kind)) {
      return wrong(ErrorCode::kUnsupported, "not a type of a known size", type);
    }
    field.offset = fields.bytes;
    fields.bytes += field.bytes;
    if (fields.bytes > kLongestNpyRecord) {
      return wrong(ErrorCode::kUnsupported, "records too long to be events", text);
    }
    if (NpyField* known = field_for(fields, name)) {
      const bool integer = kind == 'i' || kind == 'u' || kind == 'b';
      const bool sized =
          field.bytes == 1 || field.bytes == 2 || field.bytes == 4 || field.bytes == 8;
      if (!integer || !sized) return wrong(ErrorCode::kUnsupported, "a field of no integers", here);
      *known = field;
    }
    scan.take(',');
  }
  if (fields.t.bytes != 0 && fields.x.bytes != 0 && fields.y.bytes != 0) return {};
  return wrong(ErrorCode::kUnsupported, "a structured array without a field t, x or y", text);
}

/// The value behind 'key':.
std::string_view value_of(std::string_view text, std::string_view key) {
  const std::size_t at = text.find(key);
  if (at == text.npos) return {};
  const std::size_t colon = text.find(':', at + key.size());
  if (colon == text.npos) return {};
  text.remove_prefix(colon + 1);
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  return text;
}

}  // namespace

std::size_t npy_header_bytes(std::span<const std::byte> head) {
  if (head.size() < kShortestNpyHeader || text_of(head).substr(0, 6) != kMagic) return 0;
  const bool first_version = head[6] == std::byte{1};
  return first_version ? 10 + std::size_t{load_little<std::uint16_t>(head.data() + 8)}
                       : 12 + std::size_t{load_little<std::uint32_t>(head.data() + 8)};
}

bool is_structured_npy(std::span<const std::byte> header) {
  return value_of(text_of(header), "'descr'").starts_with('[');
}

Result<NpyFields> parse_npy_fields(std::span<const std::byte> header) {
  const std::string_view text = text_of(header);
  NpyFields fields;
  SPIKELOOM_CHECK(parse_descr(value_of(text, "'descr'"), fields));
  Scanner shape(value_of(text, "'shape'"));
  if (!shape.take('(')) return wrong(ErrorCode::kFormat, "no shape", text);
  const std::string_view digits = shape.rest();
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), fields.events);
  Scanner behind(digits.substr(static_cast<std::size_t>(end - digits.data())));
  if (error != std::errc() || !behind.take(',') || !behind.take(')')) {
    return wrong(ErrorCode::kShape, "not a list of events", digits);
  }
  return fields;
}

std::vector<std::byte> npy_fields_header(std::uint64_t events) {
  std::string text = fmt::format(
      "{{'descr': [('t', '<i8'), ('x', '<u2'), ('y', '<u2'), ('p', '|u1')], "
      "'fortran_order': False, 'shape': ({},), }}",
      events);
  text.resize(kWrittenHeader - 10 - 1, ' ');
  text += '\n';
  std::vector<std::byte> header;
  for (const char c : kMagic) header.push_back(static_cast<std::byte>(c));
  put_little(header, std::uint16_t{1});  // version 1.0
  put_little(header, static_cast<std::uint16_t>(text.size()));
  for (const char c : text) header.push_back(static_cast<std::byte>(c));
  return header;
}

}  // namespace spikeloom::detail
