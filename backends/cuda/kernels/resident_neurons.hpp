#pragma once
/// What ResidentKernel (resident.hpp) makes of sums: steps of neurons.

#include "backends/cuda/kernels/resident.hpp"

namespace spikeloom::cuda {

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

/// The same of neurons whose spikes leave at a step's beginning, with a current or without, and
/// that rest at zero; four a thread.
template <typename V, bool kAll>
SPIKELOOM_KERNEL void ResidentKernel<V, kAll>::step_currents(const View& view,
                                                             const ResidentOp<V>& op,
                                                             std::int64_t step) const {
  V* const sums = view.template at<V>(op.sums);
  V* const membrane = view.template at<V>(op.membrane);
  V* const current = op.current != kNowhere ? view.template at<V>(op.current) : nullptr;
  auto* const awake = view.template at<std::uint32_t>(op.awake);
  std::uint32_t* const bits = row_of(view, op.out, step, false).bits;
  const equations::Coefficients<V> c = op.neurons.at(0);
  equations::StepOptions o = op.neurons.options;
  o.spiking = true;
  o.clamped = o.refractory = o.substep = o.sigma_delta = false;
  V* const latest = view.last && op.x_latest != nullptr
                        ? op.x_latest + std::size_t{view.element} * op.size
                        : nullptr;
  Counts counts;
  std::uint32_t spikes = 0;
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 4 * view.thread; i < op.size; i += 4 * view.threads) {
    const Four<V> x = *reinterpret_cast<const Four<V>*>(sums + i);
    if (latest != nullptr) *reinterpret_cast<Four<V>*>(latest + i) = x;
    const std::uint32_t word = i / 32, shift = i % 32, own = awake[word];
    const bool input = x.v[0] != V{0} || x.v[1] != V{0} || x.v[2] != V{0} || x.v[3] != V{0};
    if (!any_lane(input || seen_of_word(own, shift) != 0)) {
      if (!op.published) write_four(bits + word, shift, 0);
      continue;
    }
    if (input) *reinterpret_cast<Four<V>*>(sums + i) = Four<V>();
    Four<V> m = *reinterpret_cast<const Four<V>*>(membrane + i), u;
    if (current != nullptr) u = *reinterpret_cast<const Four<V>*>(current + i);
    std::uint32_t spiked = 0, stay = 0;
    SPIKELOOM_UNROLL
    for (std::uint32_t k = 0; k < 4; ++k) {
      counts.x.note(x.v[k]);
      OneNeuron<V> neuron{{u.v[k], m.v[k]}, 0, false};
      const V count = op.neurons.step(neuron, i + k, c, o, false, x.v[k]);
      m.v[k] = neuron.now.membrane, u.v[k] = neuron.now.current;
      spiked |= (count != V{0} ? 1U : 0U) << k;
      stay |= (m.v[k] != V{0} || u.v[k] != V{0} ? 1U : 0U) << k;
    }
    *reinterpret_cast<Four<V>*>(membrane + i) = m;
    if (current != nullptr) *reinterpret_cast<Four<V>*>(current + i) = u;
    spikes += bit_count(spiked);
    if (!op.published) write_four(bits + word, shift, spiked);
    if (any_lane((stay | own) != 0)) write_four(awake + word, shift, stay);
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
      if (!op.published) write_bits(out.bits + o / 32, o % 32, false);
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

}  // namespace spikeloom::cuda
