#pragma once
/// How ResidentKernel (resident.hpp) adds up what weights and pools receive.

#include <cstring>

#include "backends/cuda/kernels/resident.hpp"

namespace spikeloom::cuda {

/// kCount weights that lie side by side, aligned to their size or to 16 bytes.
template <std::uint32_t kCount, typename V, typename W>
SPIKELOOM_KERNEL void read_weights(const W* from, V* to) {
  struct alignas(sizeof(W) * kCount < 16 ? sizeof(W) * kCount : 16) Pack {
    W weight[kCount];
  };
  Pack pack;
#if defined(__CUDA_ARCH__)
  pack = *reinterpret_cast<const Pack*>(from);
#else
  std::memcpy(&pack, from, sizeof pack);
#endif
  SPIKELOOM_UNROLL
  for (std::uint32_t j = 0; j < kCount; ++j) to[j] = static_cast<V>(pack.weight[j]);
}

/// Whole numbers come in any order; for others one warp lists them as they are numbered.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::list(const View& view, const ResidentOp<V>& op,
                                                    const Row& in,
                                                    const ResidentSignal& source) const {
  auto* const size = view.template at<std::uint32_t>(op.list_size);
  auto* const pixels = view.template at<ResidentPixel>(op.list);
  constexpr bool kOrdered = !std::is_integral_v<V>;
  if (kOrdered && view.thread >= 32) return;
  const std::uint32_t walkers = kOrdered && view.threads > 32 ? 32 : view.threads;
  std::uint32_t length = 0;  // in order
  SPIKELOOM_ROLLED
  for (std::uint32_t w = view.thread; w < tiles(source.words, 32) * 32; w += walkers) {
    std::uint32_t bits = w < source.words ? in.bits[w] : 0;
    std::uint32_t at = 0;
    if constexpr (kOrdered) {
#if defined(__CUDA_ARCH__)
      if (__ballot_sync(~0U, bits != 0) == 0) continue;
      at = length;
      at += lanes_before(bit_count(bits), length);
#else
      // One thread after the other: the first lists all.
      if (view.thread != 0) return;
      for (std::uint32_t v = w; v < source.words && v < w + walkers; ++v) {
        for (std::uint32_t left = in.bits[v]; left != 0; left &= left - 1) {
          pixels[length++] = pixel_of(op, v * 32 + lowest_bit(left));
        }
      }
      bits = 0;
#endif
    } else if (bits != 0) {
      at = take_room(size, bit_count(bits));
    }
    SPIKELOOM_ROLLED
    for (; bits != 0; bits &= bits - 1, ++at) pixels[at] = pixel_of(op, w * 32 + lowest_bit(bits));
  }
  if (kOrdered && view.thread == 0) *size = length;
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL ResidentPixel ResidentKernel<V, kAll>::pixel_of(const ResidentOp<V>& op,
                                                                 std::uint32_t source) const {
  const ResidentWindow& w = op.window;
  const auto columns = static_cast<std::uint32_t>(w.in_columns);
  const std::uint32_t plane = static_cast<std::uint32_t>(w.in_rows) * columns;
  const std::uint32_t channel = source / plane, position = source % plane;
  const std::uint32_t row = position / columns + static_cast<std::uint32_t>(w.pad_rows);
  const std::uint32_t column = position % columns + static_cast<std::uint32_t>(w.pad_columns);
  const auto strides = static_cast<std::uint32_t>(w.stride_rows);
  const auto stride = static_cast<std::uint32_t>(w.stride_columns);
  return {channel | row / strides % op.row_span << 16 | column / stride % op.column_span << 24,
          row / strides | column / stride << 12 | row % strides << 24 | column % stride << 28};
}

/// Owners of whole numbers share their outputs with others, who take other inputs.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::scatter_list(const View& view,
                                                            const ResidentOp<V>& op, const Row& in,
                                                            ResidentCount<V>& count) const {
  const std::uint32_t size = *view.template at<std::uint32_t>(op.list_size);
  const auto* const pixels = view.template at<ResidentPixel>(op.list);
  V* const sums = view.template at<V>(op.sums);
  const ResidentWindow w = op.window;
  const auto taps = static_cast<std::uint32_t>(w.kernel_rows * w.kernel_columns);
  const std::uint32_t channels = op.groups * op.out_group;
  const std::uint32_t owners = channels * op.row_span * op.column_span;
  const bool shares = std::is_integral_v<V> && view.threads > owners;
  const std::uint32_t slices = shares ? view.threads / owners : 1;
  SPIKELOOM_ROLLED
  for (std::uint32_t t = view.thread; t < owners * slices; t += view.threads) {
    const std::uint32_t owner = t % owners;
    const std::uint32_t channel = owner % channels, rest = owner / channels;
    const auto row_rest = static_cast<std::int32_t>(rest / op.column_span);
    const auto column_rest = static_cast<std::int32_t>(rest % op.column_span);
    const std::uint32_t group = op.groups == 1 ? 0 : channel / op.out_group;
    const std::uint32_t in_its_group = channel - group * op.out_group;
    V* const plane = sums + channel * op.plane;
    SPIKELOOM_ROLLED
    for (std::uint32_t k = t / owners; k < size; k += slices) {
      const ResidentPixel pixel = pixels[k];
      const std::uint32_t from = pixel.from & 0xFFFF;
      if (op.groups != 1 && from / op.in_group != group) continue;
      std::int32_t back_rows = static_cast<std::int32_t>(pixel.from >> 16 & 0xFF) - row_rest;
      std::int32_t back_columns = static_cast<std::int32_t>(pixel.from >> 24) - column_rest;
      if (back_rows < 0) back_rows += static_cast<std::int32_t>(op.row_span);
      if (back_columns < 0) back_columns += static_cast<std::int32_t>(op.column_span);
      const auto last_row = static_cast<std::int32_t>(pixel.to & 0xFFF);
      const auto last_column = static_cast<std::int32_t>(pixel.to >> 12 & 0xFFF);
      const auto first_row_tap = static_cast<std::int32_t>(pixel.to >> 24 & 0xF);
      const auto first_column_tap = static_cast<std::int32_t>(pixel.to >> 28);
      const std::int32_t row = last_row - back_rows, column = last_column - back_columns;
      const std::int32_t row_tap = first_row_tap + back_rows * w.stride_rows;
      const std::int32_t column_tap = first_column_tap + back_columns * w.stride_columns;
      if (row < 0 || row >= w.out_rows || column < 0 || column >= w.out_columns ||
          row_tap >= w.kernel_rows || column_tap >= w.kernel_columns) {
        continue;
      }
      V x = 1;
      if (in.value != nullptr) {
        const std::int32_t r = last_row * w.stride_rows + first_row_tap - w.pad_rows;
        const std::int32_t c = last_column * w.stride_columns + first_column_tap - w.pad_columns;
        x = in.value[(from * static_cast<std::uint32_t>(w.in_rows) +
                      static_cast<std::uint32_t>(r)) *
                         static_cast<std::uint32_t>(w.in_columns) +
                     static_cast<std::uint32_t>(c)];
      }
      if (x == V{0}) continue;
      const auto tap = static_cast<std::uint32_t>(row_tap * w.kernel_columns + column_tap);
      const V weight = weight_at(op, (from * taps + tap) * op.out_group + in_its_group);
      V* const to = plane + row * w.out_columns + column;
      if (shares) {
        add_to(to, weight * x);
      } else {
        *to += weight * x;
      }
      count.note_pairs(x, 1);
    }
  }
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL V ResidentKernel<V, kAll>::weight_at(const ResidentOp<V>& op,
                                                      std::uint32_t at) const {
  if constexpr (std::is_same_v<V, float>) {
    return static_cast<const float*>(op.weight)[at];
  } else {
    return op.narrow ? static_cast<V>(static_cast<const std::int8_t*>(op.weight)[at])
                     : static_cast<V>(static_cast<const std::int16_t*>(op.weight)[at]);
  }
}

/// Spikes of neurons whose reset timing is "next", before anybody reads them.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::publish(const View& view, const ResidentOp<V>& op,
                                                       const Row& out, std::uint32_t o,
                                                       bool exists) const {
  V count = 0;
  if (exists) {
    count = equations::spike_count(view.template at<V>(op.membrane)[o], op.neurons.at(o).threshold,
                                   op.neurons.options.rule);
  }
  write_bits(out.bits + o / 32, o % 32, count != V{0});
  if (out.value != nullptr && exists) out.value[o] = count * op.amplitude;
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL V ResidentKernel<V, kAll>::pooled(const ResidentOp<V>& op, const Row& in,
                                                   std::uint32_t o) const {
  const ResidentWindow& w = op.window;
  const auto plane = static_cast<std::uint32_t>(w.out_rows * w.out_columns);
  const std::uint32_t channel = o / plane, at = o % plane;
  const auto columns = static_cast<std::uint32_t>(w.out_columns);
  const std::int32_t top = static_cast<std::int32_t>(at / columns) * w.stride_rows - w.pad_rows;
  const std::int32_t left =
      static_cast<std::int32_t>(at % columns) * w.stride_columns - w.pad_columns;
  const std::int32_t first = left < 0 ? 0 : left;
  const std::int32_t last =
      left + w.kernel_columns < w.in_columns ? left + w.kernel_columns : w.in_columns;
  V sum = 0, largest = 0;
  bool any = false;
  SPIKELOOM_ROLLED
  for (std::int32_t kr = 0; kr < w.kernel_rows; ++kr) {
    const std::int32_t r = top + kr;
    if (r < 0 || r >= w.in_rows) continue;
    const auto row =
        (channel * static_cast<std::uint32_t>(w.in_rows) + static_cast<std::uint32_t>(r)) *
        static_cast<std::uint32_t>(w.in_columns);
    if (in.value == nullptr && op.pooling != Pooling::kMax && last - first <= 32) {
      if (last > first) {
        sum += static_cast<V>(bit_count(bit_field(in.bits, row + static_cast<std::uint32_t>(first),
                                                  static_cast<std::uint32_t>(last - first))));
      }
      continue;
    }
    SPIKELOOM_ROLLED
    for (std::int32_t c = first; c < last; ++c) {
      const V value = in.at(row + static_cast<std::uint32_t>(c));
      sum += value;
      largest = any && largest > value ? largest : value;
      any = true;
    }
  }
  if (op.pooling == Pooling::kMax) return largest;
  return op.pooling == Pooling::kAverage ? sum / static_cast<V>(w.kernel_rows * w.kernel_columns)
                                         : sum;
}

/// Convolution: one position of the plane, one channel or kManyChannels of them.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::gather_window(
    [[maybe_unused]] std::uint32_t lane, const ResidentOp<V>& op, const Row& in, std::uint32_t item,
    bool exists, V* sum, std::uint32_t& o, std::uint32_t& channel, ResidentCount<V>& count) const {
  const ResidentWindow& w = op.window;
  const auto in_columns = static_cast<std::uint32_t>(w.in_columns);
  const auto in_plane = static_cast<std::uint32_t>(w.in_rows) * in_columns;
  const auto columns = static_cast<std::uint32_t>(w.out_columns);
  const auto taps = static_cast<std::uint32_t>(w.kernel_rows * w.kernel_columns);
  const std::uint32_t tile = item / op.plane, position = item % op.plane;
  channel = tile * op.channels;
  o = channel * op.plane + position;
  const std::uint32_t group = op.groups == 1 ? 0 : channel / op.out_group;
  const std::int32_t top =
      static_cast<std::int32_t>(position / columns) * w.stride_rows - w.pad_rows;
  const std::int32_t left =
      static_cast<std::int32_t>(position % columns) * w.stride_columns - w.pad_columns;
  // The window's columns [first_tap, last_tap) lie within the input.
  std::int32_t first_tap = left < 0 ? -left : 0, reach = w.in_columns - left;
  if (w.dilation_columns != 1) {
    first_tap = (first_tap + w.dilation_columns - 1) / w.dilation_columns;
    reach = (reach + w.dilation_columns - 1) / w.dilation_columns;
  }
  const std::int32_t last_tap = reach < w.kernel_columns ? reach : w.kernel_columns;
  // So do its rows.
  std::int32_t row_from = top < 0 ? -top : 0, row_reach = w.in_rows - top;
  if (w.dilation_rows != 1) {
    row_from = (row_from + w.dilation_rows - 1) / w.dilation_rows;
    row_reach = (row_reach + w.dilation_rows - 1) / w.dilation_rows;
  }
  const std::int32_t row_end = row_reach < w.kernel_rows ? row_reach : w.kernel_rows;
  const bool in_reach = exists && last_tap > first_tap && row_end > row_from;
  const auto first_row = static_cast<std::uint32_t>(row_from);
  const auto last_row = static_cast<std::uint32_t>(row_end);
  const auto width = static_cast<std::uint32_t>(last_tap - first_tap);
  const auto row_step = static_cast<std::uint32_t>(w.dilation_rows) * in_columns;
  const auto first_place = static_cast<std::uint32_t>(
      (top + row_from * w.dilation_rows) * w.in_columns + left + first_tap * w.dilation_columns);
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 0; i < op.in_group; i += 32) {
    const std::uint32_t left_over = op.in_group - i;
    std::uint32_t live = left_over < 32 ? (1U << left_over) - 1 : ~0U;
#if defined(__CUDA_ARCH__)
    if (op.plane % 32 == 0) {
      // The warp's windows lie in the same rows of the same channels: silent ones are left out.
      const std::uint32_t front = position - lane;
      std::int32_t low = static_cast<std::int32_t>(front / columns) * w.stride_rows - w.pad_rows;
      std::int32_t high = static_cast<std::int32_t>((front + 31) / columns) * w.stride_rows -
                          w.pad_rows + (w.kernel_rows - 1) * w.dilation_rows + 1;
      low = low < 0 ? 0 : low;
      high = high < w.in_rows ? high : w.in_rows;
      // 2^shift lanes share a channel's words where there are fewer channels than lanes.
      const std::uint32_t shift = left_over > 16  ? 0
                                  : left_over > 8 ? 1
                                  : left_over > 4 ? 2
                                  : left_over > 2 ? 3
                                  : left_over > 1 ? 4
                                                  : 5;
      const std::uint32_t own = lane >> shift;
      std::uint32_t any = 0;
      if (own < left_over && low < high) {
        const std::uint32_t base = (group * op.in_group + i + own) * in_plane;
        const std::uint32_t last = (base + static_cast<std::uint32_t>(high) * in_columns - 1) / 32;
        SPIKELOOM_ROLLED
        for (std::uint32_t word = (base + static_cast<std::uint32_t>(low) * in_columns) / 32 +
                                  (lane & ((1U << shift) - 1));
             word <= last; word += 1U << shift) {
          any |= in.bits[word];
        }
      }
      const std::uint32_t busy = __ballot_sync(~0U, any != 0);
      const std::uint32_t its_lanes = shift == 5 ? ~0U : (1U << (1U << shift)) - 1;
      live = __ballot_sync(~0U, lane < left_over && (busy >> (lane << shift) & its_lanes) != 0);
    }
#endif
    SPIKELOOM_ROLLED
    for (; in_reach && live != 0; live &= live - 1) {
      const std::uint32_t from = group * op.in_group + i + lowest_bit(live);
      // Of the weights of its taps, those of the first channel here.
      const std::uint32_t weights = (from * taps - group) * op.out_group + channel;
      std::uint32_t start = from * in_plane + first_place;
      std::uint32_t tap = first_row * static_cast<std::uint32_t>(w.kernel_columns) +
                          static_cast<std::uint32_t>(first_tap);
      SPIKELOOM_ROLLED
      for (std::uint32_t kr = first_row; kr < last_row; ++kr) {
        std::uint32_t active = 0;
        if (w.dilation_columns == 1) {
          active = bit_field(in.bits, start, width);
        } else {
          SPIKELOOM_ROLLED
          for (std::uint32_t k = 0; k < width; ++k) {
            const std::uint32_t at = start + k * static_cast<std::uint32_t>(w.dilation_columns);
            active |= (in.bits[at / 32] >> (at % 32) & 1) << k;
          }
        }
        SPIKELOOM_ROLLED
        for (; active != 0; active &= active - 1) {
          const std::uint32_t k = lowest_bit(active);
          const std::uint32_t at = weights + (tap + k) * op.out_group;
          if (in.value == nullptr) {
            add_weights(op, at, sum);
            count.unit += op.channels;
          } else {
            const V x = in.value[start + k * static_cast<std::uint32_t>(w.dilation_columns)];
            if (x == V{0}) continue;
            add_weights(op, at, x, sum);
            count.note_pairs(x, op.channels);
          }
        }
        start += row_step;
        tap += static_cast<std::uint32_t>(w.kernel_columns);
      }
    }
  }
}

/// sum[c] += weight[at + c] x, for the operation's channels.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::add_weights(const ResidentOp<V>& op,
                                                           std::uint32_t at, V x, V* sum) const {
  V weight[kManyChannels] = {};
  fetch_weights(op, at, weight);
  SPIKELOOM_UNROLL
  for (std::uint32_t c = 0; c < kManyChannels; ++c) sum[c] += weight[c] * x;
}
/// The same for x = 1.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::add_weights(const ResidentOp<V>& op,
                                                           std::uint32_t at, V* sum) const {
  V weight[kManyChannels] = {};
  fetch_weights(op, at, weight);
  SPIKELOOM_UNROLL
  for (std::uint32_t c = 0; c < kManyChannels; ++c) sum[c] += weight[c];
}

/// Zeros for channels that the operation does not take.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::fetch_weights(const ResidentOp<V>& op,
                                                             std::uint32_t at, V* weight) const {
  const auto fetch = [&](const auto* from) {
    if (op.channels == kManyChannels) {
      read_weights<kManyChannels>(from + at, weight);
    } else if (op.channels == kSomeChannels) {
      read_weights<kSomeChannels>(from + at, weight);
    } else {
      weight[0] = static_cast<V>(from[at]);
    }
  };
  if constexpr (std::is_same_v<V, float>) {
    fetch(static_cast<const float*>(op.weight));
  } else if (op.narrow) {
    fetch(static_cast<const std::int8_t*>(op.weight));
  } else {
    fetch(static_cast<const std::int16_t*>(op.weight));
  }
}

/// Dense: one output, over the active sources.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::gather_rows(
    [[maybe_unused]] std::uint32_t lane, const ResidentOp<V>& op, const Row& in,
    [[maybe_unused]] const ResidentSignal& source, std::uint32_t repeat, std::uint32_t output,
    bool exists, V& sum, ResidentCount<V>& count) const {
  const auto weight = [&](std::uint32_t i) {
    const std::size_t at = std::size_t{i} * op.outputs + output;
    if constexpr (std::is_same_v<V, float>) {
      return static_cast<const float*>(op.weight)[at];
    } else {
      return op.narrow ? static_cast<V>(static_cast<const std::int8_t*>(op.weight)[at])
                       : static_cast<V>(static_cast<const std::int16_t*>(op.weight)[at]);
    }
  };
  const auto add_one = [&](V x, V w) {
    if (x == V{0}) return;
    sum += w * x;
    count.note_pairs(x, 1);
  };
#if defined(__CUDA_ARCH__)
  if (op.inputs == source.size) {
    // One row for the whole warp: weights of kAhead sources are on their way at once.
    constexpr std::uint32_t kAhead = 8;
    SPIKELOOM_ROLLED
    for (std::uint32_t first = 0; first < source.words; first += 32) {
      const std::uint32_t own = first + lane < source.words ? in.bits[first + lane] : 0;
      std::uint32_t live = __ballot_sync(~0U, own != 0), bits = 0, base = 0;
      while (live != 0 || bits != 0) {
        std::uint32_t from[kAhead];
        V value[kAhead];
        SPIKELOOM_UNROLL
        for (std::uint32_t a = 0; a < kAhead; ++a) {
          if (bits == 0 && live != 0) {
            const std::uint32_t word = lowest_bit(live);
            live &= live - 1;
            bits = __shfl_sync(~0U, own, static_cast<int>(word));
            base = (first + word) * 32;
          }
          from[a] = bits != 0 ? base + lowest_bit(bits) : kNowhere;
          bits &= bits - 1;
        }
        SPIKELOOM_UNROLL
        for (std::uint32_t a = 0; a < kAhead; ++a) {
          value[a] = exists && from[a] != kNowhere ? weight(from[a]) : V{0};
        }
        SPIKELOOM_UNROLL
        for (std::uint32_t a = 0; a < kAhead; ++a) {
          if (from[a] == kNowhere || !exists) continue;
          add_one(in.value == nullptr ? V{1} : in.value[from[a]], value[a]);
        }
      }
    }
    return;
  }
#endif
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 0; exists && i < op.inputs; i += 32) {
    const std::uint32_t left = op.inputs - i, start = repeat * op.inputs + i;
    SPIKELOOM_ROLLED
    for (std::uint32_t bits = bit_field(in.bits, start, left < 32 ? left : 32); bits != 0;
         bits &= bits - 1) {
      const std::uint32_t k = lowest_bit(bits);
      add_one(in.value == nullptr ? V{1} : in.value[start + k], weight(i + k));
    }
  }
}

}  // namespace spikeloom::cuda
