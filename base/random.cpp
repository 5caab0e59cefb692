#include "base/random.hpp"

#include <cmath>
#include <numbers>

#include <Random123/philox.h>

namespace spikeloom {
namespace {

/// 53 random bits as a real in [0, 1).
double unit_interval(std::uint32_t high, std::uint32_t low) {
  const std::uint64_t bits = (std::uint64_t{high} << 32 | low) >> 11;
  return static_cast<double>(bits) * 0x1.0p-53;
}

}  // namespace

std::array<std::uint32_t, 4> RandomStream::words(std::uint64_t index) const {
  const r123::Philox4x32 philox;
  const r123::Philox4x32::ctr_type counter = {
      {static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32),
       static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)}};
  const r123::Philox4x32::key_type key = {
      {static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}};
  const auto block = philox(counter, key);
  return {block[0], block[1], block[2], block[3]};
}

double RandomStream::uniform(std::uint64_t index) const {
  const auto block = words(index);
  return unit_interval(block[0], block[1]);
}

double RandomStream::normal(std::uint64_t index) const {
  const auto block = words(index);
  const double radius_draw = 1.0 - unit_interval(block[0], block[1]);  // in (0, 1]: log is finite
  const double angle = 2.0 * std::numbers::pi * unit_interval(block[2], block[3]);
  return std::sqrt(-2.0 * std::log(radius_draw)) * std::cos(angle);
}

}  // namespace spikeloom
