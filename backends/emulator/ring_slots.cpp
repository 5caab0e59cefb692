#include <algorithm>
#include <utility>

#include "backends/emulator/ring_slots_private.hpp"

namespace spikeloom::emulator {
namespace {

constexpr std::size_t kMostGroups = 10'000;

Error lacks_population(const ProgramNode& node) {
  return Error{.code = ErrorCode::kShape,
               .what = "the plan lacks a population of this network",
               .where = node.name,
               .next = "map this network anew"};
}

}  // namespace

Result<RingSlots> RingSlots::of(const Program& program, LinearNodes& nodes,
                                const std::vector<char>& is_sender, std::uint32_t node) {
  RingSlots made;
  const ProgramNode& population = program.nodes[node];
  const bool is_output = std::holds_alternative<op::Output>(population.operation);
  made.neurons_ = static_cast<std::size_t>(is_output ? population.in_size : population.out_size);
  if (is_weight_operation(population.operation)) {
    SPIKELOOM_CHECK(made.add_group(program, nodes, node));
    return made;
  }
  made.over_.push_back(node);
  SPIKELOOM_CHECK(made.find(program, nodes, is_sender, node));
  return made;
}

/// A Plan made for another network may lack the population that closes a cycle: then the way gets
/// longer than the network.
Status RingSlots::find(const Program& program, LinearNodes& nodes,
                       const std::vector<char>& is_sender, std::uint32_t at) {
  for (const Link& link : program.nodes[at].inputs) {
    if (is_sender[link.source] != 0) continue;
    if (way_.size() >= program.nodes.size() || groups_.size() >= kMostGroups) {
      return lacks_population(program.nodes[at]);
    }
    way_.push_back(&link);
    if (is_weight_operation(program.nodes[link.source].operation)) {
      SPIKELOOM_CHECK(add_group(program, nodes, link.source));
    } else {
      over_.push_back(link.source);
      SPIKELOOM_CHECK(find(program, nodes, is_sender, link.source));
      over_.pop_back();
    }
    way_.pop_back();
  }
  return {};
}

Status RingSlots::add_group(const Program& program, LinearNodes& nodes, std::uint32_t weights) {
  if (!way_.empty()) {
    const Operation& operation = program.nodes[over_.front()].operation;
    if (std::holds_alternative<op::Pool>(operation) ||
        std::holds_alternative<op::Recurrent>(operation)) {
      return lacks_population(program.nodes[weights]);
    }
  }
  Group group{.way = way_, .taps = {}};
  const auto first = static_cast<std::uint32_t>(pairs_.size());
  std::vector<std::uint32_t> met(neurons_, 0);
  const std::int64_t elements = program.nodes[weights].out_size;
  group.taps.resize(static_cast<std::size_t>(elements));
  std::vector<Term> terms;
  for (std::uint32_t element = 0; element < elements; ++element) {
    terms.assign(1, {element, 0, 1.0});
    for (std::size_t h = way_.size(); h-- > 0;) {
      for (Term& term : terms) term.delay += way_[h]->delay;
      if (h > 0) SPIKELOOM_CHECK(nodes.apply(over_[h], terms));
    }
    for (const Term& term : terms) {
      const std::uint32_t pair = first + met[term.index]++;
      if (pair == pairs_.size()) pairs_.push_back({weights, {}});
      if (term.weight != 1.0 && pairs_[pair].factor.empty()) {
        pairs_[pair].factor.assign(neurons_, 1);
      }
      if (!pairs_[pair].factor.empty()) {
        pairs_[pair].factor[term.index] = static_cast<Word>(term.weight);
      }
      group.taps[element].push_back({term.index, pair, term.delay});
    }
  }
  groups_.push_back(std::move(group));
  return {};
}

void RingSlots::enter(const std::vector<const Link*>& way, std::vector<Term>& terms) const {
  const auto group = std::find_if(groups_.begin(), groups_.end(),
                                  [&](const Group& one) { return one.way == way; });
  std::vector<Term> out;
  for (const Term& term : terms) {
    for (const Tap& tap : group->taps[term.index]) {
      // Pair 0 of a sum is that of what comes without weights.
      out.push_back(
          {tap.neuron, term.delay + tap.delay, term.weight, tap.pair + 1, term.delay_held});
    }
  }
  terms = std::move(out);
}

}  // namespace spikeloom::emulator
