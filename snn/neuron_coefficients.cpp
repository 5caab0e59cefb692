#include "snn/neuron_coefficients.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <fmt/format.h>

namespace spikeloom {
namespace {

constexpr double kDecayUnits = 4096.0;  // 12-bit decays
/// A leak meant to be a multiple of 1/4096 stays one though its time constant went through float32.
constexpr double kDecaySlack = 1.0 / 1024.0;  // of a unit
/// A sigma-delta event of 16 bits, shifted, stays within int32.
constexpr int kMostShift = 14;

template <typename Kind>
constexpr bool kIsNeuron =
    std::is_same_v<Kind, node::I> || std::is_same_v<Kind, node::If> ||
    std::is_same_v<Kind, node::Li> || std::is_same_v<Kind, node::Lif> ||
    std::is_same_v<Kind, node::CubaLi> || std::is_same_v<Kind, node::CubaLif> ||
    std::is_same_v<Kind, node::SigmaDelta>;

template <typename Kind>
constexpr bool kIsSpiking =
    std::is_same_v<Kind, node::If> || std::is_same_v<Kind, node::Lif> ||
    std::is_same_v<Kind, node::CubaLif> || std::is_same_v<Kind, node::SigmaDelta>;

template <typename Kind>
constexpr bool kIsCuba = std::is_same_v<Kind, node::CubaLi> || std::is_same_v<Kind, node::CubaLif>;

template <typename Kind>
constexpr bool kIsLeaky = std::is_same_v<Kind, node::Li> || std::is_same_v<Kind, node::Lif>;

/// One value per neuron from a parameter of one or of `count` elements.
Result<std::vector<double>> expand(std::string_view name, const Tensor& parameter,
                                   std::size_t count) {
  if (parameter.size() == 1) return std::vector<double>(count, parameter.at(0));
  if (static_cast<std::size_t>(parameter.size()) != count) {
    return Error{.code = ErrorCode::kShape,
                 .what = fmt::format("parameter '{}' does not fit the neurons", name),
                 .expected = fmt::format("1 or {} elements", count),
                 .got = to_string(parameter.shape()),
                 .next = "check the shapes of this layer in the program that wrote the file"};
  }
  return parameter.to_doubles();
}

Result<std::vector<double>> expand_or(std::string_view name, const std::optional<Tensor>& parameter,
                                      double fallback, std::size_t count) {
  if (!parameter) return std::vector<double>(count, fallback);
  return expand(name, *parameter, count);
}

/// Decay and gain of a first-order low pass; `gain_factor` is r or w_in.
struct LowPass {
  double decay, gain, leak;  // leak: factor on v_leak
};

LowPass low_pass(double steps_per_tau, double gain_factor, const Discretisation& d) {
  const double k = 1.0 / steps_per_tau;  // dt / tau
  double decay = 1.0 - k;
  double leak = k;
  const bool exponential =
      d.integrator == Integrator::kExponential || d.integrator == Integrator::kRaw;
  if (exponential) {
    decay = std::exp(-k);
    leak = -std::expm1(-k);
  }
  if (d.fixed_point != FixedPoint::kNone) {
    decay = (kDecayUnits - std::trunc(leak * kDecayUnits + kDecaySlack)) / kDecayUnits;
  }
  const bool raw = d.integrator == Integrator::kRaw || d.integrator == Integrator::kRawEuler;
  return {decay, raw ? 1.0 : gain_factor * leak, leak};
}

Status check_tau(std::string_view name, double tau, double dt) {
  if (!(tau > 0.0) || !std::isfinite(tau)) {
    return Error{.what = fmt::format("{} is not a positive time", name),
                 .expected = "a finite value > 0",
                 .got = fmt::format("{}", tau),
                 .next = "check the export; a network with such a layer cannot be simulated"};
  }
  if (!(dt > 0.0)) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "the time step is unknown: the file does not determine it",
                 .next = "give --dt (seconds), or a --preset that fixes it"};
  }
  return {};
}

/// Divides every quantity of the membrane by `unit`, the membrane value that becomes 1.
void rescale_membrane(NeuronCoefficients& c, std::size_t i, double unit) {
  c.gain[i] /= unit;
  c.drive[i] /= unit;
  if (c.spiking) {
    c.threshold[i] /= unit;
    c.reset[i] /= unit;
  }
  if (!c.initial.empty()) c.initial[i] /= unit;
}

/// Fills the leaky part of kinds with a time constant.
template <typename Kind>
Status fill_dynamics(const Kind& kind, std::size_t count, const Discretisation& d,
                     NeuronCoefficients& c) {
  SPIKELOOM_TRY(const auto r, expand("r", kind.r, count));
  if constexpr (kIsLeaky<Kind> || kIsCuba<Kind>) {
    std::string_view tau_name = "tau_mem";
    const Tensor* tau_tensor = nullptr;
    if constexpr (kIsLeaky<Kind>) {
      tau_name = "tau";
      tau_tensor = &kind.tau;
    } else {
      tau_tensor = &kind.tau_mem;
    }
    SPIKELOOM_TRY(const auto tau, expand(tau_name, *tau_tensor, count));
    SPIKELOOM_TRY(const auto leak, expand("v_leak", kind.v_leak, count));
    for (std::size_t i = 0; i < count; ++i) {
      SPIKELOOM_CHECK(check_tau(tau_name, tau[i], d.dt));
      const LowPass pass = low_pass(tau[i] / d.dt, r[i], d);
      c.decay[i] = pass.decay;
      c.gain[i] = pass.gain;
      c.drive[i] = leak[i] * pass.leak;
    }
  } else {
    if (d.if_gain == IfGain::kRTimesDt && !(d.dt > 0.0)) return check_tau("r dt", 1.0, d.dt);
    for (std::size_t i = 0; i < count; ++i) {
      c.decay[i] = 1.0;
      c.gain[i] = d.if_gain == IfGain::kRTimesDt ? r[i] * d.dt : r[i];
    }
  }
  if constexpr (kIsCuba<Kind>) {
    SPIKELOOM_TRY(const auto tau, expand("tau_syn", kind.tau_syn, count));
    SPIKELOOM_TRY(const auto w_in, expand_or("w_in", kind.w_in, 1.0, count));
    for (std::size_t i = 0; i < count; ++i) {
      SPIKELOOM_CHECK(check_tau("tau_syn", tau[i], d.dt));
      const LowPass pass = low_pass(tau[i] / d.dt, w_in[i], d);
      c.current_decay[i] = pass.decay;
      c.current_gain[i] = pass.gain;
    }
  }
  return {};
}

/// What a LIF of ours adds: refractory periods and initial membranes.
Status fill_extras(const node::Lif& lif, std::size_t count, const Discretisation& d,
                   NeuronCoefficients& c) {
  constexpr double kMaxSteps = 1e9;
  SPIKELOOM_TRY(const auto periods, expand_or("t_ref", lif.t_ref, 0.0, count));
  SPIKELOOM_TRY(c.initial, expand_or("v_initial", lif.v_initial, 0.0, count));
  for (const double period : periods) {
    const double steps = std::nearbyint(period / d.dt);
    if (!(period >= 0.0 && steps <= kMaxSteps)) {
      return Error{.what = "a refractory period is out of range",
                   .expected = fmt::format("0 to {} steps", kMaxSteps),
                   .got = fmt::format("{} steps", steps),
                   .next = "check t_ref, --dt and --time-unit"};
    }
    c.refractory.push_back(static_cast<std::uint32_t>(steps));
  }
  const auto is_zero = [](const auto value) { return value == 0; };
  if (std::all_of(c.refractory.begin(), c.refractory.end(), is_zero)) c.refractory.clear();
  if (std::all_of(c.initial.begin(), c.initial.end(), is_zero)) c.initial.clear();
  return {};
}

/// A whole number of a SigmaDelta's parameters.
Result<int> small_integer(std::string_view name, const Tensor& parameter, int highest) {
  SPIKELOOM_TRY(const double value, parameter.to_scalar());
  if (value != std::trunc(value) || value < 0.0 || value > highest) {
    return Error{.what = fmt::format("parameter '{}' is out of range", name),
                 .expected = fmt::format("0 to {}", highest),
                 .got = fmt::format("{}", value)};
  }
  return static_cast<int>(value);
}

Result<NeuronCoefficients> sigma_delta_coefficients(const node::SigmaDelta& kind, std::size_t count,
                                                    const Discretisation& d) {
  NeuronCoefficients c;
  c.has_current = true;
  c.spiking = true;
  c.sigma_delta = true;
  SPIKELOOM_TRY(const int integrate, small_integer("integrate", kind.integrate, 1));
  SPIKELOOM_TRY(const int rectify, small_integer("rectify", kind.rectify, 1));
  SPIKELOOM_TRY(c.shift, small_integer("shift", kind.shift, kMostShift));
  c.rectified = rectify == 1;
  SPIKELOOM_TRY(c.current_gain, expand_or("gain", kind.gain, 1.0, count));
  SPIKELOOM_TRY(c.drive, expand_or("bias", kind.bias, 0.0, count));
  SPIKELOOM_TRY(c.threshold, expand("v_threshold", kind.v_threshold, count));
  c.current_decay.assign(count, integrate);
  c.decay.assign(count, 0.0);
  c.gain.assign(count, 1.0);
  c.reset.assign(count, 0.0);
  const bool rounds = d.fixed_point != FixedPoint::kNone;
  for (std::size_t i = 0; i < count; ++i) {
    c.current_gain[i] *= d.input_gain * d.weight_scale;
    c.drive[i] *= d.threshold_scale;
    c.threshold[i] *= d.threshold_scale;
    if (!(c.threshold[i] >= 0.0)) {
      return Error{.what = "the threshold of a sigma-delta neuron is negative",
                   .expected = "0 or more",
                   .got = fmt::format("{}", c.threshold[i])};
    }
    if (!rounds) continue;
    for (auto* values : {&c.current_gain, &c.drive, &c.threshold}) {
      (*values)[i] = std::nearbyint((*values)[i]);
    }
  }
  return c;
}

Error step_too_long(std::string_view what, double decay) {
  return Error{.what = fmt::format("the time step is too long for the {}'s time constant", what),
               .expected = "dt at most 2 tau",
               .got = fmt::format("a decay of {}", decay),
               .next = "give a shorter --dt or --integrator exponential"};
}

/// Applies the options that act on coefficients, in the order of the header.
Status apply_options(const Discretisation& d, bool is_if, NeuronCoefficients& c) {
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (c.spiking) {
      c.threshold[i] *= d.threshold_scale;
      c.reset[i] *= d.threshold_scale;
    }
    c.drive[i] *= d.threshold_scale;
    if (!c.initial.empty()) c.initial[i] *= d.threshold_scale;
    double& input_gain = c.has_current ? c.current_gain[i] : c.gain[i];
    input_gain *= d.input_gain * d.weight_scale;
    if (c.has_current && d.decay_input != DecayInput::kNone) input_gain *= c.current_decay[i];
    if (!c.has_current && d.decay_input == DecayInput::kAll) input_gain *= c.decay[i];
    if (d.membrane_unit == MembraneUnit::kInputGain && c.gain[i] != 0.0) {
      rescale_membrane(c, i, c.gain[i]);
    } else if (d.membrane_unit == MembraneUnit::kThreshold && c.spiking && c.threshold[i] != 0.0) {
      rescale_membrane(c, i, c.threshold[i]);
    }
    if (d.fixed_point != FixedPoint::kNone) {
      for (std::vector<double>* values :
           {&c.current_gain, &c.gain, &c.drive, &c.threshold, &c.reset, &c.initial}) {
        if (!values->empty()) (*values)[i] = std::nearbyint((*values)[i]);
      }
    }
    if (std::abs(c.decay[i]) > 1.0) return step_too_long("membrane", c.decay[i]);
    if (c.has_current && std::abs(c.current_decay[i]) > 1.0) {
      return step_too_long("current", c.current_decay[i]);
    }
    if (c.spiking && d.spike_rule == SpikeRule::kMultiple && !(c.threshold[i] > 0.0)) {
      return Error{.what = "several spikes a step need a positive threshold",
                   .got = fmt::format("{}", c.threshold[i]),
                   .next = "give --spike-rule gt or ge"};
    }
  }
  const bool clamped = c.spiking && (d.clamp == Clamp::kMinusThreshold ||
                                     (d.clamp == Clamp::kMinusThresholdOfIf && is_if));
  if (clamped) {
    for (const double threshold : c.threshold) c.clamp.push_back(-threshold);
  } else if (d.clamp == Clamp::kValue) {
    c.clamp.assign(c.size(), d.clamp_value);
  }
  return {};
}

}  // namespace

bool is_neuron(const NodeKind& kind) {
  return std::visit([](const auto& k) { return kIsNeuron<std::decay_t<decltype(k)>>; }, kind);
}

bool is_spiking_neuron(const NodeKind& kind) {
  return std::visit([](const auto& k) { return kIsSpiking<std::decay_t<decltype(k)>>; }, kind);
}

Shape parameter_shape(const NodeKind& kind) {
  Shape shape;
  std::int64_t largest = 1;
  const auto consider = [&](const Tensor& tensor) {
    if (tensor.size() > largest || (tensor.size() == largest && shape.empty())) {
      largest = tensor.size();
      shape = tensor.size() > 1 ? tensor.shape() : Shape{};
    }
  };
  std::visit(
      [&](const auto& k) {
        if constexpr (kIsNeuron<std::decay_t<decltype(k)>>) {
          for_each_field(k, [&](std::string_view, const auto& member, bool) {
            if constexpr (std::is_same_v<std::decay_t<decltype(member)>, Tensor>) {
              consider(member);
            } else if constexpr (std::is_same_v<std::decay_t<decltype(member)>,
                                                std::optional<Tensor>>) {
              if (member) consider(*member);
            }
          });
        }
      },
      kind);
  return shape;
}

Result<NeuronCoefficients> neuron_coefficients(const NodeKind& kind, const Shape& shape,
                                               const Discretisation& discretisation) {
  SPIKELOOM_TRY(const std::int64_t elements, element_count(shape));
  const auto count = static_cast<std::size_t>(elements);
  return std::visit(
      [&](const auto& k) -> Result<NeuronCoefficients> {
        using Kind = std::decay_t<decltype(k)>;
        if constexpr (!kIsNeuron<Kind>) {
          return Error{.code = ErrorCode::kUnsupported,
                       .what = fmt::format("{} is not a neuron", Kind::kName)};
        } else if constexpr (std::is_same_v<Kind, node::SigmaDelta>) {
          return sigma_delta_coefficients(k, count, discretisation);
        } else {
          NeuronCoefficients c;
          c.has_current = kIsCuba<Kind>;
          c.spiking = kIsSpiking<Kind>;
          c.decay.resize(count);
          c.gain.resize(count);
          c.drive.assign(count, 0.0);
          if (c.has_current) {
            c.current_decay.resize(count);
            c.current_gain.resize(count);
          }
          SPIKELOOM_CHECK(fill_dynamics(k, count, discretisation, c));
          if constexpr (kIsSpiking<Kind>) {
            SPIKELOOM_TRY(c.threshold, expand("v_threshold", k.v_threshold, count));
            SPIKELOOM_TRY(c.reset, expand_or("v_reset", k.v_reset, 0.0, count));
          }
          if constexpr (std::is_same_v<Kind, node::Lif>) {
            SPIKELOOM_CHECK(fill_extras(k, count, discretisation, c));
          }
          SPIKELOOM_CHECK(apply_options(discretisation, std::is_same_v<Kind, node::If>, c));
          return c;
        }
      },
      kind);
}

}  // namespace spikeloom
