#pragma once
/// What a thread of LayerKernel (layer.hpp) counts, writes, and looks at.

#include <algorithm>

#include "backends/cuda/kernels/resident_weights.hpp"

namespace spikeloom::cuda {

inline constexpr std::uint32_t kLayerWarps = 4, kLayerThreads = 32 * kLayerWarps;  ///< of a block
/// Steps that a block adds up between two barriers: with several a warp, warps wait less for one
/// that has more to do. A multiple of kLayerWarps.
inline constexpr std::uint32_t kLayerTurn = 12;

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
  /// Real ones are added as V; whole ones exactly, in 32 bits where `narrow` says that these do.
  template <std::uint32_t kCount>
  SPIKELOOM_KERNEL void note_all(const V* values, bool narrow) {
    typename Tally<V>::Sum whole = 0;
    std::conditional_t<std::is_integral_v<V>, std::uint32_t, V> all = 0;
    SPIKELOOM_UNROLL
    for (std::uint32_t k = 0; k < kCount; ++k) {
      events += values[k] != V{0} ? 1 : 0;
      all += static_cast<decltype(all)>(values[k]);
    }
    if (std::is_integral_v<V> && !narrow) {
      SPIKELOOM_UNROLL
      for (std::uint32_t k = 0; k < kCount; ++k) whole += static_cast<decltype(whole)>(values[k]);
    } else {
      whole = static_cast<decltype(whole)>(static_cast<V>(all));
    }
    sum += whole;
  }
  /// Of events that are all 1.
  SPIKELOOM_KERNEL void sum_spikes() { sum = static_cast<typename Tally<V>::Sum>(events); }
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
  /// From every thread of a block to the block's own: all of them call it.
  SPIKELOOM_KERNEL void add_up(Tally<V>* to) const {
#if defined(__CUDA_ARCH__)
    if (__any_sync(~0U, (events | unit | graded) != 0) == 0) return;
    LayerCount all;
    all.events = sum_lanes(events), all.unit = sum_lanes(unit), all.graded = sum_lanes(graded);
    all.sum = sum;
    SPIKELOOM_UNROLL
    for (std::uint32_t offset = 16; offset != 0; offset /= 2) {
      all.sum += __shfl_down_sync(~0U, all.sum, offset);
    }
    if (threadIdx.x % 32 == 0) all.tally().add(to);
#else
    tally().add(to);
#endif
  }
};

/// A bit of each of a thread's channels, or steps, 1, 2 or 4: of their warp, lanes c, c + kChannels
/// and so on have the word of channel c. All threads of a warp call them.
template <std::uint32_t kChannels>
struct LayerBits {
  std::uint32_t own = 0;  ///< on a processor: the thread's bits

  SPIKELOOM_KERNEL void note(std::uint32_t channel, bool bit) {
#if defined(__CUDA_ARCH__)
    const std::uint32_t all = __ballot_sync(~0U, bit);
    if (threadIdx.x % kChannels == channel) own = all;
#else
    own |= (bit ? 1U : 0U) << channel;
#endif
  }
  /// Which of the warp's threads say so, for keep().
  SPIKELOOM_KERNEL static std::uint32_t lanes(bool own) {
#if defined(__CUDA_ARCH__)
    return __ballot_sync(~0U, own);
#else
    return own ? ~0U : 0;
#endif
  }
  SPIKELOOM_KERNEL void keep(std::uint32_t lanes) { own &= lanes; }
  SPIKELOOM_KERNEL bool at(std::uint32_t channel) const {
#if defined(__CUDA_ARCH__)
    return (__shfl_sync(~0U, own, static_cast<int>(channel)) >> (threadIdx.x % 32) & 1) != 0;
#else
    return (own >> channel & 1) != 0;
#endif
  }
  /// Channels of one step: `first` is the thread's output of the first; the others are `plane`
  /// apart.
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

/// Writes what outputs did in up to kLayerWarps steps from `step` on; for how many spikes the
/// thread answers.
template <std::uint32_t kChannels>
SPIKELOOM_KERNEL std::uint32_t write_turn(const LayerBits<kChannels>* of_step, std::uint32_t steps,
                                          std::uint32_t* bits, const ResidentSignal& out,
                                          std::int64_t step, std::uint32_t first,
                                          std::uint32_t plane) {
  const auto start = static_cast<std::uint32_t>(step);
#if defined(__CUDA_ARCH__)
  // A lane has a word.
  const std::uint32_t lane = threadIdx.x % 32, j = lane / kChannels, c = lane % kChannels;
  std::uint32_t word = of_step[0].own;
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 1; k < kLayerWarps; ++k) word = j == k ? of_step[k].own : word;
  if (j >= steps) return 0;
  bits[((start + j) & (out.slots - 1)) * out.words + (first - lane + c * plane) / 32] = word;
  return bit_count(word);
#else
  std::uint32_t count = 0;
  for (std::uint32_t j = 0; j < steps; ++j) {
    of_step[j].write(bits + ((start + j) & (out.slots - 1)) * out.words, first, plane);
    count += bit_count(of_step[j].own);
  }
  return count;
#endif
}

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
    ResidentRow<V> row{at<std::uint32_t>(s.bits) + std::size_t{slot} * s.words, nullptr};
    bool valued = s.value != kNowhere;
    if (valued && for_reading && s.graded != kNowhere) {
      valued = at<std::int64_t>(s.graded)[slot] == step + 1;
    }
    if (valued) row.value = at<V>(s.value) + std::size_t{slot} * s.size;
    return row;
  }
};

/// The rows [low, high) of a channel at which the windows of 32 outputs from `front` on look.
struct LayerRows {
  std::uint32_t low = 0, high = 0;

  SPIKELOOM_KERNEL LayerRows(const ResidentWindow& w, std::uint32_t front) {
    const auto columns = static_cast<std::uint32_t>(w.out_columns);
    const std::int32_t first =
        static_cast<std::int32_t>(front / columns) * w.stride_rows - w.pad_rows;
    std::int32_t last = static_cast<std::int32_t>((front + 31) / columns) * w.stride_rows -
                        w.pad_rows + (w.kernel_rows - 1) * w.dilation_rows + 1;
    last = last < w.in_rows ? last : w.in_rows;
    low = first < 0 ? 0 : static_cast<std::uint32_t>(first);
    high = last < static_cast<std::int32_t>(low) ? low : static_cast<std::uint32_t>(last);
  }
};

/// Of a convolution's windows what they have in common.
struct LayerShape {
  std::uint32_t in_plane = 1, row_step = 1, taps = 1;
  std::uint32_t channels_at_once = 1, rows_at_once = 1;  ///< whose taps are bits of one word
  bool even = false;                                     ///< a warp looks at windows of one channel
  // Where a warp's lanes can hold all words that its windows of a channel look at, LayerWords: so
  // many lanes, 2^word_shift, a channel; whether a window's row may lie in two words.
  bool has_words = false, straddles = false;
  bool one_word = false;  ///< no window has a row that does; columns are not dilated
  std::uint32_t word_shift = 0;
  // Where a source that is active can be added to all windows it is in; what divides by columns,
  // of which there are several (divided()).
  bool scatters = false;
  std::uint32_t columns = 1, per_column = 0;
  Divisor per_taps, per_tap_row;  ///< taps of a channel, and of a row of a window
  std::uint32_t square = 0;       ///< rows and columns of a window, where they are as many

  LayerShape() = default;
  template <typename V>
  explicit LayerShape(const ResidentOp<V>& op) {
    const ResidentWindow& w = op.window;
    columns = static_cast<std::uint32_t>(w.in_columns);
    in_plane = static_cast<std::uint32_t>(w.in_rows) * columns;
    row_step = static_cast<std::uint32_t>(w.dilation_rows) * columns;
    taps = static_cast<std::uint32_t>(w.kernel_rows * w.kernel_columns);
    per_taps = Divisor(taps, std::uint64_t{op.in_group} * taps);
    per_tap_row = Divisor(static_cast<std::uint32_t>(w.kernel_columns), taps);
    const bool small = taps <= 32;
    channels_at_once = small ? 32 / taps : 1;
    rows_at_once = small ? static_cast<std::uint32_t>(w.kernel_rows)
                         : 32 / static_cast<std::uint32_t>(w.kernel_columns);
    even = op.plane % 32 == 0;
    straddles = 32 % columns != 0;  // else a row lies within a word
    std::uint32_t most = 1;
    for (std::uint32_t front = 0; even && front < op.plane; front += 32) {
      const LayerRows rows(w, front);
      const std::uint32_t offset = in_plane % 32 == 0 ? rows.low * columns % 32 : 31;
      const std::uint32_t words = (offset + (rows.high - rows.low) * columns + 31) / 32;
      most = most < words ? words : most;
    }
    while (1U << word_shift < most) ++word_shift;
    square = w.kernel_rows == w.kernel_columns ? static_cast<std::uint32_t>(w.kernel_rows) : 0;
    one_word = w.dilation_columns == 1 && (!straddles || columns % 32 == 0);
    for (std::int32_t c = 0; c < w.out_columns && straddles; ++c) {
      const std::int32_t left = c * w.stride_columns - w.pad_columns;
      const std::int32_t from = std::max(left, 0),
                         to = std::min(left + w.kernel_columns, w.in_columns);
      one_word = one_word && (to <= from || from / 32 == (to - 1) / 32);
    }
    has_words = even && small && w.dilation_columns == 1 && word_shift <= 5;
    per_column = per_divisor(columns);
    scatters = has_words && w.dilation_rows == 1 && columns > 1 &&
               std::uint64_t{in_plane} * columns >> 32 == 0;
  }
  SPIKELOOM_KERNEL std::uint32_t word_channels() const { return 32U >> word_shift; }
  /// Words of so many channels of all taps.
  SPIKELOOM_KERNEL std::uint32_t position_words() const { return tiles(taps, 1U << word_shift); }
  /// Calls f(first, end) for the channels of a group whose taps are one word.
  template <typename F>
  void for_each_word(std::uint32_t channels, F&& f) const {
    for (std::uint32_t first = 0; first < channels; first += word_channels()) {
      const std::uint32_t end = std::min(first + word_channels(), channels);
      for (std::uint32_t c = first; c < end; c += channels_at_once) {
        f(c, std::min(c + channels_at_once, end));
      }
    }
  }
};

/// The window of a thread's output, which stays.
struct LayerWindow {
  std::uint32_t output = 0, channel = 0;      ///< the first one's
  std::uint32_t first_input = 0;              ///< of the group's first channel, in the window
  std::uint32_t weights = 0;                  ///< of the group's first tap
  std::uint32_t first_row = 0, last_row = 0;  ///< taps within the input
  std::uint32_t first_tap = 0, width = 0, mask = 0;
  std::uint32_t valid = 0;  ///< a bit for each tap within the input, where they are a word
  std::uint32_t left = 0;   ///< column of the first tap, which may be before the input's first
  std::uint32_t top = 0;    ///< its row, after the first at which the warp looks
  /// Bits of the group's first channel that the warp looks at; on a processor, from where on the
  /// thread does.
  std::uint32_t words_from = 0, words_to = 0;
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
  made.left = static_cast<std::uint32_t>(left);
  made.mask = made.width < 32 ? (1U << made.width) - 1 : ~0U;
  SPIKELOOM_ROLLED
  for (std::uint32_t r = made.first_row; r < made.last_row && shape.taps <= 32; ++r) {
    made.valid |= made.mask << (r * static_cast<std::uint32_t>(w.kernel_columns) + made.first_tap);
  }
#if defined(__CUDA_ARCH__)
  if (!shape.even) return made;
  const auto in_columns = static_cast<std::uint32_t>(w.in_columns);
  const LayerRows rows(w, position - threadIdx.x % 32);
  const std::uint32_t base = group * op.in_group * shape.in_plane;
  made.top = static_cast<std::uint32_t>(top) - rows.low;
  made.words_from = base + rows.low * in_columns;
  made.words_to = base + rows.high * in_columns;
#else
  made.words_from = made.words_to = made.first_input;
#endif
  return made;
}

}  // namespace spikeloom::cuda
