#pragma once
/// The active sources of a row, ascending, listed in a block's shared memory a chunk at a time.

#include "backends/cuda/kernels/kernel.hpp"

namespace spikeloom::cuda {

/// 32 bits of a bitmap from bit `first` on; those from bit `last` on are 0.
SPIKELOOM_KERNEL std::uint32_t bits_at(const std::uint32_t* mask, std::uint64_t first,
                                       std::uint64_t last) {
  if (first >= last) return 0;
  const auto word = static_cast<std::size_t>(first / 32);
  const auto shift = static_cast<std::uint32_t>(first % 32);
  std::uint32_t bits = mask[word] >> shift;
  if (shift != 0 && (word + 1) * 32 < last) bits |= mask[word + 1] << (32 - shift);
  const std::uint64_t left = last - first;
  return left < 32 ? bits & ((1U << left) - 1) : bits;
}

/// kWords x 32 sources. Three phases make a list, the fourth uses it.
template <std::uint32_t kWords>
struct ActiveList {
  static constexpr std::uint32_t kGroup = 16;
  static constexpr std::uint32_t kGroups = kWords / kGroup;
  static constexpr std::uint32_t kSources = kWords * 32;
  static constexpr std::uint32_t kPhases = 4;  ///< of a chunk, the use included
  static_assert(kWords % kGroup == 0 && kSources <= 65536);

  std::uint32_t bits[kWords], group[kGroups];
  std::uint16_t index[kSources];  ///< relative to the chunk's first source

  SPIKELOOM_KERNEL static std::uint32_t chunks(std::uint32_t sources) {
    return (sources + kSources - 1) / kSources;
  }
  /// Phase 0. Sources are the bits [first, last) of `mask`; the chunk's begin at `first`.
  SPIKELOOM_KERNEL void read(const Place& place, const std::uint32_t* mask, std::uint64_t first,
                             std::uint64_t last) {
    for (std::uint32_t w = place.thread; w < kWords; w += place.threads) {
      bits[w] = bits_at(mask, first + std::uint64_t{w} * 32, last);
    }
  }
  /// Phase 1.
  SPIKELOOM_KERNEL void count(const Place& place) {
    for (std::uint32_t g = place.thread; g < kGroups; g += place.threads) {
      std::uint32_t sum = 0;
      for (std::uint32_t w = g * kGroup; w < (g + 1) * kGroup; ++w) sum += bit_count(bits[w]);
      group[g] = sum;
    }
  }
  /// Phase 2: `put(place in the list, source)` for each, besides the index.
  template <typename Put>
  SPIKELOOM_KERNEL void list(const Place& place, Put&& put) {
    for (std::uint32_t w = place.thread; w < kWords; w += place.threads) {
      std::uint32_t left = bits[w];
      if (left == 0) continue;
      std::uint32_t at = 0;
      for (std::uint32_t g = 0; g < w / kGroup; ++g) at += group[g];
      for (std::uint32_t v = w / kGroup * kGroup; v < w; ++v) at += bit_count(bits[v]);
      for (; left != 0; left &= left - 1, ++at) {
        const std::uint32_t source = w * 32 + lowest_bit(left);
        index[at] = static_cast<std::uint16_t>(source);
        put(at, source);
      }
    }
  }
  /// Phase 3: how many there are.
  SPIKELOOM_KERNEL std::uint32_t size() const {
    std::uint32_t sum = 0;
    for (const std::uint32_t part : group) sum += part;
    return sum;
  }
};

}  // namespace spikeloom::cuda
