#pragma once
/// How the value of a graded event meets weights that are -1, 0 or 1, or 0 and powers of two:
/// without a multiplication.
///
///     kSign    integers, w in {-1, 0, 1}:  w x = x, -x or nothing
///     kShift   integers, w = 0 or +-2^k:   x shifted left by k, with the sign of w; the weight is
///                                          stored as its shift code
///              floats, w = 0 or +-2^k:     x with k added to its exponent, and the sign of w
///
/// The exponent of a float can be moved where x and x 2^k are both normal numbers; then the result
/// is the rounded product, bit for bit. `can_shift` says so for the events of a step; where it does
/// not, they are multiplied.

#include <bit>
#include <cstdint>
#include <span>
#include <type_traits>

namespace spikeloom {

enum class Product {
  kOne,       ///< events of value 1: the weight itself
  kMultiply,  ///< any weights
  kSign,
  kShift,
};

namespace detail {

inline constexpr std::uint32_t kOneBits = 0x3F800000;  ///< of 1.0F
inline constexpr int kExponentBias = 127;

inline int exponent_field(float value) {
  return static_cast<int>(std::bit_cast<std::uint32_t>(value) >> 23 & 0xFF);
}

}  // namespace detail

/// 0 for 0, and k + 1 with the sign of the weight for +-2^k.
constexpr std::int8_t shift_code(int weight) {
  if (weight == 0) return 0;
  const int code = std::countr_zero(static_cast<unsigned>(weight)) + 1;
  return static_cast<std::int8_t>(weight < 0 ? -code : code);
}

constexpr std::int32_t signed_product(std::int32_t value, int weight) {
  return weight == 0 ? 0 : weight < 0 ? -value : value;
}

constexpr std::int32_t shifted_product(std::int32_t value, int code) {
  if (code == 0) return 0;
  const auto bits = static_cast<std::uint32_t>(code < 0 ? -value : value);
  return static_cast<std::int32_t>(bits << ((code < 0 ? -code : code) - 1));
}

inline float shifted_product(float value, float weight) {
  if (weight == 0.0F) return 0.0F;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) +
                              std::bit_cast<std::uint32_t>(weight) - detail::kOneBits);
}

/// The powers k that weights +-2^k span; none where all are 0.
struct ShiftRange {
  int least = 0, most = 0;
  bool any = false;

  void take(double weight) {
    if (weight == 0.0) return;
    const int k = detail::exponent_field(static_cast<float>(weight)) - detail::kExponentBias;
    least = any && least < k ? least : k;
    most = any && most > k ? most : k;
    any = true;
  }
  /// Whether every weight is a normal float.
  bool normal() const { return least > -detail::kExponentBias && most <= detail::kExponentBias; }
};

/// Whether every product of these values with weights of the range is a normal number.
inline bool can_shift(std::span<const float> values, const ShiftRange& range) {
  for (const float value : values) {
    const int exponent = detail::exponent_field(value);
    if (exponent == 0 || exponent + range.least < 1 || exponent + range.most > 254) return false;
  }
  return true;
}
/// Integers always can.
inline bool can_shift(std::span<const std::int32_t>, const ShiftRange&) { return true; }

}  // namespace spikeloom
