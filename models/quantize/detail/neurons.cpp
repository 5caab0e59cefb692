#include "models/quantize/detail/neurons.hpp"

#include <algorithm>
#include <cmath>
#include <type_traits>

#include <fmt/format.h>

#include "snn/integer.hpp"

namespace spikeloom::detail {
namespace {

/// Fractional bits of membranes that do not leak, where thresholds have to be met closely.
constexpr int kFractionWithoutLeak = 4;

/// Integers of one neuron node.
struct Neurons {
  std::vector<double> current_leak, leak;  ///< 4096 - n
  std::vector<double> gain, drive, threshold, reset, initial;
};

bool all_equal(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values[0]; });
}

Result<double> leak_units(double decay) {
  const double units = std::nearbyint((1.0 - decay) * kDecayUnit);
  if (!(units >= 0.0 && units <= kDecayUnit)) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a decay is not within 0 and 1",
                 .got = fmt::format("{}", decay),
                 .next = "give a shorter --dt or --integrator exponential"};
  }
  return units;
}

double rounded_threshold(double value, const Discretisation& d) {
  const bool compared = d.reset == Reset::kToVReset || d.reset == Reset::kNone;
  if (d.spike_rule == SpikeRule::kMultiple) return std::max(1.0, std::nearbyint(value));
  if (!compared) return std::max(0.0, std::nearbyint(value));
  // An integer exceeds (reaches) a number where it exceeds its floor (reaches its ceiling).
  return d.spike_rule == SpikeRule::kGreater ? std::floor(value) : std::ceil(value);
}

/// Comparing alone is exact without any fraction.
bool exact_without_fraction(const NeuronCoefficients& c, const Discretisation& d) {
  const auto zero = [](double value) { return value == 0.0; };
  const auto none = [&](const std::vector<double>& v) {
    return std::all_of(v.begin(), v.end(), zero);
  };
  if (!none(c.drive) || !none(c.reset) || !none(c.initial) || !c.clamp.empty()) return false;
  if (!c.spiking) return all_equal(c.gain);
  return d.spike_rule != SpikeRule::kMultiple &&
         (d.reset == Reset::kToVReset || d.reset == Reset::kNone);
}

int fraction_of(const NeuronCoefficients& c, const Discretisation& d, int most) {
  const auto leaks = [](double decay) { return decay != 0.0 && decay != 1.0; };
  if (c.has_current || std::any_of(c.decay.begin(), c.decay.end(), leaks)) return most;
  return exact_without_fraction(c, d) ? 0 : std::min(most, kFractionWithoutLeak);
}

Result<Neurons> convert(const NeuronCoefficients& c, const Unit& in_unit, const Discretisation& d,
                        int most_fraction) {
  const double one = std::ldexp(1.0, fraction_of(c, d, most_fraction));
  Neurons made;
  double largest_gain = 0.0;
  const auto gain_of = [&](std::size_t i) {
    return c.gain[i] * (c.has_current ? c.current_gain[i] : 1.0);
  };
  for (std::size_t i = 0; i < c.size(); ++i) {
    largest_gain = std::max(largest_gain, std::abs(gain_of(i)));
  }
  for (std::size_t i = 0; i < c.size(); ++i) {
    SPIKELOOM_TRY(const double leak, leak_units(c.decay[i]));
    made.leak.push_back(leak);
    if (c.has_current) {
      SPIKELOOM_TRY(const double current_leak, leak_units(c.current_decay[i]));
      made.current_leak.push_back(current_leak);
    }
    const double gain = gain_of(i);
    if (c.spiking ? !(gain > 0.0) : !(largest_gain > 0.0)) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = fmt::format("the input gain of neuron {} is not positive", i),
                   .got = fmt::format("{}", gain),
                   .next = "move its sign into the weights"};
    }
    // Spiking neurons absorb their gain in the threshold; an integrator's is part of its output.
    const double unit_gain = c.spiking ? gain : largest_gain;
    const double scale = one / (in_unit.at(i, c.size()) * unit_gain);
    made.gain.push_back(c.spiking ? one : std::nearbyint(one * gain / largest_gain));
    made.drive.push_back(std::nearbyint(c.drive[i] * scale));
    if (c.spiking) {
      made.threshold.push_back(rounded_threshold(c.threshold[i] * scale, d));
      made.reset.push_back(std::nearbyint(c.reset[i] * scale));
    }
    made.initial.push_back(c.initial.empty() ? 0.0 : std::nearbyint(c.initial[i] * scale));
  }
  return made;
}

/// Turns integers back into the parameters that give them, all single values or all of one shape.
class Parameters {
 public:
  Parameters(const NodeKind& kind, const Shape& shape, double dt) : dt_(dt) {
    shape_ = parameter_shape(kind);
    if (shape_.empty()) shape_ = shape;
  }

  /// Time constant whose leak is `units` / 4096; one that never leaks where it is 0.
  double tau(double units) const {
    constexpr double kNoLeak = 1.0 / 1024.0;  // of a unit: cut off to 0
    return dt_ * kDecayUnit / (units > 0.0 ? units : kNoLeak);
  }
  Tensor taus(const std::vector<double>& units) const {
    return filled(units, [&](std::size_t i) { return tau(units[i]); });
  }
  /// Values that a leak multiplies: r, w_in, v_leak.
  Tensor before_leak(const std::vector<double>& values, const std::vector<double>& units) const {
    return filled(values, [&](std::size_t i) { return values[i] * tau(units[i]) / dt_; });
  }
  Tensor plain(const std::vector<double>& values) const {
    return filled(values, [&](std::size_t i) { return values[i]; });
  }

 private:
  template <typename F>
  Tensor filled(const std::vector<double>& values, const F& f) const {
    std::vector<double> made;
    for (std::size_t i = 0; i < values.size(); ++i) made.push_back(f(i));
    return Tensor::of<double>(shape_, made);
  }

  double dt_;
  Shape shape_;
};

/// One value for all where every entry is the same, unless the node's shape hangs on it.
Tensor compact(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_doubles();
  return values.empty() || !all_equal(values) ? tensor : Tensor::of<double>({1}, {values[0]});
}

template <typename Kind>
Kind with_integers(Kind kind, const Neurons& n, const Parameters& p) {
  if constexpr (requires { kind.tau; }) {
    kind.tau = compact(p.taus(n.leak));
    kind.r = compact(p.before_leak(n.gain, n.leak));
    kind.v_leak = p.before_leak(n.drive, n.leak);
  } else if constexpr (requires { kind.tau_mem; }) {
    kind.tau_syn = compact(p.taus(n.current_leak));
    kind.tau_mem = compact(p.taus(n.leak));
    kind.w_in = compact(p.before_leak(n.gain, n.current_leak));
    kind.r = compact(p.before_leak(std::vector<double>(n.leak.size(), 1.0), n.leak));
    kind.v_leak = p.before_leak(n.drive, n.leak);
  } else {
    kind.r = p.plain(n.gain);
  }
  if constexpr (requires { kind.v_threshold; }) {
    kind.v_threshold = p.plain(n.threshold);
    if (kind.v_reset) kind.v_reset = compact(p.plain(n.reset));
    // The threshold carries the shape.
    kind.r = compact(kind.r);
    if constexpr (requires { kind.v_leak; }) kind.v_leak = compact(kind.v_leak);
  }
  if constexpr (requires { kind.v_initial; }) {
    if (kind.v_initial) kind.v_initial = compact(p.plain(n.initial));
  }
  return kind;
}

}  // namespace

Result<NodeKind> quantize_neurons(const NodeKind& kind, const NeuronCoefficients& neurons,
                                  const Shape& shape, const Unit& in_unit,
                                  const Discretisation& discretisation, int fraction) {
  SPIKELOOM_TRY(const Neurons integers, convert(neurons, in_unit, discretisation, fraction));
  const Parameters parameters(kind, shape, discretisation.dt > 0.0 ? discretisation.dt : 1.0);
  return std::visit(
      [&](const auto& k) -> Result<NodeKind> {
        if constexpr (requires { k.r; }) {
          return NodeKind(with_integers(k, integers, parameters));
        } else {
          return Error{.code = ErrorCode::kUnsupported, .what = "this is no neuron"};
        }
      },
      kind);
}

Discretisation quantized_options(const Discretisation& discretisation, FixedPoint rounding) {
  Discretisation d = discretisation;
  d.integrator = Integrator::kForwardEuler;
  d.input_gain = 1.0;
  d.decay_input = DecayInput::kNone;
  d.if_gain = IfGain::kR;
  d.membrane_unit = MembraneUnit::kFile;
  d.weight_scale = 1.0;
  d.threshold_scale = 1.0;
  d.spike_value = SpikeValue::kUnit;
  d.fixed_point = rounding;
  return d;
}

}  // namespace spikeloom::detail
