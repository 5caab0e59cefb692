#pragma once
/// The recurrent cells that cpu, cuda and the emulator compile: one unit, one step, no memory.
///
/// W and R are the products of a unit's rows with the step's input x and with the last output y',
/// biases included; h' is the state of the step before.
///
/// EGRU, released code (EvNN, frameworks/pytorch/egru.py and lib/egru_forward_gpu.cu):
///     z = sigmoid(W_z + R_z)   r = sigmoid(W_r + R_r)   g = tanh(W_g + r R_g)
///     c = z h' + (1 - z) g     o = 1 if c > theta, else 0
///     h = c - o theta          y = o c
/// EGRU, paper (arXiv 2206.06178, equations 1 and 2; its update gate u is this z):
///     z, r as above            g = tanh(W_g + R_g), R_g the product with r_j y'_j of each source j
///     c = z g + (1 - z) h' - y'                      h = c, y = c if c > theta, else 0
/// GRU (arXiv 1406.1078v1, as cuDNN has it): z, r, g as in the released code, y = h = c.
/// LSTM (Hochreiter and Schmidhuber 1997, as PyTorch has it), gates i, f, g, o:
///     h = sigmoid(f) h' + sigmoid(i) tanh(g)         y = sigmoid(o) tanh(h)
///
/// Real arithmetic rounds every operation on its own; sigmoid and tanh are computed in double and
/// rounded once. Integers: docs/integer.md; h, y, theta, z, r, g in units of 2^-15, sums in 2^-12.

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "snn/integer_tables.hpp"
#include "snn/neuron_equations.hpp"

namespace spikeloom::equations {

/// State and output of a unit after a step.
template <typename V>
struct Unit {
  V state = 0, output = 0;
};

/// exp(x) in double to about 1e-16 relative, without a branch or a table, so that a loop over it
/// becomes vector code: x = k ln 2 + s, |s| <= ln 2 / 2, and the Taylor series of exp(s).
SPIKELOOM_STEP double smooth_exp(double x) {
  constexpr double kMagic = 6755399441055744.0;  // 1.5 x 2^52: adding it rounds to an integer
  constexpr double kLog2E = 1.4426950408889634;
  constexpr double kLn2High = 0.693147180369123816490, kLn2Low = 1.90821492927058770002e-10;
  x = x < -700.0 ? -700.0 : x;
  x = x > 700.0 ? 700.0 : x;
  const double shifted = x * kLog2E + kMagic;
  const double k = shifted - kMagic;
  const double s = (x - k * kLn2High) - k * kLn2Low;
  // In pairs, pairs of pairs and so on (Estrin): a chain of 13 steps would wait for itself.
  const double s2 = s * s;
  const double s4 = s2 * s2;
  const double low = ((1.0 + s) + (1.0 / 2.0 + 1.0 / 6.0 * s) * s2) +
                     ((1.0 / 24.0 + 1.0 / 120.0 * s) + (1.0 / 720.0 + 1.0 / 5040.0 * s) * s2) * s4;
  const double high =
      ((1.0 / 40320.0 + 1.0 / 362880.0 * s) + (1.0 / 3628800.0 + 1.0 / 39916800.0 * s) * s2) +
      (1.0 / 479001600.0 + 1.0 / 6227020800.0 * s) * s4;
  const double sum = low + high * (s4 * s4);
  const auto bits = std::bit_cast<std::uint64_t>(shifted);
  return sum * std::bit_cast<double>((bits << 52) + (std::uint64_t{1023} << 52));
}

SPIKELOOM_STEP float sigmoid(float x) {
  return static_cast<float>(1.0 / (1.0 + smooth_exp(-static_cast<double>(x))));
}
SPIKELOOM_STEP float hyperbolic_tangent(float x) {
  const double wide = x, square = wide * wide;
  const double far = 1.0 - 2.0 / (smooth_exp(2.0 * wide) + 1.0);
  // Near 0 that difference has few digits left; what the series leaves out is below 2^-52.
  const double near = wide * (1.0 - square * (1.0 / 3.0 - square * (2.0 / 15.0)));
  return static_cast<float>(square < 0x1p-16 ? near : far);
}

/// z h + (1 - z) g.
SPIKELOOM_STEP float blended(float z, float h, float g) { return z * h + (1.0F - z) * g; }

SPIKELOOM_STEP Unit<float> emitted(float c, float theta) {
  const bool fires = c > theta;
  return {fires ? c - theta : c, fires ? c : 0.0F};
}

/// Sums of one unit: W of gates z, r, g and R of the same.
template <typename V>
struct GateSums {
  V wz, wr, wg, rz, rr, rg;
};

SPIKELOOM_STEP float gru_state(const GateSums<float>& a, float h) {
  const float z = sigmoid(a.wz + a.rz);
  const float r = sigmoid(a.wr + a.rr);
  const float g = hyperbolic_tangent(a.wg + r * a.rg);
  return blended(z, h, g);
}

SPIKELOOM_STEP Unit<float> egru(const GateSums<float>& a, float h, float theta) {
  return emitted(gru_state(a, h), theta);
}

/// `rg` is the product with r_j y'_j; `y` is y'.
SPIKELOOM_STEP Unit<float> egru_paper(const GateSums<float>& a, float h, float y, float theta) {
  const float z = sigmoid(a.wz + a.rz);
  const float g = hyperbolic_tangent(a.wg + a.rg);
  const float c = blended(z, g, h) - y;
  return {c, c > theta ? c : 0.0F};
}

SPIKELOOM_STEP Unit<float> lstm(float i, float f, float g, float o, float h) {
  const float c = sigmoid(f) * h + sigmoid(i) * hyperbolic_tangent(g);
  return {c, sigmoid(o) * hyperbolic_tangent(c)};
}

// Integers (docs/integer.md).

/// sum x multiplier / 2^shift to nearest, halves up; shift at least 1.
SPIKELOOM_STEP std::int64_t scaled(std::int32_t sum, std::int32_t multiplier, int shift) {
  const std::int64_t product = std::int64_t{sum} * multiplier;
  return (product + (std::int64_t{1} << (shift - 1))) >> shift;
}

SPIKELOOM_STEP std::int32_t within(std::int64_t value, std::int32_t limit) {
  value = value > limit ? limit : value;
  return static_cast<std::int32_t>(value < -limit ? -limit : value);
}

/// Gate sums stay within +-256.
inline constexpr std::int32_t kGateLimit = 1 << 20;
/// What the reset gate multiplies stays within +-16.
inline constexpr std::int32_t kGatedLimit = 65535;

SPIKELOOM_STEP std::int32_t gate_sum(std::int32_t sum, std::int32_t multiplier, std::int32_t bias,
                                     int shift) {
  return within(scaled(sum, multiplier, shift) + bias, kGateLimit);
}

SPIKELOOM_STEP std::int32_t score(std::int32_t sum, std::int32_t multiplier, std::int32_t bias,
                                  int shift) {
  return within(scaled(sum, multiplier, shift) + bias, kStateLimit);
}

/// The entries of sigmoid_table() and tanh_table(), wherever a backend keeps them.
struct GateTables {
  const std::int32_t* sigmoid = nullptr;
  const std::int32_t* tanh = nullptr;
};

SPIKELOOM_STEP Unit<std::int32_t> egru(const GateTables& tables, const GateSums<std::int32_t>& a,
                                       std::int32_t h, std::int32_t theta) {
  const std::int32_t z = sigmoid_value(tables.sigmoid, a.wz + a.rz);
  const std::int32_t r = sigmoid_value(tables.sigmoid, a.wr + a.rr);
  const std::int32_t gated = (r * within(a.rg, kGatedLimit) + (1 << 14)) >> 15;
  const std::int32_t g = tanh_value(tables.tanh, a.wg + gated);
  const std::int32_t c = within((z * h + (32768 - z) * g + (1 << 14)) >> 15, 32767);
  const bool fires = c > theta;
  return {fires ? c - theta : c, fires ? c : 0};
}

inline Unit<std::int32_t> egru(const GateSums<std::int32_t>& a, std::int32_t h,
                               std::int32_t theta) {
  const GateTables tables{sigmoid_table().entries().data(), tanh_table().entries().data()};
  return egru(tables, a, h, theta);
}

}  // namespace spikeloom::equations
