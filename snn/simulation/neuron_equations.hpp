#pragma once
/// Neuron models of simulated networks: one neuron, one step of the grid, exact where it is linear.
///
/// The reference simulator and the fast kernels compile the same equations. A model is a
/// struct with
///
///     kName, kParameters, kStates        for descriptions, recordings and messages
///     Parameters                         units of NEST: ms, mV, pA, pF
///     Coefficients<V>, State<V>          members of type V only: both can be held by column
///     coefficients(parameters, dt)       propagators of a step; with n dt, of n steps
///     initial(parameters)                at t = 0
///     step(state, input, coefficients)   true: it spiked
///
/// and a line in `SimulationModels`; docs/simulation.md adds one. Order of a step, as in NEST: the
/// membrane integrates from the state at the start of the step, synaptic currents decay and then
/// receive the input that arrives at the end of the step, V >= threshold fires; a refractory neuron
/// keeps V_reset while currents go on. Membranes are held relative to E_L. `step` neither
/// allocates, throws nor branches, so that a loop over it becomes vector code; compile it without
/// fused contraction and its results are the same everywhere.
///
/// Propagators: S. Rotter, M. Diesmann, Exact digital simulation of time-invariant linear systems,
/// Biol. Cybern. 81:381 (1999). With h = dt, x = h (1 / tau_s - 1 / tau_m):
///
///     membrane            P = exp(-h / tau_m)
///     constant current    P_I = tau_m / C (1 - P)
///     exponential         P_s = exp(-h / tau_s),  P_ms = h / C exp(-h / tau_s) (e^x - 1) / x
///     alpha, from dI      P_ma = h^2 / C exp(-h / tau_m) (1 - (1 + x) e^-x) / x^2

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>
#include <tuple>

#if defined(__CUDACC__)
#define SPIKELOOM_NEURON __host__ __device__ __forceinline__
#else
#define SPIKELOOM_NEURON [[gnu::always_inline]] inline
#endif

namespace spikeloom::simulation {

/// What reaches a neuron by the end of a step: the sums of positive and of negative weights (pA; mV
/// where synapses are jumps of the membrane); and what current sources feed it during the step, pA.
template <typename V>
struct NeuronInput {
  V excitatory = 0, inhibitory = 0;
  V current = 0;
};

enum class ParameterRange { kAny, kPositive, kNotNegative };

/// A parameter of a model; its standard value is that of a default-made Parameters.
template <typename Parameters>
struct ParameterInfo {
  std::string_view name;
  double Parameters::*member;
  std::string_view unit;
  ParameterRange range = ParameterRange::kAny;
  bool initial = false;  ///< the value at t = 0 of the state of this name
};

inline constexpr double kUnbounded = -std::numeric_limits<double>::infinity();

namespace detail {

inline double refractory_steps(double t_ref, double dt) { return std::ceil(t_ref / dt - 1e-6); }

/// P_I.
inline double from_current(double tau_m, double capacity, double dt) {
  return -tau_m / capacity * std::expm1(-dt / tau_m);
}

/// P_ms.
inline double from_exponential(double tau_syn, double tau_m, double capacity, double dt) {
  const double x = dt * (1.0 / tau_syn - 1.0 / tau_m);
  const double ratio = std::abs(x) < 1e-9 ? 1.0 + 0.5 * x : std::expm1(x) / x;
  return dt / capacity * std::exp(-dt / tau_syn) * ratio;
}

/// P_ma; near x = 0, where the closed form cancels, by the series sum (-x)^k / (k! (k + 2)).
inline double from_alpha(double tau_syn, double tau_m, double capacity, double dt) {
  const double x = dt * (1.0 / tau_syn - 1.0 / tau_m);
  double ratio = (1.0 - (1.0 + x) * std::exp(-x)) / (x * x);
  if (std::abs(x) < 0.5) {
    ratio = 0.0;
    double power = 1.0;
    for (int k = 0; k < 18; ++k) {
      ratio += power / (k + 2);
      power *= -x / (k + 1);
    }
  }
  return dt * dt / capacity * std::exp(-dt / tau_m) * ratio;
}

/// The membrane of the next moment unless it is refractory, and one step less of that.
template <typename V>
SPIKELOOM_NEURON void move_unless_refractory(V& membrane, V& refractory, V next) {
  const bool free = refractory == V{0};
  membrane = free ? next : membrane;
  refractory = free ? V{0} : refractory - V{1};
}

/// Threshold, reset and refractory time.
template <typename V>
SPIKELOOM_NEURON bool fire(V& membrane, V& refractory, V threshold, V reset, V refractory_steps) {
  const bool fires = membrane >= threshold;
  membrane = fires ? reset : membrane;
  refractory = fires ? refractory_steps : refractory;
  return fires;
}

}  // namespace detail

/// NEST's iaf_psc_delta:
///     tau_m dV/dt = E_L - V + tau_m / C I_e;  a spike adds its weight to V
/// Input in the refractory time is lost.
struct IafPscDelta {
  static constexpr std::string_view kName = "iaf_psc_delta";
  struct Parameters {
    double V_m = -70, E_L = -70, C_m = 250, tau_m = 10, t_ref = 2, V_th = -55, V_reset = -70;
    double I_e = 0, V_min = kUnbounded;
  };
  static constexpr std::array<ParameterInfo<Parameters>, 9> kParameters = {{
      {"V_m", &Parameters::V_m, "mV", ParameterRange::kAny, true},
      {"E_L", &Parameters::E_L, "mV"},
      {"C_m", &Parameters::C_m, "pF", ParameterRange::kPositive},
      {"tau_m", &Parameters::tau_m, "ms", ParameterRange::kPositive},
      {"t_ref", &Parameters::t_ref, "ms", ParameterRange::kNotNegative},
      {"V_th", &Parameters::V_th, "mV"},
      {"V_reset", &Parameters::V_reset, "mV"},
      {"I_e", &Parameters::I_e, "pA"},
      {"V_min", &Parameters::V_min, "mV"},
  }};
  static constexpr std::array<std::string_view, 2> kStates = {"V_m", "refractory"};
  template <typename V>
  struct Coefficients {
    V decay, from_current, current, threshold, reset, refractory_steps, lowest;
  };
  template <typename V>
  struct State {
    V membrane = 0, refractory = 0;
  };

  static Coefficients<double> coefficients(const Parameters& p, double dt) {
    return {.decay = std::exp(-dt / p.tau_m),
            .from_current = detail::from_current(p.tau_m, p.C_m, dt),
            .current = p.I_e,
            .threshold = p.V_th - p.E_L,
            .reset = p.V_reset - p.E_L,
            .refractory_steps = detail::refractory_steps(p.t_ref, dt),
            .lowest = p.V_min - p.E_L};
  }
  static State<double> initial(const Parameters& p) { return {.membrane = p.V_m - p.E_L}; }
  template <typename V>
  SPIKELOOM_NEURON static bool step(State<V>& s, const NeuronInput<V>& in,
                                    const Coefficients<V>& c) {
    V v = c.from_current * (c.current + in.current) + c.decay * s.membrane +
          (in.excitatory + in.inhibitory);
    v = v < c.lowest ? c.lowest : v;
    detail::move_unless_refractory(s.membrane, s.refractory, v);
    return detail::fire(s.membrane, s.refractory, c.threshold, c.reset, c.refractory_steps);
  }
};

/// NEST's iaf_psc_exp:
///     tau_m dV/dt = E_L - V + tau_m / C (I_ex + I_in + I_e)
///     tau_syn dI/dt = -I;  a spike adds its weight to the current of its sign
struct IafPscExp {
  static constexpr std::string_view kName = "iaf_psc_exp";
  struct Parameters {
    double V_m = -70, E_L = -70, C_m = 250, tau_m = 10, t_ref = 2, V_th = -55, V_reset = -70;
    double I_e = 0, tau_syn_ex = 2, tau_syn_in = 2;
  };
  static constexpr std::array<ParameterInfo<Parameters>, 10> kParameters = {{
      {"V_m", &Parameters::V_m, "mV", ParameterRange::kAny, true},
      {"E_L", &Parameters::E_L, "mV"},
      {"C_m", &Parameters::C_m, "pF", ParameterRange::kPositive},
      {"tau_m", &Parameters::tau_m, "ms", ParameterRange::kPositive},
      {"t_ref", &Parameters::t_ref, "ms", ParameterRange::kNotNegative},
      {"V_th", &Parameters::V_th, "mV"},
      {"V_reset", &Parameters::V_reset, "mV"},
      {"I_e", &Parameters::I_e, "pA"},
      {"tau_syn_ex", &Parameters::tau_syn_ex, "ms", ParameterRange::kPositive},
      {"tau_syn_in", &Parameters::tau_syn_in, "ms", ParameterRange::kPositive},
  }};
  static constexpr std::array<std::string_view, 4> kStates = {"V_m", "I_syn_ex", "I_syn_in",
                                                              "refractory"};
  template <typename V>
  struct Coefficients {
    V decay, from_excitatory, from_inhibitory, from_current, current;
    V excitatory_decay, inhibitory_decay;
    V threshold, reset, refractory_steps;
  };
  template <typename V>
  struct State {
    V membrane = 0, excitatory = 0, inhibitory = 0, refractory = 0;
  };

  static Coefficients<double> coefficients(const Parameters& p, double dt) {
    return {.decay = std::exp(-dt / p.tau_m),
            .from_excitatory = detail::from_exponential(p.tau_syn_ex, p.tau_m, p.C_m, dt),
            .from_inhibitory = detail::from_exponential(p.tau_syn_in, p.tau_m, p.C_m, dt),
            .from_current = detail::from_current(p.tau_m, p.C_m, dt),
            .current = p.I_e,
            .excitatory_decay = std::exp(-dt / p.tau_syn_ex),
            .inhibitory_decay = std::exp(-dt / p.tau_syn_in),
            .threshold = p.V_th - p.E_L,
            .reset = p.V_reset - p.E_L,
            .refractory_steps = detail::refractory_steps(p.t_ref, dt)};
  }
  static State<double> initial(const Parameters& p) { return {.membrane = p.V_m - p.E_L}; }
  template <typename V>
  SPIKELOOM_NEURON static bool step(State<V>& s, const NeuronInput<V>& in,
                                    const Coefficients<V>& c) {
    const V v = c.decay * s.membrane + c.from_excitatory * s.excitatory +
                c.from_inhibitory * s.inhibitory + c.from_current * (c.current + in.current);
    detail::move_unless_refractory(s.membrane, s.refractory, v);
    s.excitatory = c.excitatory_decay * s.excitatory + in.excitatory;
    s.inhibitory = c.inhibitory_decay * s.inhibitory + in.inhibitory;
    return detail::fire(s.membrane, s.refractory, c.threshold, c.reset, c.refractory_steps);
  }
};

/// NEST's iaf_psc_alpha: iaf_psc_exp with currents w e t / tau_syn exp(-t / tau_syn), whose peak is
/// the weight w:
///     dI/dt = dI' - I / tau_syn,  dI'/dt = -dI' / tau_syn;  a spike adds w e / tau_syn to dI'
struct IafPscAlpha {
  static constexpr std::string_view kName = "iaf_psc_alpha";
  struct Parameters {
    double V_m = -70, E_L = -70, C_m = 250, tau_m = 10, t_ref = 2, V_th = -55, V_reset = -70;
    double I_e = 0, tau_syn_ex = 2, tau_syn_in = 2, V_min = kUnbounded;
  };
  static constexpr std::array<ParameterInfo<Parameters>, 11> kParameters = {{
      {"V_m", &Parameters::V_m, "mV", ParameterRange::kAny, true},
      {"E_L", &Parameters::E_L, "mV"},
      {"C_m", &Parameters::C_m, "pF", ParameterRange::kPositive},
      {"tau_m", &Parameters::tau_m, "ms", ParameterRange::kPositive},
      {"t_ref", &Parameters::t_ref, "ms", ParameterRange::kNotNegative},
      {"V_th", &Parameters::V_th, "mV"},
      {"V_reset", &Parameters::V_reset, "mV"},
      {"I_e", &Parameters::I_e, "pA"},
      {"tau_syn_ex", &Parameters::tau_syn_ex, "ms", ParameterRange::kPositive},
      {"tau_syn_in", &Parameters::tau_syn_in, "ms", ParameterRange::kPositive},
      {"V_min", &Parameters::V_min, "mV"},
  }};
  static constexpr std::array<std::string_view, 6> kStates = {
      "V_m", "I_syn_ex", "dI_syn_ex", "I_syn_in", "dI_syn_in", "refractory"};
  template <typename V>
  struct Coefficients {
    V decay, from_current, current;
    V from_excitatory, from_excitatory_rise, excitatory_decay, excitatory_gain;
    V from_inhibitory, from_inhibitory_rise, inhibitory_decay, inhibitory_gain;
    V dt, threshold, reset, refractory_steps, lowest;
  };
  template <typename V>
  struct State {
    V membrane = 0, excitatory = 0, excitatory_rise = 0, inhibitory = 0, inhibitory_rise = 0;
    V refractory = 0;
  };

  static Coefficients<double> coefficients(const Parameters& p, double dt) {
    return {.decay = std::exp(-dt / p.tau_m),
            .from_current = detail::from_current(p.tau_m, p.C_m, dt),
            .current = p.I_e,
            .from_excitatory = detail::from_exponential(p.tau_syn_ex, p.tau_m, p.C_m, dt),
            .from_excitatory_rise = detail::from_alpha(p.tau_syn_ex, p.tau_m, p.C_m, dt),
            .excitatory_decay = std::exp(-dt / p.tau_syn_ex),
            .excitatory_gain = std::exp(1.0) / p.tau_syn_ex,
            .from_inhibitory = detail::from_exponential(p.tau_syn_in, p.tau_m, p.C_m, dt),
            .from_inhibitory_rise = detail::from_alpha(p.tau_syn_in, p.tau_m, p.C_m, dt),
            .inhibitory_decay = std::exp(-dt / p.tau_syn_in),
            .inhibitory_gain = std::exp(1.0) / p.tau_syn_in,
            .dt = dt,
            .threshold = p.V_th - p.E_L,
            .reset = p.V_reset - p.E_L,
            .refractory_steps = detail::refractory_steps(p.t_ref, dt),
            .lowest = p.V_min - p.E_L};
  }
  static State<double> initial(const Parameters& p) { return {.membrane = p.V_m - p.E_L}; }
  template <typename V>
  SPIKELOOM_NEURON static bool step(State<V>& s, const NeuronInput<V>& in,
                                    const Coefficients<V>& c) {
    V v = c.from_current * (c.current + in.current) + c.from_excitatory_rise * s.excitatory_rise +
          c.from_excitatory * s.excitatory + c.from_inhibitory_rise * s.inhibitory_rise +
          c.from_inhibitory * s.inhibitory + c.decay * s.membrane;
    v = v < c.lowest ? c.lowest : v;
    detail::move_unless_refractory(s.membrane, s.refractory, v);
    s.excitatory = c.excitatory_decay * (s.excitatory + c.dt * s.excitatory_rise);
    s.excitatory_rise = c.excitatory_decay * s.excitatory_rise + c.excitatory_gain * in.excitatory;
    s.inhibitory = c.inhibitory_decay * (s.inhibitory + c.dt * s.inhibitory_rise);
    s.inhibitory_rise = c.inhibitory_decay * s.inhibitory_rise + c.inhibitory_gain * in.inhibitory;
    return detail::fire(s.membrane, s.refractory, c.threshold, c.reset, c.refractory_steps);
  }
};

/// Izhikevich, IEEE Trans. Neural Netw. 14:1569 (2003), as NEST's izhikevich with its standard
/// consistent_integration, forward Euler:
///     dV/dt = 0.04 V^2 + 5 V + 140 - u + I_e, du/dt = a (b V - u);  a spike adds its weight to V
///     V >= V_th: a spike, V = c, u = u + d
/// Currents are in the model's own unit. Not linear, so not exact: the error falls with dt.
struct Izhikevich {
  static constexpr std::string_view kName = "izhikevich";
  struct Parameters {
    double V_m = -65, U_m = 0, a = 0.02, b = 0.2, c = -65, d = 8, V_th = 30, I_e = 0;
    double V_min = kUnbounded;
  };
  static constexpr std::array<ParameterInfo<Parameters>, 9> kParameters = {{
      {"V_m", &Parameters::V_m, "mV", ParameterRange::kAny, true},
      {"U_m", &Parameters::U_m, "mV/ms", ParameterRange::kAny, true},
      {"a", &Parameters::a, "1/ms"},
      {"b", &Parameters::b, "1/ms"},
      {"c", &Parameters::c, "mV"},
      {"d", &Parameters::d, "mV/ms"},
      {"V_th", &Parameters::V_th, "mV"},
      {"I_e", &Parameters::I_e, "mV/ms"},
      {"V_min", &Parameters::V_min, "mV"},
  }};
  static constexpr std::array<std::string_view, 2> kStates = {"V_m", "U_m"};
  template <typename V>
  struct Coefficients {
    V dt, a, b, c, d, threshold, current, lowest;
  };
  template <typename V>
  struct State {
    V membrane = 0, recovery = 0;
  };

  static Coefficients<double> coefficients(const Parameters& p, double dt) {
    return {.dt = dt,
            .a = dt * p.a,
            .b = p.b,
            .c = p.c,
            .d = p.d,
            .threshold = p.V_th,
            .current = p.I_e,
            .lowest = p.V_min};
  }
  static State<double> initial(const Parameters& p) {
    return {.membrane = p.V_m, .recovery = p.U_m};
  }
  template <typename V>
  SPIKELOOM_NEURON static bool step(State<V>& s, const NeuronInput<V>& in,
                                    const Coefficients<V>& c) {
    const V old = s.membrane;
    const V slope = static_cast<V>(0.04) * old * old + V{5} * old + V{140} - s.recovery +
                    in.current + c.current;
    V v = old + (c.dt * slope + (in.excitatory + in.inhibitory));
    v = v < c.lowest ? c.lowest : v;
    const V u = s.recovery + c.a * (c.b * old - s.recovery);
    const bool fires = v >= c.threshold;
    s.membrane = fires ? c.c : v;
    s.recovery = fires ? u + c.d : u;
    return fires;
  }
};

/// Adaptive LIF: iaf_psc_exp whose spikes raise a threshold and a current that both decay (Mensi et
/// al., J. Neurophysiol. 107:1756, 2012, without noise; names of NEST's gif_psc_exp):
///     tau_m dV/dt = E_L - V + tau_m / C (I_ex + I_in + I_e - w);  fires at V >= V_th + theta
///     tau_stc dw/dt = -w;  tau_sfa dtheta/dt = -theta;  a spike: w += q_stc, theta += q_sfa
struct AdaptiveLif {
  static constexpr std::string_view kName = "adaptive_lif";
  struct Parameters {
    double V_m = -70, E_L = -70, C_m = 250, tau_m = 10, t_ref = 2, V_th = -55, V_reset = -70;
    double I_e = 0, tau_syn_ex = 2, tau_syn_in = 2;
    double tau_stc = 100, q_stc = 0, tau_sfa = 100, q_sfa = 0;
  };
  static constexpr std::array<ParameterInfo<Parameters>, 14> kParameters = {{
      {"V_m", &Parameters::V_m, "mV", ParameterRange::kAny, true},
      {"E_L", &Parameters::E_L, "mV"},
      {"C_m", &Parameters::C_m, "pF", ParameterRange::kPositive},
      {"tau_m", &Parameters::tau_m, "ms", ParameterRange::kPositive},
      {"t_ref", &Parameters::t_ref, "ms", ParameterRange::kNotNegative},
      {"V_th", &Parameters::V_th, "mV"},
      {"V_reset", &Parameters::V_reset, "mV"},
      {"I_e", &Parameters::I_e, "pA"},
      {"tau_syn_ex", &Parameters::tau_syn_ex, "ms", ParameterRange::kPositive},
      {"tau_syn_in", &Parameters::tau_syn_in, "ms", ParameterRange::kPositive},
      {"tau_stc", &Parameters::tau_stc, "ms", ParameterRange::kPositive},
      {"q_stc", &Parameters::q_stc, "pA"},
      {"tau_sfa", &Parameters::tau_sfa, "ms", ParameterRange::kPositive},
      {"q_sfa", &Parameters::q_sfa, "mV", ParameterRange::kNotNegative},
  }};
  static constexpr std::array<std::string_view, 6> kStates = {"V_m",        "I_syn_ex", "I_syn_in",
                                                              "refractory", "I_stc",    "E_sfa"};
  template <typename V>
  struct Coefficients {
    V decay, from_excitatory, from_inhibitory, from_adaptation, from_current, current;
    V excitatory_decay, inhibitory_decay, adaptation_decay, raise_decay;
    V threshold, reset, refractory_steps, adaptation_jump, raise_jump;
  };
  template <typename V>
  struct State {
    V membrane = 0, excitatory = 0, inhibitory = 0, refractory = 0, adaptation = 0, raise = 0;
  };

  static Coefficients<double> coefficients(const Parameters& p, double dt) {
    return {.decay = std::exp(-dt / p.tau_m),
            .from_excitatory = detail::from_exponential(p.tau_syn_ex, p.tau_m, p.C_m, dt),
            .from_inhibitory = detail::from_exponential(p.tau_syn_in, p.tau_m, p.C_m, dt),
            .from_adaptation = detail::from_exponential(p.tau_stc, p.tau_m, p.C_m, dt),
            .from_current = detail::from_current(p.tau_m, p.C_m, dt),
            .current = p.I_e,
            .excitatory_decay = std::exp(-dt / p.tau_syn_ex),
            .inhibitory_decay = std::exp(-dt / p.tau_syn_in),
            .adaptation_decay = std::exp(-dt / p.tau_stc),
            .raise_decay = std::exp(-dt / p.tau_sfa),
            .threshold = p.V_th - p.E_L,
            .reset = p.V_reset - p.E_L,
            .refractory_steps = detail::refractory_steps(p.t_ref, dt),
            .adaptation_jump = p.q_stc,
            .raise_jump = p.q_sfa};
  }
  static State<double> initial(const Parameters& p) { return {.membrane = p.V_m - p.E_L}; }
  template <typename V>
  SPIKELOOM_NEURON static bool step(State<V>& s, const NeuronInput<V>& in,
                                    const Coefficients<V>& c) {
    const V v = c.decay * s.membrane + c.from_excitatory * s.excitatory +
                c.from_inhibitory * s.inhibitory - c.from_adaptation * s.adaptation +
                c.from_current * (c.current + in.current);
    detail::move_unless_refractory(s.membrane, s.refractory, v);
    s.excitatory = c.excitatory_decay * s.excitatory + in.excitatory;
    s.inhibitory = c.inhibitory_decay * s.inhibitory + in.inhibitory;
    s.adaptation = c.adaptation_decay * s.adaptation;
    s.raise = c.raise_decay * s.raise;
    const bool fires =
        detail::fire(s.membrane, s.refractory, c.threshold + s.raise, c.reset, c.refractory_steps);
    s.adaptation = fires ? s.adaptation + c.adaptation_jump : s.adaptation;
    s.raise = fires ? s.raise + c.raise_jump : s.raise;
    return fires;
  }
};

/// Every model.
using SimulationModels = std::tuple<IafPscDelta, IafPscExp, IafPscAlpha, Izhikevich, AdaptiveLif>;

/// Calls f.operator()<Model>() of the model with this name; false when there is none.
template <typename F>
bool with_model(std::string_view name, F&& f) {
  const auto pick = [&]<typename... Model>(std::tuple<Model...>*) {
    return ((Model::kName == name && (f.template operator()<Model>(), true)) || ...);
  };
  return pick(static_cast<SimulationModels*>(nullptr));
}

/// Coefficients or a state in another arithmetic: Block<To> from Block<double>.
template <typename To, template <typename> class Block>
Block<To> in_arithmetic(const Block<double>& block) {
  constexpr std::size_t kMembers = sizeof(Block<double>) / sizeof(double);
  const auto from = std::bit_cast<std::array<double, kMembers>>(block);
  std::array<To, kMembers> to{};
  for (std::size_t i = 0; i < kMembers; ++i) to[i] = static_cast<To>(from[i]);
  return std::bit_cast<Block<To>>(to);
}

}  // namespace spikeloom::simulation
