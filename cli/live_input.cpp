#include "cli/live_input.hpp"

#include <algorithm>
#include <bit>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "sensors/codec.hpp"
#include "sensors/detail/event_text.hpp"
#include "snn/input_coding.hpp"

namespace spikeloom::cli {
namespace {

constexpr std::size_t kLongestLine = 4096;
constexpr std::size_t kLongestStart = 65536;

std::span<const std::byte> bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view trimmed(std::string_view line) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && is_space(line.back())) line.remove_suffix(1);
  while (!line.empty() && is_space(line.front())) line.remove_prefix(1);
  return line;
}

bool is_comment(std::string_view line) { return line.front() == '#' || line.front() == '%'; }

/// The start of a line for a message, without control characters.
std::string quoted(std::string_view line) {
  std::string text = "\"";
  for (const char c : line.substr(0, 48)) {
    text += std::isprint(static_cast<unsigned char>(c)) != 0 ? c : '?';
  }
  return text + (line.size() > 48 ? "...\"" : "\"");
}

Error outside_input(std::string where, std::int64_t elements, std::string got) {
  return Error{.code = ErrorCode::kShape,
               .what = "an event lies outside the network's input",
               .where = std::move(where),
               .expected = fmt::format("an index from 0 to {}", elements - 1),
               .got = std::move(got)};
}

/// Cuts bytes into lines and hands each on with its number; a line without an end is held.
class LineReader : public LiveReader {
 public:
  Status feed(std::span<const std::byte> bytes, LiveEvents& out) override {
    std::string_view text = text_of(bytes);
    while (!text.empty()) {
      const std::size_t end = text.find('\n');
      const std::string_view part = text.substr(0, end);
      if (held_.size() + part.size() > kLongestLine) {
        return Error{.code = ErrorCode::kFormat,
                     .what = "line too long to be an event",
                     .where = fmt::format("line {}", number_ + 1),
                     .expected = fmt::format("at most {} bytes", kLongestLine)};
      }
      if (end == std::string_view::npos) {
        held_ += part;
        return {};
      }
      text.remove_prefix(end + 1);
      ++number_;
      if (held_.empty()) {
        SPIKELOOM_CHECK(line(part, out));
      } else {
        held_ += part;
        SPIKELOOM_CHECK(line(held_, out));
        held_.clear();
      }
    }
    return {};
  }

  Status finish(LiveEvents& out) override {
    if (held_.empty()) return {};
    ++number_;
    return line(held_, out);
  }

  const char* unit() const override { return "line"; }

 protected:
  virtual Status line(std::string_view text, LiveEvents& out) = 0;
  std::uint64_t number() const { return number_; }

 private:
  std::string held_;
  std::uint64_t number_ = 0;
};

/// "t x y p": the decoder of the event format text, fed line by line so that numbers are known.
class AddressLines final : public LineReader {
 public:
  AddressLines(std::unique_ptr<EventDecoder> decoder, EventAxes axes)
      : decoder_(std::move(decoder)), axes_(axes) {}

 private:
  Status line(std::string_view text, LiveEvents& out) override {
    packet_.time.clear();
    packet_.x.clear();
    packet_.y.clear();
    packet_.polarity.clear();
    SPIKELOOM_CHECK(decoder_->feed(bytes_of(text), packet_));
    SPIKELOOM_CHECK(decoder_->feed(bytes_of("\n"), packet_));
    for (std::size_t i = 0; i < packet_.size(); ++i) {
      out.time.push_back(packet_.time[i]);
      out.index.push_back(axes_.index(packet_.x[i], packet_.y[i], packet_.polarity[i]));
      out.value.push_back(1.0);
      out.number.push_back(number());
    }
    return {};
  }

  std::unique_ptr<EventDecoder> decoder_;
  EventAxes axes_;
  EventPacket packet_;
};

/// "t index [value]".
class IndexLines final : public LineReader {
 public:
  IndexLines(std::int64_t elements, EventTimeUnit unit) : elements_(elements), unit_(unit) {}

 private:
  std::string here() const { return fmt::format("line {}", number()); }

  Error wrong(std::string what, std::string expected, std::string_view got) const {
    return {.code = ErrorCode::kFormat,
            .what = std::move(what),
            .where = here(),
            .expected = std::move(expected),
            .got = quoted(got)};
  }

  Status line(std::string_view text, LiveEvents& out) override {
    text = trimmed(text);
    if (text.empty() || is_comment(text)) return {};
    detail::split_words(text, 4, words_);
    // A line of names in front of the numbers.
    if (!started_ && std::isalpha(static_cast<unsigned char>(text.front())) != 0) return {};
    if (words_.size() != 2 && words_.size() != 3) {
      Error error = wrong("wrong number of columns", "2 or 3: t index [value]", text);
      error.next = "for lines of another form give --columns, as in --columns txyp";
      return error;
    }
    if (unit_ == EventTimeUnit::kAuto) {
      guessed_ = true;
      unit_ = detail::is_real(words_[0]) ? EventTimeUnit::kSeconds : EventTimeUnit::kMicroseconds;
    }
    if (guessed_ && unit_ == EventTimeUnit::kMicroseconds && detail::is_real(words_[0])) {
      Error error = wrong("a real number of microseconds, or seconds that began as an integer",
                          "integers throughout", words_[0]);
      error.next = "give --event-time-unit";
      return error;
    }
    const auto time = detail::parse_time(words_[0], detail::nanoseconds(unit_));
    if (!time) return wrong("not a time", "a number that fits 64-bit nanoseconds", words_[0]);
    const auto index = detail::parse_integer(words_[1]);
    if (!index) return wrong("not an index", "an integer", words_[1]);
    if (*index < 0 || *index >= elements_) {
      return outside_input(here(), elements_, std::to_string(*index));
    }
    double value = 1.0;
    if (words_.size() == 3) {
      const char* end = words_[2].data() + words_[2].size();
      const auto [last, failed] = std::from_chars(words_[2].data(), end, value);
      if (failed != std::errc() || last != end || !std::isfinite(value)) {
        return wrong("not a value", "a finite number", words_[2]);
      }
    }
    started_ = true;
    out.time.push_back(*time);
    out.index.push_back(static_cast<std::uint32_t>(*index));
    out.value.push_back(value);
    out.number.push_back(number());
    return {};
  }

  std::int64_t elements_;
  EventTimeUnit unit_;
  bool guessed_ = false;
  bool started_ = false;
  std::vector<std::string_view> words_;
};

class BinaryRecords final : public LiveReader {
 public:
  explicit BinaryRecords(std::int64_t elements) : elements_(elements) {}

  Status feed(std::span<const std::byte> bytes, LiveEvents& out) override {
    while (!bytes.empty()) {
      const std::size_t part = std::min(bytes.size(), kLiveRecordBytes - held_);
      std::memcpy(record_ + held_, bytes.data(), part);
      bytes = bytes.subspan(part);
      held_ += part;
      if (held_ < kLiveRecordBytes) return {};
      held_ = 0;
      SPIKELOOM_CHECK(record(out));
    }
    return {};
  }

  Status finish(LiveEvents&) override {
    if (held_ == 0) return {};
    return Error{.code = ErrorCode::kFormat,
                 .what = "the last record is cut short",
                 .where = fmt::format("record {}", number_ + 1),
                 .expected = fmt::format("{} bytes", kLiveRecordBytes),
                 .got = std::to_string(held_)};
  }

  const char* unit() const override { return "record"; }

 private:
  std::uint64_t little_endian(std::size_t first, std::size_t bytes) const {
    std::uint64_t value = 0;
    for (std::size_t i = bytes; i-- > 0;) {
      value = value << 8 | static_cast<std::uint64_t>(record_[first + i]);
    }
    return value;
  }

  Status record(LiveEvents& out) {
    ++number_;
    const auto time = static_cast<Time>(little_endian(0, 8));
    const auto index = static_cast<std::uint32_t>(little_endian(8, 4));
    const auto value = std::bit_cast<float>(static_cast<std::uint32_t>(little_endian(12, 4)));
    const std::string where = fmt::format("record {}", number_);
    if (index >= elements_) return outside_input(where, elements_, std::to_string(index));
    if (!std::isfinite(value)) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "not a value",
                   .where = where,
                   .expected = "a finite number",
                   .got = fmt::format("{}", value)};
    }
    out.time.push_back(time);
    out.index.push_back(index);
    out.value.push_back(static_cast<double>(value));
    out.number.push_back(number_);
    return {};
  }

  std::int64_t elements_;
  std::byte record_[kLiveRecordBytes] = {};
  std::size_t held_ = 0;
  std::uint64_t number_ = 0;
};

Result<std::unique_ptr<LiveReader>> make_address_lines(const LiveFormat& format) {
  SPIKELOOM_TRY(const EventAxes axes, event_axes(format.shape));
  SPIKELOOM_TRY(const EventCodec* codec, find_event_codec("text"));
  constexpr std::int64_t kMost = 65536;  // coordinates are 16 bits
  ReadOptions options;
  options.width = static_cast<std::uint32_t>(std::min(axes.columns, kMost));
  options.height = static_cast<std::uint32_t>(std::min(axes.rows, kMost));
  options.unsorted = true;  // order is the session's business
  options.columns = format.columns;
  SPIKELOOM_TRY(options.time_unit, parse_event_time_unit(format.time_unit));
  SPIKELOOM_TRY(auto decoder, codec->make_decoder(options));
  return std::unique_ptr<LiveReader>(std::make_unique<AddressLines>(std::move(decoder), axes));
}

Result<std::unique_ptr<LiveReader>> make_index_lines(const LiveFormat& format) {
  SPIKELOOM_TRY(const std::int64_t elements, element_count(format.shape));
  SPIKELOOM_TRY(const EventTimeUnit unit, parse_event_time_unit(format.time_unit));
  return std::unique_ptr<LiveReader>(std::make_unique<IndexLines>(elements, unit));
}

/// Holds the stream's beginning until a line says what the lines are.
class UndecidedLines final : public LiveReader {
 public:
  explicit UndecidedLines(LiveFormat format) : format_(std::move(format)) {}

  Status feed(std::span<const std::byte> bytes, LiveEvents& out) override {
    if (reader_ != nullptr) return reader_->feed(bytes, out);
    const std::size_t searched = start_.rfind('\n') + 1;  // npos + 1 is 0
    // Never further than this, however large the pieces are that the bytes come in.
    const std::size_t part = std::min(bytes.size(), kLongestStart - start_.size());
    start_ += text_of(bytes.first(part));
    std::optional<std::size_t> words;
    for (std::size_t begin = searched; !words;) {
      const std::size_t end = start_.find('\n', begin);
      if (end == std::string::npos) break;
      words = words_of(std::string_view(start_).substr(begin, end - begin));
      begin = end + 1;
    }
    if (!words && start_.size() < kLongestStart) return {};
    SPIKELOOM_CHECK(decide(words.value_or(0), out));
    return reader_->feed(bytes.subspan(part), out);
  }

  Status finish(LiveEvents& out) override {
    if (reader_ == nullptr) {
      const std::size_t last = start_.rfind('\n') + 1;
      SPIKELOOM_CHECK(decide(words_of(std::string_view(start_).substr(last)).value_or(0), out));
    }
    return reader_->finish(out);
  }

  const char* unit() const override { return "line"; }

 private:
  /// Words of a line of numbers; nothing for a line without.
  std::optional<std::size_t> words_of(std::string_view line) {
    line = trimmed(line);
    if (line.empty() || is_comment(line)) return std::nullopt;
    if (std::isalpha(static_cast<unsigned char>(line.front())) != 0) return std::nullopt;
    detail::split_words(line, 5, words_);
    return words_.size();
  }

  Status decide(std::size_t words, LiveEvents& out) {
    if (words == 2 || words == 3) {
      SPIKELOOM_TRY(reader_, make_index_lines(format_));
    } else {
      SPIKELOOM_TRY(reader_, make_address_lines(format_));
    }
    const std::string start = std::move(start_);
    return reader_->feed(bytes_of(start), out);
  }

  LiveFormat format_;
  std::string start_;
  std::vector<std::string_view> words_;
  std::unique_ptr<LiveReader> reader_;
};

}  // namespace

void LiveEvents::clear() {
  time.clear();
  index.clear();
  value.clear();
  number.clear();
}

Result<std::unique_ptr<LiveReader>> make_live_reader(const LiveFormat& format) {
  SPIKELOOM_TRY(const std::int64_t elements, element_count(format.shape));
  if (format.format == "binary") {
    return std::unique_ptr<LiveReader>(std::make_unique<BinaryRecords>(elements));
  }
  if (format.columns.empty()) {
    return std::unique_ptr<LiveReader>(std::make_unique<UndecidedLines>(format));
  }
  if (format.columns == "ti" || format.columns == "tiv") return make_index_lines(format);
  return make_address_lines(format);
}

}  // namespace spikeloom::cli
