#include "backends/simulation/detail/lazy_neurons.hpp"

#include <algorithm>
#include <cmath>

#include "snn/simulation/draws.hpp"
#include "snn/simulation/neuron_equations.hpp"

namespace spikeloom::simulation {
namespace {

/// A state is forgotten after so many of its longest time constants: e^-40 is below a float's last
/// digit of anything it is added to.
constexpr double kForgotten = 40.0;
constexpr double kMostSteps = 1 << 16;
/// Steps beyond which a checkpoint does not tell how long ago a neuron moved.
constexpr std::uint32_t kLongAgo = 1U << 29;

/// The parameters that a population shares; V_m is that of its first neuron.
IafPscExp::Parameters parameters_of(const Network& network, std::uint32_t population) {
  IafPscExp::Parameters parameters;
  for (const auto& info : IafPscExp::kParameters) {
    double value = 0.0;
    parameter_values(network, population, info.name, 0, std::span(&value, 1));
    parameters.*info.member = value;
  }
  return parameters;
}

}  // namespace

LazyNeurons::LazyNeurons(const Network& network, const Part& part, double unit)
    : network_(&network),
      part_(part),
      neurons_(static_cast<std::size_t>(part.size)),
      place_(static_cast<std::size_t>(part.size)),
      neuron_(static_cast<std::size_t>(part.size)),
      unit_(unit) {
  const IafPscExp::Parameters p = parameters_of(network, part.population);
  const auto c = IafPscExp::coefficients(p, network.dt);
  threshold_ = static_cast<float>(c.threshold);
  reset_ = static_cast<float>(c.reset);
  refractory_steps_ = static_cast<std::uint16_t>(c.refractory_steps);
  rest_ = p.E_L;
  const double longest = std::max(p.tau_m, p.tau_syn_ex) / network.dt;
  const auto steps = static_cast<std::size_t>(kForgotten * longest);
  for (std::size_t n = 0; n <= steps + 1; ++n) {
    const auto after = IafPscExp::coefficients(p, network.dt * static_cast<double>(n));
    after_.push_back({static_cast<float>(after.decay),
                      static_cast<float>(after.from_excitatory * unit),
                      static_cast<float>(after.from_current * p.I_e),
                      static_cast<float>(after.excitatory_decay)});
    if (n == 0) after_[0] = {1.0F, 0.0F, 0.0F, 1.0F};
    largest_gain_ = std::max(largest_gain_, after_.back().gain);
  }
  resting_ = static_cast<float>(p.I_e * p.tau_m / p.C_m);
  for (std::size_t first = 0; first < part.accumulator + neurons_.size(); first += kSegment) {
    free_.push_back(
        static_cast<std::uint32_t>(std::max(first, part.accumulator) - part.accumulator));
  }
  const std::vector<double> membranes = initial_membranes();
  for (std::size_t i = 0; i < membranes.size(); ++i) {
    if (!can_fire(untouched(membranes[i]))) continue;
    hot_.push_back(place(static_cast<std::uint32_t>(i)));
    neurons_[hot_.back()].hot = 1;
  }
}

std::vector<double> LazyNeurons::initial_membranes() const {
  std::vector<double> membranes(neurons_.size());
  parameter_values(*network_, part_.population, "V_m", part_.first, membranes);
  return membranes;
}

std::uint32_t LazyNeurons::place(std::uint32_t i) {
  if (place_[i] != 0) return place_[i] - 1;
  const std::uint32_t at = free_[(part_.accumulator + i) / kSegment]++;
  double membrane = 0.0;
  parameter_values(*network_, part_.population, "V_m", part_.first + i, std::span(&membrane, 1));
  neurons_[at] = untouched(membrane);
  neuron_[at] = i;
  place_[i] = at + 1;
  return at;
}

void LazyNeurons::catch_up(Neuron& neuron) const {
  const std::uint32_t steps = now_ - neuron.last;
  if (steps == 0) return;
  const std::uint32_t held = std::min<std::uint32_t>(neuron.held, steps);
  const auto at = [this](std::uint32_t n) -> const Propagator& {
    return after_[std::min<std::size_t>(n, after_.size() - 1)];
  };
  const Propagator& moved = at(steps - held);
  const float current = sum(neuron);
  const float then = held == 0 ? current : current * at(held).current_decay;
  if (steps != held) {
    neuron.membrane = moved.decay * neuron.membrane + (moved.gain * then + moved.drive);
  }
  neuron.current = current * at(steps).current_decay;
  neuron.received = 0;
  neuron.held = static_cast<std::uint16_t>(neuron.held - held);
  neuron.last = now_;
}

void LazyNeurons::step(std::int32_t*, double, std::uint32_t first,
                       std::vector<std::uint32_t>& spikes) {
  ++now_;
  const std::size_t before = spikes.size();
  std::size_t kept = 0;
  for (const std::uint32_t i : hot_) {
    Neuron& neuron = neurons_[i];
    catch_up(neuron);
    if (neuron.membrane >= threshold_) {
      spikes.push_back(first + neuron_[i]);
      neuron.membrane = reset_;
      neuron.held = refractory_steps_;
    }
    // It may still receive in this step: settle() watches it again then.
    if (can_fire(neuron)) {
      hot_[kept++] = i;
    } else {
      neuron.hot = 0;
      touched_.push_back(i);
    }
  }
  hot_.resize(kept);
  std::sort(spikes.begin() + static_cast<std::ptrdiff_t>(before), spikes.end());
}

void LazyNeurons::settle() {
  for (const std::uint32_t i : touched_) {
    Neuron& neuron = neurons_[i];
    if (neuron.hot != 0 || !can_fire(neuron)) continue;
    neuron.hot = 1;
    hot_.push_back(i);
  }
  touched_.clear();
}

Status LazyNeurons::read(std::string_view variable, std::span<double> values) const {
  const bool known = variable == "V_m" || variable == "I_syn_ex" || variable == "I_syn_in" ||
                     variable == "refractory";
  if (!known) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "iaf_psc_exp has no such state variable",
                 .got = std::string(variable)};
  }
  const std::vector<double> membranes = initial_membranes();
  for (std::size_t i = 0; i < neurons_.size(); ++i) {
    Neuron neuron = state_of(i, membranes[i]);
    catch_up(neuron);
    values[i] = 0.0;
    if (variable == "V_m") values[i] = static_cast<double>(neuron.membrane) + rest_;
    if (variable == "I_syn_ex") values[i] = static_cast<double>(sum(neuron)) * unit_;
    if (variable == "refractory") values[i] = static_cast<double>(neuron.held);
  }
  return {};
}

std::vector<std::vector<double>> LazyNeurons::save() const {
  std::vector<std::vector<double>> columns(kColumns);
  const std::vector<double> membranes = initial_membranes();
  for (std::size_t i = 0; i < neurons_.size(); ++i) {
    const Neuron neuron = state_of(i, membranes[i]);
    columns[0].push_back(static_cast<double>(neuron.membrane));
    columns[1].push_back(static_cast<double>(neuron.current));
    columns[2].push_back(static_cast<double>(neuron.held));
    columns[3].push_back(static_cast<double>(std::min(now_ - neuron.last, kLongAgo)));
    columns[4].push_back(static_cast<double>(neuron.hot));
    columns[5].push_back(static_cast<double>(neuron.received));
  }
  return columns;
}

void LazyNeurons::load(std::span<const std::vector<double>> columns) {
  hot_.clear();
  touched_.clear();
  std::vector<Neuron> saved(neurons_.size());
  std::vector<std::uint32_t> order(neurons_.size());
  std::uint32_t longest = 0;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    Neuron& neuron = saved[i];
    neuron.membrane = static_cast<float>(columns[0][i]);
    neuron.current = static_cast<float>(columns[1][i]);
    neuron.received = static_cast<std::int32_t>(columns[5][i]);
    neuron.held = static_cast<std::uint16_t>(
        std::clamp(columns[2][i], 0.0, static_cast<double>(refractory_steps_)));
    const auto age = static_cast<std::uint32_t>(std::max(columns[3][i], 0.0));
    longest = std::max(longest, age);
    neuron.last = now_ - age;
    neuron.hot = columns[4][i] != 0.0 ? 1 : 0;
    order[i] = static_cast<std::uint32_t>(i);
  }
  // Those that moved last first, so that those that take part lie together again. Places that were
  // given stay: synapses know them.
  origin_ = now_ - longest;
  std::ranges::stable_sort(order, {}, [&](std::uint32_t i) { return now_ - saved[i].last; });
  const std::vector<double> membranes = initial_membranes();
  for (const std::uint32_t i : order) {
    if (place_[i] == 0 && saved[i] == untouched(membranes[i])) continue;
    const std::uint32_t at = place(i);
    neurons_[at] = saved[i];
    if (saved[i].hot != 0) hot_.push_back(at);
  }
}

bool can_be_lazy(const Network& network, std::uint32_t population) {
  if (network.populations[population].model != IafPscExp::kName) return false;
  if (splits_inputs(network, population)) return false;
  for (const auto& info : IafPscExp::kParameters) {
    if (!info.initial && !is_uniform(network, population, info.name)) return false;
  }
  const IafPscExp::Parameters p = parameters_of(network, population);
  if (detail::refractory_steps(p.t_ref, network.dt) > kMostRefractory) return false;
  // Later steps than the table has would be taken for its last one.
  if (kForgotten * std::max(p.tau_m, p.tau_syn_ex) / network.dt > kMostSteps) return false;
  // Neurons that fire by themselves never wait.
  if (p.I_e * p.tau_m / p.C_m >= p.V_th - p.E_L) return false;
  return std::none_of(network.stimuli.begin(), network.stimuli.end(), [&](const Stimulus& s) {
    return std::visit([&](const auto& stimulus) { return stimulus.population == population; }, s);
  });
}

}  // namespace spikeloom::simulation
