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

/// y(|x|) from the 1025 entries of a table, wherever they lie.
constexpr std::int32_t table_value(const std::int32_t* entries, int shift, std::int32_t x) {
  const std::int64_t magnitude = x < 0 ? -std::int64_t{x} : x;
  const std::int64_t limit = (std::int64_t{1024} << shift) - 1;
  const auto a = static_cast<std::int32_t>(magnitude < limit ? magnitude : limit);
  const std::int32_t* const here = entries + (a >> shift);
  const std::int32_t rest = a & ((1 << shift) - 1);
  return here[0] + (((here[1] - here[0]) * rest + (1 << (shift - 1))) >> shift);
}

inline constexpr int kSigmoidShift = 6, kTanhShift = 5;

/// sigmoid(x 2^-12) and tanh(x 2^-12) in units of 2^-15.
constexpr std::int32_t sigmoid_value(const std::int32_t* entries, std::int32_t x) {
  const std::int32_t y = table_value(entries, kSigmoidShift, x);
  return x < 0 ? 32768 - y : y;
}
constexpr std::int32_t tanh_value(const std::int32_t* entries, std::int32_t x) {
  const std::int32_t y = table_value(entries, kTanhShift, x);
  return x < 0 ? -y : y;
}

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
  std::int32_t at(std::int32_t x) const { return table_value(table_.data(), shift_, x); }
  const std::array<std::int32_t, 1025>& entries() const { return table_; }

 private:
  int shift_;
  std::array<std::int32_t, 1025> table_{};
};

inline const IntegerTable& sigmoid_table() {
  static const IntegerTable table(kSigmoidShift, [](std::size_t k) {
    return 1.0 / (1.0 + std::exp(-static_cast<double>(k) / 64.0));
  });
  return table;
}

inline const IntegerTable& tanh_table() {
  static const IntegerTable table(
      kTanhShift, [](std::size_t k) { return std::tanh(static_cast<double>(k) / 128.0); });
  return table;
}

inline std::int32_t integer_sigmoid(std::int32_t x) {
  return sigmoid_value(sigmoid_table().entries().data(), x);
}
inline std::int32_t integer_tanh(std::int32_t x) {
  return tanh_value(tanh_table().entries().data(), x);
}

}  // namespace spikeloom
