#include "snn/stored_weights.hpp"

#include <cmath>

namespace spikeloom {
namespace {

template <typename Real>
std::uint32_t bytes_of(std::span<const Real> weights) {
  std::uint32_t bytes = 1;
  for (const Real weight : weights) {
    const double v = weight;
    if (v != std::floor(v) || std::abs(v) > 32767.0) return 4;
    if (v < -128.0 || v > 127.0) bytes = 2;
  }
  return bytes;
}

}  // namespace

std::uint32_t stored_bytes(std::span<const double> weights) { return bytes_of(weights); }
std::uint32_t stored_bytes(std::span<const float> weights) { return bytes_of(weights); }

}  // namespace spikeloom
