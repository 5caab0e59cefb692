/// What a neuron of a core does in a tick.

#include <algorithm>

#include "backends/emulator/plan_emulator_private.hpp"
#include "snn/recurrent_equations.hpp"

namespace spikeloom::emulator {

Word PlanEmulator::State::step_unit(const PlacedPopulation& population, std::uint32_t unit,
                                    NeuronWords& state, std::span<const Word> sums) const {
  if (words_are.is_real) return step_real_unit(population, unit, state, sums);
  const IntegerNode& node = numbers.integer(population.node);
  const auto units = static_cast<std::uint32_t>(population.slice.size());
  const auto gate = [&](const IntegerScale& scale, const std::vector<std::int32_t>& bias,
                        std::uint32_t first, std::uint32_t g) {
    const std::size_t row = std::size_t{g} * units + unit;
    return equations::gate_sum(sums[first + g], scale.multiplier[row], at_or(bias, row),
                               scale.shift);
  };
  const auto w = [&](std::uint32_t g) { return gate(node.scale, node.bias, 0, g); };
  const auto r = [&](std::uint32_t g) {
    return gate(node.recurrent_scale, node.recurrent_bias, 3, g);
  };
  const equations::GateSums<std::int32_t> all = {w(0), w(1), w(2), r(0), r(1), r(2)};
  const auto done = equations::egru(all, state.membrane, node.threshold[unit]);
  state.membrane = done.state;
  return done.output;
}

Word PlanEmulator::State::step_real_unit(const PlacedPopulation& population, std::uint32_t unit,
                                         NeuronWords& state, std::span<const Word> sums) const {
  const auto& layer = std::get<op::Recurrent>(program.nodes[population.node].operation);
  const auto sum = [&](const std::vector<float>& bias, std::uint32_t first, std::uint32_t g) {
    const std::size_t row = std::size_t{g} * population.slice.size() + unit;
    return WordFormat::real(sums[first + g]) + at_or(bias, row);
  };
  const auto w = [&](std::uint32_t g) { return sum(layer.bias, 0, g); };
  const auto gates = static_cast<std::uint32_t>(op::gate_count(layer.cell));
  const auto r = [&](std::uint32_t g) { return sum(layer.recurrent_bias, gates, g); };
  const float h = WordFormat::real(state.membrane);
  equations::Unit<float> done;
  if (layer.cell == op::Cell::kLstm) {
    const auto gate = [&](std::uint32_t g) { return w(g) + r(g); };
    done = equations::lstm(gate(0), gate(1), gate(2), gate(3), h);
  } else {
    const equations::GateSums<float> all = {w(0), w(1), w(2), r(0), r(1), r(2)};
    if (layer.cell == op::Cell::kGru) {
      done.state = done.output = equations::gru_state(all, h);
    } else {
      done = equations::egru(all, h, layer.threshold[unit]);
    }
  }
  state.membrane = WordFormat::of_real(done.state);
  return WordFormat::of_real(done.output);
}

/// `number` is the neuron's among those of its core.
Word PlanEmulator::State::step_neuron(const PlacedPopulation& population, std::uint32_t neuron,
                                      CoreMemory& memory, std::uint32_t number,
                                      std::span<const Word> sums) const {
  NeuronWords& words = memory.neurons[number];
  const Operation& operation = program.nodes[population.node].operation;
  switch (population.kind) {
    case PlacedKind::kInput:
    case PlacedKind::kEmbedding:
      return 0;
    case PlacedKind::kSum:
    case PlacedKind::kWeights:
      return sums[0];
    case PlacedKind::kRelu:
      return words_are.number(sums[0]) > 0.0 ? sums[0] : 0;
    case PlacedKind::kThreshold:
      if (words_are.is_real) {
        const auto& threshold = std::get<op::Threshold>(operation).threshold;
        return WordFormat::of_real(
            WordFormat::real(sums[0]) > static_cast<float>(threshold[neuron]) ? 1.0F : 0.0F);
      }
      return sums[0] > numbers.integer(population.node).threshold[neuron] ? 1 : 0;
    case PlacedKind::kMaxPool: {
      const Word largest = *std::max_element(sums.begin(), sums.end(), [&](Word a, Word b) {
        return words_are.is_real ? WordFormat::real(a) < WordFormat::real(b) : a < b;
      });
      return largest == words_are.none() ? 0 : largest;
    }
    case PlacedKind::kRecurrent:
      return step_unit(population, neuron, words, sums);
    case PlacedKind::kNeuron:
      return population.early ? step_early(population, neuron, words, sums[0])
                              : step_spiking(population, neuron, memory, number, sums[0]);
  }
  return 0;
}

/// The spikes of a neuron that leave before it has its input.
Word PlanEmulator::State::early_spikes(const PlacedPopulation& population, std::uint32_t neuron,
                                       const NeuronWords& words) const {
  const auto p = static_cast<std::size_t>(population_of[population.node]);
  const SpikeRule rule = step_options_of[p].rule;
  if (!words_are.is_real) {
    const IntegerNeurons& neurons = numbers.integer(population.node).neurons;
    return equations::spike_count(words.membrane, at_or(neurons.threshold, neuron), rule);
  }
  const float fired = equations::spike_count(WordFormat::real(words.membrane),
                                             real_neurons[p][neuron].threshold, rule);
  const auto amplitude = static_cast<float>(program.discretisation.spike_amplitude());
  return WordFormat::of_real(fired * amplitude);
}

/// What follows once such a neuron has its input.
Word PlanEmulator::State::step_early(const PlacedPopulation& population, std::uint32_t neuron,
                                     NeuronWords& words, Word sum) const {
  const auto p = static_cast<std::size_t>(population_of[population.node]);
  const equations::StepOptions& step = step_options_of[p];
  const auto& rule = std::get<op::Neuron>(program.nodes[population.node].operation);
  const Word membrane = words.membrane;
  if (rule.restarts_at(tick)) {
    words = {0, words_are.of(at_or(rule.coefficients.initial, neuron))};
  }
  if (words_are.is_real) {
    const equations::Coefficients<float>& c = real_neurons[p][neuron];
    const float fired = equations::spike_count(WordFormat::real(membrane), c.threshold, step.rule);
    equations::State<float> state{WordFormat::real(words.current),
                                  WordFormat::real(words.membrane)};
    equations::step_after_late_spikes(state, fired, WordFormat::real(sum), c, step);
    words = {WordFormat::of_real(state.current), WordFormat::of_real(state.membrane)};
  } else {
    const auto c = coefficients_of<std::int32_t>(numbers.integer(population.node).neurons, neuron);
    const std::int32_t fired = equations::spike_count(membrane, c.threshold, step.rule);
    equations::State<std::int32_t> state{words.current, words.membrane};
    equations::step_after_late_spikes(state, fired, sum, c, step);
    words = {state.current, state.membrane};
  }
  return 0;
}

/// `number` is the neuron's among those of its core.
Word PlanEmulator::State::step_spiking(const PlacedPopulation& population, std::uint32_t neuron,
                                       CoreMemory& memory, std::uint32_t number, Word sum) const {
  NeuronWords& words = memory.neurons[number];
  const Operation& operation = program.nodes[population.node].operation;
  const auto& rule = std::get<op::Neuron>(operation);
  if (rule.restarts_at(tick)) {
    words = {0, words_are.of(at_or(rule.coefficients.initial, neuron))};
    if (!memory.waiting.empty()) memory.waiting[number] = 0;
  }
  if (!memory.waiting.empty() && memory.waiting[number] > 0) {
    --memory.waiting[number];
    return 0;
  }
  const auto p = static_cast<std::size_t>(population_of[population.node]);
  const equations::StepOptions& step = step_options_of[p];
  Word spikes = 0;
  if (words_are.is_real) {
    equations::State<float> state{WordFormat::real(words.current),
                                  WordFormat::real(words.membrane)};
    float before = 0.0F;
    const float fired =
        equations::step(state, WordFormat::real(sum), real_neurons[p][neuron], step, before);
    const auto amplitude = static_cast<float>(program.discretisation.spike_amplitude());
    words = {WordFormat::of_real(state.current), WordFormat::of_real(state.membrane)};
    spikes = WordFormat::of_real(fired * amplitude);
  } else {
    const IntegerNeurons& neurons = numbers.integer(population.node).neurons;
    equations::State<std::int32_t> state{words.current, words.membrane};
    std::int32_t before = 0;
    spikes =
        equations::step(state, sum, coefficients_of<std::int32_t>(neurons, neuron), step, before);
    words = {state.current, state.membrane};
  }
  if (spikes != 0 && !rule.coefficients.refractory.empty()) {
    memory.waiting[number] = rule.coefficients.refractory[neuron];
  }
  return step.spiking ? spikes : words.membrane;
}

}  // namespace spikeloom::emulator
