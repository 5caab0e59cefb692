#pragma once
/// Windows of whole numbers by the products of matrices that a GPU's tensor cores do: 16 channels
/// times 8 windows over 32 taps at once. Every sum is exact, so it does not matter in what order.

#include "backends/cuda/kernels/layer_gather.hpp"

namespace spikeloom::cuda {

/// Channels, windows and taps of a product, by what the PTX manual says of mma.m16n8k32: of the 32
/// threads each, g = thread / 4 and k = thread % 4, holds
/// - of the weights a Quad: channels g, g + 8, g and g + 8, of four taps each;
/// - of the windows' bits as bytes two words of window g: the same four taps of the first two words
///   of weights, and of the last two;
/// - of the sums those of channels g and g + 8 with windows 2 k and 2 k + 1.
/// Which taps those four are is free. Here byte i is tap k + 8 i, or k + 4 + 8 i, since a shift and
/// a mask make that of a word of taps.
inline constexpr std::uint32_t kProductChannels = 16, kProductWindows = 8;
/// The tap of byte i of word `word` of a Quad of thread `lane`; its channel.
constexpr std::uint32_t product_tap(std::uint32_t lane, std::uint32_t word, std::uint32_t i) {
  return lane % 4 + word / 2 * 4 + 8 * i;
}
constexpr std::uint32_t product_channel(std::uint32_t lane, std::uint32_t word) {
  return lane / 4 + word % 2 * 8;
}

/// Two neighbouring values at once.
template <typename V>
struct alignas(8) Two {
  V first, second;
};

#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
/// sum += weights x windows: all threads of a warp call it.
SPIKELOOM_KERNEL void multiply(const Quad& weights, std::uint32_t low, std::uint32_t high,
                               std::int32_t* sum) {
#if defined(__CUDACC__)
  asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
      : "r"(weights.word[0]), "r"(weights.word[1]), "r"(weights.word[2]), "r"(weights.word[3]),
        "r"(low), "r"(high));
#else
  multiply_in_lanes(weights.word, low, high, sum);
#endif
}

/// The sums of a warp's 32 windows and 16 channels, as multiply() lays them out: by eight windows.
struct LayerProducts {
  static constexpr std::uint32_t kEights = 32 / kProductWindows;
  std::int32_t sum[kEights][4] = {};

  /// Adds the weights of what is active, a word of taps for each thread's window.
  SPIKELOOM_KERNEL void add(const Quad& weights, std::uint32_t active) {
    constexpr std::uint32_t kOfBytes = 0x01010101;
    const std::uint32_t lane = threadIdx.x % 32;
    SPIKELOOM_UNROLL
    for (std::uint32_t e = 0; e < kEights; ++e) {
      const auto from = static_cast<int>(e * kProductWindows + lane / 4);
      const std::uint32_t taps = __shfl_sync(~0U, active, from) >> (lane % 4);
      multiply(weights, taps & kOfBytes, taps >> 4 & kOfBytes, sum[e]);
    }
  }
  /// Calls f(channel, window, pair of sums) for the thread's sums of two neighbouring windows.
  template <std::uint32_t kChannels, typename F>
  SPIKELOOM_KERNEL void for_each(F&& f) {
    const std::uint32_t lane = threadIdx.x % 32;
    SPIKELOOM_UNROLL
    for (std::uint32_t e = 0; e < kEights; ++e) {
      SPIKELOOM_UNROLL
      for (std::uint32_t half = 0; half < (kChannels > 8 ? 2 : 1); ++half) {
        f(lane / 4 + 8 * half, e * kProductWindows + lane % 4 * 2, sum[e] + 2 * half);
      }
    }
  }
};

/// What add_window() adds up, where no input has a value of its own.
template <std::uint32_t kChannels>
SPIKELOOM_KERNEL bool multiply_window(const ResidentOp<std::int32_t>& op, const LayerShape& shape,
                                      const LayerWindow& w, const std::uint32_t* bits,
                                      LayerProducts& products, LayerCount<std::int32_t>& count) {
  const std::uint32_t together = shape.channels_at_once, round = shape.word_channels();
  const std::uint32_t those = together < 32 ? (1U << together) - 1 : ~0U;
  const Quad* weights =
      op.products + w.channel / kChannels * op.product_count * 32 + threadIdx.x % 32;
  bool touched = false;
  SPIKELOOM_ROLLED
  for (std::uint32_t first = 0; first < op.in_group; first += round) {
    const std::uint32_t left = op.in_group - first, here = left < round ? left : round;
    const LayerWords words(shape, w, bits, first, here);
    const std::uint32_t live = words.live(shape);
    SPIKELOOM_ROLLED
    for (std::uint32_t some = 0; some < here; some += together, weights += 32) {
      if ((live >> some & those) == 0) continue;
      const std::uint32_t end = some + together < here ? some + together : here;
      std::uint32_t active = 0;
      SPIKELOOM_ROLLED
      for (std::uint32_t c = some; c < end; ++c) {
        active |= words.taps(op, shape, w, c) << ((c - some) * shape.taps);
      }
      if (!any_lane(active != 0)) continue;
      touched = touched || active != 0;
      count.unit += kChannels * bit_count(active);
      products.add(*weights, active);
    }
  }
  return touched;
}
#endif

}  // namespace spikeloom::cuda
