#pragma once
/// The steps of LayerKernel (layer.hpp).

#include "backends/cuda/kernels/layer.hpp"

namespace spikeloom::cuda {

/// Whether something is left that fades.
template <typename V>
SPIKELOOM_KERNEL bool is_left(V membrane, V current) {
  if constexpr (std::is_integral_v<V>) {
    return (membrane | current) != 0;
  } else {
    return membrane != V{0} || current != V{0};
  }
}

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::run(const Own& own,
                                                                   Local& local) const {
  if constexpr (kForm == LayerForm::kGeneral) {
    run_general(own, local);
  } else if constexpr (kForm == LayerForm::kNone) {
    run_pool(own, local);
  } else {
    const bool equal = op.neurons.options.rule == SpikeRule::kGreaterEqual;
    if (op.neurons.options.reset == Reset::kSubtract) {
      if (equal) {
        run_plain<SpikeRule::kGreaterEqual, Reset::kSubtract>(own, local);
      } else {
        run_plain<SpikeRule::kGreater, Reset::kSubtract>(own, local);
      }
    } else if (equal) {
      run_plain<SpikeRule::kGreaterEqual, Reset::kToVReset>(own, local);
    } else {
      run_plain<SpikeRule::kGreater, Reset::kToVReset>(own, local);
    }
  }
}

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL LayerWindow
LayerKernel<V, kChannels, kForm, kHead>::window_of_own(const Own& own) const {
  LayerWindow window;
  constexpr bool kWindows = kHead == LayerHead::kWindow || kHead == LayerHead::kPool;
  if (!kWindows && (kHead != LayerHead::kAny || op.head != Head::kConvolution)) return window;
  const bool exists = own.item < items();
  window = window_of(op, shape, exists ? own.item : 0, kChannels);
  if (!exists) window.first_row = window.last_row = 0, window.output = own.item;
  return window;
}

/// Of what is read as one signal, in `in_tally`.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::count_input(
    const Own& own, const ResidentRow<V>& in) const {
  LayerCount<V> count;
  SPIKELOOM_ROLLED
  for (std::uint32_t w = own.item; w < source.words; w += own.threads) count.note_word(in, w);
  if (count.events != 0) count.tally().add(op.in_tally + own.item / 32 % kTallyCopies);
}

/// With scale and bias.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::complete(const Own& own,
                                                                        const LayerWindow& window,
                                                                        V* x) const {
  if (own.item >= items()) return;
  const bool dense = op.head == Head::kDense;
  const std::uint32_t channel = dense ? own.item % op.outputs : window.channel;
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < kChannels; ++k) {
    x[k] = completed(x[k], op.scale, op.bias, channel + k);
  }
}

/// What reaches the thread's neurons; whether anything did. All threads of a warp call it.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL bool LayerKernel<V, kChannels, kForm, kHead>::add_up(const Own& own,
                                                                      const LayerWindow& window,
                                                                      std::int64_t step,
                                                                      const ResidentRow<V>& in,
                                                                      V* sum, Local& local) const {
  const bool exists = own.item < items();
  constexpr bool kAny = kHead == LayerHead::kAny;
  if (kHead == LayerHead::kWindow || (kAny && op.head == Head::kConvolution)) {
    return add_window<kChannels>(op, shape, window, in, sum, local.x);
  }
  if (kHead == LayerHead::kRows || (kAny && op.head == Head::kDense)) {
    const std::uint32_t before = local.x.unit + local.x.graded;
    gather_rows(own.item % 32, op, in, source, own.item / op.outputs, own.item % op.outputs, exists,
                sum[0], local.x);
    return local.x.unit + local.x.graded != before;
  }
  if constexpr (kHead == LayerHead::kPool)
    return pool_windows<kChannels>(op, shape, window, in, sum);
  if (!exists) return false;
  if (kAny && op.head == Head::kPool) {
    sum[0] = pooled(op, in, own.item);
  } else if (kAny && op.head == Head::kDelay) {
    sum[0] = own.image.template row<V>(source, step - op.delay[own.item], true).at(own.item);
  } else {
    SPIKELOOM_ROLLED
    for (std::uint32_t l = 0; l < op.links; ++l) {
      const ResidentLink one = links[op.first_link + l];
      sum[0] += own.image.template row<V>(signals[one.signal], step - one.delay, true).at(own.item);
    }
  }
  return sum[0] != V{0};
}

/// A Pool whose sums are read by others.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::run_pool(const Own& own,
                                                                        Local& local) const {
  const bool exists = own.item < items();
  const LayerWindow window = window_of_own(own);
  const std::uint32_t first = window.output;
  const Clock now = *clock;
  SPIKELOOM_ROLLED
  for (std::uint32_t s = 0; s < now.count; ++s) {
    const std::int64_t step = now.first + s;
    V x[kChannels] = {};
    const ResidentRow<V> in = own.image.template row<V>(source, step - delay, true);
    const bool touched = add_up(own, window, step, in, x, local);
    const ResidentRow<V> to = own.image.template row<V>(out, step, false);
    if (op.counts_input) count_input(own, in);
    LayerBits<kChannels> bits;
    if (any_lane(touched)) {
      SPIKELOOM_UNROLL
      for (std::uint32_t k = 0; k < kChannels; ++k) {
        bits.note(k, x[k] != V{0});
        local.x.note(x[k]);
        if (to.value != nullptr && exists) to.value[first + k * op.plane] = x[k];
      }
    }
    bits.write(to.bits, first, op.plane);
  }
}

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
template <SpikeRule kRule, Reset kReset>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::run_plain(const Own& own,
                                                                         Local& local) const {
  const bool exists = own.item < items();
  constexpr bool kCurrent = kForm == LayerForm::kLateCurrent;
  const equations::Coefficients<V> c = op.neurons.at(0);
  equations::StepOptions o;
  o.spiking = true;
  o.has_current = o.late = kCurrent;
  o.rule = kRule, o.reset = kReset;
  o.order = op.neurons.options.order;
  if constexpr (std::is_integral_v<V>) o.fixed_point = op.neurons.options.fixed_point;
  const LayerWindow window = window_of_own(own);
  constexpr bool kWindows = kHead == LayerHead::kWindow || kHead == LayerHead::kPool;
  const std::uint32_t first = kWindows ? window.output : own.item;
  V* const membrane = own.image.template at<V>(op.membrane) + first;
  V* const current = kCurrent ? own.image.template at<V>(op.current) + first : nullptr;
  V m[kChannels] = {}, u[kChannels] = {};
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < kChannels; ++k) {
    if (exists) m[k] = membrane[k * op.plane];
    if (kCurrent && exists) u[k] = current[k * op.plane];
  }
  bool awake = true;  // nothing is known yet
  const Clock now = *clock;
  SPIKELOOM_ROLLED
  for (std::uint32_t s = 0; s < now.count; ++s) {
    const std::int64_t step = now.first + s;
    V x[kChannels] = {};
    const ResidentRow<V> in = own.image.template row<V>(source, step - delay, true);
    const bool touched = add_up(own, window, step, in, x, local);
    if (op.counts_input) count_input(own, in);
    std::uint32_t* const bits = own.image.template row<V>(out, step, false).bits;
    LayerBits<kChannels> spiked;
    const bool biased = op.bias != nullptr;
    if (any_lane(touched || awake || biased)) {
      if (op.scale != nullptr || biased) complete(own, window, x);
      if (touched || biased) {
        SPIKELOOM_UNROLL
        for (std::uint32_t k = 0; k < kChannels; ++k) {
          if (exists) local.x.note(x[k]);
        }
      }
      awake = false;
      SPIKELOOM_UNROLL
      for (std::uint32_t k = 0; k < kChannels; ++k) {
        OneNeuron<V> neuron{{u[k], m[k]}, 0, false};
        const V spikes = op.neurons.step(neuron, 0, c, o, false, x[k]);
        m[k] = neuron.now.membrane, u[k] = neuron.now.current;
        spiked.note(k, exists && spikes != V{0});
        if (op.rest == Rest::kAtZero) {
          awake = awake || is_left(m[k], u[k]);
        } else {
          awake = awake || equations::spike_count(m[k], c.threshold, kRule) != V{0};
        }
      }
      awake = awake || op.rest == Rest::kNever;
      local.y.events += bit_count(spiked.own);
    }
    spiked.write(bits, first, op.plane);
    if (op.x_latest != nullptr && s + 1 == now.count && exists) {
      SPIKELOOM_UNROLL
      for (std::uint32_t k = 0; k < kChannels; ++k) {
        op.x_latest[std::size_t{own.element} * op.size + first + k * op.plane] = x[k];
      }
    }
    SPIKELOOM_ROLLED
    for (std::uint32_t l = 0; l < op.log_count; ++l) {
      SPIKELOOM_ROLLED
      for (std::uint32_t k = 0; k < kChannels; ++k) {
        const V y = spiked.at(k) ? V{1} : V{0};
        if (exists) op.log[l][log_place(own, now, step) + first + k * op.plane] = y;
      }
    }
  }
  local.y.sum = static_cast<typename Tally<V>::Sum>(local.y.events);
  if (!exists) return;
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < kChannels; ++k) {
    membrane[k * op.plane] = m[k];
    if (kCurrent) current[k * op.plane] = u[k];
  }
}

/// One neuron with whatever it may have, or none.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::run_general(const Own& own,
                                                                           Local& local) const {
  const bool exists = own.item < items();
  const LayerWindow window = window_of_own(own);
  const std::uint32_t i = own.item;
  const equations::StepOptions o = op.neurons.options;
  equations::Coefficients<V> c;
  OneNeuron<V> neuron;
  const LayerImage& image = own.image;
  V* const membrane = op.has_neurons ? image.template at<V>(op.membrane) + i : nullptr;
  V* const current = op.current != kNowhere ? image.template at<V>(op.current) + i : nullptr;
  std::int32_t* const countdown =
      op.countdown != kNowhere ? image.template at<std::int32_t>(op.countdown) + i : nullptr;
  if (op.has_neurons && exists) {
    c = op.neurons.at(i);
    neuron = {{current != nullptr ? *current : V{0}, *membrane},
              countdown != nullptr ? *countdown : 0,
              countdown != nullptr};
  }
  const Clock now = *clock;
  SPIKELOOM_ROLLED
  for (std::uint32_t s = 0; s < now.count; ++s) {
    const std::int64_t step = now.first + s;
    V x[1] = {};
    const ResidentRow<V> in = image.template row<V>(source, step - delay, true);
    add_up(own, window, step, in, x, local);
    if (op.scale != nullptr || op.bias != nullptr) complete(own, window, x);
    if (op.counts_input) count_input(own, in);
    const ResidentRow<V> to = image.template row<V>(out, step, false);
    V y = 0;
    if (exists) {
      const std::size_t logged = log_place(own, now, step) + i;
      local.x.note(x[0]);
      if (op.x_log != nullptr) op.x_log[logged] = x[0];
      if (op.x_latest != nullptr && s + 1 == now.count) {
        op.x_latest[std::size_t{own.element} * op.size + i] = x[0];
      }
      y = x[0];
      if (op.has_neurons) {
        const bool restarts = op.reset_period > 0 && (step - op.reset_phase) % op.reset_period == 0;
        const V spikes = op.neurons.step(neuron, i, c, o, restarts, x[0]);
        y = o.spiking ? spikes * op.amplitude : neuron.now.membrane;
        if (op.membrane_log != nullptr) {
          op.membrane_log[logged] = op.log_before_reset ? neuron.before : neuron.now.membrane;
        }
        if (op.current_log != nullptr) op.current_log[logged] = neuron.now.current;
      } else if (op.work == Elementwise::kScale) {
        y = op.parameter[i] * x[0];
      } else if (op.work == Elementwise::kThreshold) {
        y = x[0] > op.parameter[i] ? V{1} : V{0};
      }
      local.y.note(y);
      if (to.value != nullptr) to.value[i] = y;
      SPIKELOOM_ROLLED
      for (std::uint32_t l = 0; l < op.log_count; ++l) op.log[l][logged] = y;
    }
    LayerBits<1> bits;
    bits.note(0, y != V{0});
    bits.write(to.bits, i, 1);
  }
  if (!op.has_neurons || !exists) return;
  *membrane = neuron.now.membrane;
  if (current != nullptr) *current = neuron.now.current;
  if (countdown != nullptr) *countdown = neuron.countdown;
}

}  // namespace spikeloom::cuda
