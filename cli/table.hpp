#pragma once
/// Plain tables for people: columns padded to their widest cell, numbers to the right.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace spikeloom::cli {

class Table {
 public:
  /// `left` columns from the left are text; the others are numbers.
  Table(std::vector<std::string> header, std::size_t left);
  void row(std::vector<std::string> cells);
  /// A row that stands apart, below a line.
  void total(std::vector<std::string> cells);
  std::string text() const;

 private:
  std::vector<std::string> header_;
  std::size_t left_;
  std::vector<std::vector<std::string>> rows_;
  std::size_t total_at_ = static_cast<std::size_t>(-1);
};

/// "1,234,567".
std::string with_commas(std::uint64_t value);
/// The shortest text of a number: "3", "0.25".
std::string number_text(double value);
/// "1 ms", "0.25 s", "100 us"; "one step" where 0 stands for an unknown step.
std::string seconds_text(double seconds);

/// Columns of a terminal that UTF-8 text takes, one per code point.
std::size_t display_width(const std::string& text);

}  // namespace spikeloom::cli
