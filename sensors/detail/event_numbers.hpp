#pragma once
/// Arrays whose elements are times, coordinates and polarities.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/result.hpp"
#include "base/tensor.hpp"
#include "base/time.hpp"

namespace spikeloom::detail {

/// The elements as real or as integer numbers, whichever they are.
class Numbers {
 public:
  static Result<Numbers> of(const Tensor& tensor) {
    Numbers numbers;
    numbers.is_real_ = tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kFloat64;
    if (numbers.is_real_) {
      numbers.reals_ = tensor.to_doubles();
    } else if (tensor.dtype() == DType::kInt64) {
      // Nanoseconds since 1970 are beyond what Tensor::to_integers takes, 2^53.
      numbers.integers_.resize(static_cast<std::size_t>(tensor.size()));
      std::ranges::copy(tensor.bytes(),
                        std::as_writable_bytes(std::span(numbers.integers_)).begin());
    } else {
      SPIKELOOM_TRY(numbers.integers_, tensor.to_integers());
    }
    return numbers;
  }

  bool is_real() const { return is_real_; }

  std::optional<std::int64_t> integer(std::size_t i) const {
    if (!is_real_) return integers_[i];
    const double value = reals_[i];
    if (!(std::abs(value) <= 0x1.0p53) || std::trunc(value) != value) return std::nullopt;
    return static_cast<std::int64_t>(value);
  }

  std::optional<Time> time(std::size_t i, std::int64_t unit_ns) const {
    if (is_real_) {
      const double ns = reals_[i] * static_cast<double>(unit_ns);
      if (!(std::abs(ns) < 0x1.0p63)) return std::nullopt;
      return std::llround(ns);
    }
    Time time = 0;
    if (__builtin_mul_overflow(integers_[i], unit_ns, &time)) return std::nullopt;
    return time;
  }

  std::string text(std::size_t i) const {
    return is_real_ ? fmt::format("{}", reals_[i]) : fmt::format("{}", integers_[i]);
  }

 private:
  bool is_real_ = false;
  std::vector<double> reals_;
  std::vector<std::int64_t> integers_;
};

}  // namespace spikeloom::detail
