#include "tests/property/random_layers.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include <rapidcheck.h>

namespace spikeloom::test {
namespace {

std::int64_t elements(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

Tensor whole(const std::vector<std::int64_t>& values) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(values.size())}, values);
}

/// A window along one axis that fits at least once.
struct Window {
  std::int64_t kernel = 1, stride = 1, dilation = 1, pad = 0, output = 1;
};

Window random_window(std::int64_t input, int widest, bool dilates, bool dyadic_area) {
  Window w;
  w.kernel = between(1, widest);
  if (dyadic_area && w.kernel == 3) w.kernel = 2;
  w.stride = between(1, 3);
  w.dilation = dilates ? between(1, 2) : 1;
  w.pad = between(0, static_cast<int>(dilates ? 2 : w.kernel / 2));
  if (w.dilation * (w.kernel - 1) + 1 > input + 2 * w.pad) {
    w.kernel = 1;
    w.pad = 0;
  }
  w.output = (input + 2 * w.pad - w.dilation * (w.kernel - 1) - 1) / w.stride + 1;
  return w;
}

}  // namespace

std::uint64_t random_seed() { return *rc::gen::noShrink(rc::gen::arbitrary<std::uint64_t>()); }

Discretisation random_options(Numbers numbers) {
  auto made = make_preset("nir");
  Discretisation d = *std::move(made);
  d.dt = 1.0;
  const auto often = [](auto first, auto second) { return one_in(3) ? second : first; };
  static constexpr Reset kResets[] = {Reset::kToVReset, Reset::kSubtract, Reset::kSubtractOnce,
                                      Reset::kNone};
  static constexpr SpikeRule kRules[] = {SpikeRule::kGreater, SpikeRule::kGreaterEqual,
                                         SpikeRule::kMultiple};
  static constexpr Clamp kClamps[] = {Clamp::kNone, Clamp::kMinusThresholdOfIf,
                                      Clamp::kMinusThreshold, Clamp::kValue};
  d.reset = kResets[between(0, 3)];
  d.spike_rule = kRules[between(0, 2)];
  d.reset_timing = often(ResetTiming::kSameStep, ResetTiming::kNextStep);
  d.cuba_order = often(CubaOrder::kNewCurrent, CubaOrder::kOldCurrent);
  d.recurrent_bias_at_start = often(true, false);
  d.record_membrane = often(RecordMembrane::kAfterReset, RecordMembrane::kBeforeReset);
  d.link_delay = often(0, 1);
  d.input_delay = often(0, 1);
  d.duplicate_edges = often(DuplicateEdges::kSum, DuplicateEdges::kOnce);
  d.clamp = kClamps[between(0, 3)];
  if (d.clamp == Clamp::kValue) d.clamp_value = between(-4, 1) * 0.5;
  if (numbers == Numbers::kInteger) {
    d.clamp_value = std::trunc(d.clamp_value * 8.0);
    d.fixed_point = one_in(2) ? FixedPoint::kFloor : FixedPoint::kLoihi;
    return d;
  }
  if (one_in(5)) {
    d.dt = 0.5;
    d.spike_value = SpikeValue::kPerDt;
  }
  if (numbers == Numbers::kReal) {
    d.integrator = often(Integrator::kForwardEuler, Integrator::kExponential);
    const bool resets = d.reset == Reset::kToVReset || d.reset == Reset::kSubtract;
    const bool substep = resets && d.reset_timing == ResetTiming::kSameStep &&
                         d.spike_rule != SpikeRule::kMultiple &&
                         d.integrator == Integrator::kExponential;
    if (substep && one_in(2)) d.spike_time = SpikeTime::kSubStep;
  }
  return d;
}

RandomLayers::RandomLayers(const NetworkPlan& plan, const Discretisation& options)
    : plan_(plan), options_(options), values_(random_seed()) {}

std::int64_t RandomLayers::width() { return one_in(5) ? between(50, 150) : between(1, 9); }

/// In [low, high]; a multiple of `unit` unless numbers are real.
float RandomLayers::number(double low, double high, double unit) {
  if (plan_.numbers == Numbers::kReal) return static_cast<float>(values_.real(low, high));
  if (plan_.numbers == Numbers::kInteger) {
    return static_cast<float>(
        values_.between(static_cast<int>(std::ceil(low * 8.0)), static_cast<int>(high * 8.0)));
  }
  return static_cast<float>(values_.between(static_cast<int>(std::ceil(low / unit)),
                                            static_cast<int>(std::floor(high / unit))) *
                            unit);
}

Tensor RandomLayers::tensor(const Shape& shape, double low, double high, double unit) {
  std::vector<float> drawn(static_cast<std::size_t>(elements(shape)));
  for (float& value : drawn) value = number(low, high, unit);
  return Tensor::of<float>(shape, drawn);
}

/// General, ternary or power-of-two weights, in some integer networks beyond 8 bits.
Tensor RandomLayers::weights(const Shape& shape) {
  std::vector<float> drawn(static_cast<std::size_t>(elements(shape)));
  const int style = between(0, 5);
  for (float& value : drawn) {
    if (style == 4) {
      value = static_cast<float>(values_.between(-1, 1));
    } else if (style == 5) {
      const int power =
          plan_.numbers == Numbers::kInteger ? values_.between(0, 4) : values_.between(-3, 1);
      value = std::ldexp(static_cast<float>(values_.between(-1, 1)), power);
    } else if (style == 3 && plan_.numbers == Numbers::kInteger) {
      value = static_cast<float>(values_.between(-300, 300));
    } else {
      value = number(-1.0, 1.0, 0.125);
    }
  }
  return Tensor::of<float>(shape, drawn);
}

Tensor RandomLayers::biases(std::int64_t count) { return tensor({count}, -0.75, 0.75, 0.125); }

template <typename F>
Tensor RandomLayers::parameter(std::int64_t count, F f) {
  std::vector<float> drawn(static_cast<std::size_t>(one_in(2) ? count : 1));
  for (float& value : drawn) value = f();
  return Tensor::of<float>({static_cast<std::int64_t>(drawn.size())}, drawn);
}

Shape RandomLayers::input_shape() {
  switch (between(0, 3)) {
    case 2:
      return {between(1, 3), between(1, 12)};
    case 3:
      return {between(1, 4), between(1, 9), between(1, 9)};
    default:
      return {width()};
  }
}

NodeKind RandomLayers::matrix(std::int64_t outputs, std::int64_t inputs, bool flat) {
  const int pick = between(0, flat ? 4 : 2);
  if (pick == 3) return sparse(outputs, inputs);
  if (pick == 4) return random_sparse(outputs, inputs);
  std::optional<Tensor> scale;
  if (plan_.numbers != Numbers::kInteger && one_in(4)) {
    scale = parameter(outputs, [&] { return number(0.25, 1.0, 0.25); });
  }
  if (pick == 1) return node::Affine{weights({outputs, inputs}), biases(outputs), scale};
  return node::Linear{weights({outputs, inputs}), scale};
}

NodeKind RandomLayers::sparse(std::int64_t outputs, std::int64_t inputs) {
  const double density = one_in(3) ? 0.05 : 0.4;
  std::vector<std::int64_t> start = {0}, column;
  for (std::int64_t o = 0; o < outputs; ++o) {
    for (std::int64_t i = 0; i < inputs; ++i) {
      if (values_.real(0.0, 1.0) < density) column.push_back(i);
    }
    start.push_back(static_cast<std::int64_t>(column.size()));
  }
  node::SparseLinear made;
  made.shape = whole({outputs, inputs});
  made.row_start = whole(start);
  made.column = whole(column);
  made.value = weights({static_cast<std::int64_t>(column.size())});
  if (one_in(3)) made.bias = biases(outputs);
  return made;
}

NodeKind RandomLayers::random_sparse(std::int64_t outputs, std::int64_t inputs) {
  node::RandomSparse made;
  made.shape = whole({outputs, inputs});
  const int first = between(0, static_cast<int>(inputs) - 1);
  const int count = between(1, static_cast<int>(inputs) - first);
  const bool repeats = one_in(2);
  made.source_start = whole({first, 0});
  made.source_count = whole({count, inputs});
  made.degree = whole({between(0, repeats ? 6 : std::min(count, 6)), between(0, 1)});
  made.weight = weights({2});
  made.repeats = whole({repeats ? 1 : 0, 1});
  made.seed = Tensor::scalar<std::int64_t>(values_.between(0, 1000));
  return made;
}

NodeKind RandomLayers::threshold(std::int64_t count) {
  const double low = one_in(2) ? -1.0 : 0.0;
  return node::Threshold{parameter(count, [&] { return number(low, 1.5, 0.125); })};
}

NodeKind RandomLayers::delay(std::int64_t count) {
  const int least = between(0, 2);
  const float step = static_cast<float>(options_.dt);
  return node::Delay{
      parameter(count, [&] { return step * static_cast<float>(values_.between(least, 6)); })};
}

NodeKind RandomLayers::scale(std::int64_t count) {
  return node::Scale{parameter(count, [&] { return number(-1.0, 1.0, 0.25); })};
}

/// r = gain tau / dt and v_leak = drive tau / dt, so that gains and drives are what is drawn.
NodeKind RandomLayers::neuron(std::int64_t count, bool spiking_only) {
  static constexpr float kDyadicTaus[] = {2.0F, 2.0F, 1.0F, 4.0F};
  static constexpr float kIntegerTaus[] = {2.0F, 1.0F, 3.0F, 10.0F, 64.0F};
  const auto dt = static_cast<float>(options_.dt);
  const bool negative = plan_.numbers == Numbers::kReal && one_in(8);  // decays below 0
  const auto time_constant = [&] {
    if (plan_.numbers == Numbers::kDyadic) return dt * kDyadicTaus[values_.between(0, 3)];
    if (plan_.numbers == Numbers::kInteger) return kIntegerTaus[values_.between(0, 4)];
    if (negative) return dt * static_cast<float>(values_.real(0.55, 2.0));
    return dt * static_cast<float>(std::exp(values_.real(0.0, 4.0)));
  };
  const auto per_tau = [&](const Tensor& tau, double low, double high, double unit) {
    std::vector<double> values = tau.to_doubles();
    std::vector<float> drawn;
    for (const double value : values) {
      drawn.push_back(static_cast<float>(value / options_.dt) * number(low, high, unit));
    }
    return Tensor::of<float>(tau.shape(), drawn);
  };
  // Gains: 1 or 1/2; integers 1 or 2, but 1 from current to membrane.
  const bool integer = plan_.numbers == Numbers::kInteger;
  const auto gain = [&](const Tensor& tau, bool fixed) {
    if (integer) return per_tau(tau, 0.125, fixed ? 0.125 : 0.25, 1.0);
    return per_tau(tau, 0.5, 1.0, 0.5);
  };
  const bool driven = one_in(3);
  const auto leak = [&](const Tensor& tau) {
    return driven ? per_tau(tau, -0.5, 0.75, 0.125) : Tensor::full({1}, 0.0F);
  };
  // A threshold that is divided by or subtracted has to be positive; spikes within a step need a
  // reset below it.
  const bool substep = options_.spike_time == SpikeTime::kSubStep;
  const bool positive = substep || options_.spike_rule == SpikeRule::kMultiple ||
                        options_.reset == Reset::kSubtract ||
                        options_.reset == Reset::kSubtractOnce || !one_in(4);
  const Tensor thresholds =
      parameter(count, [&] { return number(positive ? 0.125 : -0.5, 2.0, 0.125); });
  std::optional<Tensor> reset;
  if (one_in(3)) reset = parameter(count, [&] { return number(-1.0, substep ? 0.0 : 0.5, 0.125); });

  switch (between(spiking_only ? 3 : 0, 5)) {
    case 0:
      return node::I{parameter(count, [&] { return integer ? 1.0F : number(0.5, 1.0, 0.5); })};
    case 1: {
      const Tensor tau = parameter(count, time_constant);
      return node::Li{tau, gain(tau, false), leak(tau)};
    }
    case 2: {
      const Tensor tau = parameter(count, time_constant);
      const Tensor tau_syn = parameter(count, time_constant);
      return node::CubaLi{tau_syn, tau, gain(tau, true), leak(tau), gain(tau_syn, false)};
    }
    case 3: {
      node::If made;
      made.r = parameter(count, [&] { return integer ? 1.0F : number(0.5, 1.0, 0.5); });
      made.v_threshold = thresholds;
      made.v_reset = reset;
      return made;
    }
    case 4: {
      node::Lif made;
      made.tau = parameter(count, time_constant);
      made.r = gain(made.tau, false);
      made.v_leak = leak(made.tau);
      made.v_threshold = thresholds;
      made.v_reset = reset;
      const bool plain = options_.reset_timing == ResetTiming::kSameStep &&
                         options_.spike_time == SpikeTime::kGrid;
      if (plain && one_in(2)) {
        made.t_ref =
            parameter(count, [&] { return dt * static_cast<float>(values_.between(0, 4)); });
      }
      if (one_in(2)) made.v_initial = parameter(count, [&] { return number(-1.0, 2.0, 0.125); });
      return made;
    }
    default: {
      if (substep) {  // not defined with a current
        return node::If{Tensor::full({1}, 1.0F), thresholds, reset};
      }
      node::CubaLif made;
      made.tau_mem = parameter(count, time_constant);
      made.tau_syn = parameter(count, time_constant);
      made.r = gain(made.tau_mem, true);
      made.w_in = gain(made.tau_syn, false);
      made.v_leak = leak(made.tau_mem);
      made.v_threshold = thresholds;
      made.v_reset = reset;
      return made;
    }
  }
}

RandomLayer RandomLayers::conv1d(const Shape& in) {
  const Window w = random_window(in[1], 3, true, false);
  const std::int64_t groups = in[0] % 2 == 0 && one_in(2) ? 2 : 1;
  const std::int64_t out = groups * between(1, 3);
  node::Conv1d conv;
  conv.weight = weights({out, in[0] / groups, w.kernel});
  if (one_in(2)) conv.bias = biases(out);
  conv.stride = Tensor::scalar<std::int64_t>(w.stride);
  conv.padding.value = Tensor::scalar<std::int64_t>(w.pad);
  conv.dilation = Tensor::scalar<std::int64_t>(w.dilation);
  conv.groups = Tensor::scalar<std::int64_t>(groups);
  return {std::move(conv), {out, w.output}};
}

RandomLayer RandomLayers::conv2d(const Shape& in) {
  const Window rows = random_window(in[1], 3, true, false);
  const Window columns = random_window(in[2], 3, true, false);
  const std::int64_t groups = in[0] % 2 == 0 && one_in(2) ? 2 : 1;
  const std::int64_t out = groups * between(1, 4);
  node::Conv2d conv;
  conv.weight = weights({out, in[0] / groups, rows.kernel, columns.kernel});
  if (one_in(2)) conv.bias = biases(out);
  conv.stride = whole({rows.stride, columns.stride});
  conv.padding.value = whole({rows.pad, columns.pad});
  conv.dilation = whole({rows.dilation, columns.dilation});
  conv.groups = Tensor::scalar<std::int64_t>(groups);
  return {std::move(conv), {out, rows.output, columns.output}};
}

RandomLayer RandomLayers::pool(const Shape& in) {
  const bool dyadic = plan_.numbers == Numbers::kDyadic;
  const Window rows = random_window(in[1], 3, false, dyadic);
  const Window columns = random_window(in[2], 3, false, dyadic);
  const Tensor kernel = whole({rows.kernel, columns.kernel});
  const Tensor stride = whole({rows.stride, columns.stride});
  const Tensor pad = whole({rows.pad, columns.pad});
  const Shape out = {in[0], rows.output, columns.output};
  switch (between(0, plan_.numbers == Numbers::kInteger ? 1 : 2)) {
    case 0:
      return {node::SumPool2d{kernel, stride, pad}, out};
    case 1:
      return {node::MaxPool2d{kernel, stride, pad}, out};
    default:
      return {node::AvgPool2d{kernel, stride, pad}, out};
  }
}

RandomLayer RandomLayers::layer(const Shape& in, bool wide) {
  const std::int64_t count = elements(in);
  // Behind membranes only what keeps their number of bits.
  if (wide && plan_.numbers != Numbers::kReal) {
    if (one_in(2)) return {delay(count), in};
    return {threshold(count), in};
  }
  const int pick = between(0, 9);
  if (pick <= 3) return {neuron(count, false), in};
  if (pick == 4) return {threshold(count), in};
  if (pick == 5) return {delay(count), in};
  if (pick == 6) return {scale(count), in};
  if (in.size() == 3 && pick == 7) return pool(in);
  if (in.size() == 3 && pick == 8) return conv2d(in);
  if (in.size() == 2 && pick == 8) return conv1d(in);
  if ((in.size() == 2 && pick == 7) || (in.size() == 3 && pick == 9 && one_in(2))) {
    const int first = between(0, static_cast<int>(in.size()) - 2);
    const node::Flatten flatten{
        Tensor::scalar<std::int64_t>(first), Tensor::scalar<std::int64_t>(-1), {}};
    return {flatten, first == 0 ? Shape{count} : Shape{in[0], in[1] * in[2]}};
  }
  Shape out = in;
  out.back() = in.size() == 1 ? width() : between(1, 9);
  return {matrix(out.back(), in.back(), in.size() == 1), out};
}

NodeKind RandomLayers::back(const Shape& shape) {
  switch (between(0, 4)) {
    case 0:
      return delay(elements(shape));
    case 1:
      return threshold(elements(shape));
    case 2:
      return scale(elements(shape));
    default:
      return matrix(shape.back(), shape.back(), shape.size() == 1);
  }
}

}  // namespace spikeloom::test
