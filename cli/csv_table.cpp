#include "cli/csv_table.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "base/io/file.hpp"

namespace spikeloom::cli {
namespace {

/// The cells of the next line; `text` loses it.
std::vector<std::string> take_row(std::string_view& text) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  std::size_t at = 0;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (quoted) {
      if (c != '"') {
        cells.back() += c;
      } else if (at + 1 < text.size() && text[at + 1] == '"') {
        cells.back() += text[++at];
      } else {
        quoted = false;
      }
    } else if (c == '"') {
      quoted = true;
    } else if (c == ',') {
      cells.emplace_back();
    } else if (c == '\n') {
      ++at;
      break;
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  text.remove_prefix(at);
  return cells;
}

}  // namespace

Result<CsvTable> CsvTable::read(const std::string& path) {
  SPIKELOOM_TRY(const std::string text, io::read_text_file(path));
  return parse(text, path);
}

Result<CsvTable> CsvTable::parse(std::string_view text, const std::string& name) {
  CsvTable table;
  table.name_ = name;
  if (text.empty())
    return Error{.code = ErrorCode::kFormat, .what = "a table without a header", .where = name};
  table.header_ = take_row(text);
  while (!text.empty()) {
    std::vector<std::string> row = take_row(text);
    if (row.size() != table.header_.size()) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "a row with another number of cells than the header",
                   .where = fmt::format("{}, row {}", name, table.rows_.size() + 1),
                   .expected = fmt::format("{}", table.header_.size()),
                   .got = fmt::format("{}", row.size())};
    }
    table.rows_.push_back(std::move(row));
  }
  return table;
}

Result<std::size_t> CsvTable::column(std::string_view name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found != header_.end()) return static_cast<std::size_t>(found - header_.begin());
  return Error{.code = ErrorCode::kFormat,
               .what = fmt::format("the table has no column '{}'", name),
               .where = name_,
               .next = "make the run folder anew with this version"};
}

double CsvTable::number(std::size_t row, std::size_t column) const {
  const std::string& cell = rows_[row][column];
  double value = 0.0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  return error == std::errc() && end == cell.data() + cell.size() ? value : 0.0;
}

std::uint64_t whole_number(double value) {
  constexpr double kMost = 9007199254740992.0;
  return value > 0.0 ? static_cast<std::uint64_t>(std::min(value, kMost)) : 0;
}

}  // namespace spikeloom::cli
