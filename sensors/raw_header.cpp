#include "sensors/detail/raw_header.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

/// Sensors by what a header's plugin, sensor or generation says; the longer names first.
struct KnownSensor {
  std::string_view name;
  std::uint32_t width, height;
};
constexpr std::array<KnownSensor, 6> kSensors = {{{"genx320", 320, 320},
                                                  {"gen41", 1280, 720},
                                                  {"gen4", 1280, 720},
                                                  {"imx636", 1280, 720},
                                                  {"gen31", 640, 480},
                                                  {"gen3", 640, 480}}};

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return result;
}

std::optional<std::uint32_t> number(std::string_view text) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

class Parser {
 public:
  Status line(std::string_view text, std::size_t at) {
    text.remove_prefix(1);  // the percent sign
    while (!text.empty() && (text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    const std::size_t blank = text.find(' ');
    const std::string key = lower(text.substr(0, blank));
    std::string_view value;
    if (blank != std::string_view::npos) value = text.substr(blank + 1);
    if (key == "evt") {
      header.format = value == "2.1" ? "EVT21" : value.substr(0, 1) == "2" ? "EVT2" : "EVT3";
      if (value.substr(0, 1) != "2" && value.substr(0, 1) != "3")
        header.format = "EVT" + lower(value);
    } else if (key == "format") {
      return format(value, at);
    } else if (key == "geometry") {
      const std::size_t x = value.find('x');
      return size(value.substr(0, x), x == value.npos ? "" : value.substr(x + 1), at);
    } else if (key == "width" || key == "height") {
      (key == "width" ? width_ : height_) = value;
      if (!width_.empty() && !height_.empty()) return size(width_, height_, at);
    } else if (key == "version") {
      header.version = number(value).value_or(0);
    } else if (key.find("plugin") != key.npos || key.starts_with("sensor_")) {
      named_ += lower(value) + " ";
    }
    return {};
  }

  RawHeader finish(std::size_t bytes) {
    header.bytes = bytes;
    if (header.width == 0) {
      for (const KnownSensor& sensor : kSensors) {
        if (named_.find(sensor.name) == named_.npos) continue;
        header.width = sensor.width;
        header.height = sensor.height;
        break;
      }
    }
    return header;
  }

  RawHeader header;

 private:
  /// "EVT3;height=720;width=1280;endianness=little"
  Status format(std::string_view value, std::size_t at) {
    std::string_view wide, high;
    while (!value.empty()) {
      const std::size_t end = value.find(';');
      const std::string_view part = value.substr(0, end);
      value.remove_prefix(end == value.npos ? value.size() : end + 1);
      const std::size_t equals = part.find('=');
      if (equals == part.npos) {
        header.format = part;
      } else if (part.substr(0, equals) == "width") {
        wide = part.substr(equals + 1);
      } else if (part.substr(0, equals) == "height") {
        high = part.substr(equals + 1);
      } else if (part.substr(0, equals) == "endianness") {
        header.endianness = part.substr(equals + 1);
      }
    }
    return wide.empty() && high.empty() ? Status() : size(wide, high, at);
  }

  Status size(std::string_view wide, std::string_view high, std::size_t at) {
    const auto w = number(wide);
    const auto h = number(high);
    if (w && h && *w >= 1 && *h >= 1 && *w <= 65536 && *h <= 65536 &&
        (header.width == 0 || (header.width == *w && header.height == *h))) {
      header.width = *w;
      header.height = *h;
      return {};
    }
    return Error{.code = ErrorCode::kFormat,
                 .what = w && h && header.width != 0 ? "the header gives two sensor sizes"
                                                     : "not a sensor size",
                 .where = fmt::format("byte {}", at),
                 .expected = header.width != 0 ? fmt::format("{}x{}", header.width, header.height)
                                               : std::string("1x1 to 65536x65536")};
  }

  std::string_view width_, height_;  // within the bytes being parsed
  std::string named_;
};

bool begins_line(std::string_view text, std::size_t at) {
  return text[at] == '%' && text[at + 1] == ' ';
}

}  // namespace

Result<std::optional<RawHeader>> parse_raw_header(std::span<const std::byte> head, bool whole) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  Parser parser;
  std::size_t at = 0;
  while (true) {
    if (at + 2 > text.size()) {
      if (!whole) return std::optional<RawHeader>();
      return std::optional(parser.finish(at));
    }
    if (!begins_line(text, at)) return std::optional(parser.finish(at));
    const std::size_t end = text.find('\n', at);
    if (end == text.npos) {
      if (!whole) return std::optional<RawHeader>();
      return Error{.code = ErrorCode::kFormat,
                   .what = "the header is cut short",
                   .where = fmt::format("byte {}", at),
                   .expected = "a line that ends"};
    }
    const std::string_view line = text.substr(at, end - at);
    SPIKELOOM_CHECK(parser.line(line, at));
    at = end + 1;
    if (line.substr(0, 5) == "% end") return std::optional(parser.finish(at));
  }
}

Result<std::optional<RawHeader>> read_evt_header(std::span<const std::byte> head, bool whole,
                                                 std::string_view format) {
  SPIKELOOM_TRY(auto header, parse_raw_header(head, whole));
  if (header && !header->format.empty() && header->format != format) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the header names another format",
                 .where = "byte 0",
                 .expected = std::string(format),
                 .got = header->format,
                 .next = "leave the format out, or name that one"};
  }
  return header;
}

Match match_raw_header(std::span<const std::byte> head, std::string_view format) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  if (text.size() < 2 || !begins_line(text, 0)) return Match::kNo;
  // A header may go on beyond what is looked at: its last, cut line does not count.
  std::span<const std::byte> lines = head;
  if (const auto going_on = parse_raw_header(head, false); going_on.ok() && !*going_on) {
    lines = head.first(text.rfind('\n') + 1);
  }
  const auto parsed = parse_raw_header(lines, true);
  if (!parsed.ok()) return Match::kNo;
  const RawHeader& header = **parsed;
  if (!header.format.empty()) return header.format == format ? Match::kCertain : Match::kNo;
  if (format != "DAT") return Match::kNo;
  // Two bytes say the kind and size of events.
  const bool sized = header.bytes + 2 <= text.size() && text[header.bytes + 1] == 8;
  return sized ? Match::kCertain : Match::kNo;
}

std::string raw_header_text(std::string_view format, std::string_view version,
                            const WriteOptions& options) {
  std::string text = fmt::format("% evt {}\n", version);
  if (options.width == 0) {
    text += fmt::format("% format {}\n", format);
  } else {
    text += fmt::format("% format {};height={};width={}\n% geometry {}x{}\n", format,
                        options.height, options.width, options.width, options.height);
  }
  return text + "% end\n";
}

}  // namespace spikeloom::detail
