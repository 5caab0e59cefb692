#include "snn/simulation/binomial.hpp"

#include <algorithm>
#include <cmath>

namespace spikeloom::simulation {
namespace {

constexpr double kFewSuccesses = 10.0;

/// Two uniform numbers in [0, 1) a block.
struct Pair {
  double u, v;
};

Pair uniform_pair(const RandomStream& stream, std::uint64_t index) {
  const auto w = stream.words(index);
  const auto real = [](std::uint32_t high, std::uint32_t low) {
    return static_cast<double>((std::uint64_t{high} << 32 | low) >> 11) * 0x1.0p-53;
  };
  return {real(w[0], w[1]), real(w[2], w[3])};
}

std::int64_t by_inversion(double u, std::int64_t n, double p) {
  const double odds = p / (1.0 - p);
  const double rise = (static_cast<double>(n) + 1.0) * odds;
  double chance = std::exp(static_cast<double>(n) * std::log1p(-p));
  std::int64_t k = 0;
  while (u >= chance && k < n) {
    u -= chance;
    ++k;
    chance *= rise / static_cast<double>(k) - odds;
    if (chance < 1e-300) break;  // rounding has used up u
  }
  return k;
}

/// ln k! less (k + 1/2) ln(k + 1) - (k + 1) + ln(2 pi) / 2.
double stirling_rest(double k) {
  static constexpr double kSmall[] = {0.0810614667953272,  0.0413406959554092, 0.0276779256849983,
                                      0.02079067210376509, 0.0166446911898211, 0.0138761288230707,
                                      0.0118967099458917,  0.0104112652619720, 0.00925546218271273,
                                      0.00833056343336287};
  if (k < 10.0) return kSmall[static_cast<int>(k)];
  const double square = (k + 1.0) * (k + 1.0);
  return (1.0 / 12.0 - (1.0 / 360.0 - 1.0 / 1260.0 / square) / square) / (k + 1.0);
}

std::int64_t by_rejection(const RandomStream& stream, std::uint64_t first, double n, double p) {
  const double q = 1.0 - p;
  const double deviation = std::sqrt(n * p * q);
  const double b = 1.15 + 2.53 * deviation;
  const double a = -0.0873 + 0.0248 * b + 0.01 * p;
  const double c = n * p + 0.5;
  const double squeeze = 0.92 - 4.2 / b;
  const double alpha = (2.83 + 5.1 / b) * deviation;
  const double odds = p / q;
  const double mode = std::floor((n + 1.0) * p);
  for (std::uint64_t attempt = 0;; ++attempt) {
    const auto [first_draw, second_draw] = uniform_pair(stream, first + attempt);
    const double u = first_draw - 0.5;
    const double v = 1.0 - second_draw;
    const double us = 0.5 - std::abs(u);
    const double k = std::floor((2.0 * a / us + b) * u + c);
    if (!(k >= 0.0 && k <= n)) continue;
    if (us >= 0.07 && v <= squeeze) return static_cast<std::int64_t>(k);
    const double height = std::log(v * alpha / (a / (us * us) + b));
    const double bound = (mode + 0.5) * std::log((mode + 1.0) / (odds * (n - mode + 1.0))) +
                         (n + 1.0) * std::log((n - mode + 1.0) / (n - k + 1.0)) +
                         (k + 0.5) * std::log(odds * (n - k + 1.0) / (k + 1.0)) +
                         stirling_rest(mode) + stirling_rest(n - mode) - stirling_rest(k) -
                         stirling_rest(n - k);
    if (height <= bound) return static_cast<std::int64_t>(k);
  }
}

}  // namespace

std::int64_t binomial(const RandomStream& stream, std::uint64_t index, std::int64_t n, double p) {
  if (n <= 0 || !(p > 0.0)) return 0;
  if (p >= 1.0) return n;
  if (p > 0.5) return n - binomial(stream, index, n, 1.0 - p);
  const std::uint64_t first = index << 24;
  if (static_cast<double>(n) * p < kFewSuccesses) {
    return by_inversion(uniform_pair(stream, first).u, n, p);
  }
  return by_rejection(stream, first, static_cast<double>(n), p);
}

}  // namespace spikeloom::simulation
