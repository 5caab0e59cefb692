/// Events as text, one a line: "t x y p", separated by blanks, commas or semicolons. The rules for
/// headers, units and polarities are in docs/formats/events.md.

#include <algorithm>
#include <cctype>
#include <optional>

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/event_rules.hpp"
#include "sensors/detail/event_text.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::size_t kLongestLine = 4096;
constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

std::string_view trimmed(std::string_view line) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  return line;
}

bool is_comment(std::string_view line) { return line.front() == '#' || line.front() == '%'; }

bool starts_with_letter(std::string_view line) {
  const auto letter =
      std::find_if(line.begin(), line.end(), [](unsigned char c) { return std::isalnum(c) != 0; });
  return letter != line.end() && std::isalpha(static_cast<unsigned char>(*letter)) != 0;
}

/// The start of a line for a message, without control characters.
std::string quoted(std::string_view line) {
  std::string text = "\"";
  for (const char c : line.substr(0, 48)) {
    text += std::isprint(static_cast<unsigned char>(c)) != 0 ? c : '?';
  }
  return text + (line.size() > 48 ? "...\"" : "\"");
}

struct SensorSize {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};

std::optional<SensorSize> size_of_words(std::string_view width, std::string_view height) {
  const auto w = parse_integer(width);
  const auto h = parse_integer(height);
  if (!w || !h || *w < 1 || *h < 1 || *w > 65536 || *h > 65536) return std::nullopt;
  return SensorSize{static_cast<std::uint32_t>(*w), static_cast<std::uint32_t>(*h)};
}

class TextDecoder final : public EventDecoder {
 public:
  TextDecoder(const ReadOptions& options, std::optional<EventColumns> columns)
      : rules_(options),
        unit_(options.time_unit),
        columns_given_(columns.has_value()),
        columns_(columns.value_or(EventColumns{})) {
    facts_.width = options.width;
    facts_.height = options.height;
  }

  Status feed(std::span<const std::byte> bytes, EventPacket& out) override {
    std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      const std::string_view part = text.substr(0, end);
      if (held_.size() + part.size() > kLongestLine) return too_long();
      if (end == std::string_view::npos) {
        held_ += part;
        return {};
      }
      text.remove_prefix(end + 1);
      if (held_.empty()) {
        SPIKELOOM_CHECK(line(part, part.size() + 1, out));
      } else {
        held_ += part;
        SPIKELOOM_CHECK(line(held_, held_.size() + 1, out));
        held_.clear();
      }
    }
    return {};
  }

  Status finish(EventPacket& out) override {
    return held_.empty() ? Status() : line(held_, held_.size(), out);
  }

 private:
  std::string here() const { return fmt::format("line {}", line_number_); }

  Error wrong(std::string what, std::string expected, std::string_view got) const {
    return {.code = ErrorCode::kFormat,
            .what = std::move(what),
            .where = here(),
            .expected = std::move(expected),
            .got = quoted(got)};
  }

  Status too_long() {
    ++line_number_;
    return Error{.code = ErrorCode::kFormat,
                 .what = "line too long to be an event",
                 .where = here(),
                 .expected = fmt::format("at most {} bytes", kLongestLine)};
  }

  Status line(std::string_view text, std::size_t bytes, EventPacket& out) {
    ++line_number_;
    if (line_number_ == 1 && text.substr(0, 3) == kByteOrderMark) text.remove_prefix(3);
    text = trimmed(text);
    if (!text.empty()) {
      if (is_comment(text)) {
        if (!started_) SPIKELOOM_CHECK(comment(trimmed(text.substr(1))));
      } else if (!started_ && starts_with_letter(text)) {
        SPIKELOOM_CHECK(header(text));
      } else {
        SPIKELOOM_CHECK(data(text, out));
      }
    }
    facts_.valid_bytes += bytes;
    return {};
  }

  void take_columns(const EventColumns& columns) {
    if (!columns_given_) {
      const bool exact = columns_.exact;
      columns_ = columns;
      columns_.exact = exact && columns.exact;
    }
    if (unit_ == EventTimeUnit::kAuto) unit_ = columns.unit;
  }

  /// "width 240 height 180", or the names of the columns, or anything.
  Status comment(std::string_view text) {
    std::vector<std::string_view>& words = words_;
    split_words(text, 5, words);
    if (words.size() == 4 && words[0] == "width" && words[2] == "height") {
      if (const auto size = size_of_words(words[1], words[3])) return take_size(*size);
    }
    if (const auto columns = parse_header(text, true)) take_columns(*columns);
    return {};
  }

  Status header(std::string_view text) {
    if (has_header_) return wrong("a second header line", "t x y p", text);
    has_header_ = true;
    const auto columns = parse_header(text, false);
    if (columns) {
      take_columns(*columns);
    } else if (!columns_given_) {
      return wrong("header without a column for time and one for x",
                   "names such as t_us, x, y, p; or give the order of columns", text);
    }
    return {};
  }

  Status take_size(SensorSize size) {
    SPIKELOOM_CHECK(rules_.declare_size(size.width, size.height, here()));
    facts_.width = size.width;
    facts_.height = size.height;
    return {};
  }

  Status data(std::string_view text, EventPacket& out) {
    std::vector<std::string_view>& words = words_;
    split_words(text, 64, words);
    if (!started_ && words.size() == 2 && columns_.count > 2) {
      if (const auto size = size_of_words(words[0], words[1])) return take_size(*size);
    }
    const auto count = static_cast<std::size_t>(columns_.count);
    if (words.size() < count || (columns_.exact && words.size() > count)) {
      return wrong("wrong number of columns", fmt::format("{}", count), text);
    }
    SPIKELOOM_TRY(const Time time, this->time(words[static_cast<std::size_t>(columns_.t)]));
    SPIKELOOM_TRY(const std::uint16_t x, coordinate(words, columns_.x, "x"));
    SPIKELOOM_TRY(const std::uint16_t y, coordinate(words, columns_.y, "y"));
    SPIKELOOM_TRY(const std::uint8_t polarity, this->polarity(words));
    if (!rules_.allows(time, x, y)) return rules_.explain(time, x, y, here());
    rules_.accept(time);
    started_ = true;
    out.push_back(time, x, y, polarity);
    return {};
  }

  Result<Time> time(std::string_view word) {
    if (unit_ == EventTimeUnit::kAuto) {
      unit_is_guessed_ = true;
      unit_ = is_real(word) ? EventTimeUnit::kSeconds : EventTimeUnit::kMicroseconds;
    }
    if (unit_is_guessed_ && unit_ == EventTimeUnit::kMicroseconds && is_real(word)) {
      auto error = wrong("a real number of microseconds, or seconds that began as an integer",
                         "integers throughout", word);
      error.next = "give the unit of time";
      return error;
    }
    const auto time = parse_time(word, nanoseconds(unit_));
    if (!time) return wrong("not a time", "a number that fits 64-bit nanoseconds", word);
    return *time;
  }

  Result<std::uint16_t> coordinate(const std::vector<std::string_view>& words, int column,
                                   const char* name) const {
    if (column < 0) return std::uint16_t{0};
    const std::string_view word = words[static_cast<std::size_t>(column)];
    const auto value = parse_integer(word);
    if (!value || *value < 0 || *value > 65535) {
      return wrong(fmt::format("{} is not a pixel coordinate", name), "an integer from 0 to 65535",
                   word);
    }
    return static_cast<std::uint16_t>(*value);
  }

  Result<std::uint8_t> polarity(const std::vector<std::string_view>& words) {
    if (columns_.p < 0) return std::uint8_t{1};
    const std::string_view word = words[static_cast<std::size_t>(columns_.p)];
    const auto value = parse_integer(word);
    if (!value || *value < -1 || *value > 1 ||
        (*value <= 0 && off_value_ && *value != *off_value_)) {
      return wrong(
          "not a polarity",
          off_value_ ? fmt::format("{} or 1", *off_value_) : std::string("0 or 1, or -1 or 1"),
          word);
    }
    if (*value <= 0) off_value_ = *value;
    return static_cast<std::uint8_t>(*value > 0 ? 1 : 0);
  }

  EventRules rules_;
  EventTimeUnit unit_;
  bool unit_is_guessed_ = false;
  bool columns_given_;
  EventColumns columns_;
  bool has_header_ = false;
  bool started_ = false;                   ///< an event was read
  std::optional<std::int64_t> off_value_;  ///< 0 or -1, once a file has shown which
  std::uint64_t line_number_ = 0;
  std::vector<std::string_view> words_;  ///< of the line at hand
  std::string held_;                     ///< a line whose end has not come yet
};

enum class Style { kText, kCsv };

/// text: "# t_s x y p" and seconds with nine decimals. csv: "t_us,x,y,p" and microseconds, with
/// decimals only where a time needs them. Both hold every event; csv does not hold the size.
class TextEncoder final : public EventEncoder {
 public:
  TextEncoder(Style style, const WriteOptions& options) : style_(style), options_(options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    for (const std::uint8_t polarity : events.polarity) {
      if (polarity > 1) {
        return Error{.code = ErrorCode::kUnsupported,
                     .what = "text cannot hold this polarity",
                     .expected = "0 or 1",
                     .got = fmt::format("{}", polarity)};
      }
    }
    text_.clear();
    head();
    for (std::size_t i = 0; i < events.size(); ++i) {
      const Time time = events.time[i];
      // The magnitude of the smallest Time does not fit a Time.
      const std::uint64_t ns =
          time < 0 ? ~static_cast<std::uint64_t>(time) + 1 : static_cast<std::uint64_t>(time);
      const char* sign = time < 0 ? "-" : "";
      auto end = std::back_inserter(text_);
      if (style_ == Style::kText) {
        fmt::format_to(end, "{}{}.{:09} {} {} {}\n", sign, ns / kSecond, ns % kSecond, events.x[i],
                       events.y[i], events.polarity[i]);
      } else if (ns % kMicrosecond == 0) {
        fmt::format_to(end, "{}{},{},{},{}\n", sign, ns / kMicrosecond, events.x[i], events.y[i],
                       events.polarity[i]);
      } else {
        fmt::format_to(end, "{}{}.{:03},{},{},{}\n", sign, ns / kMicrosecond, ns % kMicrosecond,
                       events.x[i], events.y[i], events.polarity[i]);
      }
    }
    flush(out);
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    text_.clear();
    head();
    flush(out);
    if (style_ == Style::kCsv && options_.width != 0) {
      losses_.push_back(fmt::format("the sensor's size, {}x{}", options_.width, options_.height));
    }
    return {};
  }

 private:
  void head() {
    if (has_head_) return;
    has_head_ = true;
    if (style_ == Style::kCsv) {
      text_ += "t_us,x,y,p\n";
      return;
    }
    if (options_.width != 0) {
      text_ += fmt::format("# width {} height {}\n", options_.width, options_.height);
    }
    text_ += "# t_s x y p\n";
  }

  void flush(std::vector<std::byte>& out) const {
    const auto* bytes = reinterpret_cast<const std::byte*>(text_.data());
    out.insert(out.end(), bytes, bytes + text_.size());
  }

  Style style_;
  WriteOptions options_;
  bool has_head_ = false;
  std::string text_;
};

/// Nothing when the bytes do not read like lines of events, else whether commas separate them.
std::optional<Style> style_of(std::span<const std::byte> head) {
  std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.substr(0, 3) == kByteOrderMark) text.remove_prefix(3);
  std::vector<std::string_view> words;
  const bool is_whole = head.size() < kDetectBytes;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos && !is_whole) return std::nullopt;
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (std::any_of(line.begin(), line.end(),
                    [](unsigned char c) { return c != '\t' && std::iscntrl(c) != 0; })) {
      return std::nullopt;
    }
    if (line.empty() || is_comment(line)) continue;
    const Style style =
        line.find_first_of(",;") != std::string_view::npos ? Style::kCsv : Style::kText;
    if (starts_with_letter(line)) {
      return parse_header(line, false) ? std::optional(style) : std::nullopt;
    }
    split_words(line, 64, words);
    const bool numbers = std::all_of(words.begin(), words.end(), [](std::string_view word) {
      return parse_time(word, 1).has_value();
    });
    if (!numbers) return std::nullopt;
    if (words.size() == 2) continue;  // perhaps the sensor's size
    return words.size() >= 3 ? std::optional(style) : std::nullopt;
  }
  return std::nullopt;
}

Result<std::unique_ptr<EventDecoder>> make_text_decoder(const ReadOptions& options) {
  std::optional<EventColumns> columns;
  if (!options.columns.empty()) {
    SPIKELOOM_TRY(columns, parse_columns(options.columns));
  }
  return std::unique_ptr<EventDecoder>(std::make_unique<TextDecoder>(options, columns));
}

template <Style style>
Match match(std::span<const std::byte> head) {
  return style_of(head) == style ? Match::kLikely : Match::kNo;
}

template <Style style>
Result<std::unique_ptr<EventEncoder>> make_text_encoder(const WriteOptions& options) {
  return std::unique_ptr<EventEncoder>(std::make_unique<TextEncoder>(style, options));
}

}  // namespace

EventCodec text_codec() {
  return {.name = "text",
          .description = "lines \"t x y p\", separated by blanks",
          .extensions = {"txt", "text"},
          .match = match<Style::kText>,
          .make_decoder = make_text_decoder,
          .make_encoder = make_text_encoder<Style::kText>};
}

EventCodec csv_codec() {
  return {.name = "csv",
          .description = "lines \"t,x,y,p\" with a header",
          .extensions = {"csv"},
          .match = match<Style::kCsv>,
          .make_decoder = make_text_decoder,
          .make_encoder = make_text_encoder<Style::kCsv>};
}

}  // namespace spikeloom::detail
