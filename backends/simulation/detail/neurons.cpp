#include "backends/simulation/detail/neurons.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "backends/simulation/detail/neuron_kernels.hpp"
#include "event/aligned_buffer.hpp"
#include "snn/simulation/draws.hpp"
#include "snn/simulation/neuron_equations.hpp"

namespace spikeloom::simulation {
namespace {

/// A whole current of up to 0.5 / (1 - decay) units rounds back to itself; slower ones are real.
constexpr double kSlowestWholeDecay = 0.9;

/// Parameters of the neurons of a part.
template <class Model>
class PartParameters {
 public:
  PartParameters(const Network& network, const Part& part) {
    for (const auto& info : Model::kParameters) {
      std::vector<double> values(static_cast<std::size_t>(part.size));
      parameter_values(network, part.population, info.name, part.first, values);
      const bool same = is_uniform(network, part.population, info.name);
      if (!same && !info.initial) own_ = true;
      if (same) values.resize(1);
      values_.push_back(std::move(values));
    }
  }
  typename Model::Parameters of(std::size_t neuron) const {
    typename Model::Parameters parameters;
    for (std::size_t i = 0; i < values_.size(); ++i) {
      parameters.*Model::kParameters[i].member =
          values_[i].size() == 1 ? values_[i][0] : values_[i][neuron];
    }
    return parameters;
  }
  /// Whether coefficients differ among neurons.
  bool own() const { return own_; }

 private:
  bool own_ = false;
  std::vector<std::vector<double>> values_;
};

/// What is added to the membrane to get V_m.
template <class Parameters>
double rest(const Parameters& parameters) {
  if constexpr (requires { parameters.E_L; }) return parameters.E_L;
  return 0.0;
}

Error no_variable(std::string_view model, std::string_view variable) {
  return Error{.code = ErrorCode::kNotFound,
               .what = std::string(model) + " has no such state variable",
               .got = std::string(variable)};
}

/// Clears what lies beyond `size`, and lists the rest.
void list_fired(std::span<std::uint64_t> fired, std::size_t size, std::uint32_t first,
                std::vector<std::uint32_t>& spikes) {
  if (size % kBlock != 0) fired.back() &= (std::uint64_t{1} << (size % kBlock)) - 1;
  for (std::size_t w = 0; w < fired.size(); ++w) {
    for (std::uint64_t bits = fired[w]; bits != 0; bits &= bits - 1) {
      spikes.push_back(first + static_cast<std::uint32_t>(w * kBlock) +
                       static_cast<std::uint32_t>(std::countr_zero(bits)));
    }
  }
}

/// Any model, in V.
template <class Model, typename V>
class ModelNeurons : public NeuronGroup {
  using State = typename Model::template State<V>;
  using Coefficients = typename Model::template Coefficients<V>;
  static constexpr std::size_t kStates = sizeof(State) / sizeof(V);
  static constexpr std::size_t kCoefficients = sizeof(Coefficients) / sizeof(V);

 public:
  ModelNeurons(const Network& network, const Part& part, double unit)
      : size_(static_cast<std::size_t>(part.size)), fired_(part.padded / kBlock) {
    const PartParameters<Model> parameters(network, part);
    for (auto& column : state_) column = AlignedBuffer<V>(part.padded);
    rest_.resize(parameters.own() ? size_ : 1);
    coefficients_ = AlignedBuffer<V>(kCoefficients * (parameters.own() ? part.padded : 1));
    for (std::size_t i = 0; i < part.padded; ++i) {
      const auto p = parameters.of(std::min(i, size_ - 1));
      const auto initial = in_arithmetic<V>(Model::initial(p));
      const auto values = std::bit_cast<std::array<V, kStates>>(initial);
      for (std::size_t k = 0; k < kStates; ++k) state_[k][i] = values[k];
      if (i != 0 && !parameters.own()) continue;
      if (i < rest_.size()) rest_[i] = rest(p);
      const auto c = std::bit_cast<std::array<V, kCoefficients>>(
          in_arithmetic<V>(Model::coefficients(p, network.dt)));
      const std::size_t stride = parameters.own() ? part.padded : 1;
      for (std::size_t k = 0; k < kCoefficients; ++k) coefficients_[k * stride + i] = c[k];
    }
    split_ = part.split;
    arrays_.unit = unit;
    arrays_.size = part.padded;
    for (std::size_t k = 0; k < kStates; ++k) arrays_.state[k] = state_[k].data();
    arrays_.coefficients = coefficients_.data();
    arrays_.fired = fired_.data();
    kernel_ = model_kernel(Model::kName, sizeof(V) == sizeof(double), parameters.own());
  }

  void step(std::int32_t* input, double current, std::uint32_t first,
            std::vector<std::uint32_t>& spikes) override {
    arrays_.excitatory = input;
    arrays_.inhibitory = split_ ? input + arrays_.size : nullptr;
    arrays_.current = current;
    kernel_(arrays_);
    list_fired(fired_, size_, first, spikes);
  }

  Status read(std::string_view variable, std::span<double> values) const override {
    for (std::size_t k = 0; k < kStates; ++k) {
      if (Model::kStates[k] != variable) continue;
      for (std::size_t i = 0; i < size_; ++i) {
        const double shift = variable == "V_m" ? rest_[std::min(i, rest_.size() - 1)] : 0.0;
        values[i] = static_cast<double>(state_[k][i]) + shift;
      }
      return {};
    }
    return no_variable(Model::kName, variable);
  }

  std::vector<std::vector<double>> save() const override {
    std::vector<std::vector<double>> columns;
    for (const auto& column : state_) columns.emplace_back(column.begin(), column.begin() + size_);
    return columns;
  }
  void load(std::span<const std::vector<double>> columns) override {
    for (std::size_t k = 0; k < kStates; ++k) {
      for (std::size_t i = 0; i < size_; ++i) state_[k][i] = static_cast<V>(columns[k][i]);
    }
  }

 private:
  std::size_t size_;
  bool split_ = false;
  std::array<AlignedBuffer<V>, kStates> state_;
  AlignedBuffer<V> coefficients_;
  std::vector<double> rest_;
  std::vector<std::uint64_t> fired_;
  ModelArrays arrays_;
  ModelKernel kernel_ = nullptr;
};

/// iaf_psc_exp, see WholeCurrentArrays.
class WholeCurrentNeurons : public NeuronGroup {
 public:
  WholeCurrentNeurons(const Network& network, const Part& part, double unit)
      : size_(static_cast<std::size_t>(part.size)),
        unit_(unit),
        membrane_(part.padded),
        current_(part.padded),
        refractory_(part.padded / kBlock),
        fired_(part.padded / kBlock) {
    const WholeCurrentParameters p = whole_current_parameters(network, part, unit);
    std::ranges::copy(p.initial, membrane_.begin());
    if (size_ % kBlock != 0) refractory_.back() = ~std::uint64_t{0} << (size_ % kBlock);
    rest_ = p.rest;
    from_current_ = p.from_current;
    standing_current_ = p.standing_current;
    refractory_steps_ = static_cast<std::size_t>(p.refractory_steps);
    recent_.resize(refractory_steps_ + 1);
    arrays_ = {.membrane = membrane_.data(),
               .current = current_.data(),
               .refractory = refractory_.data(),
               .size = part.padded,
               .decay = p.decay,
               .gain = p.gain,
               .current_decay = p.current_decay,
               .threshold = p.threshold,
               .reset = p.reset,
               .fired = fired_.data()};
  }

  void step(std::int32_t* input, double current, std::uint32_t first,
            std::vector<std::uint32_t>& spikes) override {
    arrays_.input = input;
    // Those that fired refractory_steps_ + 1 steps ago move again.
    std::vector<std::uint32_t>& oldest = recent_[turn_];
    turn_ = turn_ + 1 == recent_.size() ? 0 : turn_ + 1;
    for (const std::uint32_t i : oldest) refractory_[i / kBlock] ^= std::uint64_t{1} << i % kBlock;
    oldest.clear();
    arrays_.drive = static_cast<float>(from_current_ * (standing_current_ + current));
    step_whole_currents(arrays_);
    const std::size_t before = spikes.size();
    list_fired(fired_, size_, first, spikes);
    if (refractory_steps_ == 0) return;
    for (std::size_t k = before; k < spikes.size(); ++k) oldest.push_back(spikes[k] - first);
    for (std::size_t w = 0; w < fired_.size(); ++w) refractory_[w] |= fired_[w];
  }

  Status read(std::string_view variable, std::span<double> values) const override {
    for (std::size_t i = 0; i < size_; ++i) {
      if (variable == "V_m") {
        values[i] = static_cast<double>(membrane_[i]) + rest_;
      } else if (variable == "I_syn_ex") {
        values[i] = static_cast<double>(current_[i]) * unit_;
      } else if (variable == "I_syn_in") {
        values[i] = 0.0;
      } else if (variable != "refractory") {
        return no_variable(IafPscExp::kName, variable);
      }
    }
    if (variable == "refractory") std::ranges::copy(refractory_left(), values.begin());
    return {};
  }

  std::vector<std::vector<double>> save() const override {
    return {{membrane_.begin(), membrane_.begin() + size_},
            {current_.begin(), current_.begin() + size_},
            refractory_left()};
  }
  void load(std::span<const std::vector<double>> columns) override {
    for (auto& neurons : recent_) neurons.clear();
    turn_ = 0;
    for (std::size_t i = 0; i < size_; ++i) {
      membrane_[i] = static_cast<float>(columns[0][i]);
      current_[i] = static_cast<std::int32_t>(columns[1][i]);
      const std::uint64_t bit = std::uint64_t{1} << i % kBlock;
      const double most = static_cast<double>(refractory_steps_);
      const auto left = static_cast<std::size_t>(std::clamp(columns[2][i], 0.0, most));
      refractory_[i / kBlock] =
          left > 0 ? refractory_[i / kBlock] | bit : refractory_[i / kBlock] & ~bit;
      if (left > 0) recent_[left].push_back(static_cast<std::uint32_t>(i));
    }
  }

 private:
  /// Steps that each neuron still keeps its membrane.
  std::vector<double> refractory_left() const {
    std::vector<double> left(size_, 0.0);
    // recent_[turn_] moves in the next step, the one behind it a step later, and so on.
    for (std::size_t age = 1; age < recent_.size(); ++age) {
      for (const std::uint32_t i : recent_[(turn_ + age) % recent_.size()]) {
        left[i] = static_cast<double>(age);
      }
    }
    return left;
  }

  std::size_t size_;
  double unit_, rest_ = 0.0, from_current_ = 0.0, standing_current_ = 0.0;
  AlignedBuffer<float> membrane_;
  AlignedBuffer<std::int32_t> current_;  ///< units
  std::vector<std::uint64_t> refractory_, fired_;
  std::size_t refractory_steps_ = 0, turn_ = 0;
  std::vector<std::vector<std::uint32_t>> recent_;  ///< who fired, a ring of steps
  WholeCurrentArrays arrays_;
};

}  // namespace

bool has_whole_currents(const Network& network, std::uint32_t population, bool in_double) {
  if (in_double || network.populations[population].model != IafPscExp::kName) return false;
  if (splits_inputs(network, population)) return false;
  for (const auto& info : IafPscExp::kParameters) {
    if (!info.initial && !is_uniform(network, population, info.name)) return false;
  }
  double tau = 0.0, t_ref = 0.0;
  parameter_values(network, population, "t_ref", 0, std::span(&t_ref, 1));
  if (detail::refractory_steps(t_ref, network.dt) > kMostRefractory) return false;
  parameter_values(network, population, "tau_syn_ex", 0, std::span(&tau, 1));
  return std::exp(-network.dt / tau) <= kSlowestWholeDecay;
}

WholeCurrentParameters whole_current_parameters(const Network& network, const Part& part,
                                                double unit) {
  const PartParameters<IafPscExp> parameters(network, part);
  const auto p = parameters.of(0);
  const auto c = IafPscExp::coefficients(p, network.dt);
  WholeCurrentParameters made{.decay = static_cast<float>(c.decay),
                              .gain = static_cast<float>(c.from_excitatory * unit),
                              .current_decay = static_cast<float>(c.excitatory_decay),
                              .threshold = static_cast<float>(c.threshold),
                              .reset = static_cast<float>(c.reset),
                              .from_current = c.from_current,
                              .standing_current = p.I_e,
                              .rest = p.E_L,
                              .refractory_steps = static_cast<std::int32_t>(c.refractory_steps)};
  // The network has V_reset < V_th; floats may take both for one number, and neurons that have just
  // fired would fire on.
  made.reset =
      std::min(made.reset, std::nextafter(made.threshold, -std::numeric_limits<float>::infinity()));
  for (std::size_t i = 0; i < static_cast<std::size_t>(part.size); ++i) {
    made.initial.push_back(static_cast<float>(IafPscExp::initial(parameters.of(i)).membrane));
  }
  return made;
}

Result<std::unique_ptr<NeuronGroup>> make_neurons(const Network& network, const Part& part,
                                                  double unit, bool in_double) {
  if (has_whole_currents(network, part.population, in_double)) {
    return std::unique_ptr<NeuronGroup>(new WholeCurrentNeurons(network, part, unit));
  }
  std::unique_ptr<NeuronGroup> made;
  const std::string& model = network.populations[part.population].model;
  with_model(model, [&]<typename Model>() {
    if (in_double) {
      made = std::make_unique<ModelNeurons<Model, double>>(network, part, unit);
    } else {
      made = std::make_unique<ModelNeurons<Model, float>>(network, part, unit);
    }
  });
  if (made == nullptr) {
    return Error{.code = ErrorCode::kNotFound, .what = "no such neuron model", .got = model};
  }
  return made;
}

std::size_t saved_columns(const Network& network, std::uint32_t population, bool in_double) {
  if (has_whole_currents(network, population, in_double)) return 3;
  std::size_t columns = 0;
  with_model(network.populations[population].model,
             [&]<typename Model>() { columns = std::size(Model::kStates); });
  return columns;
}

double expected_neuron_bytes(const Network& network, const Part& part, bool in_double) {
  const auto padded = static_cast<double>(part.padded);
  double bytes = padded / 4.0;
  if (has_whole_currents(network, part.population, in_double)) return bytes + 8.0 * padded;
  with_model(network.populations[part.population].model, [&]<typename Model>() {
    const double real = in_double ? 8.0 : 4.0;
    const bool own = std::ranges::any_of(Model::kParameters, [&](const auto& info) {
      return !info.initial && !is_uniform(network, part.population, info.name);
    });
    bytes += real * padded * static_cast<double>(std::size(Model::kStates));
    if (own) {
      bytes += padded * (8.0 + real * sizeof(typename Model::template Coefficients<float>) / 4.0);
    }
  });
  return bytes;
}

}  // namespace spikeloom::simulation
