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
    do_tasks(place, view, local);
    if (++local.slot == layout.interval) local.slot = 0, ++local.round;
  }
}

/// What this thread's warp does in a phase.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::do_tasks(const Place& place, View& view,
                                                        const Local& local) const {
  const std::uint32_t rank = place.block % team, warp = place.thread / 32;
  const auto* const start = reinterpret_cast<const std::uint32_t*>(view.shared + starts_at()) +
                            local.slot * warps() + warp;
  const auto* const all = reinterpret_cast<const ResidentTask*>(view.shared + tasks_at());
  const std::uint32_t end = start[1];
  SPIKELOOM_ROLLED
  for (std::uint32_t i = start[0]; i < end; ++i) {
    const ResidentTask task = all[i];
    const std::uint32_t own = local.round - task.steps_before;  // wraps before the first step
    if (own >= local.count) continue;
    view.thread = rank * task.warps * 32U + place.thread - task.first_warp * 32U;
    view.threads = team * task.warps * 32U;
    view.warp = warp - task.first_warp;
    view.last = own + 1 == local.count;
    run(view, task.op, local.first + own);
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
  copy(view.shared + tasks_at(), tasks,
       layout.tasks * static_cast<std::uint32_t>(sizeof(ResidentTask)));
  copy(view.shared + starts_at(), task_start, starts() * 4);
  auto* const counts = reinterpret_cast<ResidentCount<V>*>(view.shared + counts_at());
  SPIKELOOM_ROLLED
  for (std::uint32_t i = thread; i < counters(); i += block_threads) {
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
    publish_count(view, place, op.x_counter, op.warps, op.x_tally);
    publish_count(view, place, op.y_counter, op.warps, op.y_tally);
    publish_count(view, place, op.in_counter, op.warps, op.in_tally);
  }
  SPIKELOOM_ROLLED
  for (std::uint32_t i = place.thread; i < layout.inputs; i += block_threads) {
    publish_count(view, place, inputs[i].counter, inputs[i].warps, inputs[i].tally);
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
    if (op.in_front) {
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
  p.restarts = restarts_at(op, step);
  return p;
}

/// Sums of a convolution into neurons of one kind that have a membrane and nothing else, rest
/// without input, send 0 or 1 and are not recorded: a word of 32 at a time.
template <typename V, bool kAll>
template <SpikeRule kRule, Reset kReset, bool kFront>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::step_words(const View& view, const ResidentOp<V>& op,
                                                          std::int64_t step) const {
  V* const sums = view.template at<kFront, V>(op.sums);
  V* const membrane = view.template at<kFront, V>(op.membrane);
  auto* const awake = view.template at<kFront, std::uint32_t>(op.awake);
  const ResidentSignal& signal = view.signal(op.out);
  const auto slot =
      static_cast<std::uint32_t>(static_cast<std::uint64_t>(step) & (signal.slots - 1));
  auto* const bits = view.template at<kFront, std::uint32_t>(signal.bits) + slot * signal.words;
  const equations::Coefficients<V> c = op.neurons.at(0);
  equations::StepOptions o;
  o.spiking = true;
  o.rule = kRule, o.reset = kReset;
  if constexpr (std::is_integral_v<V>) o.fixed_point = op.neurons.options.fixed_point;
  const bool at_zero = op.rest == Rest::kAtZero;
  const std::uint32_t size = op.size, threads = view.threads;
  // What arrives in a launch's last step is kept.
  V* const latest = view.last && op.x_latest != nullptr
                        ? op.x_latest + std::size_t{view.element} * size
                        : nullptr;
  Counts counts;
  std::uint32_t spikes = 0;
  // Four neurons a thread, 128 a warp, where they come out even.
  const bool even = size % 128 == 0;
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 4 * view.thread; even && i < size; i += 4 * threads) {
    const Four<V> x = *reinterpret_cast<const Four<V>*>(sums + i);
    if (latest != nullptr) *reinterpret_cast<Four<V>*>(latest + i) = x;
    const std::uint32_t word = i / 32, shift = i % 32, own = awake[word];
    const bool input = x.v[0] != V{0} || x.v[1] != V{0} || x.v[2] != V{0} || x.v[3] != V{0};
    if (!any_lane(input || seen_of_word(own, shift) != 0)) {
      write_four(bits + word, shift, 0);
      continue;
    }
    if (input) *reinterpret_cast<Four<V>*>(sums + i) = Four<V>();
    Four<V> m = *reinterpret_cast<const Four<V>*>(membrane + i);
    std::uint32_t spiked = 0, stay = 0;
    SPIKELOOM_UNROLL
    for (std::uint32_t k = 0; k < 4; ++k) {
      counts.x.note(x.v[k]);
      equations::State<V> s{V{0}, m.v[k]};
      V before;
      const bool spikes_now = equations::step(s, x.v[k], c, o, before) != V{0};
      m.v[k] = s.membrane;
      const bool stays = at_zero ? s.membrane != V{0}
                                 : equations::spike_count(s.membrane, c.threshold, kRule) != V{0};
      spiked |= (spikes_now ? 1U : 0U) << k;
      stay |= (stays ? 1U : 0U) << k;
    }
    *reinterpret_cast<Four<V>*>(membrane + i) = m;
    spikes += bit_count(spiked);
    write_four(bits + word, shift, spiked);
    if (any_lane((stay | own) != 0)) write_four(awake + word, shift, stay);
  }
  SPIKELOOM_ROLLED
  for (std::uint32_t i = view.thread; !even && i < tiles(size, 32) * 32; i += threads) {
    const bool exists = i < size;
    const V x = exists ? sums[i] : V{0};
    if (latest != nullptr && exists) latest[i] = x;
    const std::uint32_t own = awake[i / 32];
#if defined(__CUDA_ARCH__)
    if (!any_lane(x != V{0}) && own == 0) {
      if (i % 32 == 0) bits[i / 32] = 0;
      continue;
    }
#else
    if (x == V{0} && (own >> (i % 32) & 1) == 0) {
      write_bits(bits + i / 32, i % 32, false);
      continue;
    }
#endif
    bool spiked = false, stays = false;
    if (exists) {
      if (x != V{0}) sums[i] = V{0}, counts.x.note(x);
      equations::State<V> s{V{0}, membrane[i]};
      V before;
      spiked = equations::step(s, x, c, o, before) != V{0};
      membrane[i] = s.membrane;
      stays = at_zero ? s.membrane != V{0}
                      : equations::spike_count(s.membrane, c.threshold, kRule) != V{0};
      spikes += spiked ? 1 : 0;
    }
    write_bits(bits + i / 32, i % 32, spiked);
    write_bits(awake + i / 32, i % 32, stays);
  }
  counts.y.note_spikes(spikes);
  add(view, op.x_counter, counts.x);
  add(view, op.y_counter, counts.y);
}

template <typename V, bool kAll>
template <bool kFront>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::step_plain(const View& view, const ResidentOp<V>& op,
                                                          std::int64_t step) const {
  const bool equal = op.neurons.options.rule == SpikeRule::kGreaterEqual;
  if (op.neurons.options.reset == Reset::kSubtract) {
    if (equal) {
      step_words<SpikeRule::kGreaterEqual, Reset::kSubtract, kFront>(view, op, step);
    } else {
      step_words<SpikeRule::kGreater, Reset::kSubtract, kFront>(view, op, step);
    }
  } else if (equal) {
    step_words<SpikeRule::kGreaterEqual, Reset::kToVReset, kFront>(view, op, step);
  } else {
    step_words<SpikeRule::kGreater, Reset::kToVReset, kFront>(view, op, step);
  }
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
  const bool rests = population.countdown != nullptr;
  OneNeuron<V> own{
      {population.current != nullptr ? population.current[i] : V{0}, population.membrane[i]},
      rests ? population.countdown[i] : 0,
      rests};
  const V count = op.neurons.step(own, i, c, o, population.restarts, x);
  const equations::State<V>& s = own.now;
  population.membrane[i] = s.membrane;
  if (population.current != nullptr) population.current[i] = s.current;
  if (rests) population.countdown[i] = own.countdown;
  if (op.membrane_log != nullptr) {
    op.membrane_log[log_place(view, step) * op.size + i] =
        op.log_before_reset ? own.before : s.membrane;
  }
  if (op.current_log != nullptr) op.current_log[log_place(view, step) * op.size + i] = s.current;
  bool awake = false;  // of neurons that never rest nobody asks
  if (op.rest == Rest::kAtZero) {
    awake = s.membrane != V{0} || s.current != V{0} || own.countdown != 0;
  } else if (op.rest == Rest::kBelowThreshold) {
    awake = own.countdown != 0 || equations::spike_count(s.membrane, c.threshold, o.rule) != V{0};
  }
  return {o.spiking ? count * op.amplitude : s.membrane, awake};
}

/// Into the warp's own counter: all its threads call it.
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
  if (view.thread % 32 == 0) view.count(counter + view.warp).add(all);
#else
  view.count(counter + view.warp).add(count);
#endif
}

}  // namespace spikeloom::cuda
