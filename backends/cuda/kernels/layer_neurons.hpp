#pragma once
/// What the phases of LayerKernel (layer.hpp) do.

#include "backends/cuda/kernels/layer.hpp"

namespace spikeloom::cuda {

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::begin(const Place& place,
                                                                     const Own& own, Shared& shared,
                                                                     Local& local) const {
  if (place.thread == 0) shared.x.clear(), shared.y.clear();
  local.first = clock->first, local.count = clock->count;
  if (kWindows || (kHead == LayerHead::kAny && op.head == Head::kConvolution)) {
    local.window = window_of(op, shape, exists(own) ? own.item : 0, kChannels);
    if (!exists(own)) {
      local.window.first_row = local.window.last_row = 0;
      local.window.output = own.item;
    }
  }
  if (!has_neurons(own)) return;
  const std::uint32_t first = first_output(own, local);
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < kOwn; ++k) {
    local.membrane[k] = own.image.template at<V>(op.membrane)[first + k * op.plane];
    if (op.current == kNowhere) continue;
    local.current[k] = own.image.template at<V>(op.current)[first + k * op.plane];
  }
  if (op.countdown != kNowhere) {
    local.countdown = own.image.template at<std::int32_t>(op.countdown)[first];
  }
}

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::store(const Own& own,
                                                                     const Local& local) const {
  if (!has_neurons(own)) return;
  const std::uint32_t first = first_output(own, local);
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < kOwn; ++k) {
    own.image.template at<V>(op.membrane)[first + k * op.plane] = local.membrane[k];
    if (op.current == kNowhere) continue;
    own.image.template at<V>(op.current)[first + k * op.plane] = local.current[k];
  }
  if (op.countdown != kNowhere) {
    own.image.template at<std::int32_t>(op.countdown)[first] = local.countdown;
  }
}

/// Of what is read as one signal, in `in_tally`.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::count_input(
    const Own& own, const ResidentRow<V>& in) const {
  LayerCount<V> count;
  SPIKELOOM_ROLLED
  for (std::uint32_t w = own.item; w < source.words; w += per_element() * 32) {
    count.note_word(in, w);
  }
  if (count.events != 0) count.tally().add(op.in_tally + own.item / 32 % kTallyCopies);
}

/// What reaches the thread's outputs in a step, and whether anything did; complete() comes after
/// it. All threads of a warp call it.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL bool LayerKernel<V, kChannels, kForm, kHead>::gather(const Own& own,
                                                                      std::int64_t step,
                                                                      const ResidentRow<V>& in,
                                                                      V* x, Local& local) const {
  constexpr bool kAny = kHead == LayerHead::kAny;
  bool touched = false;
  if (kHead == LayerHead::kWindow || (kAny && op.head == Head::kConvolution)) {
    touched = add_window<kChannels>(op, shape, local.window, in, x, local.x);
  } else if (kHead == LayerHead::kRows || (kAny && op.head == Head::kDense)) {
    const std::uint32_t before = local.x.unit + local.x.graded;
    if constexpr (kQuads) {
      add_quads(own.item % 32, op, in, source, own.item, exists(own), x, local.x);
    } else {
      gather_rows(own.item % 32, op, in, source, own.item / op.outputs, own.item % op.outputs,
                  exists(own), x[0], local.x);
    }
    touched = local.x.unit + local.x.graded != before;
  } else if (exists(own)) {
    if (kAny && op.head == Head::kPool) {
      x[0] = pooled(op, in, own.item);
    } else if (kAny && op.head == Head::kDelay) {
      x[0] = own.image.template row<V>(source, step - op.delay[own.item], true).at(own.item);
    } else {
      SPIKELOOM_ROLLED
      for (std::uint32_t l = 0; l < op.links; ++l) {
        const ResidentLink one = links[op.first_link + l];
        x[0] += own.image.template row<V>(signals[one.signal], step - one.delay, true).at(own.item);
      }
    }
    touched = x[0] != V{0};
  }
  return touched;
}

/// As the operation has it, and counted; whether there is anything now.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL bool LayerKernel<V, kChannels, kForm, kHead>::complete(const Own& own,
                                                                        const ResidentRow<V>& in,
                                                                        bool touched, V* x,
                                                                        Local& local) const {
  constexpr bool kAny = kHead == LayerHead::kAny;
  if ((op.scale != nullptr || op.bias != nullptr) && exists(own)) {
    const std::uint32_t channel = (kAny || kHead == LayerHead::kRows) && op.head == Head::kDense
                                      ? own.item * kChannels % op.outputs
                                      : local.window.channel;
    SPIKELOOM_UNROLL
    for (std::uint32_t k = 0; k < kChannels; ++k) {
      x[k] = completed(x[k], op.scale, op.bias, channel + k);
    }
    touched = touched || op.bias != nullptr;
  }
  // Of spikes and bytes alone: 16 channels x 128 x 2^18 sources at most.
  const bool narrow = op.narrow && in.value == nullptr && op.scale == nullptr && op.bias == nullptr;
  if (touched) local.x.template note_all<kChannels>(x, narrow);
  if (op.counts_input) count_input(own, in);
  return touched;
}

/// add_up() by products, where the operation and the step have some.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL bool LayerKernel<V, kChannels, kForm, kHead>::multiply_up(
    [[maybe_unused]] const Own& own, [[maybe_unused]] std::uint32_t s,
    [[maybe_unused]] const ResidentRow<V>& in, [[maybe_unused]] Shared& shared,
    [[maybe_unused]] Local& local) const {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  if constexpr (std::is_integral_v<V> && kWindows && kChannels >= 8) {
    if (op.products == nullptr || in.value != nullptr) return false;
    LayerProducts products;
    const bool touched =
        multiply_window<kChannels>(op, shape, local.window, in.bits, products, local.x);
    const std::uint32_t slot = s % kLayerTurn;
    const std::uint32_t lane = own.item % 32, channel = local.window.channel;
    const bool last = op.x_latest != nullptr && s + 1 == local.count;
    write_bits(shared.touched + slot, lane, touched || op.bias != nullptr);
    const bool completes = op.scale != nullptr || op.bias != nullptr;
    typename Tally<V>::Sum completed_sum = 0;
    if (completes) {
      products.template for_each<kChannels>([&](std::uint32_t c, std::uint32_t, V* two) {
        two[0] = completed(two[0], op.scale, op.bias, channel + c);
        two[1] = completed(two[1], op.scale, op.bias, channel + c);
        completed_sum += static_cast<typename Tally<V>::Sum>(two[0]) + two[1];
      });
    }
    products.template for_each<kChannels>([&](std::uint32_t c, std::uint32_t window, V* two) {
      *reinterpret_cast<Two<V>*>(shared.sum[slot][c] + window) = {two[0], two[1]};
    });
    if (any_lane(touched || op.bias != nullptr)) {
      std::uint32_t sum = 0;  // of weights alone it cannot overflow
      products.template for_each<kChannels>([&](std::uint32_t, std::uint32_t, V* two) {
        const auto one = static_cast<std::uint32_t>(two[0]);
        const auto other = static_cast<std::uint32_t>(two[1]);
        local.x.events += (one < 1 ? one : 1) + (other < 1 ? other : 1);
        sum += one + other;
      });
      local.x.sum += completes ? completed_sum : static_cast<V>(sum);
    }
    if (last) {
      V* const latest =
          op.x_latest + std::size_t{own.element} * op.size + local.window.output - lane;
      products.template for_each<kChannels>([&](std::uint32_t c, std::uint32_t window, V* two) {
        latest[window + c * op.plane] = two[0];
        latest[window + 1 + c * op.plane] = two[1];
      });
    }
    if (op.counts_input) count_input(own, in);
    return true;
  }
#endif
  return false;
}

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::add_up(const Own& own,
                                                                      std::uint32_t s,
                                                                      Shared& shared,
                                                                      Local& local) const {
  const std::int64_t step = local.first + s;
  const std::uint32_t lane = own.item % 32;
  const ResidentRow<V> in = own.image.template row<V>(source, step - delay, true);
  if (multiply_up(own, s, in, shared, local)) return;
  V x[kChannels] = {};
  const bool touched = complete(own, in, gather(own, step, in, x, local), x, local);
  const std::uint32_t slot = s % kLayerTurn;
  write_bits(shared.touched + slot, lane, touched);
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < kChannels; ++k) shared.sum[slot][k][lane] = x[k];
  if (!exists(own)) return;
  const std::uint32_t first = kWindows ? local.window.output : own.item * kChannels;
  const std::uint32_t apart = kQuads ? 1 : op.plane;
  if constexpr (kForm == LayerForm::kGeneral) {
    if (op.x_log != nullptr) op.x_log[log_place(own, step) + first] = x[0];
  }
  if (op.x_latest == nullptr || s + 1 != local.count) return;
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < kChannels; ++k) {
    op.x_latest[std::size_t{own.element} * op.size + first + k * apart] = x[k];
  }
}

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::step(const Own& own,
                                                                    std::uint32_t first,
                                                                    Shared& shared,
                                                                    Local& local) const {
  if (first_channel(own) >= kChannels) return;
  if constexpr (kForm == LayerForm::kGeneral) {
    step_general(own, first, shared, local);
  } else {
    with_plain_neurons<V, kForm>(
        op, [&](const auto& neurons) { step_plain(own, first, shared, neurons, local); });
  }
}

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
template <typename Neurons>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::step_plain(const Own& own,
                                                                          std::uint32_t from,
                                                                          const Shared& shared,
                                                                          const Neurons& neurons,
                                                                          Local& local) const {
  const std::uint32_t first = first_output(own, local);
  // Where its sums lie: by lane and channel.
  const std::uint32_t lane = kQuads ? first % 128 / 4 : own.item % 32;
  const std::uint32_t channel = kQuads ? first % 4 : first_channel(own);
  constexpr bool kVaried = is_varied(kForm);
  constexpr std::uint32_t kKinds = kVaried ? kOwn : 1;
  equations::Coefficients<V> kinds[kKinds];
  SPIKELOOM_UNROLL
  for (std::uint32_t k = 0; k < kKinds; ++k) {
    kinds[k] = kVaried ? op.neurons.at(moves(own) ? first + k * op.plane : 0, neurons.o)
                       : op.neurons.common;
  }
  const std::uint32_t steps = local.count - from < kLayerWarps ? local.count - from : kLayerWarps;
  const std::uint32_t slot = from % kLayerTurn;
  std::uint32_t any = 0;
  SPIKELOOM_UNROLL
  for (std::uint32_t j = 0; j < kLayerWarps; ++j) any |= j < steps ? shared.touched[slot + j] : 0;
  LayerBits<kOwn> spiked[kLayerWarps];
  const std::uint32_t exist = LayerBits<kOwn>::lanes(moves(own));
  if (any != 0 || any_lane(local.awake)) {
    SPIKELOOM_UNROLL
    for (std::uint32_t j = 0; j < kLayerWarps; ++j) {
      if (j >= steps) break;
      SPIKELOOM_UNROLL
      for (std::uint32_t k = 0; k < kOwn; ++k) {
        const equations::Coefficients<V>& c = kinds[kVaried ? k : 0];
        const V x = shared.sum[slot + j][channel + k][lane];
        spiked[j].note(k, neurons.step(c, local.current[k], local.membrane[k], x));
      }
      spiked[j].keep(exist);
    }
    Restless<V, has_current(kForm)> restless(neurons.rest);
    SPIKELOOM_UNROLL
    for (std::uint32_t k = 0; k < kOwn; ++k) {
      restless.note(neurons, kinds[kVaried ? k : 0].threshold, local.current[k], local.membrane[k]);
    }
    local.awake = restless.awake();
  }
  // A warp of a Dense layer's last tile may have no outputs, and no word.
  if (exist != 0) {
    auto* const bits = own.image.template at<std::uint32_t>(out.bits);
    local.y.events +=
        write_turn<kOwn>(spiked, steps, bits, out, local.first + from, first, op.plane);
  }
  if (op.log_count != 0) log(own, from, steps, first, spiked, local);
}

template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::log(
    const Own& own, std::uint32_t from, std::uint32_t steps, std::uint32_t first,
    const LayerBits<kOwn>* spiked, const Local& local) const {
  SPIKELOOM_UNROLL
  for (std::uint32_t j = 0; j < kLayerWarps; ++j) {
    if (j >= steps) break;
    const std::size_t logged = log_place(own, local.first + from + j) + first;
    SPIKELOOM_ROLLED
    for (std::uint32_t k = 0; k < kOwn; ++k) {
      const V y = spiked[j].at(k) ? V{1} : V{0};
      SPIKELOOM_ROLLED
      for (std::uint32_t l = 0; l < op.log_count && moves(own); ++l) {
        op.log[l][logged + k * op.plane] = y;
      }
    }
  }
}

/// One neuron with whatever it may have, or none.
template <typename V, std::uint32_t kChannels, LayerForm kForm, LayerHead kHead>
SPIKELOOM_KERNEL void LayerKernel<V, kChannels, kForm, kHead>::step_general(const Own& own,
                                                                            std::uint32_t from,
                                                                            const Shared& shared,
                                                                            Local& local) const {
  const std::uint32_t i = own.item, lane = i % 32;
  const equations::StepOptions o = op.neurons.options;
  const bool rests = op.countdown != kNowhere;
  equations::Coefficients<V> c;
  if (has_neurons(own)) c = op.neurons.at(i);
  OneNeuron<V> neuron{{local.current[0], local.membrane[0]}, local.countdown, rests};
  SPIKELOOM_ROLLED
  for (std::uint32_t j = 0; j < kLayerWarps && from + j < local.count; ++j) {
    const std::int64_t step = local.first + from + j;
    const std::uint32_t slot = (from + j) % kLayerTurn;
    const bool touched = (shared.touched[slot] >> lane & 1) != 0;
    const ResidentRow<V> to = own.image.template row<V>(out, step, false);
    V y = 0;
    if (exists(own)) {
      const V x = touched ? shared.sum[slot][0][lane] : V{0};
      const std::size_t logged = log_place(own, step) + i;
      y = x;
      if (op.has_neurons) {
        const bool restarts = op.reset_period > 0 && (step - op.reset_phase) % op.reset_period == 0;
        const V spikes = op.neurons.step(neuron, i, c, o, restarts, x);
        y = o.spiking ? spikes * op.amplitude : neuron.now.membrane;
        if (op.membrane_log != nullptr) {
          op.membrane_log[logged] = op.log_before_reset ? neuron.before : neuron.now.membrane;
        }
        if (op.current_log != nullptr) op.current_log[logged] = neuron.now.current;
      } else if (op.work == Elementwise::kScale) {
        y = op.parameter[i] * x;
      } else if (op.work == Elementwise::kThreshold) {
        y = x > op.parameter[i] ? V{1} : V{0};
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
  local.membrane[0] = neuron.now.membrane, local.current[0] = neuron.now.current;
  local.countdown = neuron.countdown;
}

}  // namespace spikeloom::cuda
