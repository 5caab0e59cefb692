#include "cli/table.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace spikeloom::cli {

Table::Table(std::vector<std::string> header, std::size_t left)
    : header_(std::move(header)), left_(left) {}

void Table::row(std::vector<std::string> cells) {
  cells.resize(header_.size());
  rows_.push_back(std::move(cells));
}

void Table::total(std::vector<std::string> cells) {
  total_at_ = rows_.size();
  row(std::move(cells));
}

std::string Table::text() const {
  std::vector<std::size_t> width(header_.size());
  for (std::size_t c = 0; c < header_.size(); ++c) {
    width[c] = display_width(header_[c]);
    for (const auto& cells : rows_) width[c] = std::max(width[c], display_width(cells[c]));
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string made;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::string gap(width[c] - display_width(cells[c]), ' ');
      if (c > 0) made += "  ";
      made += c < left_ ? cells[c] + gap : gap + cells[c];
    }
    made.erase(made.find_last_not_of(' ') + 1);
    return made + "\n";
  };
  std::string all = line(header_);
  std::size_t whole = 2 * (header_.size() - 1);
  for (const std::size_t w : width) whole += w;
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    if (r == total_at_) all += std::string(whole, '-') + "\n";
    all += line(rows_[r]);
  }
  return all;
}

std::string with_commas(std::uint64_t value) {
  std::string digits = std::to_string(value);
  for (std::ptrdiff_t at = static_cast<std::ptrdiff_t>(digits.size()) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), ",");
  }
  return digits;
}

std::string number_text(double value) {
  if (std::floor(value) == value && std::abs(value) < 1e15) {
    return std::to_string(static_cast<std::int64_t>(value));
  }
  return fmt::format("{:.6g}", value);
}

std::string seconds_text(double seconds) {
  const double size = std::abs(seconds);
  if (size == 0.0) return "0 s";
  if (size < 1e-6) return fmt::format("{:.4g} ns", seconds * 1e9);
  if (size < 1e-3) return fmt::format("{:.4g} us", seconds * 1e6);
  if (size < 1.0) return fmt::format("{:.4g} ms", seconds * 1e3);
  return fmt::format("{:.4g} s", seconds);
}

std::size_t display_width(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

}  // namespace spikeloom::cli
