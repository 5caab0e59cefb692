#pragma once
/// The reference neuron: one neuron, one step, written by hand from neuron_coefficients.hpp.
///
/// Shares no code with the fast backends; a disagreement between the two is a bug in one of them.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "backends/reference/integer_neuron.hpp"
#include "snn/discretisation.hpp"

namespace spikeloom::reference {

/// Coefficients of one neuron in the arithmetic of the run.
template <typename Real>
struct NeuronParameters {
  bool has_current = false, spiking = false;
  bool sigma_delta = false, rectified = false;
  int shift = 0;
  Real current_decay = 0, current_gain = 0;
  Real decay = 0, gain = 0, drive = 0;
  Real threshold = 0, reset = 0;
  /// Lowest membrane: without a clamp -infinity, or the lowest integer.
  Real clamp = std::numeric_limits<Real>::has_infinity ? -std::numeric_limits<Real>::infinity()
                                                       : std::numeric_limits<Real>::lowest();
  std::uint32_t refractory = 0;  ///< steps without input after one with spikes
};

template <typename Real>
struct NeuronState {
  Real current = 0, membrane = 0;
  std::uint32_t waiting = 0;  ///< refractory steps left
};

/// What one step of one neuron gives.
template <typename Real>
struct NeuronResult {
  Real spikes = 0;        ///< number of spikes (0 for LI, CubaLI and I)
  Real before_reset = 0;  ///< membrane as the threshold saw it
};

/// decay x value; in fixed point the product is cut off towards zero or rounded down.
template <typename Real>
Real decayed(Real value, Real decay, FixedPoint fixed_point) {
  if (fixed_point == FixedPoint::kNone) return decay * value;
  const double product = static_cast<double>(value) * static_cast<double>(decay);
  return static_cast<Real>(fixed_point == FixedPoint::kLoihi ? std::trunc(product)
                                                             : std::floor(product));
}

/// kept + gain input + drive.
template <typename Real>
Real integrated(Real kept, Real gain, Real input, Real drive) {
  return kept + gain * input + drive;
}

/// kept + gain input.
template <typename Real>
Real integrated(Real kept, Real gain, Real input) {
  return kept + gain * input;
}

/// Number of spikes for a membrane value.
template <typename Real>
Real spike_count(Real membrane, Real threshold, SpikeRule rule) {
  switch (rule) {
    case SpikeRule::kGreater:
      return membrane > threshold ? Real{1} : Real{0};
    case SpikeRule::kGreaterEqual:
      return membrane >= threshold ? Real{1} : Real{0};
    case SpikeRule::kMultiple:
      break;
  }
  return membrane >= threshold ? std::trunc(membrane / threshold) : Real{0};
}

/// Membrane after `spikes` spikes.
template <typename Real>
Real after_reset(Real membrane, Real spikes, const NeuronParameters<Real>& p, Reset reset) {
  if (spikes == Real{0}) return membrane;
  switch (reset) {
    case Reset::kToVReset:
      return p.reset;
    case Reset::kSubtract:
    case Reset::kSubtractOnce:
      return membrane - spikes * p.threshold;
    case Reset::kNone:
      break;
  }
  return membrane;
}

/// Advances the synaptic current by `input` and returns what drives the membrane.
template <typename Real>
Real membrane_input(NeuronState<Real>& s, Real input, const NeuronParameters<Real>& p,
                    const Discretisation& d) {
  if (!p.has_current) return input;
  const Real old_current = s.current;
  s.current =
      integrated(decayed(old_current, p.current_decay, d.fixed_point), p.current_gain, input);
  return d.cuba_order == CubaOrder::kNewCurrent ? s.current : old_current;
}

/// LIF or IF with constant input and spikes at their exact time within the step.
/// v(s) = v_inf + (v - v_inf) exp(-s / tau), crossing after s = tau ln((v_inf - v)/(v_inf - thr)).
template <typename Real>
NeuronResult<Real> substep(NeuronState<Real>& s, Real input, const NeuronParameters<Real>& p,
                           const Discretisation& d) {
  constexpr int kMaxSpikes = 1000000;
  const double drive = static_cast<double>(p.gain) * input + p.drive;
  const double threshold = p.threshold;
  const bool leaky = p.decay < Real{1};
  const double tau = leaky ? -1.0 / std::log(static_cast<double>(p.decay)) : 0.0;  // in steps
  const double v_inf = leaky ? drive / (1.0 - static_cast<double>(p.decay)) : 0.0;
  double v = s.membrane;
  double left = 1.0;
  NeuronResult<Real> result;
  while (result.spikes < kMaxSpikes) {
    double crossing = std::numeric_limits<double>::infinity();
    if (v > threshold) {
      crossing = 0.0;
    } else if (leaky && v_inf > threshold) {
      crossing = tau * std::log((v_inf - v) / (v_inf - threshold));
    } else if (!leaky && drive > 0.0) {
      crossing = (threshold - v) / drive;
    }
    if (!(crossing < left)) break;
    left -= crossing;
    result.spikes += 1;
    v = d.reset == Reset::kSubtract ? std::max(v, threshold) - threshold : double{p.reset};
  }
  v = leaky ? v_inf + (v - v_inf) * std::exp(-left / tau) : v + drive * left;
  s.membrane = std::max(static_cast<Real>(v), p.clamp);
  result.before_reset = s.membrane;
  return result;
}

/// Sigma-delta: sends how far the activation has moved from what was sent so far (the membrane),
/// once that reaches the threshold. Integers send 16 bits at most; the rest waits for later steps.
template <typename Real>
NeuronResult<Real> sigma_delta_step(NeuronState<Real>& s, Real input,
                                    const NeuronParameters<Real>& p, const Discretisation& d) {
  s.current = integrated(decayed(s.current, p.current_decay, d.fixed_point), p.current_gain, input);
  Real activation = s.current + p.drive;
  if (p.rectified && activation < Real{0}) activation = 0;
  Real sent = activation - s.membrane;
  if (sent < p.threshold && -sent < p.threshold) sent = 0;
  if constexpr (std::is_integral_v<Real>) {
    const Real most = kEventLimit * (Real{1} << p.shift);
    sent = std::clamp(sent, -most, most);
  }
  s.membrane += sent;
  const double event = std::ldexp(static_cast<double>(sent), -p.shift);
  const bool whole = std::is_integral_v<Real> || d.fixed_point != FixedPoint::kNone;
  return {.spikes = static_cast<Real>(whole ? std::floor(event) : event),
          .before_reset = s.membrane};
}

/// One step whose spikes are emitted in the same step.
template <typename Real>
NeuronResult<Real> step(NeuronState<Real>& s, Real input, const NeuronParameters<Real>& p,
                        const Discretisation& d) {
  if (p.sigma_delta) return sigma_delta_step(s, input, p, d);
  if constexpr (std::is_floating_point_v<Real>) {
    if (p.spiking && d.spike_time == SpikeTime::kSubStep) return substep(s, input, p, d);
  }
  if (s.waiting > 0) {
    --s.waiting;
    return {.spikes = 0, .before_reset = s.membrane};
  }
  const Real drive = membrane_input(s, input, p, d);
  const Real previous = s.membrane;
  Real v = integrated(decayed(previous, p.decay, d.fixed_point), p.gain, drive, p.drive);
  NeuronResult<Real> result;
  result.before_reset = v;
  if (p.spiking) {
    Real seen = v;
    if (d.reset == Reset::kSubtractOnce) {
      // snnTorch: a neuron that is still above threshold pays for that before it is asked again.
      seen -= spike_count(previous, p.threshold, d.spike_rule) * p.threshold;
    }
    result.spikes = spike_count(seen, p.threshold, d.spike_rule);
    v = after_reset(v, result.spikes, p, d.reset);
    if (result.spikes != Real{0}) s.waiting = p.refractory;
  }
  s.membrane = std::max(v, p.clamp);
  return result;
}

/// Spikes that were due at the end of the last step and are emitted now (reset timing "next").
template <typename Real>
Real late_spikes(const NeuronState<Real>& s, const NeuronParameters<Real>& p,
                 const Discretisation& d) {
  return spike_count(s.membrane, p.threshold, d.spike_rule);
}

/// The rest of a step whose `spikes` were emitted at its beginning. As Spyx has it: a LIF
/// subtracts after the decay, a CubaLIF before it.
template <typename Real>
void step_after_late_spikes(NeuronState<Real>& s, Real spikes, Real input,
                            const NeuronParameters<Real>& p, const Discretisation& d) {
  const Real drive = membrane_input(s, input, p, d);
  const bool subtracts = d.reset == Reset::kSubtract || d.reset == Reset::kSubtractOnce;
  const bool before_decay = p.has_current || !subtracts;
  Real v = before_decay ? after_reset(s.membrane, spikes, p, d.reset) : s.membrane;
  v = integrated(decayed(v, p.decay, d.fixed_point), p.gain, drive, p.drive);
  if (!before_decay) v = after_reset(v, spikes, p, d.reset);
  s.membrane = std::max(v, p.clamp);
}

}  // namespace spikeloom::reference
