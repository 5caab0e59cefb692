#include "snn/simulation/network.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include <fmt/format.h>

#include "snn/simulation/neuron_models.hpp"

namespace spikeloom::simulation {
namespace {

constexpr std::int64_t kMostNeurons = std::int64_t{1} << 31;
constexpr std::int64_t kMostSynapses = std::int64_t{1} << 48;
/// Spikes of a Poisson source in one step, on average.
constexpr double kMostInStep = 500.0;

Error bad(ErrorCode code, std::string what, std::string expected, std::string got) {
  return Error{.code = code,
               .what = std::move(what),
               .expected = std::move(expected),
               .got = std::move(got)};
}
Error invalid(std::string what, std::string expected, std::string got) {
  return bad(ErrorCode::kInvalidArgument, std::move(what), std::move(expected), std::move(got));
}

Status check_parameter(const NeuronModel& model, const std::string& name,
                       const Distribution& value) {
  const NeuronParameter* parameter = find_parameter(model, name);
  if (parameter == nullptr) {
    std::string names;
    for (const NeuronParameter& p : model.parameters) {
      names += (names.empty() ? "" : ", ") + std::string(p.name);
    }
    return invalid(fmt::format("{} has no such parameter", model.name), "one of " + names, name);
  }
  if (Status status = check(value); !status.ok()) return std::move(status).error().in(name);
  const double low = range(value).first;
  if (low < parameter->low || (low == parameter->low && !parameter->low_allowed)) {
    return invalid(name + " is out of range",
                   fmt::format("{} {}", parameter->low_allowed ? ">=" : ">", parameter->low),
                   fmt::format("{}", low));
  }
  return {};
}

double constant_or(const Population& population, const NeuronModel& model, const char* name) {
  const auto given = population.parameters.find(name);
  if (given != population.parameters.end()) return range(given->second).second;
  const NeuronParameter* parameter = find_parameter(model, name);
  return parameter == nullptr ? 0.0 : parameter->standard;
}

Status check_population(const Population& population) {
  if (population.name.empty()) return invalid("a population has no name", "a name", "none");
  if (population.size < 1 || population.size > kMostNeurons) {
    return invalid("the number of neurons", fmt::format("1 to {}", kMostNeurons),
                   std::to_string(population.size));
  }
  SPIKELOOM_TRY(const NeuronModel* model, find_neuron_model(population.model));
  for (const auto& [name, value] : population.parameters) {
    SPIKELOOM_CHECK(check_parameter(*model, name, value));
  }
  if (find_parameter(*model, "V_reset") != nullptr) {
    double threshold = find_parameter(*model, "V_th")->standard;
    if (const auto given = population.parameters.find("V_th");
        given != population.parameters.end()) {
      threshold = range(given->second).first;
    }
    const double reset = constant_or(population, *model, "V_reset");
    if (!(reset < threshold)) {
      return invalid("V_reset is not below V_th", fmt::format("below {}", threshold),
                     fmt::format("{}", reset));
    }
  }
  return {};
}

struct CheckRule {
  std::int64_t sources, targets;

  Status operator()(const AllToAll&) const { return {}; }
  Status operator()(const OneToOne&) const {
    if (sources == targets) return {};
    return bad(ErrorCode::kShape, "one-to-one joins populations of different size",
               std::to_string(sources), std::to_string(targets));
  }
  Status operator()(const FixedInDegree& rule) const { return number(rule.degree, targets); }
  Status operator()(const FixedOutDegree& rule) const { return number(rule.degree, sources); }
  Status operator()(const FixedTotalNumber& rule) const { return number(rule.synapses, 1); }
  Status operator()(const PairwiseBernoulli& rule) const {
    if (rule.probability >= 0.0 && rule.probability <= 1.0) return {};
    return invalid("a connection probability", "0 to 1", fmt::format("{}", rule.probability));
  }
  Status operator()(const ExplicitList& list) const {
    const std::size_t size = list.source.size();
    const auto fits = [size](const std::vector<float>& v) { return v.empty() || v.size() == size; };
    if (list.target.size() != size || !fits(list.weight) || !fits(list.delay)) {
      return bad(ErrorCode::kShape, "the columns of a list of synapses differ in length",
                 std::to_string(size),
                 fmt::format("{} targets, {} weights, {} delays", list.target.size(),
                             list.weight.size(), list.delay.size()));
    }
    for (std::size_t i = 0; i < size; ++i) {
      if (list.source[i] >= sources || list.target[i] >= targets) {
        return invalid(fmt::format("synapse {} leads from or to a neuron that there is not", i),
                       fmt::format("source < {}, target < {}", sources, targets),
                       fmt::format("{} to {}", list.source[i], list.target[i]));
      }
    }
    for (std::size_t i = 0; i < list.weight.size(); ++i) {
      if (!std::isfinite(list.weight[i])) {
        return invalid(fmt::format("the weight of synapse {}", i), "finite",
                       fmt::format("{}", list.weight[i]));
      }
    }
    return {};
  }

 private:
  static Status number(std::int64_t count, std::int64_t times) {
    if (count >= 0 && count <= kMostSynapses / times) return {};
    return invalid("the number of synapses", fmt::format("0 to {}", kMostSynapses / times),
                   std::to_string(count));
  }
};

Status check_delay(double low, double high, double dt) {
  // A bounded draw of half a step and more is rounded to one step.
  if (low < 0.5 * dt * (1.0 - 1e-9)) {
    return invalid("a delay is shorter than half a step", fmt::format(">= {} ms", 0.5 * dt),
                   fmt::format("{} ms", low));
  }
  if (high > dt * static_cast<double>(kLongestDelay)) {
    return invalid("a delay is too long", fmt::format("at most {} steps", kLongestDelay),
                   fmt::format("{} ms", high));
  }
  return {};
}

Status check_index(const Network& network, std::uint32_t population) {
  if (population < network.populations.size()) return {};
  return bad(ErrorCode::kNotFound, "no such population",
             fmt::format("0 to {}", static_cast<std::int64_t>(network.populations.size()) - 1),
             std::to_string(population));
}

Status check_projection(const Network& network, const Projection& projection) {
  SPIKELOOM_CHECK(check_index(network, projection.source));
  SPIKELOOM_CHECK(check_index(network, projection.target));
  const CheckRule rule{network.populations[projection.source].size,
                       network.populations[projection.target].size};
  SPIKELOOM_CHECK(std::visit(rule, projection.rule));
  if (Status s = check(projection.weight); !s.ok()) return std::move(s).error().in("weight");
  if (Status s = check(projection.delay); !s.ok()) return std::move(s).error().in("delay");
  const auto [low, high] = range(projection.delay);
  SPIKELOOM_CHECK(check_delay(low, high, network.dt));
  if (const auto* list = std::get_if<ExplicitList>(&projection.rule);
      list != nullptr && !list->delay.empty()) {
    const auto [least, most] = std::minmax_element(list->delay.begin(), list->delay.end());
    SPIKELOOM_CHECK(check_delay(*least, *most, network.dt));
  }
  return {};
}

Status check_stimulus(const Network& network, const PoissonStimulus& stimulus) {
  SPIKELOOM_CHECK(check_index(network, stimulus.population));
  const double highest = kMostInStep / (network.dt * 1e-3);
  if (!(stimulus.rate >= 0.0 && stimulus.rate <= highest)) {
    return invalid("the rate of a Poisson source", fmt::format("0 to {} Hz", highest),
                   fmt::format("{}", stimulus.rate));
  }
  if (!std::isfinite(stimulus.weight)) {
    return invalid("the weight of a Poisson source", "finite", fmt::format("{}", stimulus.weight));
  }
  return {};
}

Status check_stimulus(const Network& network, const CurrentStimulus& stimulus) {
  SPIKELOOM_CHECK(check_index(network, stimulus.population));
  if (!std::isfinite(stimulus.amplitude)) {
    return invalid("the amplitude of a current", "finite", fmt::format("{}", stimulus.amplitude));
  }
  if (!(stimulus.start >= 0.0 && stimulus.stop >= stimulus.start)) {
    return invalid("a current ends before it begins", fmt::format(">= {} ms", stimulus.start),
                   fmt::format("{} ms", stimulus.stop));
  }
  return {};
}

Status check_recording(const Network& network, const Recording& recording) {
  SPIKELOOM_CHECK(check_index(network, recording.population));
  const Population& population = network.populations[recording.population];
  if (recording.first < 0 || recording.count < 0 ||
      recording.first > population.size - recording.count) {
    return bad(ErrorCode::kShape, "a recording of neurons that there are not",
               fmt::format("neurons 0 to {}", population.size - 1),
               fmt::format("{} from {} on", recording.count, recording.first));
  }
  if (recording.interval < 1) {
    return invalid("the interval of a recording", ">= 1 step", std::to_string(recording.interval));
  }
  if (recording.variable.empty()) return {};
  SPIKELOOM_TRY(const NeuronModel* model, find_neuron_model(population.model));
  const NeuronParameter* parameter = find_parameter(*model, recording.variable);
  if (parameter == nullptr || !parameter->state) {
    return invalid(fmt::format("{} has no such state variable", model->name), "V_m, for example",
                   recording.variable);
  }
  return {};
}

struct Count {
  double sources, targets;
  bool same;

  double operator()(const AllToAll& rule) const { return pairs(rule.autapses); }
  double operator()(const OneToOne&) const { return sources; }
  double operator()(const FixedInDegree& rule) const {
    return targets * static_cast<double>(rule.degree);
  }
  double operator()(const FixedOutDegree& rule) const {
    return sources * static_cast<double>(rule.degree);
  }
  double operator()(const FixedTotalNumber& rule) const {
    return static_cast<double>(rule.synapses);
  }
  double operator()(const PairwiseBernoulli& rule) const {
    return rule.probability * pairs(rule.autapses);
  }
  double operator()(const ExplicitList& list) const {
    return static_cast<double>(list.source.size());
  }

 private:
  double pairs(bool autapses) const {
    return sources * targets - (same && !autapses ? sources : 0.0);
  }
};

template <typename T>
std::string place(const char* kind, const std::vector<T>& all, const T& one,
                  const std::string& name) {
  return name.empty() ? fmt::format("{} {}", kind, &one - all.data())
                      : fmt::format("{} {}", kind, name);
}

}  // namespace

std::int64_t neuron_count(const Network& network) { return first_neurons(network).back(); }

std::vector<std::int64_t> first_neurons(const Network& network) {
  std::vector<std::int64_t> first = {0};
  for (const Population& population : network.populations) {
    first.push_back(first.back() + population.size);
  }
  return first;
}

double expected_synapses(const Network& network, const Projection& projection) {
  const Count count{static_cast<double>(network.populations[projection.source].size),
                    static_cast<double>(network.populations[projection.target].size),
                    projection.source == projection.target};
  return std::visit(count, projection.rule);
}

Status check(const Network& network) {
  if (!(std::isfinite(network.dt) && network.dt > 0.0)) {
    return invalid("the time step", "> 0 ms", fmt::format("{}", network.dt));
  }
  std::set<std::string> names;
  std::int64_t neurons = 0;
  for (const Population& p : network.populations) {
    if (Status s = check_population(p); !s.ok()) {
      return std::move(s).error().in(place("population", network.populations, p, p.name));
    }
    if (!names.insert(p.name).second) {
      return invalid("two populations have one name", "different names", p.name);
    }
    neurons += p.size;
    if (neurons > kMostNeurons) {
      return invalid("the number of neurons", fmt::format("at most {}", kMostNeurons),
                     std::to_string(neurons));
    }
  }
  for (const Projection& p : network.projections) {
    if (Status s = check_projection(network, p); !s.ok()) {
      return std::move(s).error().in(place("projection", network.projections, p, p.name));
    }
  }
  for (const Stimulus& stimulus : network.stimuli) {
    const auto one = [&](const auto& kind) { return check_stimulus(network, kind); };
    if (Status s = std::visit(one, stimulus); !s.ok()) {
      return std::move(s).error().in(place("stimulus", network.stimuli, stimulus, ""));
    }
  }
  for (const Recording& recording : network.recordings) {
    if (Status s = check_recording(network, recording); !s.ok()) {
      return std::move(s).error().in(place("recording", network.recordings, recording, ""));
    }
  }
  return {};
}

}  // namespace spikeloom::simulation
