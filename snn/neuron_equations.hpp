#pragma once
/// The neuron step that cpu, cuda and the emulator compile: one neuron, one step, no memory.
///
/// Equations and options: neuron_coefficients.hpp; integer formats: docs/integer.md. `reference`
/// writes the same step by hand a second time. Nothing here allocates, throws or branches on data
/// where a select will do, so that a loop over it becomes vector code; options are passed as a
/// value which is a compile-time constant in fast paths.
///
/// Real arithmetic rounds each product and each sum on its own: compile callers without fused
/// contraction, and the results equal the reference's bit for bit.

#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "snn/discretisation.hpp"

#if defined(__CUDACC__)
#define SPIKELOOM_STEP __host__ __device__ __forceinline__
#else
#define SPIKELOOM_STEP [[gnu::always_inline]] inline
#endif

namespace spikeloom::equations {

/// What of a Discretisation and a neuron kind shapes the step.
struct StepOptions {
  bool has_current = false, spiking = false;
  bool clamped = false;
  bool refractory = false;
  bool substep = false;      ///< spikes at their exact time within the step (real numbers only)
  bool sigma_delta = false;  ///< SigmaDelta: its own step
  bool rectified = false;    ///< SigmaDelta: the activation is at least 0
  int shift = 0;             ///< SigmaDelta: events are s / 2^shift
  bool late = false;         ///< reset timing "next": spikes come from the membrane before the step
  Reset reset = Reset::kToVReset;
  SpikeRule rule = SpikeRule::kGreater;
  CubaOrder order = CubaOrder::kNewCurrent;
  FixedPoint fixed_point = FixedPoint::kNone;
  friend bool operator==(const StepOptions&, const StepOptions&) = default;
};

/// Coefficients of one neuron; decays of integer neurons are in units of 2^-12.
template <typename V>
struct Coefficients {
  V current_decay = 0, current_gain = 0;
  V decay = 0, gain = 0, drive = 0;
  V threshold = 0, reset = 0;
  V clamp = 0;
};

template <typename V>
struct State {
  V current = 0, membrane = 0;
};

/// Integer states stay within +-(2^29 - 1).
inline constexpr std::int32_t kStateLimit = (1 << 29) - 1;
/// Spikes of an integer neuron in one step.
inline constexpr std::int32_t kSpikeLimit = 255;
/// Magnitude of an integer sigma-delta event.
inline constexpr std::int32_t kGradedLimit = 32767;

template <typename V>
SPIKELOOM_STEP V largest(V a, V b) {
  return a < b ? b : a;
}

SPIKELOOM_STEP std::int32_t saturated(std::int32_t value) {
  value = value > kStateLimit ? kStateLimit : value;
  return value < -kStateLimit ? -kStateLimit : value;
}

/// value x decay / 2^12, rounded down or towards 0: by one product of 64 bits.
SPIKELOOM_STEP std::int32_t decayed_at_once(std::int32_t value, std::int32_t decay, bool floored) {
  const std::int32_t most = floored ? 0 : 4095;
  const std::int64_t up = (value >> 31) & most;
#if defined(__CUDA_ARCH__)
  std::int64_t product;  // nvcc 13 makes four multiplications of the line below
  asm("mad.wide.s32 %0, %1, %2, %3;" : "=l"(product) : "r"(value), "r"(decay), "l"(up));
#else
  const std::int64_t product = std::int64_t{value} * decay + up;
#endif
  return static_cast<std::int32_t>(product >> 12);
}

/// value x decay. Real: rounded once, or to an integer in fixed point. Integer: the decay
/// is n / 2^12; the product is split so that every intermediate fits 32 bits, of which a
/// processor's vectors have more (a GPU multiplies 32 bits to 64).
SPIKELOOM_STEP float decayed(float value, float decay, FixedPoint fixed_point) {
  if (fixed_point == FixedPoint::kNone) return decay * value;
  const double product = static_cast<double>(value) * static_cast<double>(decay);
  return static_cast<float>(fixed_point == FixedPoint::kLoihi ? std::trunc(product)
                                                              : std::floor(product));
}
SPIKELOOM_STEP std::int32_t decayed(std::int32_t value, std::int32_t decay,
                                    FixedPoint fixed_point) {
  const bool floored = fixed_point != FixedPoint::kLoihi;
#if defined(__CUDA_ARCH__)
  return decayed_at_once(value, decay, floored);
#else
  const std::int32_t a = floored ? value : (value < 0 ? -value : value);
  const std::int32_t product = (a >> 12) * decay + (((a & 4095) * decay) >> 12);
  return !floored && value < 0 ? -product : product;
#endif
}

template <typename V>
SPIKELOOM_STEP V spike_count(V membrane, V threshold, SpikeRule rule) {
  if (rule == SpikeRule::kGreater) return membrane > threshold ? V{1} : V{0};
  if (rule == SpikeRule::kGreaterEqual) return membrane >= threshold ? V{1} : V{0};
  if constexpr (std::is_integral_v<V>) {
    const V count = membrane >= threshold ? membrane / threshold : V{0};
    return count > kSpikeLimit ? kSpikeLimit : count;
  } else {
    return membrane >= threshold ? std::trunc(membrane / threshold) : V{0};
  }
}

template <typename V>
SPIKELOOM_STEP V after_reset(V membrane, V spikes, const Coefficients<V>& c, Reset reset) {
  if (reset == Reset::kToVReset) return spikes != V{0} ? c.reset : membrane;
  if (reset == Reset::kNone) return membrane;
  return spikes != V{0} ? membrane - spikes * c.threshold : membrane;
}

/// Advances the synaptic current by `input`; what drives the membrane.
template <typename V>
SPIKELOOM_STEP V membrane_input(State<V>& s, V input, const Coefficients<V>& c,
                                const StepOptions& o) {
  if (!o.has_current) return input;
  const V old_current = s.current;
  V current = decayed(old_current, c.current_decay, o.fixed_point) + c.current_gain * input;
  if constexpr (std::is_integral_v<V>) current = saturated(current);
  s.current = current;
  return o.order == CubaOrder::kNewCurrent ? current : old_current;
}

/// Membrane of the next moment, before threshold and reset.
template <typename V>
SPIKELOOM_STEP V integrated(V membrane, V input, const Coefficients<V>& c, const StepOptions& o) {
  const V sum = decayed(membrane, c.decay, o.fixed_point) + c.gain * input + c.drive;
  if constexpr (std::is_integral_v<V>) return saturated(sum);
  return sum;
}

/// LIF or IF whose input is constant within the step and whose spikes come at their exact time:
/// v(s) = v_inf + (v - v_inf) exp(-s / tau) crosses after tau ln((v_inf - v) / (v_inf -
/// threshold)).
SPIKELOOM_STEP float substep(State<float>& s, float input, const Coefficients<float>& c,
                             const StepOptions& o, float& before) {
  constexpr int kMostSpikes = 1000000;
  const double infinity = std::numeric_limits<double>::infinity();
  const double drive = static_cast<double>(c.gain) * input + c.drive;
  const bool leaky = c.decay < 1.0F;
  const double tau = leaky ? -1.0 / std::log(static_cast<double>(c.decay)) : 0.0;  // in steps
  const double v_inf = leaky ? drive / (1.0 - static_cast<double>(c.decay)) : 0.0;
  const double threshold = c.threshold;
  double v = s.membrane;
  double left = 1.0;
  int spikes = 0;
  for (; spikes < kMostSpikes; ++spikes) {
    double crossing = infinity;
    if (v > threshold) {
      crossing = 0.0;
    } else if (leaky && v_inf > threshold) {
      crossing = tau * std::log((v_inf - v) / (v_inf - threshold));
    } else if (!leaky && drive > 0.0) {
      crossing = (threshold - v) / drive;
    }
    if (!(crossing < left)) break;
    left -= crossing;
    v = o.reset == Reset::kSubtract ? largest(v, threshold) - threshold
                                    : static_cast<double>(c.reset);
  }
  v = leaky ? v_inf + (v - v_inf) * std::exp(-left / tau) : v + drive * left;
  s.membrane = o.clamped ? largest(static_cast<float>(v), c.clamp) : static_cast<float>(v);
  before = s.membrane;
  return static_cast<float>(spikes);
}

/// One step of a sigma-delta neuron (node_kinds.hpp); the event it sends. The current is sigma, the
/// membrane r.
template <typename V>
SPIKELOOM_STEP V sigma_delta_step(State<V>& s, V input, const Coefficients<V>& c,
                                  const StepOptions& o) {
  V sigma = decayed(s.current, c.current_decay, o.fixed_point) + c.current_gain * input;
  if constexpr (std::is_integral_v<V>) sigma = saturated(sigma);
  s.current = sigma;
  V activation = sigma + c.drive;
  if (o.rectified) activation = largest(activation, V{0});
  V change = activation - s.membrane;
  const V magnitude = change < V{0} ? -change : change;
  if constexpr (std::is_integral_v<V>) {
    const V most = kGradedLimit << o.shift;
    change = change > most ? most : change;
    change = change < -most ? -most : change;
  }
  change = magnitude >= c.threshold ? change : V{0};
  s.membrane = s.membrane + change;
  if constexpr (std::is_integral_v<V>) {
    return change >> o.shift;
  } else {
    const V event = std::ldexp(change, -o.shift);
    return o.fixed_point == FixedPoint::kNone ? event : std::floor(event);
  }
}

/// Whether a sigma-delta neuron would send something in a step without input.
template <typename V>
SPIKELOOM_STEP bool sigma_delta_waits(const State<V>& s, const Coefficients<V>& c,
                                      const StepOptions& o) {
  V activation = s.current + c.drive;
  if (o.rectified) activation = largest(activation, V{0});
  const V change = activation - s.membrane;
  return change != V{0} && (change < V{0} ? -change : change) >= c.threshold;
}

/// One step whose spikes leave in the same step; the number of spikes. `before` is the membrane
/// as the threshold saw it.
template <typename V>
SPIKELOOM_STEP V step(State<V>& s, V input, const Coefficients<V>& c, const StepOptions& o,
                      V& before) {
  if (o.sigma_delta) {
    const V event = sigma_delta_step(s, input, c, o);
    before = s.membrane;
    return event;
  }
  if constexpr (std::is_same_v<V, float>) {
    if (o.spiking && o.substep) return substep(s, input, c, o, before);
  }
  const V drive = membrane_input(s, input, c, o);
  const V previous = s.membrane;
  V v = integrated(previous, drive, c, o);
  before = v;
  V spikes = 0;
  if (o.spiking) {
    V seen = v;
    if (o.reset == Reset::kSubtractOnce) {
      seen -= spike_count(previous, c.threshold, o.rule) * c.threshold;
    }
    spikes = spike_count(seen, c.threshold, o.rule);
    v = after_reset(v, spikes, c, o.reset);
  }
  s.membrane = o.clamped ? largest(v, c.clamp) : v;
  return spikes;
}

/// The rest of a step whose `spikes` left at its beginning (reset timing "next"): a neuron without
/// synaptic current subtracts after the decay, one with a current before it.
template <typename V>
SPIKELOOM_STEP void step_after_late_spikes(State<V>& s, V spikes, V input, const Coefficients<V>& c,
                                           const StepOptions& o) {
  const V drive = membrane_input(s, input, c, o);
  const bool subtracts = o.reset == Reset::kSubtract || o.reset == Reset::kSubtractOnce;
  const bool before_decay = o.has_current || !subtracts;
  V v = before_decay ? after_reset(s.membrane, spikes, c, o.reset) : s.membrane;
  v = integrated(v, drive, c, o);
  if (!before_decay) v = after_reset(v, spikes, c, o.reset);
  s.membrane = o.clamped ? largest(v, c.clamp) : v;
}

/// A step without input, spikes or reset: what a sleeping neuron catches up with.
template <typename V>
SPIKELOOM_STEP void quiet_step(State<V>& s, const Coefficients<V>& c, const StepOptions& o) {
  const V drive = membrane_input(s, V{0}, c, o);
  s.membrane = integrated(s.membrane, drive, c, o);
}

}  // namespace spikeloom::equations
