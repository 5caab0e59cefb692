#pragma once
/// What the phases of ResidentKernel do (resident.hpp).

#include "backends/cuda/kernels/resident.hpp"

namespace spikeloom::cuda {

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::operator()(const Place& place, std::uint32_t phase,
                                                          Local& local) const {
  const std::uint32_t element = place.block / team;
  View view{this, static_cast<char*>(place.shared),
            images + std::size_t{element} * layout.image_bytes, element};
  if (phase == 0) {
    local.first = clock->first;
    local.count = clock->count;
    load(view, place.thread);
  } else if (phase + 1 == phases_of(local.count)) {
    store(view, place);
  } else {
    do_tasks(place, view, phase, local);
    if (++local.slot == layout.interval) local.slot = 0, ++local.round;
  }
}

/// What this thread's warp does in a phase.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::do_tasks(const Place& place, View& view,
                                                        std::uint32_t phase,
                                                        const Local& local) const {
  const std::uint32_t rank = place.block % team, lane = place.thread % 32;
  const auto* const start =
      reinterpret_cast<const std::uint32_t*>(view.shared + layout.starts_at) + local.slot;
  const auto* const tasks_here =
      reinterpret_cast<const ResidentTask*>(view.shared + layout.tasks_at) + start[0];
  auto* const taken = reinterpret_cast<std::uint32_t*>(view.shared + layout.taken_at);
  const std::uint32_t count = start[1] - start[0];
  if (place.thread == 0) taken[(phase + 1) % 2] = 0;  // nobody looks at it in this phase
  SPIKELOOM_ROLLED
  for (std::uint32_t i = place.thread / 32; i < count;
       i = take_next(i, warps(), taken + phase % 2)) {
    const ResidentTask task = tasks_here[i];
    const std::uint32_t own = local.round - task.steps_before;  // wraps before the first step
    if (own >= local.count) continue;
    view.thread = (rank * task.parts + task.part) * 32U + lane;
    view.threads = team * task.parts * 32U;
    view.part = task.part;
    view.last = own + 1 == local.count;
    run(view, task.op, local.first + own);
  }
}

/// Several pieces are on their way at once.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::copy_front(char* to, const char* from,
                                                          std::uint32_t thread) const {
  constexpr std::uint32_t kPieces = 8;
  const std::uint32_t count = layout.front_bytes / static_cast<std::uint32_t>(sizeof(Quad));
  SPIKELOOM_ROLLED
  for (std::uint32_t i = thread; i < count; i += kPieces * block_threads) {
    Quad piece[kPieces];
    SPIKELOOM_UNROLL
    for (std::uint32_t k = 0; k < kPieces; ++k) {
      const std::uint32_t at = i + k * block_threads;
      if (at < count) piece[k] = reinterpret_cast<const Quad*>(from)[at];
    }
    SPIKELOOM_UNROLL
    for (std::uint32_t k = 0; k < kPieces; ++k) {
      const std::uint32_t at = i + k * block_threads;
      if (at < count) reinterpret_cast<Quad*>(to)[at] = piece[k];
    }
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
  copy(view.shared + layout.signals_at, signals,
       layout.signals * static_cast<std::uint32_t>(sizeof(ResidentSignal)));
  copy(view.shared + layout.links_at, links,
       layout.links * static_cast<std::uint32_t>(sizeof(ResidentLink)));
  copy(view.shared + layout.tasks_at, tasks,
       layout.tasks * static_cast<std::uint32_t>(sizeof(ResidentTask)));
  copy(view.shared + layout.starts_at, task_start, (layout.interval + 1) * 4);
  if (thread < 2) reinterpret_cast<std::uint32_t*>(view.shared + layout.taken_at)[thread] = 0;
  auto* const counts = reinterpret_cast<ResidentCount<V>*>(view.shared + layout.counts_at);
  SPIKELOOM_ROLLED
  for (std::uint32_t i = thread; i < layout.counters; i += block_threads) {
    counts[i] = ResidentCount<V>();
  }
  copy_front(view.shared + layout.front_at, view.image, thread);
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::store(const View& view, const Place& place) const {
  copy_front(view.image, view.shared + layout.front_at, place.thread);
  SPIKELOOM_ROLLED
  for (std::uint32_t i = place.thread; i < layout.ops; i += block_threads) {
    const ResidentOp<V>& op = view.op(i);
    publish_count(view, place, op.x_counter, op.parts, op.x_tally);
    publish_count(view, place, op.y_counter, op.parts, op.y_tally);
    publish_count(view, place, op.in_counter, op.parts, op.in_tally);
  }
  SPIKELOOM_ROLLED
  for (std::uint32_t i = place.thread; i < layout.inputs; i += block_threads) {
    publish_count(view, place, inputs[i].counter, inputs[i].parts, inputs[i].tally);
  }
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::publish_count(const View& view, const Place& place,
                                                             std::uint32_t counter,
                                                             std::uint32_t parts,
                                                             Tally<V>* totals) const {
  if (counter == kNowhere || totals == nullptr) return;
  Tally<V> sum;
  SPIKELOOM_ROLLED
  for (std::uint32_t w = 0; w < parts; ++w) {
    const ResidentCount<V>& part = view.count(counter + w);
    sum.events += part.events, sum.unit += part.unit, sum.graded += part.graded;
    sum.sum += part.sum;
  }
  sum.publish(place, totals);
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::bring_input(const View& view, Head head,
                                                           std::int64_t step) const {
  if (head == Head::kArrive) {
    arrive(view, step);
  } else if (head == Head::kResolve) {
    resolve(view, step);
  } else if (head == Head::kNote) {
    note_inputs(view, step);
  } else {
    if (view.thread == 0) view.template at<std::uint32_t>(layout.cursor)[4 + (step & 3)] = 0;
    SPIKELOOM_ROLLED
    for (std::uint32_t i = 0; i < layout.inputs; ++i) clear_slot(view, inputs[i].signal, step);
  }
}

/// The events of a step, into a clear slot. Where one adds to another, or is not 1, the step's
/// values have to be looked at: resolve() makes them.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::arrive(const View& view, std::int64_t step) const {
  auto* const cursor = view.template at<std::uint32_t>(layout.cursor);
  const ResidentEvent<V>* const ring = events + std::size_t{view.element} * event_slots;
  const std::uint32_t before = static_cast<std::uint32_t>(step - 1) & 3;
  const std::uint32_t start = cursor[before] + cursor[4 + before];
  if (view.thread == 0) cursor[step & 3] = start;
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
  add_lanes(cursor + 4 + (step & 3), found);
}

template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::resolve(const View& view, std::int64_t step) const {
  const auto* const cursor = view.template at<std::uint32_t>(layout.cursor);
  const ResidentEvent<V>* const ring = events + std::size_t{view.element} * event_slots;
  const std::uint32_t start = cursor[step & 3], count = cursor[4 + (step & 3)];
  bool graded = false;
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 0; i < layout.inputs; ++i) {
    graded = graded || row_of(view, inputs[i].signal, step, true).value != nullptr;
  }
  if (!graded) return;
  SPIKELOOM_ROLLED
  for (std::uint32_t k = view.thread; k < count; k += view.threads) {
    const ResidentEvent<V> event = ring[(start + k) & (event_slots - 1)];
    const ResidentInput<V>& input = input_of(event.place);
    const Row row = row_of(view, input.signal, step, true);
    if (row.value != nullptr) add_to(row.value + (event.place - input.first_place), event.value);
  }
}

/// Readies an input's slot. Its old step's values were written if its values had to be looked at.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::clear_slot(const View& view, std::uint32_t signal,
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
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::note_inputs(const View& view,
                                                           std::int64_t step) const {
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 0; i < layout.inputs; ++i) {
    const ResidentInput<V>& input = inputs[i];
    const ResidentSignal& s = view.signal(input.signal);
    const Row row = row_of(view, input.signal, step, true);
    ResidentCount<V> count;
    count_row(view, row, s.words, count);
    add(view, input.counter, count);
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
                                                   std::int64_t step) const {
  const ResidentOp<V>& op = view.op(index);
  if (is_input(op.head)) {
    bring_input(view, op.head, step);
    return;
  }
  if (op.plain && !restarts_at(op, step)) {
    if (kAll && op.neurons.options.late) {
      if constexpr (kAll) step_currents(view, op, step);
    } else if (op.in_front) {
      step_plain<true>(view, op, step);
    } else {
      step_plain<false>(view, op, step);
    }
    return;
  }
  const ResidentLink link = view.link(op.first_link);
  const bool reads = op.head != Head::kSums && op.head != Head::kPublish;
  const Row in = reads ? row_of(view, link.signal, step - link.delay, true) : Row{};
  const Row out = row_of(view, op.out, step, false);
  Counts counts;
  if (op.counts_input) {
    ResidentCount<V> arrived;
    count_row(view, in, view.signal(link.signal).words, arrived);
    add(view, op.in_counter, arrived);
  }
  if (op.head == Head::kList) {
    list(view, op, in, view.signal(link.signal));
    return;
  }
  if (op.head == Head::kScatter) {
    if (op.in_front) {
      scatter_list<true>(view, op, in, view.signal(link.signal));
    } else {
      scatter_list<false>(view, op, in, view.signal(link.signal));
    }
    return;
  }
  const Population population = population_of(view, op, step);
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
      if (exists) x = completed(x, op.scale, op.bias, channel + c);
      finish(view, op, population, step, out, o, exists, x, counts);
      o += op.plane;
    }
  }
  add(view, op.x_counter, counts.x);
  add(view, op.y_counter, counts.y);
}

/// Into the part's own counter: all threads of its warp call it.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::add(const View& view, std::uint32_t counter,
                                                   const ResidentCount<V>& count) const {
  if (counter == kNowhere) return;
#if defined(__CUDA_ARCH__)
  if (__any_sync(~0U, (count.events | count.unit | count.graded) != 0) == 0) return;
  ResidentCount<V> all = count;
  all.events = sum_lanes(count.events);
  all.unit = sum_lanes(static_cast<std::uint32_t>(count.unit));  // of one step
  all.graded = sum_lanes(static_cast<std::uint32_t>(count.graded));
  SPIKELOOM_UNROLL
  for (std::uint32_t offset = 16; offset != 0; offset /= 2) {
    all.sum += __shfl_down_sync(~0U, all.sum, offset);
  }
  if (view.thread % 32 == 0) view.count(counter + view.part).add(all);
#else
  view.count(counter + view.part).add(count);
#endif
}

}  // namespace spikeloom::cuda
