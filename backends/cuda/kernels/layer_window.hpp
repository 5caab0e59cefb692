#pragma once
/// What reaches the neurons of a thread of LayerKernel (layer.hpp).

#include "backends/cuda/kernels/resident.hpp"

namespace spikeloom::cuda {

/// Counts of one thread.
template <typename V>
struct LayerCount {
  typename Tally<V>::Sum sum = 0;
  std::uint32_t events = 0, unit = 0, graded = 0;

  SPIKELOOM_KERNEL void note(V value) {
    if (value == V{0}) return;
    ++events;
    sum += static_cast<typename Tally<V>::Sum>(value);
  }
  SPIKELOOM_KERNEL void note_pairs(V value, std::uint32_t pairs) {
    (value == V{1} || value == V{-1} ? unit : graded) += pairs;
  }
  /// A word of bits, or the values behind them.
  SPIKELOOM_KERNEL void note_word(const ResidentRow<V>& row, std::uint32_t w) {
    std::uint32_t bits = row.bits[w];
    if (row.value == nullptr) {
      events += bit_count(bits);
      sum += static_cast<typename Tally<V>::Sum>(bit_count(bits));
      return;
    }
    SPIKELOOM_ROLLED
    for (; bits != 0; bits &= bits - 1) note(row.value[w * 32 + lowest_bit(bits)]);
  }
  SPIKELOOM_KERNEL Tally<V> tally() const { return {events, sum, unit, graded}; }
};

/// A bit of each of a thread's channels: of their warp, lane c has the word of channel c. All
/// threads of a warp call them.
template <std::uint32_t kChannels>
struct LayerBits {
  std::uint32_t own = 0;  ///< on a processor: the thread's bits

  SPIKELOOM_KERNEL void note(std::uint32_t channel, bool bit) {
#if defined(__CUDA_ARCH__)
    const std::uint32_t all = __ballot_sync(~0U, bit);
    if (threadIdx.x % 32 == channel) own = all;
#else
    own |= (bit ? 1U : 0U) << channel;
#endif
  }
  SPIKELOOM_KERNEL bool at(std::uint32_t channel) const {
#if defined(__CUDA_ARCH__)
    return (__shfl_sync(~0U, own, static_cast<int>(channel)) >> (threadIdx.x % 32) & 1) != 0;
#else
    return (own >> channel & 1) != 0;
#endif
  }
  /// `first` is the thread's output of the first channel; the others are `plane` apart.
  SPIKELOOM_KERNEL void write(std::uint32_t* bits, std::uint32_t first, std::uint32_t plane) const {
#if defined(__CUDA_ARCH__)
    const std::uint32_t lane = threadIdx.x % 32;
    if (lane < kChannels) bits[(first - lane + lane * plane) / 32] = own;
#else
    for (std::uint32_t c = 0; c < kChannels; ++c) {
      const std::uint32_t o = first + c * plane;
      write_bits(bits + o / 32, o % 32, at(c));
    }
#endif
  }
};

/// An element's rings.
struct LayerImage {
  char* bytes = nullptr;

  template <typename T>
  SPIKELOOM_KERNEL T* at(std::uint32_t offset) const {
    return reinterpret_cast<T*>(bytes + offset);
  }
  template <typename V>
  SPIKELOOM_KERNEL ResidentRow<V> row(const ResidentSignal& s, std::int64_t step,
                                      bool for_reading) const {
    const auto slot = static_cast<std::uint32_t>(static_cast<std::uint64_t>(step) & (s.slots - 1));
    ResidentRow<V> row{at<std::uint32_t>(s.bits) + slot * s.words, nullptr};
    bool valued = s.value != kNowhere;
    if (valued && for_reading && s.graded != kNowhere) {
      valued = at<std::int64_t>(s.graded)[slot] == step + 1;
    }
    if (valued) row.value = at<V>(s.value) + std::size_t{slot} * s.size;
    return row;
  }
};

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

/// Of a convolution's windows what they have in common.
struct LayerShape {
  std::uint32_t in_plane = 1, row_step = 1, taps = 1;
  std::uint32_t channels_at_once = 1, rows_at_once = 1;  ///< whose taps are bits of one word
  std::uint32_t channels_a_round = 32;                   ///< of whom one asks at once who is active
  bool even = false;                                     ///< a warp looks at windows of one channel

  LayerShape() = default;
  template <typename V>
  explicit LayerShape(const ResidentOp<V>& op) {
    const ResidentWindow& w = op.window;
    const auto columns = static_cast<std::uint32_t>(w.in_columns);
    in_plane = static_cast<std::uint32_t>(w.in_rows) * columns;
    row_step = static_cast<std::uint32_t>(w.dilation_rows) * columns;
    taps = static_cast<std::uint32_t>(w.kernel_rows * w.kernel_columns);
    const bool small = taps <= 32;
    channels_at_once = small ? 32 / taps : 1;
    rows_at_once = small ? static_cast<std::uint32_t>(w.kernel_rows)
                         : 32 / static_cast<std::uint32_t>(w.kernel_columns);
    channels_a_round = 32 / channels_at_once * channels_at_once;
    even = op.plane % 32 == 0;
  }
};

/// The window of a thread's output, which stays.
struct LayerWindow {
  std::uint32_t output = 0, channel = 0;      ///< the first one's
  std::uint32_t first_input = 0;              ///< of the group's first channel, in the window
  std::uint32_t weights = 0;                  ///< of the group's first tap
  std::uint32_t first_row = 0, last_row = 0;  ///< taps within the input
  std::uint32_t first_tap = 0, width = 0;
  std::uint32_t words_from = 0, words_to = 0;  ///< bits of the first channel that the warp looks at
};

template <typename V>
SPIKELOOM_KERNEL LayerWindow window_of(const ResidentOp<V>& op, const LayerShape& shape,
                                       std::uint32_t item, std::uint32_t channels) {
  const ResidentWindow& w = op.window;
  const auto columns = static_cast<std::uint32_t>(w.out_columns);
  const std::uint32_t position = item % op.plane;
  LayerWindow made;
  made.channel = item / op.plane * channels;
  made.output = made.channel * op.plane + position;
  const std::int32_t top =
      static_cast<std::int32_t>(position / columns) * w.stride_rows - w.pad_rows;
  const std::int32_t left =
      static_cast<std::int32_t>(position % columns) * w.stride_columns - w.pad_columns;
  const auto first_of = [](std::int32_t start, std::int32_t dilation) {
    return start < 0 ? (-start + dilation - 1) / dilation : 0;
  };
  const auto last_of = [](std::int32_t room, std::int32_t dilation, std::int32_t taps) {
    const std::int32_t reach = room <= 0 ? 0 : (room + dilation - 1) / dilation;
    return reach < taps ? reach : taps;
  };
  const std::int32_t row = first_of(top, w.dilation_rows);
  const std::int32_t tap = first_of(left, w.dilation_columns);
  const std::int32_t row_end = last_of(w.in_rows - top, w.dilation_rows, w.kernel_rows);
  const std::int32_t tap_end = last_of(w.in_columns - left, w.dilation_columns, w.kernel_columns);
  const std::uint32_t group = op.groups == 1 ? 0 : made.channel / op.out_group;
  made.first_input = group * op.in_group * shape.in_plane;
  if (row_end > row && tap_end > tap) {
    made.first_row = static_cast<std::uint32_t>(row);
    made.last_row = static_cast<std::uint32_t>(row_end);
    made.first_tap = static_cast<std::uint32_t>(tap);
    made.width = static_cast<std::uint32_t>(tap_end - tap);
    made.first_input += static_cast<std::uint32_t>((top + row * w.dilation_rows) * w.in_columns +
                                                   left + tap * w.dilation_columns);
  }
  // Weights are (in channels, taps, out channels of a group).
  made.weights =
      group * op.in_group * shape.taps * op.out_group + made.channel - group * op.out_group;
#if defined(__CUDA_ARCH__)
  const auto in_columns = static_cast<std::uint32_t>(w.in_columns);
  const std::uint32_t front = position - threadIdx.x % 32;  // where shapes are even
  std::int32_t low = static_cast<std::int32_t>(front / columns) * w.stride_rows - w.pad_rows;
  std::int32_t high = static_cast<std::int32_t>((front + 31) / columns) * w.stride_rows -
                      w.pad_rows + (w.kernel_rows - 1) * w.dilation_rows + 1;
  low = low < 0 ? 0 : low;
  high = high < w.in_rows ? high : w.in_rows;
  const std::uint32_t base = group * op.in_group * shape.in_plane;
  made.words_from = base + static_cast<std::uint32_t>(low) * in_columns;
  made.words_to =
      low < high ? base + static_cast<std::uint32_t>(high) * in_columns : made.words_from;
#endif
  return made;
}

/// Which of the channels [first, first + count), at most 32, have active inputs in the rows that
/// the warp's windows reach; more may be said to.
template <typename V>
SPIKELOOM_KERNEL std::uint32_t live_channels([[maybe_unused]] const LayerShape& shape,
                                             [[maybe_unused]] const LayerWindow& w,
                                             [[maybe_unused]] const ResidentRow<V>& in,
                                             [[maybe_unused]] std::uint32_t first,
                                             std::uint32_t count) {
  const std::uint32_t all = count < 32 ? (1U << count) - 1 : ~0U;
#if defined(__CUDA_ARCH__)
  if (!shape.even) return all;
  const std::uint32_t lane = threadIdx.x % 32;
  // 2^shift lanes share a channel's words where there are fewer channels than lanes.
  const std::uint32_t shift = count > 16  ? 0
                              : count > 8 ? 1
                              : count > 4 ? 2
                              : count > 2 ? 3
                              : count > 1 ? 4
                                          : 5;
  const std::uint32_t own = lane >> shift;
  std::uint32_t any = 0;
  if (own < count && w.words_from < w.words_to) {
    const std::uint32_t base = (first + own) * shape.in_plane;
    const std::uint32_t last = (base + w.words_to - 1) / 32;
    for (std::uint32_t word = (base + w.words_from) / 32 + (lane & ((1U << shift) - 1));
         word <= last; word += 1U << shift) {
      any |= in.bits[word];
    }
  }
  const std::uint32_t busy = __ballot_sync(~0U, any != 0);
  const std::uint32_t its_lanes = shift == 5 ? ~0U : (1U << (1U << shift)) - 1;
  return __ballot_sync(~0U, lane < count && (busy >> (lane << shift) & its_lanes) != 0);
#else
  return all;
#endif
}

/// The active taps [first_row, last_row) of a channel's window, tap t at bit t - first_row x
/// columns.
template <typename V>
SPIKELOOM_KERNEL std::uint32_t active_taps(const ResidentOp<V>& op, const LayerShape& shape,
                                           const LayerWindow& w, const ResidentRow<V>& in,
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
      bits = bit_field(in.bits, start, w.width);
    } else {
      SPIKELOOM_ROLLED
      for (std::uint32_t k = 0; k < w.width; ++k) {
        const std::uint32_t at = start + k * dilation;
        bits |= (in.bits[at / 32] >> (at % 32) & 1) << k;
      }
    }
    active |= bits << ((kr - first_row) * columns + w.first_tap);
  }
  return active;
}

/// What a Pool makes of the windows of kChannels channels; whether any is active.
template <std::uint32_t kChannels, typename V>
SPIKELOOM_KERNEL bool pool_windows(const ResidentOp<V>& op, const LayerShape& shape,
                                   const LayerWindow& w, const ResidentRow<V>& in, V* x) {
  const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
  bool touched = false;
  SPIKELOOM_UNROLL
  for (std::uint32_t c = 0; c < kChannels; ++c) {
    const std::uint32_t active = active_taps(op, shape, w, in, c, 0, rows);
    touched = touched || active != 0;
    if (in.value != nullptr) {
      if (active != 0) x[c] = pooled(op, in, w.output + c * op.plane);
    } else if (op.pooling == Pooling::kMax) {
      x[c] = active != 0 ? V{1} : V{0};
    } else {
      x[c] = static_cast<V>(bit_count(active));
      if (op.pooling == Pooling::kAverage) x[c] /= static_cast<V>(shape.taps);
    }
  }
  return touched;
}

/// The windows of kChannels channels of a convolution that has a weight a tap for each: depthwise.
template <std::uint32_t kChannels, typename V>
SPIKELOOM_KERNEL bool add_depthwise(const ResidentOp<V>& op, const LayerShape& shape,
                                    const LayerWindow& w, const ResidentRow<V>& in, V* sum,
                                    LayerCount<V>& count) {
  const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
  const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
  bool touched = false;
  SPIKELOOM_UNROLL
  for (std::uint32_t c = 0; c < kChannels; ++c) {
    std::uint32_t active = active_taps(op, shape, w, in, c, 0, rows);
    touched = touched || active != 0;
    if (op.even_taps && in.value == nullptr) {
      V weight = 0;
      add_tap<1>(op, w.weights + c * shape.taps, &weight);
      sum[c] = static_cast<V>(bit_count(active)) * weight;
      count.unit += bit_count(active);
      continue;
    }
    SPIKELOOM_ROLLED
    for (; active != 0; active &= active - 1) {
      const std::uint32_t b = lowest_bit(active);
      const std::uint32_t at = w.weights + c * shape.taps + b;
      if (in.value == nullptr) {
        add_tap<1>(op, at, sum + c);
        ++count.unit;
        continue;
      }
      const std::uint32_t kr = b / columns, kc = b % columns;
      const V x =
          in.value[w.first_input + c * shape.in_plane + (kr - w.first_row) * shape.row_step +
                   (kc - w.first_tap) * static_cast<std::uint32_t>(op.window.dilation_columns)];
      if (x == V{0}) continue;
      add_tap<1>(op, at, x, sum + c);
      count.note_pairs(x, 1);
    }
  }
  return touched;
}

/// The sums of a window; whether anything reached it. All threads of a warp call it.
template <std::uint32_t kChannels, typename V>
SPIKELOOM_KERNEL bool add_window(const ResidentOp<V>& op, const LayerShape& shape,
                                 const LayerWindow& w, const ResidentRow<V>& in, V* sum,
                                 LayerCount<V>& count) {
  const auto rows = static_cast<std::uint32_t>(op.window.kernel_rows);
  const auto columns = static_cast<std::uint32_t>(op.window.kernel_columns);
  bool touched = false;
  SPIKELOOM_ROLLED
  for (std::uint32_t first = 0; first < op.in_group; first += shape.channels_a_round) {
    const std::uint32_t left = op.in_group - first,
                        here = left < shape.channels_a_round ? left : shape.channels_a_round;
    const std::uint32_t live = live_channels(shape, w, in, first, here);
    SPIKELOOM_ROLLED
    for (std::uint32_t some = 0; some < here; some += shape.channels_at_once) {
      const std::uint32_t mask =
          shape.channels_at_once < 32 ? ((1U << shape.channels_at_once) - 1) << some : ~0U;
      if ((live & mask) == 0) continue;
      SPIKELOOM_ROLLED
      for (std::uint32_t row = 0; row < rows; row += shape.rows_at_once) {
        std::uint32_t active = 0;
        const std::uint32_t end = some + shape.channels_at_once;
        SPIKELOOM_ROLLED
        for (std::uint32_t c = some; c < end && c < here; ++c) {
          if ((live >> c & 1) == 0) continue;
          active |= active_taps(op, shape, w, in, first + c, row, row + shape.rows_at_once)
                    << ((c - some) * shape.taps);
        }
        touched = touched || active != 0;
        // Tap 0 of the first channel, in the first of these rows.
        const std::uint32_t tap = (first + some) * shape.taps + row * columns;
        SPIKELOOM_ROLLED
        for (; active != 0; active &= active - 1) {
          const std::uint32_t b = lowest_bit(active);
          const std::uint32_t at = w.weights + (tap + b) * op.out_group;
          if (in.value == nullptr) {
            add_tap<kChannels>(op, at, sum);
            count.unit += kChannels;
            continue;
          }
          const std::uint32_t c = b / shape.taps, t = b - c * shape.taps;
          const std::uint32_t kr = row + t / columns, kc = t % columns;
          const V x =
              in.value[w.first_input + (first + some + c) * shape.in_plane +
                       (kr - w.first_row) * shape.row_step +
                       (kc - w.first_tap) * static_cast<std::uint32_t>(op.window.dilation_columns)];
          if (x == V{0}) continue;
          add_tap<kChannels>(op, at, x, sum);
          count.note_pairs(x, kChannels);
        }
      }
    }
  }
  return touched;
}

}  // namespace spikeloom::cuda
