#pragma once
/// What equations::step asks of a population, from a Program: for every backend that shares the
/// equation block.

#include "snn/neuron_coefficients.hpp"
#include "snn/neuron_equations.hpp"
#include "snn/program.hpp"

namespace spikeloom {

/// `c` are the coefficients of `node`.
inline equations::StepOptions step_options(const ProgramNode& node, const NeuronCoefficients& c,
                                           const Discretisation& d) {
  equations::StepOptions o;
  o.has_current = c.has_current;
  o.spiking = c.spiking;
  o.clamped = !c.clamp.empty();
  o.late = node.early;
  o.sigma_delta = c.sigma_delta;
  o.rectified = c.rectified;
  o.shift = c.shift;
  o.substep = c.spiking && d.spike_time == SpikeTime::kSubStep;
  o.reset = d.reset;
  o.rule = d.spike_rule;
  o.order = d.cuba_order;
  o.fixed_point = d.fixed_point;
  return o;
}

}  // namespace spikeloom
