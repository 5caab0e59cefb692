#pragma once
/// Weights as a device that takes them as they are stored would hold them.

#include <cstdint>
#include <span>

namespace spikeloom {

/// Bytes of a weight: 1 or 2 where all are integers of 8 or 16 bits, else 4, a float32.
std::uint32_t stored_bytes(std::span<const double> weights);
std::uint32_t stored_bytes(std::span<const float> weights);

}  // namespace spikeloom
