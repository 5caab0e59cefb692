#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/io/file.hpp"
#include "base/io/idx.hpp"
#include "base/io/npy.hpp"
#include "cli/sample.hpp"

namespace spikeloom::cli {
namespace {

bool is_separator(char c) { return c == ',' || c == ';' || c == ' ' || c == '\t'; }

/// Splits at commas, semicolons and runs of blanks; `line` has no newline.
std::vector<std::string_view> split(std::string_view line) {
  std::vector<std::string_view> cells;
  std::size_t at = 0;
  while (at < line.size()) {
    while (at < line.size() && is_separator(line[at])) ++at;
    std::size_t end = at;
    while (end < line.size() && !is_separator(line[end])) ++end;
    if (end > at) cells.push_back(line.substr(at, end - at));
    at = end;
  }
  return cells;
}

std::optional<double> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The next line without its ending; `text` loses it.
std::string_view take_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::string_view without_comment(std::string_view line) { return line.substr(0, line.find('#')); }

/// Which columns are wanted, as indices.
Result<std::vector<std::size_t>> chosen_columns(const std::string& columns, const TableHead& head,
                                                const std::string& path) {
  std::vector<std::size_t> chosen;
  if (columns.empty()) {
    for (std::size_t i = 0; i < head.columns; ++i) chosen.push_back(i);
    return chosen;
  }
  for (const std::string_view cell : split(columns)) {
    const auto named = std::find(head.names.begin(), head.names.end(), cell);
    const auto index = number(cell);
    if (named != head.names.end()) {
      chosen.push_back(static_cast<std::size_t>(named - head.names.begin()));
    } else if (index && *index >= 0.0 && *index < static_cast<double>(head.columns) &&
               std::floor(*index) == *index) {
      chosen.push_back(static_cast<std::size_t>(*index));
    } else {
      return Error{.code = ErrorCode::kNotFound,
                   .what = fmt::format("the table has no column '{}'", cell),
                   .where = path,
                   .expected = head.names.empty() ? fmt::format("a number below {}", head.columns)
                                                  : fmt::format("{}", fmt::join(head.names, ", ")),
                   .next = "give --columns with numbers from 0 or names of the header"};
    }
  }
  return chosen;
}

Error bad_row(const std::string& path, std::size_t line, std::string expected, std::string got) {
  return Error{.code = ErrorCode::kFormat,
               .what = "a row of the table is not like the others",
               .where = fmt::format("{}: line {}", path, line),
               .expected = std::move(expected),
               .got = std::move(got)};
}

std::string file_name(const std::string& path) { return path.substr(path.find_last_of('/') + 1); }

std::string stem(const std::string& name) { return name.substr(0, name.find_last_of('.')); }

Result<Labels> parse_labels(std::string_view text, const std::string& path) {
  Labels labels;
  std::size_t line_number = 0;
  while (!text.empty()) {
    const auto cells = split(without_comment(take_line(text)));
    ++line_number;
    if (cells.empty()) continue;
    const auto label = number(cells.back());
    const bool fits = label && std::floor(*label) == *label && std::abs(*label) < 1e9;
    const bool named = cells.size() == 2;
    if (!fits || cells.size() > 2 || (named ? !labels.in_order.empty() : !labels.by_name.empty())) {
      return bad_row(path, line_number, "'name label', or one label a line",
                     fmt::format("'{}'", fmt::join(cells, " ")));
    }
    const auto value = static_cast<std::int64_t>(*label);
    if (!named) {
      labels.in_order.push_back(value);
    } else if (!labels.by_name.emplace(cells[0], value).second) {
      return bad_row(path, line_number, "each name once", fmt::format("'{}' again", cells[0]));
    }
  }
  return labels;
}

}  // namespace

TableHead table_head(std::string_view text) {
  TableHead head;
  while (!text.empty()) {
    const auto cells = split(without_comment(take_line(text)));
    if (cells.empty()) continue;
    head.columns = cells.size();
    if (!number(cells[0])) head.names.assign(cells.begin(), cells.end());
    break;
  }
  return head;
}

Result<Tensor> read_table(const std::string& path, const std::string& columns) {
  SPIKELOOM_TRY(const std::string content, io::read_text_file(path, io::kDefaultMaxFileBytes));
  const TableHead head = table_head(content);
  SPIKELOOM_TRY(const auto chosen, chosen_columns(columns, head, path));
  std::vector<double> values;
  std::int64_t rows = 0;
  std::string_view text = content;
  bool header = !head.names.empty();
  for (std::size_t line = 1; !text.empty(); ++line) {
    const auto cells = split(without_comment(take_line(text)));
    if (cells.empty()) continue;
    if (header) {
      header = false;
      continue;
    }
    if (cells.size() != head.columns) {
      return bad_row(path, line, fmt::format("{} columns", head.columns),
                     fmt::format("{}", cells.size()));
    }
    for (const std::size_t column : chosen) {
      const auto value = number(cells[column]);
      if (!value) return bad_row(path, line, "a number", fmt::format("'{}'", cells[column]));
      values.push_back(*value);
    }
    ++rows;
  }
  return Tensor::of<double>({rows, static_cast<std::int64_t>(chosen.size())}, values);
}

Result<Labels> read_labels(const std::string& path) {
  SPIKELOOM_TRY(const auto bytes, io::read_file(path));
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const bool is_npy = text.starts_with("\x93NUMPY");
  if (!is_npy && !io::looks_like_idx(bytes)) return parse_labels(text, path);
  SPIKELOOM_TRY(const Tensor array,
                is_npy ? io::parse_npy(bytes, path) : io::parse_idx(bytes, path));
  if (array.rank() != 1) {
    return Error{.code = ErrorCode::kShape,
                 .what = "labels are one number a recording",
                 .where = path,
                 .expected = "an array of shape (recordings)",
                 .got = to_string(array.shape())};
  }
  auto integers = array.to_integers();
  if (!integers.ok()) return std::move(integers).error().in(path);
  Labels labels;
  labels.in_order = *std::move(integers);
  return labels;
}

Status assign_labels(const Labels& labels, const std::string& path,
                     std::vector<SampleRef>& samples) {
  if (labels.by_name.empty()) {
    if (labels.in_order.size() != samples.size()) {
      return Error{.code = ErrorCode::kShape,
                   .what = "labels and recordings differ in number",
                   .where = path,
                   .expected = fmt::format("{} labels", samples.size()),
                   .got = std::to_string(labels.in_order.size()),
                   .next = "name the recordings: lines 'name label'"};
    }
    for (std::size_t i = 0; i < samples.size(); ++i) samples[i].label = labels.in_order[i];
    return {};
  }
  for (SampleRef& sample : samples) {
    const std::string name = file_name(sample.path);
    for (const std::string& key : {sample.name, name, stem(name)}) {
      const auto found = labels.by_name.find(key);
      if (found == labels.by_name.end()) continue;
      sample.label = found->second;
      break;
    }
    if (!sample.label) {
      return Error{.code = ErrorCode::kNotFound,
                   .what = fmt::format("no label for the recording '{}'", sample.name),
                   .where = path,
                   .expected = fmt::format("a line '{} LABEL'", stem(name))};
    }
  }
  return {};
}

}  // namespace spikeloom::cli
