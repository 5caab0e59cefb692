#pragma once
/// What reaches the outputs of a thread of LayerKernel (layer.hpp) through windows.

#include <cstring>

#include "backends/cuda/kernels/layer_window.hpp"

namespace spikeloom::cuda {

/// sum[c] += weight[at + c] for kChannels weights, which lie aligned.
template <std::uint32_t kChannels, typename V>
SPIKELOOM_KERNEL void add_tap(const ResidentOp<V>& op, std::uint32_t at, V* sum) {
  const auto add = [&](const auto* from) {
    V weight[kChannels];
    read_weights<kChannels>(from + at, weight);
    SPIKELOOM_UNROLL
    for (std::uint32_t c = 0; c < kChannels; ++c) sum[c] += weight[c];
  };
  if constexpr (std::is_same_v<V, float>) {
    add(static_cast<const float*>(op.weight));
  } else if (op.narrow) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 610
    if constexpr (kChannels % 4 == 0) {
      // A byte times 1: one instruction takes it out of its word, widens and adds it.
      struct alignas(kChannels) Pack {
        int word[kChannels / 4];
      };
      const Pack pack =
          *reinterpret_cast<const Pack*>(static_cast<const std::int8_t*>(op.weight) + at);
      SPIKELOOM_UNROLL
      for (std::uint32_t c = 0; c < kChannels; ++c) {
        sum[c] = __dp4a(pack.word[c / 4], 1 << (8 * (c % 4)), sum[c]);
      }
      return;
    }
#endif
    add(static_cast<const std::int8_t*>(op.weight));
  } else {
    add(static_cast<const std::int16_t*>(op.weight));
  }
}

/// sum[c] += weight[at + c] x.
template <std::uint32_t kChannels, typename V>
SPIKELOOM_KERNEL void add_tap(const ResidentOp<V>& op, std::uint32_t at, V x, V* sum) {
  V weight[kChannels] = {};
  add_tap<kChannels>(op, at, weight);
  SPIKELOOM_UNROLL
  for (std::uint32_t c = 0; c < kChannels; ++c) sum[c] += weight[c] * x;
}

/// The words that the windows of a warp look at, of channels [first, first + count) of the group:
/// lanes hold them. On a processor a thread looks into memory.
struct LayerWords {
  std::uint32_t first = 0;
#if defined(__CUDA_ARCH__)
  std::uint32_t own = 0;
#else
  const std::uint32_t* bits = nullptr;
#endif

  /// All threads of a warp call it.
  SPIKELOOM_KERNEL LayerWords(const LayerShape& shape, const LayerWindow& w,
                              const std::uint32_t* mask, std::uint32_t from,
                              [[maybe_unused]] std::uint32_t count)
      : first(from) {
#if defined(__CUDA_ARCH__)
    const std::uint32_t lane = threadIdx.x % 32, channel = lane >> shape.word_shift;
    const std::uint32_t plane = (first + channel) * shape.in_plane;
    const std::uint32_t word =
        (plane + w.words_from) / 32 + (lane & ((1U << shape.word_shift) - 1));
    const bool there = w.words_from < w.words_to && word * 32 < plane + w.words_to;
    if (channel < count && there) own = mask[word];
#else
    static_cast<void>(shape), static_cast<void>(w);
    bits = mask;
#endif
  }
  /// A bit for each channel that may be active.
  SPIKELOOM_KERNEL std::uint32_t live([[maybe_unused]] const LayerShape& shape) const {
#if defined(__CUDA_ARCH__)
    const std::uint32_t busy = __ballot_sync(~0U, own != 0), lanes = 1U << shape.word_shift;
    const std::uint32_t lane = threadIdx.x % 32, all = lanes == 32 ? ~0U : (1U << lanes) - 1;
    const bool its = lane < shape.word_channels() && (busy >> (lane * lanes) & all) != 0;
    return __ballot_sync(~0U, its);
#else
    return ~0U;
#endif
  }
  /// Of channel `c` of these the active taps of the thread's window: all threads of a warp call it.
  template <typename V>
  SPIKELOOM_KERNEL std::uint32_t taps(const ResidentOp<V>& op, const LayerShape& shape,
                                      const LayerWindow& w, std::uint32_t c) const {
    const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
    const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
    const std::uint32_t start = w.words_from + (first + c) * shape.in_plane;
    // Of the window's first row, which need not exist, relative to the channel's first word.
    std::uint32_t at = start % 32 + w.first_input - w.words_from - w.first_row * shape.row_step;
#if defined(__CUDA_ARCH__)
    if (!shape.straddles) {
      const std::uint32_t corner = at - w.first_tap;
      const std::uint32_t found = shape.square == 3   ? square<3>(shape, w, c, corner)
                                  : shape.square == 5 ? square<5>(shape, w, c, corner)
                                                      : whole_rows(op, shape, w, c, corner);
      return found & w.valid;
    }
#endif
    std::uint32_t shift = w.first_tap, active = 0;
    for (std::uint32_t row = 0; row < rows; ++row) {
      const bool there = row - w.first_row < w.last_row - w.first_row;
      const std::uint32_t bits_of_row = field(shape, c, start / 32, at, there) & w.mask;
      active |= (there ? bits_of_row : 0) << shift;
      at += shape.row_step, shift += columns;
    }
    return active;
  }

 private:
#if defined(__CUDA_ARCH__)
  /// whole_rows() of a window of kSide rows and columns.
  template <std::uint32_t kSide>
  SPIKELOOM_KERNEL std::uint32_t square(const LayerShape& shape, const LayerWindow& w,
                                        std::uint32_t c, std::uint32_t at) const {
    constexpr std::uint32_t kRow = (1U << kSide) - 1;
    const std::uint32_t lane = c << shape.word_shift;
    std::uint32_t active = 0, start = at - w.left;
    SPIKELOOM_UNROLL
    for (std::uint32_t row = 0; row < kSide; ++row) {
      const std::uint32_t word = __shfl_sync(~0U, own, static_cast<int>(lane + start / 32));
      // Turned until the row's first tap lies where it belongs.
      active |= __funnelshift_r(word, word, at - row * kSide) & kRow << row * kSide;
      at += shape.row_step, start += shape.row_step;
    }
    return active;
  }
  /// taps() where a row of the input lies in one word, with anything for taps that do not exist: a
  /// word is turned until the window's columns come first. `at` is the window's first tap.
  template <typename V>
  SPIKELOOM_KERNEL std::uint32_t whole_rows(const ResidentOp<V>& op, const LayerShape& shape,
                                            const LayerWindow& w, std::uint32_t c,
                                            std::uint32_t at) const {
    const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
    const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
    std::uint32_t taps = columns < 32 ? (1U << columns) - 1 : ~0U, active = 0;
    SPIKELOOM_ROLLED
    for (std::uint32_t row = 0, shift = 0; row < rows; ++row, shift += columns) {
      const auto lane = static_cast<int>((c << shape.word_shift) + (at - w.left) / 32);
      const std::uint32_t word = __shfl_sync(~0U, own, lane);
      active |= __funnelshift_r(word, word, at) << shift & taps;
      at += shape.row_step, taps <<= columns;
    }
    return active;
  }
#endif
  /// Bits from `at` on, after the channel's first word.
  SPIKELOOM_KERNEL std::uint32_t field(const LayerShape& shape, [[maybe_unused]] std::uint32_t c,
                                       [[maybe_unused]] std::uint32_t word, std::uint32_t at,
                                       [[maybe_unused]] bool there) const {
#if defined(__CUDA_ARCH__)
    const int lane = static_cast<int>((c << shape.word_shift) + at / 32);
    const std::uint32_t low = __shfl_sync(~0U, own, lane);
    if (!shape.straddles) return low >> (at % 32);
    return __funnelshift_r(low, __shfl_sync(~0U, own, lane + 1), at);
#else
    if (!there) return 0;
    const std::uint32_t low = bits[word + at / 32] >> (at % 32);
    // The next word may be beyond the signal where nothing of it is wanted.
    if (!shape.straddles || at % 32 == 0) return low;
    return low | bits[word + at / 32 + 1] << (32 - at % 32);
#endif
  }
};

/// The active taps [first_row, last_row) of a channel's window, tap t at bit t - first_row x
/// columns.
template <typename V>
SPIKELOOM_KERNEL std::uint32_t active_taps(const ResidentOp<V>& op, const LayerShape& shape,
                                           const LayerWindow& w, const std::uint32_t* mask,
                                           std::uint32_t channel, std::uint32_t first_row,
                                           std::uint32_t last_row) {
  const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
  const auto dilation = static_cast<std::uint32_t>(op.window.dilation_columns);
  const std::uint32_t from = first_row > w.first_row ? first_row : w.first_row;
  const std::uint32_t to = last_row < w.last_row ? last_row : w.last_row;
  std::uint32_t active = 0;
  std::uint32_t start =
      w.first_input + channel * shape.in_plane + (from - w.first_row) * shape.row_step;
  for (std::uint32_t kr = from; kr < to; ++kr, start += shape.row_step) {
    std::uint32_t bits = 0;
    if (dilation == 1) {
      bits = bit_field(mask, start, w.width);
    } else {
      SPIKELOOM_ROLLED
      for (std::uint32_t k = 0; k < w.width; ++k) {
        const std::uint32_t at = start + k * dilation;
        bits |= (mask[at / 32] >> (at % 32) & 1) << k;
      }
    }
    active |= bits << ((kr - first_row) * columns + w.first_tap);
  }
  return active;
}

/// They lie aligned.
SPIKELOOM_KERNEL std::uint32_t four_bytes(const std::int8_t* from) {
#if defined(__CUDA_ARCH__)
  return *reinterpret_cast<const std::uint32_t*>(from);
#else
  std::uint32_t word = 0;
  std::memcpy(&word, from, sizeof word);
  return word;
#endif
}

/// sum[k] += byte k of a word.
SPIKELOOM_KERNEL void add_bytes(std::uint32_t bytes, std::int32_t* sum) {
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < 4; ++k) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 610
    sum[k] = __dp4a(static_cast<int>(bytes), 1 << (8 * k), sum[k]);
#else
    sum[k] += static_cast<std::int8_t>(bytes >> (8 * k) & 255);
#endif
  }
}

/// Four neighbouring outputs of a Dense layer that reads a whole signal, over its active sources in
/// their order: all threads of a warp call it.
template <typename V>
SPIKELOOM_KERNEL void add_quads(std::uint32_t lane, const ResidentOp<V>& op,
                                const ResidentRow<V>& in, const ResidentSignal& source,
                                std::uint32_t quad, bool exists, V* sum, LayerCount<V>& count) {
  const auto weights_of = [&](std::uint32_t from) { return from * op.outputs + 4 * quad; };
  if (in.value != nullptr) {
    for_active<1>(lane, in.bits, source.words, [&](const std::uint32_t(&from)[1]) {
      const V x = exists ? in.value[from[0]] : V{0};
      if (x == V{0}) return;
      add_tap<4>(op, weights_of(from[0]), x, sum);
      count.note_pairs(x, 4);
    });
    return;
  }
  // Of spikes, whose weights `load` fetches, of some at once, and `add` adds up.
  const auto add_spikes = [&](auto&& load, auto&& add) {
    using Weights = std::remove_cvref_t<decltype(load(0U))>;
    constexpr std::uint32_t kAhead = 4;
    const auto add_some = [&](const std::uint32_t(&from)[kAhead]) {
      Weights weights[kAhead] = {};
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        if (exists && from[a] != kNowhere) weights[a] = load(weights_of(from[a]));
      }
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) add(weights[a]);
    };
    const std::uint32_t spikes = for_active<kAhead>(lane, in.bits, source.words, add_some);
    count.unit += exists ? 4 * spikes : 0;
  };
  if constexpr (std::is_integral_v<V>) {
    if (op.narrow) {
      const auto* const all = static_cast<const std::int8_t*>(op.weight);
      add_spikes([&](std::uint32_t at) { return four_bytes(all + at); },
                 [&](std::uint32_t bytes) { add_bytes(bytes, sum); });
      return;
    }
  }
  add_spikes(
      [&](std::uint32_t at) {
        Four<V> four;
        add_tap<4>(op, at, four.v);
        return four;
      },
      [&](const Four<V>& four) {
        SPIKELOOM_UNROLL
        for (std::uint32_t k = 0; k < 4; ++k) sum[k] += four.v[k];
      });
}

/// Where the input of a tap lies, for values: of channel `c` of the group, tap `t`.
template <typename V>
SPIKELOOM_KERNEL std::uint32_t input_of_tap(const ResidentOp<V>& op, const LayerShape& shape,
                                            const LayerWindow& w, std::uint32_t c,
                                            std::uint32_t t) {
  const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
  const auto dilation = static_cast<std::uint32_t>(op.window.dilation_columns);
  const std::uint32_t row = shape.per_tap_row.divide(t);
  return w.first_input + c * shape.in_plane + (row - w.first_row) * shape.row_step +
         (t - row * columns - w.first_tap) * dilation;
}

/// Adds the weights of active taps, which are bits from tap `tap` of channel 0 of the group on.
template <std::uint32_t kChannels, typename V>
SPIKELOOM_KERNEL void add_taps(const ResidentOp<V>& op, const LayerShape& shape,
                               const LayerWindow& w, const ResidentRow<V>& in, std::uint32_t tap,
                               std::uint32_t active, V* sum, LayerCount<V>& count) {
  SPIKELOOM_ROLLED
  for (; active != 0; active &= active - 1) {
    const std::uint32_t t = tap + lowest_bit(active);
    const std::uint32_t at = w.weights + t * op.out_group;
    if (in.value == nullptr) {
      add_tap<kChannels>(op, at, sum);
      count.unit += kChannels;
      continue;
    }
    const std::uint32_t channel = shape.per_taps.divide(t);
    const V x = in.value[input_of_tap(op, shape, w, channel, t - channel * shape.taps)];
    if (x == V{0}) continue;
    add_tap<kChannels>(op, at, x, sum);
    count.note_pairs(x, kChannels);
  }
}

#if defined(__CUDA_ARCH__)
/// Active sources up to which it takes less to add each to the windows that it is in than to look
/// for the active taps of each window. By rough counts of instructions: some 40 a source; 30 a live
/// channel and 35 a tap.
inline constexpr std::uint32_t kFewSources = 14;
/// How many there are in all lanes' words: all threads of a warp call it.
SPIKELOOM_KERNEL std::uint32_t sources_in(std::uint32_t own) {
#if __CUDA_ARCH__ >= 800
  return __reduce_add_sync(~0U, bit_count(own));
#else
  return __any_sync(~0U, own != 0) != 0 ? ~0U : 0;  // too long to be worth it
#endif
}

/// Adds the weights of active sources, in the order of lanes and bits, each to the windows that it
/// is in. Whether anything reached the thread's window. All threads of a warp call it.
template <std::uint32_t kChannels, typename V>
SPIKELOOM_KERNEL bool scatter(const ResidentOp<V>& op, const LayerShape& shape,
                              const LayerWindow& w, const LayerWords& words, V* sum,
                              LayerCount<V>& count) {
  const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
  const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
  // Of the lane's own word: its channel's first tap, and its first bit, from where on the warp
  // looks. A word may have bits of other channels.
  const std::uint32_t lane = threadIdx.x % 32, channel = words.first + (lane >> shape.word_shift);
  const std::uint32_t taps_of = channel * shape.taps, span = w.words_to - w.words_from;
  const std::uint32_t start_of =
      (lane & ((1U << shape.word_shift) - 1)) * 32 - (channel * shape.in_plane + w.words_from) % 32;
  std::uint32_t taps = 0;
  SPIKELOOM_ROLLED
  for (std::uint32_t live = __ballot_sync(~0U, words.own != 0); live != 0; live &= live - 1) {
    const auto from = static_cast<int>(lowest_bit(live));
    const std::uint32_t first_tap = __shfl_sync(~0U, taps_of, from);
    const std::uint32_t start = __shfl_sync(~0U, start_of, from);
    std::uint32_t bits = __shfl_sync(~0U, words.own, from);
    SPIKELOOM_ROLLED
    do {
      const std::uint32_t at = start + lowest_bit(bits),
                          row = divided_by_several(at, shape.per_column);
      bits &= bits - 1;
      const std::uint32_t tap_row = row - w.top, tap = at - row * shape.columns - w.left;
      if (at >= span || tap_row >= rows || tap >= columns) continue;
      const std::uint32_t t = first_tap + tap_row * columns + tap;
      add_tap<kChannels>(op, w.weights + t * op.out_group, sum);
      ++taps;
    } while (bits != 0);
  }
  count.unit += kChannels * taps;
  return taps != 0;
}
#endif

/// The sums of a window; whether anything reached it. All threads of a warp call it.
template <std::uint32_t kChannels, typename V>
SPIKELOOM_KERNEL bool add_window(const ResidentOp<V>& op, const LayerShape& shape,
                                 const LayerWindow& w, const ResidentRow<V>& in, V* sum,
                                 LayerCount<V>& count) {
  const std::uint32_t together = shape.channels_at_once;
  bool touched = false;
  if constexpr (kChannels > 1) {
    const std::uint32_t round = shape.word_channels();
    const std::uint32_t those = together < 32 ? (1U << together) - 1 : ~0U;
    SPIKELOOM_ROLLED
    for (std::uint32_t first = 0; first < op.in_group; first += round) {
      const std::uint32_t left = op.in_group - first, here = left < round ? left : round;
      const LayerWords words(shape, w, in.bits, first, here);
#if defined(__CUDA_ARCH__)
      if (shape.scatters && in.value == nullptr && sources_in(words.own) <= kFewSources) {
        touched |= scatter<kChannels>(op, shape, w, words, sum, count);
        continue;
      }
#endif
      const std::uint32_t live = words.live(shape);
      SPIKELOOM_ROLLED
      for (std::uint32_t some = 0; some < here; some += together) {
        if ((live >> some & those) == 0) continue;
        const std::uint32_t end = some + together < here ? some + together : here;
        std::uint32_t active = 0;
        SPIKELOOM_ROLLED
        for (std::uint32_t c = some; c < end; ++c) {
          active |= words.taps(op, shape, w, c) << ((c - some) * shape.taps);
        }
        touched = touched || active != 0;
        add_taps<kChannels>(op, shape, w, in, (first + some) * shape.taps, active, sum, count);
      }
    }
  } else {
    const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
    const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
    SPIKELOOM_ROLLED
    for (std::uint32_t some = 0; some < op.in_group; some += together) {
      const std::uint32_t end = some + together < op.in_group ? some + together : op.in_group;
      SPIKELOOM_ROLLED
      for (std::uint32_t row = 0; row < rows; row += shape.rows_at_once) {
        std::uint32_t active = 0;
        SPIKELOOM_ROLLED
        for (std::uint32_t c = some; c < end; ++c) {
          active |= active_taps(op, shape, w, in.bits, c, row, row + shape.rows_at_once)
                    << ((c - some) * shape.taps);
        }
        touched = touched || active != 0;
        add_taps<1>(op, shape, w, in, some * shape.taps + row * columns, active, sum, count);
      }
    }
  }
  return touched;
}

}  // namespace spikeloom::cuda
