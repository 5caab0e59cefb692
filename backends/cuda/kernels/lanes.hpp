#pragma once
/// What the 32 threads of a warp do together. On a processor they come one after the other: there a
/// thread answers for itself alone, which is right wherever an answer only saves work.

#include "backends/cuda/kernels/kernel.hpp"

namespace spikeloom::cuda {

/// Whether any thread of the warp says so.
SPIKELOOM_KERNEL bool any_lane(bool own) {
#if defined(__CUDA_ARCH__)
  return __any_sync(~0U, own) != 0;
#else
  return own;
#endif
}

/// Writes a word of which every thread of the warp has a bit: all 32 call it.
SPIKELOOM_KERNEL void write_bits(std::uint32_t* word, std::uint32_t lane, bool bit) {
#if defined(__CUDA_ARCH__)
  const std::uint32_t bits = __ballot_sync(~0U, bit);
  if (lane == 0) *word = bits;
#else
  *word = (*word & ~(1U << lane)) | (bit ? 1U : 0U) << lane;
#endif
}

#if defined(__CUDA_ARCH__)
/// Over the warp, for its first thread: all 32 call it.
__device__ __forceinline__ std::uint32_t sum_lanes(std::uint32_t own) {
#if __CUDA_ARCH__ >= 800
  return __reduce_add_sync(~0U, own);
#else
  for (std::uint32_t offset = 16; offset != 0; offset /= 2) {
    own += __shfl_down_sync(~0U, own, offset);
  }
  return own;
#endif
}
#endif

/// Sets bits; what was there before.
SPIKELOOM_KERNEL std::uint32_t set_bits(std::uint32_t* word, std::uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return atomicOr(word, bits);
#else
  const std::uint32_t before = *word;
  *word |= bits;
  return before;
#endif
}

/// Of two words one after the other 32 bits from bit `from` mod 32 on.
SPIKELOOM_KERNEL std::uint32_t funnel(std::uint32_t low, std::uint32_t high, std::uint32_t from) {
#if defined(__CUDA_ARCH__)
  return __funnelshift_r(low, high, from);
#else
  return static_cast<std::uint32_t>((std::uint64_t{high} << 32 | low) >> from % 32);
#endif
}

/// `count` bits from bit `first` of a bitmap on, at most 32; they lie within it.
SPIKELOOM_KERNEL std::uint32_t bit_field(const std::uint32_t* bits, std::uint32_t first,
                                         std::uint32_t count) {
  const std::uint32_t* const word = bits + first / 32;
  const std::uint32_t shift = first % 32;
  const std::uint32_t low = word[0], high = shift + count > 32 ? word[1] : 0;
  const std::uint32_t field = funnel(low, high, shift);
  return count < 32 ? field & ((1U << count) - 1) : field;
}

}  // namespace spikeloom::cuda
