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
  asm volatile(
      "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
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
        f(lane / 4 + 8 * half, e * kProductWindows + lane % 4 * 2, half == 0 ? sum[e] : sum[e] + 2);
      }
    }
  }
};

/// Bit b of lane l becomes bit l of lane b: all threads of a warp call it.
SPIKELOOM_KERNEL std::uint32_t transposed(std::uint32_t own) {
  const std::uint32_t lane = threadIdx.x % 32;
  std::uint32_t low = 0x0000FFFF;
  SPIKELOOM_UNROLL
  for (std::uint32_t by = 16; by != 0; by /= 2, low ^= low << by) {
    const std::uint32_t other = __shfl_xor_sync(~0U, own, static_cast<int>(by));
    own =
        (lane & by) == 0 ? (own & low) | (other & low) << by : (own & ~low) | (other & ~low) >> by;
  }
  return own;
}

/// What multiply_window() looks for: a word of active taps is added up and counted.
struct ProductSum {
  const Quad* weights;  ///< the next word's
  LayerProducts& products;
  std::uint32_t pairs = 0;
  bool touched = false;

  SPIKELOOM_KERNEL void add(std::uint32_t active) {
    if (any_lane(active != 0)) {
      touched = touched || active != 0;
      pairs += bit_count(active);
      products.add(*weights, active);
    }
    weights += 32;
  }
};

/// Words of taps of one channel after the other.
SPIKELOOM_KERNEL void multiply_by_channel(const ResidentOp<std::int32_t>& op,
                                          const LayerShape& shape, const LayerWindow& w,
                                          const std::uint32_t* bits, ProductSum& sum) {
  const std::uint32_t together = shape.channels_at_once, round = shape.word_channels();
  const std::uint32_t those = together < 32 ? (1U << together) - 1 : ~0U;
  SPIKELOOM_ROLLED
  for (std::uint32_t first = 0; first < op.in_group; first += round) {
    const std::uint32_t left = op.in_group - first, here = left < round ? left : round;
    const LayerWords words(shape, w, bits, first, here);
    const std::uint32_t live = words.live(shape);
    SPIKELOOM_ROLLED
    for (std::uint32_t some = 0; some < here; some += together) {
      std::uint32_t active = 0;
      if ((live >> some & those) != 0) {
        const std::uint32_t end = some + together < here ? some + together : here;
        SPIKELOOM_ROLLED
        for (std::uint32_t c = some; c < end; ++c) {
          active |= words.taps(op, shape, w, c) << ((c - some) * shape.taps);
        }
      }
      sum.add(active);
    }
  }
}

/// Words of the channels of one tap after the other: the warp's words of so many channels are
/// transposed, so that a lane has all channels of a position; a tap is a shuffle.
SPIKELOOM_KERNEL void multiply_by_position(const ResidentOp<std::int32_t>& op,
                                           const LayerShape& shape, const LayerWindow& w,
                                           const std::uint32_t* bits, ProductSum& sum) {
  const std::uint32_t channels = shape.word_channels(), most = channels - 1;
  const std::uint32_t lane = threadIdx.x % 32, word = lane >> (5 - shape.word_shift);
  const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
  const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
  const std::uint32_t all = channels == 32 ? ~0U : (1U << channels) - 1;
  // Of the window's first tap, which need not exist.
  const std::uint32_t corner =
      w.words_from % 32 + w.first_input - w.words_from - w.first_row * shape.row_step - w.first_tap;
  SPIKELOOM_ROLLED
  for (std::uint32_t first = 0; first < op.in_group; first += channels) {
    const std::uint32_t channel = first + (lane & most);
    const std::uint32_t plane = channel * shape.in_plane, at = (plane + w.words_from) / 32 + word;
    const bool there =
        channel < op.in_group && w.words_from < w.words_to && at * 32 < plane + w.words_to;
    const std::uint32_t own = there ? bits[at] : 0;
    if (!any_lane(own != 0)) {
      sum.weights += std::size_t{32} * shape.position_words();
      continue;
    }
    const std::uint32_t by_position = transposed(own);
    std::uint32_t active = 0, shift = 0, valid = w.valid;
    SPIKELOOM_ROLLED
    for (std::uint32_t row = 0; row < rows; ++row) {
      const std::uint32_t start = corner + row * shape.row_step;
      SPIKELOOM_ROLLED
      for (std::uint32_t k = 0; k < columns; ++k, valid >>= 1) {
        const std::uint32_t position = start + k;
        // A shuffle takes its lane, a funnel its turn, modulo 32.
        const std::uint32_t word = __shfl_sync(~0U, by_position, static_cast<int>(position));
        const std::uint32_t found = funnel(word, word, position / 32 * channels);
        active |= ((valid & 1) != 0 ? found & all : 0) << shift;
        shift += channels;
        if (shift < 32) continue;
        sum.add(active);
        active = shift = 0;
      }
    }
    if (shift != 0) sum.add(active);
  }
}

/// What add_window() adds up, where no input has a value of its own.
template <std::uint32_t kChannels>
SPIKELOOM_KERNEL bool multiply_window(const ResidentOp<std::int32_t>& op, const LayerShape& shape,
                                      const LayerWindow& w, const std::uint32_t* bits,
                                      LayerProducts& products, LayerCount<std::int32_t>& count) {
  const std::size_t piece = w.channel / kChannels;
  ProductSum sum{op.products + piece * op.product_count * 32 + threadIdx.x % 32, products};
  if (op.by_position) {
    multiply_by_position(op, shape, w, bits, sum);
  } else {
    multiply_by_channel(op, shape, w, bits, sum);
  }
  count.unit += kChannels * sum.pairs;
  return sum.touched;
}
#endif

}  // namespace spikeloom::cuda
