#pragma once
/// The neuron models of simulated networks: names, parameters, states.
///
/// Names and meaning are NEST's (nest-simulator 3); equations: neuron_equations.hpp, from which
/// this table is made.
///
///     iaf_psc_delta   LIF, a spike moves the membrane by its weight (mV)
///     iaf_psc_exp     LIF, exponential synaptic currents (pA)
///     iaf_psc_alpha   LIF, alpha-shaped synaptic currents (pA, peak)
///     izhikevich      Izhikevich (2003), forward Euler
///     adaptive_lif    iaf_psc_exp with a threshold and a current that follow the spikes
///
/// All LIF equations are linear between spikes and integrated exactly on the grid.

#include <span>
#include <string_view>

#include "base/result.hpp"

namespace spikeloom::simulation {

struct NeuronParameter {
  std::string_view name;
  std::string_view unit;
  double standard = 0.0;     ///< where a population does not give it
  double low = 0.0;          ///< smallest value
  bool low_allowed = false;  ///< whether `low` itself is one
  bool state = false;        ///< a state variable, whose value at t = 0 this is; can be recorded
};

struct NeuronModel {
  std::string_view name;
  std::span<const NeuronParameter> parameters;
};

std::span<const NeuronModel> neuron_models();

/// kNotFound, with the names there are.
Result<const NeuronModel*> find_neuron_model(std::string_view name);

/// Null where the model has none of this name.
const NeuronParameter* find_parameter(const NeuronModel& model, std::string_view name);

}  // namespace spikeloom::simulation
