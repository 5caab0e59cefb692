#include "sensors/detail/event_text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <limits>

namespace spikeloom::detail {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }
bool is_separator(char c) { return is_blank(c) || c == ',' || c == ';'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// A finite real number that takes up the whole word.
std::optional<double> parse_real(std::string_view word) {
  if (!word.empty() && word.front() == '+') word.remove_prefix(1);
  double value = 0.0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (error != std::errc() || end != word.data() + word.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

/// `name` without case, quotes and brackets, split into words: "T [us]" is {"t", "us"}.
std::vector<std::string> name_words(std::string_view name) {
  std::vector<std::string> words(1);
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
      words.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::optional<EventTimeUnit> unit_of(std::string_view word) {
  if (word == "s" || word == "sec" || word == "seconds") return EventTimeUnit::kSeconds;
  if (word == "ms" || word == "milliseconds") return EventTimeUnit::kMilliseconds;
  if (word == "us" || word == "usec" || word == "microseconds") return EventTimeUnit::kMicroseconds;
  if (word == "ns" || word == "nanoseconds") return EventTimeUnit::kNanoseconds;
  return std::nullopt;
}

}  // namespace

std::int64_t nanoseconds(EventTimeUnit unit) {
  switch (unit) {
    case EventTimeUnit::kSeconds:
      return kSecond;
    case EventTimeUnit::kMilliseconds:
      return kMillisecond;
    case EventTimeUnit::kNanoseconds:
      return kNanosecond;
    case EventTimeUnit::kMicroseconds:
    case EventTimeUnit::kAuto:
      break;
  }
  return kMicrosecond;
}

Result<EventColumns> parse_columns(std::string_view letters) {
  EventColumns columns{-1, -1, -1, -1, static_cast<int>(letters.size())};
  bool right = letters.size() <= 64;
  for (std::size_t i = 0; right && i < letters.size(); ++i) {
    int* slot = letters[i] == 't'   ? &columns.t
                : letters[i] == 'x' ? &columns.x
                : letters[i] == 'y' ? &columns.y
                : letters[i] == 'p' ? &columns.p
                                    : nullptr;
    right = letters[i] == '-' || (slot != nullptr && *slot == -1);
    if (right && slot != nullptr) *slot = static_cast<int>(i);
  }
  if (right && columns.t >= 0 && columns.x >= 0) return columns;
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = "not an order of columns",
               .expected = "t and x, perhaps y and p, and - for a column to skip, as in txyp",
               .got = std::string(letters.substr(0, 64))};
}

std::optional<EventColumns> parse_header(std::string_view line, bool strict) {
  // Commas allow spaces inside a name, as in "t [us],x,y,p".
  const char separator = line.find(',') != std::string_view::npos   ? ','
                         : line.find(';') != std::string_view::npos ? ';'
                                                                    : ' ';
  EventColumns columns{-1, -1, -1, -1, 0};
  columns.exact = false;
  std::size_t begin = 0;
  for (int i = 0; begin <= line.size() && i < 64;) {
    std::size_t end = line.find(separator, begin);
    if (separator == ' ') end = line.find_first_of(" \t", begin);
    if (end == std::string_view::npos) end = line.size();
    const auto words = name_words(line.substr(begin, end - begin));
    begin = end + 1;
    if (words.empty() && separator == ' ') continue;
    const std::string first = words.empty() ? "" : words[0];
    int* slot = nullptr;
    if (first == "t" || first == "ts" || first.rfind("time", 0) == 0) {
      slot = &columns.t;
      if (words.size() > 1) {
        const auto unit = unit_of(words[1]);
        if (!unit) return std::nullopt;
        columns.unit = *unit;
      }
    } else if (first == "x") {
      slot = &columns.x;
    } else if (first == "y") {
      slot = &columns.y;
    } else if (first == "p" || first == "pol" || first == "polarity" || first == "on") {
      slot = &columns.p;
    }
    if (slot == nullptr ? strict : *slot != -1) return std::nullopt;
    if (slot != nullptr) {
      *slot = i;
      columns.count = i + 1;
    }
    ++i;
  }
  if (columns.t < 0 || columns.x < 0) return std::nullopt;
  return columns;
}

void split_words(std::string_view line, std::size_t limit, std::vector<std::string_view>& words) {
  words.clear();
  const auto skip_blanks = [line](std::size_t i) {
    while (i < line.size() && is_blank(line[i])) ++i;
    return i;
  };
  std::size_t i = skip_blanks(0);
  while (i < line.size() && words.size() < limit) {
    const std::size_t begin = i;
    while (i < line.size() && !is_separator(line[i])) ++i;
    words.push_back(line.substr(begin, i - begin));
    i = skip_blanks(i);
    if (i < line.size() && !is_blank(line[i]) && is_separator(line[i])) i = skip_blanks(i + 1);
  }
}

bool is_real(std::string_view word) { return word.find_first_of(".eE") != std::string_view::npos; }

std::optional<Time> parse_time(std::string_view word, std::int64_t unit_ns) {
  constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
  if (word.find_first_of("eE") != std::string_view::npos) {
    const auto value = parse_real(word);
    // 2^63 as a double; anything below it rounds to a 64-bit integer.
    if (!value || std::abs(*value) * static_cast<double>(unit_ns) >= 0x1.0p63) {
      return std::nullopt;
    }
    return std::llround(*value * static_cast<double>(unit_ns));
  }
  const bool negative = !word.empty() && word.front() == '-';
  if (negative || (!word.empty() && word.front() == '+')) word.remove_prefix(1);
  std::int64_t whole = 0;
  std::size_t i = 0;
  for (; i < word.size() && is_digit(word[i]); ++i) {
    if (whole > (kLargest - 9) / 10) return std::nullopt;
    whole = whole * 10 + (word[i] - '0');
  }
  std::size_t digits = i;
  std::int64_t fraction = 0;
  if (i < word.size() && word[i] == '.') {
    std::int64_t place = unit_ns;
    bool rounded = false;
    for (++i; i < word.size() && is_digit(word[i]); ++i, ++digits) {
      if (place > 1) {
        place /= 10;
        fraction += (word[i] - '0') * place;
      } else if (!rounded) {
        fraction += word[i] >= '5' ? 1 : 0;
        rounded = true;
      }
    }
  }
  if (digits == 0 || i != word.size()) return std::nullopt;
  if (whole > (kLargest - fraction) / unit_ns) return std::nullopt;
  const Time time = whole * unit_ns + fraction;
  return negative ? -time : time;
}

std::optional<std::int64_t> parse_integer(std::string_view word) {
  std::string_view digits = word;
  if (!digits.empty() && digits.front() == '+') digits.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc() && end == digits.data() + digits.size()) return value;
  const auto real = parse_real(word);
  if (!real || std::abs(*real) > 0x1.0p53 || std::trunc(*real) != *real) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

}  // namespace spikeloom::detail
