#pragma once
/// A step of the neurons that layers know when they are compiled (LayerForm).

#include <type_traits>

#include "backends/cuda/kernels/layer_window.hpp"

namespace spikeloom::cuda {

/// Neurons whose options are known when this is compiled: a membrane alone, or a membrane and a
/// current whose spikes leave at a step's beginning; both spiking 0 or 1, never resting after a
/// spike, unrecorded but for what they send; all of one kind, or with coefficients of their own
/// (kOwn...: weights of 8 bits have a threshold for each channel). kNone: no neurons.
enum class LayerForm : std::uint8_t {
  kGeneral,
  kNone,
  kMembrane,
  kLateCurrent,
  kOwnMembrane,
  kOwnLateCurrent
};
constexpr bool has_current(LayerForm form) {
  return form == LayerForm::kLateCurrent || form == LayerForm::kOwnLateCurrent;
}
constexpr bool is_varied(LayerForm form) {
  return form == LayerForm::kOwnMembrane || form == LayerForm::kOwnLateCurrent;
}

/// value x decay / 2^12 where the decay is factor / 2^shift and value x factor fits 32 bits; `most`
/// is 2^shift - 1 where it is rounded towards 0, or 0 where it is rounded down.
SPIKELOOM_KERNEL std::int32_t decayed_within(std::int32_t value, const ReducedDecay& by) {
  return (value * by.factor + (value >> 31 & by.most)) >> by.shift;
}

/// kBounded: whole numbers that stay so small that no state saturates and no product needs more
/// than 32 bits (NeuronBounds).
template <typename V, bool kCurrent, SpikeRule kRule, Reset kReset, bool kBounded = false>
struct PlainNeurons {
  equations::StepOptions o;
  ReducedDecay current_decay, decay;
  Rest rest;

  SPIKELOOM_KERNEL explicit PlainNeurons(const ResidentOp<V>& op)
      : current_decay(op.neurons.bounds.current_decay),
        decay(op.neurons.bounds.membrane_decay),
        rest(op.rest) {
    o.spiking = true;
    o.has_current = o.late = kCurrent;
    o.rule = kRule, o.reset = kReset;
    o.order = op.neurons.options.order;
    if constexpr (std::is_integral_v<V>) o.fixed_point = op.neurons.options.fixed_point;
  }

  /// Whether it spikes.
  SPIKELOOM_KERNEL bool step(const equations::Coefficients<V>& c, V& current, V& membrane,
                             V x) const {
    if constexpr (kBounded) {
      const bool spikes =
          kRule == SpikeRule::kGreater ? membrane > c.threshold : membrane >= c.threshold;
      current = decayed_within(current, current_decay) + c.current_gain * x;
      const V left = kReset == Reset::kToVReset ? c.reset : membrane - c.threshold;
      membrane = decayed_within(spikes ? left : membrane, decay) + current;
      return spikes;
    } else {
      equations::State<V> now{current, membrane};
      V count = 0;
      if constexpr (kCurrent) {
        count = equations::spike_count(membrane, c.threshold, kRule);
        equations::step_after_late_spikes(now, count, x, c, o);
      } else {
        V before = 0;
        count = equations::step(now, x, c, o, before);
      }
      current = now.current, membrane = now.membrane;
      return count != V{0};
    }
  }
};

/// Whether any of a thread's neurons has something left to do without input.
template <typename V, bool kCurrent>
class Restless {
 public:
  SPIKELOOM_KERNEL explicit Restless(Rest rest) : awake_(rest == Rest::kNever), rest_(rest) {}
  template <typename Neurons>
  SPIKELOOM_KERNEL void note(const Neurons& neurons, V threshold, V current, V membrane) {
    // What rests below its threshold has no current (Rest).
    if (!kCurrent && rest_ != Rest::kAtZero) {
      awake_ = awake_ || equations::spike_count(membrane, threshold, neurons.o.rule) != V{0};
    } else if constexpr (std::is_integral_v<V>) {
      left_ |= membrane | current;
    } else {
      awake_ = awake_ || membrane != V{0} || current != V{0};
    }
  }
  SPIKELOOM_KERNEL bool awake() const { return awake_ || left_ != V{0}; }

 private:
  bool awake_;
  Rest rest_;
  V left_ = 0;  ///< of whole numbers the bits of all states
};

/// Calls f with what PlainNeurons is to be for an operation.
template <typename V, LayerForm kForm, typename F>
SPIKELOOM_KERNEL void with_plain_neurons(const ResidentOp<V>& op, F&& f) {
  const bool equal = op.neurons.options.rule == SpikeRule::kGreaterEqual;
  const bool subtracts = op.neurons.options.reset == Reset::kSubtract;
  constexpr bool kCurrent = has_current(kForm);
  constexpr auto kAbove = SpikeRule::kGreater, kFrom = SpikeRule::kGreaterEqual;
  constexpr auto kTo = Reset::kToVReset, kBy = Reset::kSubtract;
  if constexpr (kForm == LayerForm::kLateCurrent && std::is_integral_v<V>) {
    if (op.neurons.bounds.hold) {
      if (subtracts) {
        equal ? f(PlainNeurons<V, true, kFrom, kBy, true>(op))
              : f(PlainNeurons<V, true, kAbove, kBy, true>(op));
      } else {
        equal ? f(PlainNeurons<V, true, kFrom, kTo, true>(op))
              : f(PlainNeurons<V, true, kAbove, kTo, true>(op));
      }
      return;
    }
  }
  if (subtracts) {
    equal ? f(PlainNeurons<V, kCurrent, kFrom, kBy>(op))
          : f(PlainNeurons<V, kCurrent, kAbove, kBy>(op));
  } else {
    equal ? f(PlainNeurons<V, kCurrent, kFrom, kTo>(op))
          : f(PlainNeurons<V, kCurrent, kAbove, kTo>(op));
  }
}

}  // namespace spikeloom::cuda
