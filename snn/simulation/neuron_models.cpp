#include "snn/simulation/neuron_models.hpp"

#include <array>
#include <limits>
#include <string>

namespace spikeloom::simulation {
namespace {

constexpr double kLowest = -std::numeric_limits<double>::max();

// name, unit, standard, low, low itself, state. Standards are NEST's but for V_m of the LIF models,
// which starts at -70 mV there, too, and stays so where E_L is changed.
constexpr NeuronParameter kMembrane[] = {
    {"V_m", "mV", -70.0, kLowest, true, true},      {"E_L", "mV", -70.0, kLowest, true, false},
    {"C_m", "pF", 250.0, 0.0, false, false},        {"tau_m", "ms", 10.0, 0.0, false, false},
    {"t_ref", "ms", 2.0, 0.0, true, false},         {"V_th", "mV", -55.0, kLowest, true, false},
    {"V_reset", "mV", -70.0, kLowest, true, false}, {"I_e", "pA", 0.0, kLowest, true, false}};
constexpr std::size_t kMembraneParameters = std::size(kMembrane);

constexpr auto with_synapses(double tau) {
  std::array<NeuronParameter, kMembraneParameters + 2> all = {};
  for (std::size_t i = 0; i < kMembraneParameters; ++i) all[i] = kMembrane[i];
  all[kMembraneParameters] = {"tau_syn_ex", "ms", tau, 0.0, false, false};
  all[kMembraneParameters + 1] = {"tau_syn_in", "ms", tau, 0.0, false, false};
  return all;
}

constexpr auto kCurrentSynapses = with_synapses(2.0);

constexpr NeuronParameter kIzhikevich[] = {
    {"V_m", "mV", -65.0, kLowest, true, true},  {"U_m", "mV", -13.0, kLowest, true, true},
    {"V_th", "mV", 30.0, kLowest, true, false}, {"V_min", "mV", kLowest, kLowest, true, false},
    {"I_e", "pA", 0.0, kLowest, true, false},   {"a", "", 0.02, kLowest, true, false},
    {"b", "", 0.2, kLowest, true, false},       {"c", "mV", -65.0, kLowest, true, false},
    {"d", "", 8.0, kLowest, true, false}};

constexpr std::array kModels = {
    NeuronModel{"iaf_psc_delta", kMembrane},
    NeuronModel{"iaf_psc_exp", kCurrentSynapses},
    NeuronModel{"iaf_psc_alpha", kCurrentSynapses},
    NeuronModel{"izhikevich", kIzhikevich},
};

}  // namespace

std::span<const NeuronModel> neuron_models() { return kModels; }

Result<const NeuronModel*> find_neuron_model(std::string_view name) {
  std::string names;
  for (const NeuronModel& model : kModels) {
    if (model.name == name) return &model;
    names += (names.empty() ? "" : ", ") + std::string(model.name);
  }
  return Error{.code = ErrorCode::kNotFound,
               .what = "no such neuron model",
               .expected = "one of " + names,
               .got = std::string(name)};
}

const NeuronParameter* find_parameter(const NeuronModel& model, std::string_view name) {
  for (const NeuronParameter& parameter : model.parameters) {
    if (parameter.name == name) return &parameter;
  }
  return nullptr;
}

}  // namespace spikeloom::simulation
