#pragma once
/// What the phases of ResidentKernel do (resident.hpp).

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

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::operator()(const Place& place, std::uint32_t phase,
                                                          Local& local) const {
  const std::uint32_t element = place.block / team, rank = place.block % team;
  const View view{this,
                  static_cast<char*>(place.shared),
                  images + std::size_t{element} * layout.image_bytes,
                  element,
                  rank * place.threads + place.thread,
                  team * place.threads,
                  local.step + 1 == local.count};
  if (phase == 0) {
    local.first = clock->first;
    local.count = clock->count;
    load(view, place.thread);
  } else if (phase == 1) {
    scatter(view, local.first);
  } else if (phase == 2) {
    resolve(view, local.first);
  } else if (local.step < local.count) {
    const std::int64_t step = local.first + local.step;
    const bool last = local.step + 1 == local.count;
    if (local.op == 0) {
      note_inputs(view, step, place.thread);
      if (!last) scatter(view, step + 1);
    } else if (local.op == 1) {
      if (!last) resolve(view, step + 1);
      SPIKELOOM_ROLLED
      for (std::uint32_t i = 0; i < layout.inputs; ++i)
        clear_ahead(view, inputs[i].signal, step + 2);
    }
    if (local.op < layout.ops) run(view, local.op, step, place.thread);
    if (++local.op == phases_a_step()) local.op = 0, ++local.step;
  } else {
    store(view, place);
  }
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::load(const View& view, std::uint32_t thread) const {
  const auto copy = [&](char* to, const void* from, std::uint32_t bytes) {
    auto* const words = reinterpret_cast<std::uint32_t*>(to);
    SPIKELOOM_ROLLED
    for (std::uint32_t i = thread; i < bytes / 4; i += block_threads) {
      words[i] = static_cast<const std::uint32_t*>(from)[i];
    }
  };
  copy(view.shared, ops, layout.ops * static_cast<std::uint32_t>(sizeof(ResidentOp<V>)));
  copy(view.shared + signals_at(), signals,
       layout.signals * static_cast<std::uint32_t>(sizeof(ResidentSignal)));
  copy(view.shared + links_at(), links,
       layout.links * static_cast<std::uint32_t>(sizeof(ResidentLink)));
  auto* const counts = reinterpret_cast<ResidentCount<V>*>(view.shared + counts_at());
  SPIKELOOM_ROLLED
  for (std::uint32_t i = thread; i < counters() * warps(); i += block_threads) {
    counts[i] = ResidentCount<V>();
  }
  auto* const to = reinterpret_cast<Quad*>(view.shared + front_at());
  const auto* const from = reinterpret_cast<const Quad*>(view.image);
  SPIKELOOM_ROLLED
  for (std::uint32_t i = thread; i < layout.front_bytes / sizeof(Quad); i += block_threads) {
    to[i] = from[i];
  }
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::store(const View& view, const Place& place) const {
  auto* const to = reinterpret_cast<Quad*>(view.image);
  const auto* const from = reinterpret_cast<const Quad*>(view.shared + front_at());
  SPIKELOOM_ROLLED
  for (std::uint32_t i = place.thread; i < layout.front_bytes / sizeof(Quad); i += block_threads) {
    to[i] = from[i];
  }
  SPIKELOOM_ROLLED
  for (std::uint32_t i = place.thread; i < layout.ops; i += block_threads) {
    const ResidentOp<V>& op = view.op(i);
    publish_count(view, place, op.x_counter, op.x_tally);
    publish_count(view, place, op.y_counter, op.y_tally);
    publish_count(view, place, op.in_counter, op.in_tally);
  }
  SPIKELOOM_ROLLED
  for (std::uint32_t i = place.thread; i < layout.inputs; i += block_threads) {
    publish_count(view, place, inputs[i].counter, inputs[i].tally);
  }
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::publish_count(const View& view, const Place& place,
                                                             std::uint32_t counter,
                                                             Tally<V>* totals) const {
  if (counter == kNowhere || totals == nullptr) return;
  Tally<V> sum;
  SPIKELOOM_ROLLED
  for (std::uint32_t w = 0; w < warps(); ++w) {
    const ResidentCount<V>& part = view.count(counter, w * 32);
    sum.events += part.events, sum.unit += part.unit, sum.graded += part.graded;
    sum.sum += part.sum;
  }
  sum.publish(place, totals);
}

/// The events of a step, into a clear slot. Where one adds to another, or is not 1, the step's
/// values have to be looked at: resolve() makes them.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::scatter(const View& view, std::int64_t step) const {
  auto* const cursor = view.template at<std::uint32_t>(layout.cursor);
  const ResidentEvent<V>* const ring = events + std::size_t{view.element} * event_slots;
  const std::uint32_t start = cursor[step & 3];
  std::uint32_t found = 0;
  SPIKELOOM_ROLLED
  for (std::uint32_t k = view.thread; k < event_slots; k += view.threads) {
    const ResidentEvent<V> event = ring[(start + k) & (event_slots - 1)];
    if (event.due != step + 1) break;
    ++found;
    const ResidentInput<V>& input = input_of(event.place);
    const ResidentSignal& s = view.signal(input.signal);
    const std::uint32_t i = event.place - input.first_place, bit = 1U << (i % 32);
    const Row row = row_of(view, input.signal, step, false);
    if ((set_bits(row.bits + i / 32, bit) & bit) != 0 || event.value != V{1}) {
      const auto slot =
          static_cast<std::uint32_t>(static_cast<std::uint64_t>(step) & (s.slots - 1));
      view.template at<std::int64_t>(s.graded)[slot] = step + 1;
    }
  }
  add_lanes(cursor + ((step + 1) & 3), found);
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::resolve(const View& view, std::int64_t step) const {
  auto* const cursor = view.template at<std::uint32_t>(layout.cursor);
  const ResidentEvent<V>* const ring = events + std::size_t{view.element} * event_slots;
  const std::uint32_t start = cursor[step & 3], end = cursor[(step + 1) & 3];
  if (view.thread == 0) cursor[(step + 2) & 3] = end;
  bool graded = false;
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 0; i < layout.inputs; ++i) {
    graded = graded || row_of(view, inputs[i].signal, step, true).value != nullptr;
  }
  if (!graded) return;
  SPIKELOOM_ROLLED
  for (std::uint32_t k = view.thread; k < end - start; k += view.threads) {
    const ResidentEvent<V> event = ring[(start + k) & (event_slots - 1)];
    const ResidentInput<V>& input = input_of(event.place);
    const Row row = row_of(view, input.signal, step, true);
    if (row.value != nullptr) add_to(row.value + (event.place - input.first_place), event.value);
  }
}

/// Readies an input's slot. Its old step's values were written if its values had to be looked at.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::clear_ahead(const View& view, std::uint32_t signal,
                                                           std::int64_t step) const {
  const ResidentSignal s = view.signal(signal);
  const Row old = row_of(view, signal, step - s.slots, true);
  SPIKELOOM_ROLLED
  for (std::uint32_t w = view.thread; w < s.words; w += view.threads) old.bits[w] = 0;
  if (old.value == nullptr) return;
  SPIKELOOM_ROLLED
  for (std::uint32_t i = view.thread; i < s.size; i += view.threads) old.value[i] = V{0};
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::count_row(const View& view, const Row& row,
                                                         std::uint32_t words,
                                                         ResidentCount<V>& count) const {
  SPIKELOOM_ROLLED
  for (std::uint32_t w = view.thread; w < words; w += view.threads) {
    std::uint32_t bits = row.bits[w];
    if (row.value == nullptr) {
      count.events += bit_count(bits);
      count.sum += static_cast<typename Tally<V>::Sum>(bit_count(bits));
      continue;
    }
    SPIKELOOM_ROLLED
    for (; bits != 0; bits &= bits - 1) count.note(row.value[w * 32 + lowest_bit(bits)]);
  }
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::note_inputs(const View& view, std::int64_t step,
                                                           std::uint32_t thread) const {
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 0; i < layout.inputs; ++i) {
    const ResidentInput<V>& input = inputs[i];
    const ResidentSignal& s = view.signal(input.signal);
    const Row row = row_of(view, input.signal, step, true);
    ResidentCount<V> count;
    count_row(view, row, s.words, count);
    add(view, input.counter, thread, count);
    SPIKELOOM_ROLLED
    for (std::uint32_t l = 0; l < input.log_count; ++l) {
      V* const log = input.log[l] + log_place(view, step) * s.size;
      SPIKELOOM_ROLLED
      for (std::uint32_t k = view.thread; k < s.size; k += view.threads) log[k] = row.at(k);
    }
  }
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::run(const View& view, std::uint32_t index,
                                                   std::int64_t step, std::uint32_t thread) const {
  const ResidentOp<V>& op = view.op(index);
  const ResidentLink link = view.link(op.first_link);
  const Row in = row_of(view, link.signal, step - link.delay, true);
  const Row out = row_of(view, op.out, step, false);
  Counts counts;
  if (op.counts_input) {
    ResidentCount<V> arrived;
    count_row(view, in, view.signal(link.signal).words, arrived);
    add(view, op.in_counter, thread, arrived);
  }
  if (op.head == Head::kList) {
    list(view, op, in, view.signal(link.signal));
    return;
  }
  if (op.head == Head::kScatter) {
    scatter_list(view, op, in, counts.x);
    add(view, op.x_counter, thread, counts.x);
    return;
  }
  const Population population = population_of(view, op, step);
  if (op.head == Head::kSums && view.thread == 0)
    *view.template at<std::uint32_t>(op.list_size) = 0;
  V* const sums = op.head == Head::kSums ? view.template at<V>(op.sums) : nullptr;
  constexpr std::uint32_t kMost = kAll ? kManyChannels : 1;
  const std::uint32_t channels = kAll ? op.channels : 1;
  const std::uint32_t items = op.size / channels;
  SPIKELOOM_ROLLED
  for (std::uint32_t item = view.thread; item < tiles(items, 32) * 32; item += view.threads) {
    const bool exists = item < items;
    V sum[kMost] = {};
    std::uint32_t o = item, channel = 0;  // of the first sum
    if (kAll && op.head == Head::kPublish) {
      publish(view, op, out, item, exists);
      continue;
    }
    if (op.head == Head::kSums) {
      if (exists) sum[0] = sums[item];
      if (sum[0] != V{0}) sums[item] = V{0};
      if (op.scale != nullptr || op.bias != nullptr) channel = item / op.plane;
    } else if (kAll && op.head == Head::kConvolution) {
      if constexpr (kAll) {
        gather_window(view.thread % 32, op, in, item, exists, sum, o, channel, counts.x);
      }
    } else if (op.head == Head::kDense) {
      const std::uint32_t repeat = item / op.outputs;
      channel = item % op.outputs;
      gather_rows(view.thread % 32, op, in, view.signal(link.signal), repeat, channel, exists,
                  sum[0], counts.x);
    } else if (op.head == Head::kPool) {
      if (exists) sum[0] = pooled(op, in, item);
    } else if (kAll && op.head == Head::kDelay) {
      if (exists) sum[0] = row_of(view, link.signal, step - op.delay[o], true).at(o);
    } else if (exists) {
      SPIKELOOM_ROLLED
      for (std::uint32_t l = 0; l < op.links; ++l) {
        const ResidentLink one = view.link(op.first_link + l);
        sum[0] += row_of(view, one.signal, step - one.delay, true).at(o);
      }
    }
    SPIKELOOM_ROLLED
    for (std::uint32_t c = 0; c < channels; ++c) {
      V x = sum[0];
      SPIKELOOM_UNROLL
      for (std::uint32_t k = 0; k + 1 < kMost; ++k) sum[k] = sum[k + 1];
      if (exists && op.scale != nullptr) x *= op.scale[channel + c];
      if (exists && op.bias != nullptr) x += op.bias[channel + c];
      finish(view, op, population, step, out, o, exists, x, counts);
      o += op.plane;
    }
  }
  add(view, op.x_counter, thread, counts.x);
  add(view, op.y_counter, thread, counts.y);
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

template <typename V, bool kAll>
SPIKELOOM_KERNEL typename ResidentKernel<V, kAll>::Population
ResidentKernel<V, kAll>::population_of(const View& view, const ResidentOp<V>& op,
                                       std::int64_t step) const {
  Population p;
  if (!op.has_neurons) return p;
  p.membrane = view.template at<V>(op.membrane);
  if (op.current != kNowhere) p.current = view.template at<V>(op.current);
  if (op.countdown != kNowhere) p.countdown = view.template at<std::int32_t>(op.countdown);
  if (op.awake != kNowhere) p.awake = view.template at<std::uint32_t>(op.awake);
  if (op.neurons.uniform) p.all = op.neurons.at(0);
  p.options = op.neurons.options;
  p.restarts = op.reset_period > 0 && (step - op.reset_phase) % op.reset_period == 0;
  return p;
}

/// What an element makes of its input. The warp's threads have the elements of one word.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::finish(const View& view, const ResidentOp<V>& op,
                                                      const Population& population,
                                                      std::int64_t step, const Row& out,
                                                      std::uint32_t o, bool exists, V x,
                                                      Counts& counts) const {
  if (exists && op.x_log != nullptr) op.x_log[log_place(view, step) * op.size + o] = x;
  if (exists && op.x_latest != nullptr && view.last) {
    op.x_latest[std::size_t{view.element} * op.size + o] = x;
  }
  V y = x;
  if (op.has_neurons) {
    y = V{0};
    std::uint32_t* const awake = population.awake != nullptr ? population.awake + o / 32 : nullptr;
    const bool rests =
        awake != nullptr && !population.restarts && x == V{0} && (*awake >> (o % 32) & 1) == 0;
    if (any_lane(exists && !rests)) {
      if (exists) counts.x.note(x);
      Moved moved;
      equations::StepOptions options = population.options;
      if constexpr (!kAll) options.late = options.substep = options.sigma_delta = false;
      if (exists) moved = move(view, op, population, step, o, x, options);
      y = moved.y;
      if (awake != nullptr) write_bits(awake, o % 32, moved.awake);
    } else if (op.log_count == 0) {
      write_bits(out.bits + o / 32, o % 32, false);  // early neurons never rest
      return;
    }
  } else {
    if (exists) counts.x.note(x);
    if (exists && op.work == Elementwise::kScale) y = op.parameter[o] * x;
    if (exists && op.work == Elementwise::kThreshold) y = x > op.parameter[o] ? V{1} : V{0};
  }
  if (!op.published) {
    write_bits(out.bits + o / 32, o % 32, exists && y != V{0});
    if (exists && out.value != nullptr) out.value[o] = y;
  }
  if (!exists) return;
  counts.y.note(y);
  SPIKELOOM_ROLLED
  for (std::uint32_t l = 0; l < op.log_count; ++l) {
    op.log[l][log_place(view, step) * op.size + o] = y;
  }
}

/// One step of one neuron.
template <typename V, bool kAll>
SPIKELOOM_KERNEL typename ResidentKernel<V, kAll>::Moved ResidentKernel<V, kAll>::move(
    const View& view, const ResidentOp<V>& op, const Population& population, std::int64_t step,
    std::uint32_t i, V x, const equations::StepOptions& o) const {
  const equations::Coefficients<V> c = op.neurons.uniform ? population.all : op.neurons.at(i);
  equations::State<V> s{population.current != nullptr ? population.current[i] : V{0},
                        population.membrane[i]};
  std::int32_t waits = population.countdown != nullptr ? population.countdown[i] : 0;
  V count = 0;
  if (o.late) count = equations::spike_count(s.membrane, c.threshold, o.rule);
  if (population.restarts) {
    s = {V{0}, op.neurons.initial != nullptr ? op.neurons.initial[i] : V{0}};
    waits = 0;
  }
  V before = s.membrane;
  if (o.late) {
    equations::step_after_late_spikes(s, count, x, c, o);
  } else if (waits > 0) {
    --waits;
  } else {
    count = equations::step(s, x, c, o, before);
    if (population.countdown != nullptr && count != V{0}) {
      waits = op.neurons.refractory[op.neurons.uniform ? 0 : i];
    }
  }
  population.membrane[i] = s.membrane;
  if (population.current != nullptr) population.current[i] = s.current;
  if (population.countdown != nullptr) population.countdown[i] = waits;
  if (op.membrane_log != nullptr) {
    op.membrane_log[log_place(view, step) * op.size + i] =
        op.log_before_reset ? before : s.membrane;
  }
  if (op.current_log != nullptr) op.current_log[log_place(view, step) * op.size + i] = s.current;
  const bool awake =
      op.rest == Rest::kAtZero
          ? s.membrane != V{0} || s.current != V{0} || waits != 0
          : waits != 0 || equations::spike_count(s.membrane, c.threshold, o.rule) != V{0};
  return {o.spiking ? count * op.amplitude : s.membrane, awake};
}

/// Into the warp's own counter: all its threads call it.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::add(const View& view, std::uint32_t counter,
                                                   std::uint32_t thread,
                                                   const ResidentCount<V>& count) const {
  if (counter == kNowhere) return;
#if defined(__CUDA_ARCH__)
  if (__any_sync(~0U, (count.events | count.unit | count.graded) != 0) == 0) return;
  ResidentCount<V> all = count;
  all.events = sum_lanes(count.events);
  all.unit = sum_lanes(count.unit);
  all.graded = sum_lanes(count.graded);
  SPIKELOOM_UNROLL
  for (std::uint32_t offset = 16; offset != 0; offset /= 2) {
    all.sum += __shfl_down_sync(~0U, all.sum, offset);
  }
  if (thread % 32 == 0) view.count(counter, thread).add(all);
#else
  view.count(counter, thread).add(count);
#endif
}

}  // namespace spikeloom::cuda
