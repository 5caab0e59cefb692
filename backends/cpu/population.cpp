#include <algorithm>
#include <limits>

#include "backends/cpu/population_private.hpp"
#include "snn/step_options.hpp"

namespace spikeloom::cpu {
namespace {

bool all_equal(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); });
}

/// Whether a neuron may do something without input although its membrane is below threshold and
/// its current is zero: then it has to be updated in every step.
bool restless(const NeuronCoefficients& c, std::size_t i, const Discretisation& d) {
  if (c.sigma_delta) return c.current_decay[i] != 1.0;
  if (!c.spiking || c.drive[i] != 0.0) return true;
  if (c.decay[i] < 0.0 || c.decay[i] > 1.0) return true;
  if (c.has_current && (c.current_decay[i] < 0.0 || c.current_decay[i] > 1.0)) return true;
  if (!c.clamp.empty() && c.clamp[i] > 0.0) return true;
  return d.spike_rule == SpikeRule::kGreater ? c.threshold[i] < 0.0 : c.threshold[i] <= 0.0;
}

template <typename V>
constexpr V kNever = std::numeric_limits<V>::max();

}  // namespace

NeuronCoefficients whole_coefficients(const NeuronCoefficients& real, const IntegerNeurons& n) {
  NeuronCoefficients c = real;
  const auto take = [](const std::vector<std::int32_t>& from, double unit) {
    std::vector<double> values;
    for (const std::int32_t value : from) values.push_back(value / unit);
    return values;
  };
  c.current_decay = take(n.current_decay, kDecayUnit);
  c.current_gain = take(n.current_gain, 1.0);
  c.decay = take(n.decay, kDecayUnit);
  c.gain = take(n.gain, 1.0);
  c.drive = take(n.drive, 1.0);
  c.threshold = take(n.threshold, 1.0);
  c.reset = take(n.reset, 1.0);
  c.clamp = take(n.clamp, 1.0);
  return c;
}

template <typename V>
std::unique_ptr<Population<V>> make_population(const ProgramNode& node, const NodePlan<V>& plan,
                                               const Program& program,
                                               const NeuronCoefficients& c) {
  const Discretisation& d = program.discretisation;
  auto population = std::make_unique<Population<V>>();
  Population<V>& p = *population;
  p.neurons = c.size();
  p.arrays.options = step_options(node, c, d);
  const bool whole = c.size() % kBlock == 0;
  const std::vector<const std::vector<double>*> sources = {
      &c.current_decay, &c.current_gain, &c.decay, &c.gain,
      &c.drive,         &c.threshold,    &c.reset, &c.clamp};
  const V** const pointers[] = {
      &p.arrays.current_decay, &p.arrays.current_gain, &p.arrays.decay, &p.arrays.gain,
      &p.arrays.drive,         &p.arrays.threshold,    &p.arrays.reset, &p.arrays.clamp};
  p.arrays.uniform = c.size() > 0;
  for (const auto* values : sources) {
    p.arrays.uniform = p.arrays.uniform && (values->empty() || all_equal(*values));
  }
  if (!c.refractory.empty()) {
    p.arrays.options.refractory = true;
    const bool same = std::all_of(c.refractory.begin(), c.refractory.end(),
                                  [&](std::uint32_t steps) { return steps == c.refractory[0]; });
    p.arrays.uniform = p.arrays.uniform && same;
  }
  // Neurons beyond the last one are not seen if they spike; a membrane that is an output is.
  if (!whole) {
    p.last_block = (std::uint64_t{1} << (c.size() % kBlock)) - 1;
    const bool at_rest = c.drive[0] == 0.0 && (c.clamp.empty() || c.clamp[0] <= 0.0);
    p.arrays.uniform = p.arrays.uniform && (c.spiking || at_rest);
  }
  const bool integer = std::is_integral_v<V>;
  for (std::size_t k = 0; k < sources.size(); ++k) {
    const bool is_decay = sources[k] == &c.current_decay || sources[k] == &c.decay;
    std::vector<double> values = *sources[k];
    if (sources[k] == &c.clamp && values.empty()) {
      const double lowest = integer ? std::numeric_limits<std::int32_t>::min()
                                    : -std::numeric_limits<double>::infinity();
      values.assign(c.size(), lowest);
    }
    if (integer && is_decay) {
      for (double& value : values) value *= 4096.0;
    }
    if (values.empty()) continue;
    const V padding = sources[k] == &c.threshold ? kNever<V> : V{0};
    if (p.arrays.uniform) values.resize(1);
    p.values[k] = lay_out<V>(values, p.arrays.uniform ? Order{} : plan.order, padding);
    *pointers[k] = p.values[k].data();
  }
  p.arrays.traced = std::any_of(plan.records.begin(), plan.records.end(), [&](Variable v) {
    return v == Variable::kMembrane && d.record_membrane == RecordMembrane::kBeforeReset;
  });
  if (!c.refractory.empty()) {
    p.refractory = AlignedBuffer<std::int32_t>(block_count(c.size()) * kBlock);
    for (std::size_t i = 0; i < c.size(); ++i) {
      p.refractory[plan.order.physical(i)] = static_cast<std::int32_t>(c.refractory[i]);
    }
    p.arrays.refractory = p.refractory.data();
  }
  for (std::size_t i = 0; i < c.initial.size(); ++i) {
    p.initial.resize(c.size());
    p.initial[plan.order.physical(i)] = static_cast<V>(c.initial[i]);
  }
  p.kernels = neuron_kernels(p.arrays);

  p.always = BlockSet(block_count(c.size()));
  for (std::size_t i = 0; i < c.size(); ++i) {
    if (restless(c, i, d)) p.always.insert(plan.order.physical(i) / kBlock);
  }
  const bool watched = std::any_of(plan.records.begin(), plan.records.end(), [](Variable v) {
    return v == Variable::kMembrane || v == Variable::kCurrent;
  });
  if (watched) p.always.fill();
  // What a step without input multiplies: the membrane, or sigma.
  const std::vector<double>& kept = c.sigma_delta ? c.current_decay : c.decay;
  p.still = (c.sigma_delta || !c.has_current) &&
            std::all_of(kept.begin(), kept.end(), [](double v) { return v == 1.0; });
  p.starts_awake = c.sigma_delta || !c.initial.empty();
  // A step within which spikes have their time holds so many of them at most.
  const bool settles = c.spiking && !c.has_current && !p.arrays.options.late &&
                       !p.arrays.options.refractory && !p.arrays.options.substep &&
                       d.reset == Reset::kToVReset;
  p.may_wake = !settles;
  for (std::size_t i = 0; i < c.size() && settles; ++i) {
    // A reset to the threshold or above spikes again by itself.
    if (c.reset[i] >= c.threshold[i]) p.may_wake = true;
  }
  return population;
}

template std::unique_ptr<Population<float>> make_population(const ProgramNode&,
                                                            const NodePlan<float>&, const Program&,
                                                            const NeuronCoefficients&);
template std::unique_ptr<Population<std::int32_t>> make_population(const ProgramNode&,
                                                                   const NodePlan<std::int32_t>&,
                                                                   const Program&,
                                                                   const NeuronCoefficients&);

}  // namespace spikeloom::cpu
