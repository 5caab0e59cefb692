/// Where a Plan's events enter and leave the machine.

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "backends/emulator/plan_emulator_private.hpp"
#include "snn/recurrent_equations.hpp"

namespace spikeloom::emulator {

/// `way`: links from the Output up; `over`: the nodes that they lead into.
Status PlanEmulator::State::follow_output(LinearNodes& nodes, std::vector<const Link*>& way,
                                          std::vector<std::uint32_t>& over,
                                          DirectOutput& output) const {
  for (const Link& link : program.nodes[over.back()].inputs) {
    const ProgramNode& from = program.nodes[link.source];
    if (std::holds_alternative<op::Decoder>(from.operation)) continue;  // outside of the machine
    way.push_back(&link);
    const std::int32_t population = population_of[link.source];
    if (population >= 0) {
      DirectOutput::Source source{static_cast<std::uint32_t>(population), 0, {}};
      std::vector<Term> terms;
      for (std::uint32_t i = 0; i < from.out_size; ++i) {
        terms.assign(1, {i, 0, 1.0});
        for (std::size_t h = way.size(); h-- > 0;) {
          for (Term& term : terms) term.delay += way[h]->delay;
          if (h > 0) SPIKELOOM_CHECK(nodes.apply(over[h], terms));
        }
        if (terms.size() != 1) {
          return Error{.code = ErrorCode::kUnsupported,
                       .what = "the plan has no sums for this Output",
                       .where = program.nodes[output.node].name,
                       .next = "map this network anew"};
        }
        source.delay = std::max(source.delay, std::int64_t{terms[0].delay});
        source.arrival.push_back(terms[0]);
      }
      output.sources.push_back(std::move(source));
    } else if (over.size() > program.nodes.size()) {
      return Error{.code = ErrorCode::kShape,
                   .what = "the plan lacks a population in a cycle of this network",
                   .where = from.name,
                   .next = "map this network anew"};
    } else {
      over.push_back(link.source);
      SPIKELOOM_CHECK(follow_output(nodes, way, over, output));
      over.pop_back();
    }
    way.pop_back();
  }
  return {};
}

Status PlanEmulator::State::find_outputs() {
  std::int64_t longest = 0;
  LinearNodes nodes(program, numbers);
  for (const std::uint32_t node : program.outputs) {
    if (population_of[node] >= 0) continue;
    DirectOutput output;
    output.node = node;
    std::vector<const Link*> way;
    std::vector<std::uint32_t> over{node};
    SPIKELOOM_CHECK(follow_output(nodes, way, over, output));
    for (const auto& source : output.sources) longest = std::max(longest, source.delay);
    outputs.push_back(std::move(output));
  }
  history.resize(static_cast<std::size_t>(longest) + 1);
  return {};
}

/// Adds up what arrives at the Outputs in this tick.
void PlanEmulator::State::collect_outputs() {
  const auto length = static_cast<std::int64_t>(history.size());
  history[static_cast<std::size_t>(tick % length)] = sent;
  for (DirectOutput& output : outputs) {
    std::map<std::uint32_t, Word> sums;
    for (const auto& source : output.sources) {
      for (std::int64_t ago = 0; ago <= std::min(source.delay, tick); ++ago) {
        const auto& then = history[static_cast<std::size_t>((tick - ago) % length)];
        for (const PlacedEvent& event : then[source.population]) {
          const Term& term = source.arrival[event.index];
          if (term.delay != ago) continue;
          Word& sum = sums[term.index];
          sum = words_are.sum(sum, words_are.of(event.value * term.weight));
        }
      }
    }
    output.arrived.clear();
    for (const auto& [index, value] : sums) {
      if (value != 0) output.arrived.push_back({output.node, index, words_are.number(value)});
    }
  }
}

/// The Input nodes whose events are words.
Status PlanEmulator::State::find_words() {
  for (std::uint32_t p = 0; p < placed.populations.size(); ++p) {
    if (placed.populations[p].kind != PlacedKind::kEmbedding) continue;
    const ProgramNode& embedding = program.nodes[placed.populations[p].node];
    for (const Link& link : embedding.inputs) {
      if (!std::holds_alternative<op::Input>(program.nodes[link.source].operation)) {
        return Error{.code = ErrorCode::kUnsupported,
                     .what = "words that are not events from outside are not emulated",
                     .where = embedding.name};
      }
      WordInput made{.population = p, .source = link.source, .delay = link.delay, .waiting = {}};
      made.waiting.resize(std::size_t{link.delay} + 1);
      words.push_back(std::move(made));
    }
  }
  return {};
}

/// Adds up the events of each input neuron.
Status PlanEmulator::State::take_input(std::span<const PlacedEvent> input) {
  for (const PlacedEvent& event : input) {
    const bool is_carried = words_are.is_real
                                ? std::abs(event.value) <= double{std::numeric_limits<float>::max()}
                                : event.value == std::trunc(event.value) &&
                                      std::abs(event.value) <= double{kEventLimit};
    if (!is_carried) {
      return Error{
          .code = ErrorCode::kShape,
          .what = "an event's value is no number that a packet carries",
          .where = fmt::format("tick {}, node {}, element {}", tick, event.node, event.index),
          .expected = words_are.is_real ? "a finite float32"
                                        : fmt::format("an integer within +-{}", kEventLimit),
          .got = fmt::format("{}", event.value)};
    }
    const auto is_word = [&](const WordInput& w) { return w.source == event.node; };
    if (event.node < program.nodes.size() && event.index < program.nodes[event.node].out_size &&
        std::any_of(words.begin(), words.end(), is_word)) {
      continue;
    }
    const std::int32_t p = event.node < population_of.size() ? population_of[event.node] : -1;
    if (p < 0 || placed.populations[static_cast<std::size_t>(p)].kind != PlacedKind::kInput ||
        event.index >= placed.populations[static_cast<std::size_t>(p)].slice.size()) {
      return Error{
          .code = ErrorCode::kShape,
          .what = "an event lies outside the inputs",
          .where = fmt::format("tick {}, node {}, element {}", tick, event.node, event.index)};
    }
  }
  for (const PlacedEvent& event : input) {
    for (WordInput& w : words) {
      if (w.source != event.node) continue;
      const auto length = static_cast<std::int64_t>(w.waiting.size());
      w.waiting[static_cast<std::size_t>((tick + w.delay) % length)].push_back(event);
    }
    const std::int32_t p = population_of[event.node];
    if (p < 0) continue;
    Word& sum = input_sums[static_cast<std::size_t>(p)][event.index];
    sum = words_are.sum(sum, words_are.of(event.value));
  }
  take_words();
  send_inputs();
  return {};
}

void PlanEmulator::State::take_words() {
  for (WordInput& w : words) {
    const auto length = static_cast<std::int64_t>(w.waiting.size());
    std::vector<PlacedEvent>& due = w.waiting[static_cast<std::size_t>(tick % length)];
    look_up(w, due);
    due.clear();
  }
}

void PlanEmulator::State::look_up(const WordInput& w, const std::vector<PlacedEvent>& events) {
  const std::uint32_t node = placed.populations[w.population].node;
  const auto& embedding = std::get<op::Embedding>(program.nodes[node].operation);
  std::map<std::uint32_t, double> values;
  for (const PlacedEvent& event : events) values[event.index] += event.value;
  for (const auto& [word, value] : values) {
    if (value == 0.0) continue;
    for (std::int64_t i = 0; i < embedding.size; ++i) {
      Word& sum = input_sums[w.population][static_cast<std::size_t>(i)];
      const double weight = embedding.weight.at(std::int64_t{word} * embedding.size + i);
      if (words_are.is_real) {
        const double scale = embedding.scale.empty() ? 1.0 : double{embedding.scale[word]};
        sum = words_are.sum(sum, words_are.of(weight * scale * value));
      } else {
        const IntegerScale& scale = numbers.integer(node).scale;
        sum += static_cast<Word>(equations::scaled(static_cast<Word>(weight * value),
                                                   scale.multiplier[word], scale.shift));
      }
    }
  }
}

/// Sends what of the inputs is not 0.
void PlanEmulator::State::send_inputs() {
  for (std::size_t p = 0; p < placed.populations.size(); ++p) {
    const PlacedPopulation& population = placed.populations[p];
    for (std::uint32_t n = 0; n < input_sums[p].size(); ++n) {
      const Word value = std::exchange(input_sums[p][n], 0);
      if (value == 0) continue;
      sent[p].push_back({population.node, n, words_are.number(value)});
      send(population.slice[n], population.within[n], value, 0.0);
    }
  }
}

}  // namespace spikeloom::emulator
