#pragma once
/// Sigmoid and tanh in integer arithmetic: fixed tables with linear interpolation.
///
/// Input x: an integer in units of 2^-12. Output: an integer in units of 2^-15, 0 .. 32768 for the
/// sigmoid, -32768 .. 32768 for tanh. With a = min(|x|, limit), k = a >> shift and
/// r = a & (2^shift - 1),
///
///     y(a) = T[k] + (((T[k + 1] - T[k]) r + 2^(shift - 1)) >> shift)
///
///     function   entries T[k], k = 0 .. 1024     shift   limit
///     sigmoid    round(2^15 sigmoid(k / 64))     6       2^16 - 1 (x = 16)
///     tanh       round(2^15 tanh(k / 128))       5       2^15 - 1 (x = 8)
///
/// sigmoid(-x) = 32768 - sigmoid(x), tanh(-x) = -tanh(x). No entry lies near a tie, so that every
/// library's exp and tanh give the same table, and both are within one unit of 2^-15 of the exact
/// function for every input (tested).

#include <array>
#include <cmath>
#include <cstdint>

namespace spikeloom {

/// 1025 entries of a function that rises from x = 0 on.
class IntegerTable {
 public:
  template <typename Function>
  IntegerTable(int shift, Function function) : shift_(shift) {
    for (std::size_t k = 0; k < table_.size(); ++k) {
      table_[k] = static_cast<std::int32_t>(std::lround(32768.0 * function(k)));
    }
  }

  /// y(|x|).
  std::int32_t at(std::int32_t x) const {
    const std::int64_t magnitude = x < 0 ? -std::int64_t{x} : x;
    const std::int64_t limit = (std::int64_t{1024} << shift_) - 1;
    const auto a = static_cast<std::int32_t>(magnitude < limit ? magnitude : limit);
    const auto k = static_cast<std::size_t>(a >> shift_);
    const std::int32_t rest = a & ((1 << shift_) - 1);
    return table_[k] + (((table_[k + 1] - table_[k]) * rest + (1 << (shift_ - 1))) >> shift_);
  }
  const std::array<std::int32_t, 1025>& entries() const { return table_; }

 private:
  int shift_;
  std::array<std::int32_t, 1025> table_{};
};

inline const IntegerTable& sigmoid_table() {
  static const IntegerTable table(
      6, [](std::size_t k) { return 1.0 / (1.0 + std::exp(-static_cast<double>(k) / 64.0)); });
  return table;
}

inline const IntegerTable& tanh_table() {
  static const IntegerTable table(
      5, [](std::size_t k) { return std::tanh(static_cast<double>(k) / 128.0); });
  return table;
}

/// sigmoid(x 2^-12) in units of 2^-15.
inline std::int32_t integer_sigmoid(std::int32_t x) {
  const std::int32_t y = sigmoid_table().at(x);
  return x < 0 ? 32768 - y : y;
}

/// tanh(x 2^-12) in units of 2^-15.
inline std::int32_t integer_tanh(std::int32_t x) {
  const std::int32_t y = tanh_table().at(x);
  return x < 0 ? -y : y;
}

}  // namespace spikeloom
