#pragma once
/// Counter-based random numbers: a pure function of (seed, stream, index).
///
/// Philox4x32-10 (Salmon et al., SC'11, through the Random123 library). Because a number depends on
/// its coordinates only, a network or a noise source is the same for any thread or rank count.

#include <array>
#include <cstdint>

namespace spikeloom {

/// Names an independent sequence: who draws (e.g. a projection's id) and for what.
struct RandomStream {
  std::uint64_t seed = 0;
  std::uint64_t stream = 0;

  /// Four independent 32-bit words at `index`.
  std::array<std::uint32_t, 4> words(std::uint64_t index) const;
  /// Uniform in [0, 1), 53 bits.
  double uniform(std::uint64_t index) const;
  /// Standard normal (Box-Muller over one block).
  double normal(std::uint64_t index) const;
};

}  // namespace spikeloom
