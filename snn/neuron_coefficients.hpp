#pragma once
/// Discrete neuron parameters: the numbers a step needs, per neuron.
///
/// Every neuron kind is a case of (x: summed input, i: synaptic current, v: membrane)
///
///     i <- current_decay i + current_gain x          CubaLI, CubaLIF only
///     v <- decay v + gain u + drive                  u = i (Cuba) or x
///
/// with, for a time constant tau, step dt, resistance r and leak potential v_leak
///
///     integrator    decay          gain                  drive
///     euler         1 - dt/tau     r dt/tau              v_leak dt/tau
///     exponential   exp(-dt/tau)   r (1 - exp(-dt/tau))  v_leak (1 - exp(-dt/tau))
///     raw           exp(-dt/tau)   1                     v_leak (1 - decay)
///     raw-euler     1 - dt/tau     1                     v_leak (1 - decay)
///
/// I and IF have decay 1, gain r (or r dt), drive 0. For a synaptic current w_in stands for r.
/// `input_gain` and `weight_scale` multiply the gain on x; `decay_input` multiplies it by the
/// decay; `threshold_scale` multiplies threshold, reset and drive; `membrane_unit` divides gain,
/// drive, threshold and reset by the gain or by the threshold.
///
/// A LIF's `t_ref` is `refractory` = t_ref / dt steps, rounded: in so many steps after one with
/// spikes the membrane keeps the value the reset gave it and the step's input is lost. `v_initial`
/// is the membrane before the first step, scaled like a threshold.
///
/// Fixed point (Loihi): decays are truncated to multiples of 2^-12; gains, drives, thresholds
/// and initial membranes are rounded to integers. facts: NIR 01_lif traces, lava's bit-accurate
/// LIF.

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "snn/discretisation.hpp"
#include "snn/node_kinds.hpp"

namespace spikeloom {

struct NeuronCoefficients {
  bool has_current = false;  ///< CubaLI, CubaLIF
  bool spiking = false;      ///< IF, LIF, CubaLIF, SigmaDelta
  /// SigmaDelta: the current is sigma (current_decay 1 or 0), the membrane r, the drive its bias.
  bool sigma_delta = false;
  bool rectified = false;  ///< SigmaDelta: the activation is at least 0
  int shift = 0;           ///< SigmaDelta: emits s / 2^shift
  // One entry per neuron; the current's are empty without one, thresholds without spikes.
  std::vector<double> current_decay, current_gain;
  std::vector<double> decay, gain, drive;
  std::vector<double> threshold, reset;
  std::vector<double> clamp;              ///< lowest membrane value; empty without a clamp
  std::vector<std::uint32_t> refractory;  ///< whole steps; empty when no neuron has any
  std::vector<double> initial;            ///< membrane at the start; empty when all are 0

  std::size_t size() const { return decay.size(); }
};

/// True for I, IF, LI, LIF, CubaLI, CubaLIF and SigmaDelta: the kinds that hold a state.
bool is_neuron(const NodeKind& kind);
/// True for IF, LIF, CubaLIF and SigmaDelta: what they send are events.
bool is_spiking_neuron(const NodeKind& kind);

/// The shape a neuron's own parameters give it; {} when they are all single values.
Shape parameter_shape(const NodeKind& kind);

/// Coefficients of a neuron node of `shape`. Parameters are single values or have as many
/// elements as the node. kAmbiguous: dt is needed and unknown. kShape: a parameter does not fit.
/// kInvalidArgument: tau <= 0, a t_ref that is negative or above 1e9 steps, a decay outside [-1,
/// 1], a threshold <= 0 with multiple spikes, a SigmaDelta whose integrate or rectify is not 0 or 1
/// or whose shift is not 0 .. 14.
Result<NeuronCoefficients> neuron_coefficients(const NodeKind& kind, const Shape& shape,
                                               const Discretisation& discretisation);

}  // namespace spikeloom
