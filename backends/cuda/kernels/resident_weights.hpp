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
  for (std::uint32_t j = 0; j < kCount; ++j) {
    to[j] = static_cast<V>(pack.weight[j]);  // NOLINT(bugprone-signed-char-misuse): a number
  }
}

/// One warp lists the active inputs as they are numbered.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::list(const View& view, const ResidentOp<V>& op,
                                                    const Row& in,
                                                    const ResidentSignal& source) const {
  if (view.thread >= 32) return;
  auto* const size = view.template at<std::uint32_t>(op.list_size);
  auto* const listed = view.template at<ResidentPixel>(op.list);
  auto* const values = view.template at<V>(op.values);
  const ResidentPixel* const pixels = op.pixel;
  std::uint32_t length = 0;
  ResidentCount<V> count;
  const auto put = [&](std::uint32_t at, std::uint32_t input) {
    const ResidentPixel pixel = pixels[input];
    const V x = in.value != nullptr ? in.value[input] : V{1};
    if (x != V{0}) count.note_pairs(x, bit_count(pixel.reached) * op.out_group);
    if (at < kListed) listed[at] = pixel, values[at] = x;
    if (at == kListed) size[1] = input;
  };
#if defined(__CUDA_ARCH__)
  SPIKELOOM_ROLLED
  for (std::uint32_t w = view.thread; w < tiles(source.words, 32) * 32; w += 32) {
    std::uint32_t bits = w < source.words ? in.bits[w] : 0;
    if (__ballot_sync(~0U, bits != 0) == 0) continue;
    std::uint32_t at = length;
    at += lanes_before(bit_count(bits), length);
    SPIKELOOM_ROLLED
    for (; bits != 0; bits &= bits - 1, ++at) put(at, w * 32 + lowest_bit(bits));
  }
#else
  // One thread after the other: the first lists all.
  if (view.thread != 0) return;
  for (std::uint32_t w = 0; w < source.words; ++w) {
    for (std::uint32_t bits = in.bits[w]; bits != 0; bits &= bits - 1) {
      put(length++, w * 32 + lowest_bit(bits));
    }
  }
#endif
  if (view.thread == 0) size[0] = length;
  add(view, op.x_counter, count);
}

/// Active inputs that a thread looks at at once.
inline constexpr std::uint32_t kTogether = 4;

/// Owners of whole numbers share their outputs with others, who take other inputs.
template <typename V, bool kAll>
template <bool kFront>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::scatter_list(const View& view,
                                                            const ResidentOp<V>& op, const Row& in,
                                                            const ResidentSignal& source) const {
  const auto* const size = view.template at<kFront, std::uint32_t>(op.list_size);
  const auto* const listed = view.template at<kFront, ResidentPixel>(op.list);
  const auto* const values = view.template at<kFront, V>(op.values);
  const std::uint32_t length = size[0];
  if (length == 0) return;
  const std::uint32_t end = length < kListed ? length : kListed;
  const std::uint32_t channels = op.groups * op.out_group;
  const std::uint32_t owners = channels * op.row_span * op.column_span;
  const std::uint32_t slices =
      std::is_integral_v<V> && view.threads > owners ? view.threads / owners : 1;
  const bool shares = slices > 1;
  SPIKELOOM_ROLLED
  for (std::uint32_t t = view.thread; t < owners * slices; t += view.threads) {
    const std::uint32_t index = t % owners;
    const std::uint32_t channel = index % channels, rest = index / channels;
    Owner owner;
    owner.step = op.step + rest * op.row_span * op.column_span;
    owner.groups = op.groups != 1;
    owner.group = owner.groups ? channel / op.out_group : 0;
    owner.plane = view.template at<kFront, V>(op.sums) + channel * op.plane;
    owner.narrow = op.narrow;
    const std::uint32_t width = std::is_same_v<V, float> ? 4 : op.narrow ? 1 : 2;
    owner.weight =
        static_cast<const char*>(op.weight) + (channel - owner.group * op.out_group) * width;
    owner.shares = shares;
    // Several weights are on their way at once.
    SPIKELOOM_ROLLED
    for (std::uint32_t k = t / owners; k < end; k += slices * kTogether) {
      Addition some[kTogether];
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kTogether; ++a) {
        const std::uint32_t at = k + a * slices;
        const std::uint32_t there = at < end ? at : end - 1;
        some[a] = addition(listed[there], values[there], owner, at < end);
      }
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kTogether; ++a) make(some[a], owner);
    }
    if (length <= kListed || t >= owners) continue;
    // The others, which are many: one of the slices goes through them all.
    const std::uint32_t first = size[1];
    SPIKELOOM_ROLLED
    for (std::uint32_t word = first / 32; word < source.words; ++word) {
      std::uint32_t bits = in.bits[word];
      if (word == first / 32) bits &= ~0U << (first % 32);
      SPIKELOOM_ROLLED
      for (; bits != 0; bits &= bits - 1) {
        const std::uint32_t input = word * 32 + lowest_bit(bits);
        const V x = in.value != nullptr ? in.value[input] : V{1};
        make(addition(op.pixel[input], x, owner, true), owner);
      }
    }
  }
}

/// Without branches: what is not there adds the first weight to nothing.
template <typename V, bool kAll>
SPIKELOOM_KERNEL typename ResidentKernel<V, kAll>::Addition ResidentKernel<V, kAll>::addition(
    const ResidentPixel& pixel, V x, const Owner& owner, bool there) const {
  const ResidentPixel p = pixel;
  const ResidentStep step = owner.step[p.rests & 0xFFFF];
  Addition made;
  const std::uint32_t reached = p.reached >> (step.back & 31) & 1;
  made.exists = (static_cast<std::uint32_t>(there) & reached) != 0;
  if (owner.groups) made.exists = made.exists && p.rests >> 16 == owner.group;
  made.output = p.output - (step.back >> 5);
  const std::uint32_t at = made.exists ? p.weight + step.weight : 0;
  V weight;
  if constexpr (std::is_same_v<V, float>) {
    weight = static_cast<const float*>(owner.weight)[at];
  } else {
    weight = owner.narrow ? static_cast<V>(static_cast<const std::int8_t*>(owner.weight)[at])
                          : static_cast<V>(static_cast<const std::int16_t*>(owner.weight)[at]);
  }
  made.value = weight * x;
  return made;
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::make(const Addition& addition,
                                                    const Owner& owner) const {
  if (!addition.exists) return;
  if (owner.shares) {
    add_to(owner.plane + addition.output, addition.value);
  } else {
    owner.plane[addition.output] += addition.value;
  }
}

/// Spikes of neurons whose reset timing is "next", before anybody reads them.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::publish(const View& view, const ResidentOp<V>& op,
                                                       const Row& out, std::uint32_t o,
                                                       bool exists) const {
  // What rests is at zero, below its threshold.
  bool wakes = exists;
  if (op.awake != kNowhere) {
    wakes = exists && (view.template at<std::uint32_t>(op.awake)[o / 32] >> (o % 32) & 1) != 0;
  }
  if (!any_lane(wakes)) {
    write_bits(out.bits + o / 32, o % 32, false);
    return;
  }
  V count = 0;
  if (wakes) {
    count = equations::spike_count(view.template at<V>(op.membrane)[o], op.neurons.at(o).threshold,
                                   op.neurons.options.rule);
  }
  write_bits(out.bits + o / 32, o % 32, count != V{0});
  if (out.value != nullptr && exists) out.value[o] = count * op.amplitude;
}

/// One output of a Pool.
template <typename V>
SPIKELOOM_KERNEL V pooled(const ResidentOp<V>& op, const ResidentRow<V>& in, std::uint32_t o) {
  const ResidentWindow& w = op.window;
  const auto plane = static_cast<std::uint32_t>(w.out_rows * w.out_columns);
  const auto columns = static_cast<std::uint32_t>(w.out_columns);
  const std::uint32_t channel = divided(o, op.per_plane), at = o - channel * plane;
  const std::uint32_t row_of_plane = divided(at, op.per_column);
  const std::int32_t top = static_cast<std::int32_t>(row_of_plane) * w.stride_rows - w.pad_rows;
  const std::int32_t left =
      static_cast<std::int32_t>(at - row_of_plane * columns) * w.stride_columns - w.pad_columns;
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
template <typename V, typename Count>
SPIKELOOM_KERNEL void gather_rows([[maybe_unused]] std::uint32_t lane, const ResidentOp<V>& op,
                                  const ResidentRow<V>& in,
                                  [[maybe_unused]] const ResidentSignal& source,
                                  std::uint32_t repeat, std::uint32_t output, bool exists, V& sum,
                                  Count& count) {
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
