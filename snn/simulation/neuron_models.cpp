#include "snn/simulation/neuron_models.hpp"

#include <array>
#include <limits>
#include <string>
#include <tuple>

#include "snn/simulation/neuron_equations.hpp"

namespace spikeloom::simulation {
namespace {

constexpr double kLowest = -std::numeric_limits<double>::max();

template <typename Model>
constexpr auto make_parameters() {
  std::array<NeuronParameter, Model::kParameters.size()> all = {};
  constexpr typename Model::Parameters kStandard = {};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto& p = Model::kParameters[i];
    all[i] = {p.name,
              p.unit,
              kStandard.*p.member,
              p.range == ParameterRange::kAny ? kLowest : 0.0,
              p.range != ParameterRange::kPositive,
              p.initial};
  }
  return all;
}

template <typename Model>
constexpr auto kParametersOf = make_parameters<Model>();

template <typename... Model>
constexpr std::array<NeuronModel, sizeof...(Model)> make_models(std::tuple<Model...>*) {
  return {NeuronModel{Model::kName, kParametersOf<Model>}...};
}

constexpr auto kModels = make_models(static_cast<SimulationModels*>(nullptr));

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
