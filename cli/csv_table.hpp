#pragma once
/// A CSV file with a header, as run folders have them: columns are found by name.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::cli {

/// The number as a count: 0 for less and for what is none, at most 2^53.
std::uint64_t whole_number(double value);

class CsvTable {
 public:
  /// Cells may stand in double quotes. kFormat: no header, or a row with another number of cells.
  static Result<CsvTable> read(const std::string& path);
  static Result<CsvTable> parse(std::string_view text, const std::string& name);

  std::size_t rows() const { return rows_.size(); }
  std::size_t columns() const { return header_.size(); }
  const std::string& column_name(std::size_t column) const { return header_[column]; }
  /// kFormat naming the file where there is no such column.
  Result<std::size_t> column(std::string_view name) const;
  const std::string& text(std::size_t row, std::size_t column) const { return rows_[row][column]; }
  /// 0 for what is no number.
  double number(std::size_t row, std::size_t column) const;

 private:
  std::string name_;
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace spikeloom::cli
