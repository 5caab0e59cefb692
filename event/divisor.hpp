#pragma once
/// Division by a number that is known beforehand: one multiplication.
///
/// floor(n / d) = floor(n ceil(2^64 / d) / 2^64) for all n, d below 2^32, d > 1 (Lemire, Kaser and
/// Kurz, Faster remainder by direct computation, 2019).

#include <cstdint>

namespace spikeloom::detail {

class Divisor {
 public:
  Divisor() = default;
  /// `d` > 0.
  explicit Divisor(std::uint32_t d) : d_(d), inverse_(d == 1 ? 0 : ~std::uint64_t{0} / d + 1) {}

  std::uint32_t value() const { return d_; }
  std::uint32_t quotient(std::uint32_t n) const {
    __extension__ using Wide = unsigned __int128;
    return d_ == 1 ? n : static_cast<std::uint32_t>(Wide{n} * inverse_ >> 64);
  }

 private:
  std::uint32_t d_ = 1;
  std::uint64_t inverse_ = 0;
};

}  // namespace spikeloom::detail
