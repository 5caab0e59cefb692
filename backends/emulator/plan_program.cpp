#include "backends/emulator/plan_program.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "backends/emulator/core_images_private.hpp"
#include "backends/emulator/linear_path_private.hpp"
#include "backends/emulator/plan_check_private.hpp"
#include "backends/emulator/ring_slots_private.hpp"
#include "backends/emulator/silence_private.hpp"

namespace spikeloom::emulator {
namespace {

constexpr std::uint64_t kMostSynapses = std::uint64_t{1} << 27;
constexpr std::uint32_t kLongestDelay = 255;
constexpr std::uint32_t kMostSums = 0xFFFFFF;

Error unsupported_node(const ProgramNode& node, std::string what) {
  return Error{.code = ErrorCode::kUnsupported, .what = std::move(what), .where = node.name};
}

class Placer {
 public:
  Placer(const Program& program, const CoreNumbers& numbers, const mapping::Plan& plan,
         const CoreImages* images)
      : program_(program),
        plan_(plan),
        numbers_(numbers),
        images_(images),
        nodes_(program, numbers) {}

  Result<PlanProgram> run() {
    population_of_.assign(program_.nodes.size(), -1);
    is_sender_.assign(program_.nodes.size(), 0);
    for (const mapping::PlanPopulation& population : plan_.populations) {
      const auto node = static_cast<std::size_t>(population.node);
      if (population.node < 0 || node >= is_sender_.size()) continue;
      is_sender_[node] = !std::holds_alternative<op::Output>(program_.nodes[node].operation);
    }
    made_.cores.resize(plan_.cores.size());
    is_used_.assign(plan_.projections.size(), 0);
    blocks_of_.resize(plan_.projections.size());
    for (std::uint32_t b = 0; b < plan_.blocks.size(); ++b) {
      blocks_of_[plan_.blocks[b].projection].push_back(b);
    }
    for (const mapping::PlanPopulation& population : plan_.populations) {
      SPIKELOOM_CHECK(add_population(population));
    }
    for (PlacedCore& core : made_.cores) core.constant.assign(core.sums, 0);
    for (std::uint32_t n = 0; n < program_.nodes.size(); ++n) {
      if (population_of_[n] < 0) continue;
      if (made_.populations[static_cast<std::size_t>(population_of_[n])].kind ==
          PlacedKind::kEmbedding) {
        continue;
      }
      hops_.assign(1, {n, nullptr});
      SPIKELOOM_CHECK(follow_inputs(n));
      if (made_.populations[population_number()].kind == PlacedKind::kWeights) {
        SPIKELOOM_CHECK(add_bias(n));
      }
      if (std::holds_alternative<op::Recurrent>(program_.nodes[n].operation)) {
        SPIKELOOM_CHECK(add_own(n));
      }
      mark_taps(n);
    }
    SPIKELOOM_CHECK(find_rounds());
    finish();
    return std::move(made_);
  }

 private:
  /// A node on the way to a target, and the link that leads into it.
  struct Hop {
    std::uint32_t node = 0;
    const Link* link = nullptr;
  };

  // --- populations ------------------------------------------------------------------------------

  Status add_population(const mapping::PlanPopulation& planned) {
    const auto number = static_cast<std::uint32_t>(made_.populations.size());
    if (planned.node < 0 || planned.node >= static_cast<std::int64_t>(program_.nodes.size())) {
      return other_program(planned);
    }
    const auto node = static_cast<std::uint32_t>(planned.node);
    const ProgramNode& layer = program_.nodes[node];
    const std::uint64_t size =
        std::uint64_t{planned.shape[0]} * planned.shape[1] * planned.shape[2];
    const bool is_output = std::holds_alternative<op::Output>(layer.operation);
    if (layer.name != planned.name ||
        size != static_cast<std::uint64_t>(is_output ? layer.in_size : layer.out_size) ||
        (!planned.order.empty() && planned.order.size() != size)) {
      return other_program(planned);
    }
    PlacedPopulation made;
    made.node = node;
    SPIKELOOM_TRY(made.kind, kind_of(layer));
    made.early = made.kind == PlacedKind::kNeuron && layer.early;
    if (const auto* recurrent = std::get_if<op::Recurrent>(&layer.operation)) {
      made.sums = static_cast<std::uint32_t>(2 * op::gate_count(recurrent->cell));
    }
    if (const auto* pool = std::get_if<op::Pool>(&layer.operation)) {
      made.sums = static_cast<std::uint32_t>(pool->kernel.rows * pool->kernel.columns);
    }
    if (numbers_.is_ring()) {
      SPIKELOOM_TRY(RingSlots slots, RingSlots::of(program_, nodes_, is_sender_, node));
      made.pairs = slots.pairs();
      made.words = 2 * static_cast<std::uint32_t>(made.pairs.size() + 1);
      ring_slots_.push_back(std::move(slots));
    }
    made.slice.resize(size);
    made.within.resize(size);
    for (std::uint32_t s = planned.first_slice; s < planned.first_slice + planned.slices; ++s) {
      if (s >= plan_.slices.size() || s != made_.slices.size() ||
          plan_.slices[s].core >= plan_.cores.size() ||
          std::uint64_t{plan_.slices[s].first} + plan_.slices[s].count > size) {
        return other_program(planned);
      }
      SPIKELOOM_CHECK(add_slice(planned, plan_.slices[s], s, number, made));
    }
    population_of_[node] = number;
    made_.populations.push_back(std::move(made));
    return {};
  }

  static Error other_program(const mapping::PlanPopulation& population) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the plan was made for another network",
                 .where = fmt::format("population \"{}\"", population.name),
                 .next = "map this network anew"};
  }

  Status add_slice(const mapping::PlanPopulation& planned, const mapping::PlanSlice& slice,
                   std::uint32_t number, std::uint32_t population, PlacedPopulation& made) {
    PlacedCore& core = made_.cores[slice.core];
    PlacedSlice placed;
    placed.population = population;
    placed.core = slice.core;
    placed.first = core.neurons;
    placed.first_sum = core.sums;
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      const std::uint32_t neuron =
          planned.order.empty() ? slice.first + i : planned.order[slice.first + i];
      made.slice[neuron] = number;
      made.within[neuron] = i;
      placed.neurons.push_back(neuron);
    }
    core.neurons += slice.count;
    const std::uint64_t words = std::uint64_t{slice.count} * made.sums * made.words;
    if (core.sums + words > kMostSums) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more sums on a core than the emulator holds",
                   .where = planned.name,
                   .expected = fmt::format("up to {}", kMostSums)};
    }
    core.sums += static_cast<std::uint32_t>(words);
    core.slices.push_back(number);
    made_.slices.push_back(std::move(placed));
    return {};
  }

  static Result<PlacedKind> kind_of(const ProgramNode& layer) {
    if (std::holds_alternative<op::Input>(layer.operation)) return PlacedKind::kInput;
    if (std::holds_alternative<op::Threshold>(layer.operation)) return PlacedKind::kThreshold;
    if (std::holds_alternative<op::Output>(layer.operation)) return PlacedKind::kSum;
    if (std::holds_alternative<op::Relu>(layer.operation)) return PlacedKind::kRelu;
    if (std::holds_alternative<op::Embedding>(layer.operation)) return PlacedKind::kEmbedding;
    if (const auto* pool = std::get_if<op::Pool>(&layer.operation);
        pool != nullptr && pool->kind == op::PoolKind::kMax) {
      return PlacedKind::kMaxPool;
    }
    if (const auto* recurrent = std::get_if<op::Recurrent>(&layer.operation);
        recurrent != nullptr && recurrent->cell != op::Cell::kEgruPaper) {
      return PlacedKind::kRecurrent;
    }
    if (is_weight_operation(layer.operation) &&
        !std::holds_alternative<op::Decoder>(layer.operation)) {
      return PlacedKind::kWeights;
    }
    if (std::holds_alternative<op::Neuron>(layer.operation)) return PlacedKind::kNeuron;
    return unsupported_node(layer, fmt::format("the emulator does not place a {}", layer.kind));
  }

  // --- ways between populations -----------------------------------------------------------------

  Status follow_inputs(std::uint32_t at) {
    for (const Link& link : program_.nodes[at].inputs) {
      hops_.back().link = &link;
      if (is_sender_[link.source] != 0) {
        SPIKELOOM_CHECK(add_way(link.source));
        continue;
      }
      if (hops_.size() > program_.nodes.size()) {
        return Error{.code = ErrorCode::kShape,
                     .what = "the plan lacks a population in a cycle of this network",
                     .where = fmt::format("node \"{}\"", program_.nodes[at].name),
                     .next = "map this network anew"};
      }
      SPIKELOOM_CHECK(add_bias(link.source));
      hops_.push_back({link.source, nullptr});
      SPIKELOOM_CHECK(follow_inputs(link.source));
      hops_.pop_back();
    }
    return {};
  }

  /// Terms at the output of hop `to`, or at the target's input, from terms at the output of the
  /// node before the last hop.
  Status carry(std::vector<Term>& terms, bool is_bias, std::size_t to = 0) {
    // A link may hold at the start what its cycle's biases give: then they do not wait for it.
    bool is_seeded = is_bias;
    for (std::size_t h = hops_.size(); h-- > to;) {
      const Link& link = *hops_[h].link;
      if (!is_seeded || !link.bias_at_start) {
        for (Term& term : terms) term.delay += link.delay;
      }
      is_seeded = is_seeded && link.in_cycle;
      if (h > 0 || target_population().kind == PlacedKind::kWeights) {
        SPIKELOOM_CHECK(nodes_.apply(hops_[h].node, terms));
      }
    }
    return {};
  }

  /// Terms at sums of the target, from terms at the output of a population at the way's beginning.
  Status follow_way(std::vector<Term>& terms) {
    if (numbers_.is_ring()) {
      for (std::size_t h = 0; h < hops_.size(); ++h) {
        const Operation& operation = program_.nodes[hops_[h].node].operation;
        if (!is_weight_operation(operation) || std::holds_alternative<op::Recurrent>(operation)) {
          continue;
        }
        SPIKELOOM_CHECK(carry(terms, false, h));
        collect(terms, true);
        std::vector<const Link*> way;
        for (std::size_t k = 0; k < h; ++k) way.push_back(hops_[k].link);
        ring_slots_[population_number()].enter(way, terms);
        return {};
      }
    }
    SPIKELOOM_CHECK(carry(terms, false));
    nodes_.enter(hops_.front().node, terms);
    collect(terms, numbers_.is_ring());
    return {};
  }

  Status add_bias(std::uint32_t node) {
    const std::vector<double> bias = nodes_.bias(node);
    if (bias.empty()) return {};
    std::vector<Term> terms;
    for (std::uint32_t i = 0; i < bias.size(); ++i) {
      if (bias[i] != 0.0) terms.push_back({i, 0, bias[i]});
    }
    // A population of weights has its own.
    const bool is_own = node == hops_.front().node;
    if (!is_own) SPIKELOOM_CHECK(carry(terms, true));
    nodes_.enter(hops_.front().node, terms);
    const PlacedPopulation& target = target_population();
    for (const Term& term : terms) {
      if (!format_.holds(term.weight)) {
        return unsupported_node(program_.nodes[node], "a bias beyond 32 bits");
      }
      const auto [core_number, sum] = place_of(target, term.index);
      PlacedCore& core = made_.cores[core_number];
      const Word value = format_.of(term.weight);
      if (term.delay == 0) {
        core.constant[sum] = format_.sum(core.constant[sum], value);
      } else {
        core.late_constants.push_back({sum, term.delay, value});
      }
    }
    return {};
  }

  std::size_t population_number() const {
    return static_cast<std::size_t>(population_of_[hops_.front().node]);
  }
  const PlacedPopulation& target_population() const {
    return made_.populations[population_number()];
  }

  /// Core and first word there of sum `index` of a population (neuron x sums + sum).
  std::pair<std::uint32_t, std::uint32_t> place_of(const PlacedPopulation& population,
                                                   std::uint32_t index) const {
    const std::uint32_t neuron = index / population.sums;
    const PlacedSlice& slice = made_.slices[population.slice[neuron]];
    const std::uint32_t sum = population.within[neuron] * population.sums + index % population.sums;
    return {slice.core, slice.first_sum + sum * population.words};
  }

  /// The last output of a recurrent layer, into its own gates.
  Status add_own(std::uint32_t node) {
    const auto number = static_cast<std::size_t>(population_of_[node]);
    const PlacedPopulation& population = made_.populations[number];
    SPIKELOOM_TRY(const std::uint32_t projection, find_projection(node, {node}));
    SPIKELOOM_TRY(const StoredWeights stored, stored_weights(projection));
    nodes_.use(&stored);
    rows_.resize(std::max(rows_.size(), made_.slices.size()));
    std::vector<Term> terms;
    for (std::uint32_t neuron = 0; neuron < population.slice.size(); ++neuron) {
      terms.assign(1, {neuron, 1, 1});
      nodes_.enter_own(node, terms);
      SPIKELOOM_CHECK(keep(node, population, neuron, population, terms));
    }
    nodes_.use(nullptr);
    return {};
  }

  /// Sums of taps that lie outside of a maximum pool's input.
  void mark_taps(std::uint32_t node) {
    const auto* pool = std::get_if<op::Pool>(&program_.nodes[node].operation);
    if (pool == nullptr) return;
    const PlacedPopulation& population = target_population();
    std::vector<char> inside(population.slice.size() * population.sums, 0);
    std::vector<Term> terms;
    for (std::int64_t i = 0; i < program_.nodes[node].in_size; ++i) {
      terms.assign(1, {static_cast<std::uint32_t>(i), 0, 1});
      nodes_.enter(node, terms);
      for (const Term& term : terms) inside[term.index] = 1;
    }
    for (std::uint32_t i = 0; i < inside.size(); ++i) {
      if (inside[i] != 0) continue;
      const auto [core, sum] = place_of(population, i);
      made_.cores[core].constant[sum] = format_.none();
    }
  }

  /// Links without a delay lead from earlier rounds of a tick to later ones.
  Status find_rounds() {
    for (std::size_t again = 0; again <= made_.populations.size(); ++again) {
      bool changed = false;
      for (const auto& [source, target] : immediate_) {
        const std::uint32_t least = made_.populations[source].round + 1;
        if (made_.populations[target].round >= least) continue;
        made_.populations[target].round = least;
        made_.rounds = std::max(made_.rounds, least + 1);
        changed = true;
      }
      if (!changed) return {};
    }
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "populations that reach each other without a delay",
                 .next = "give --link-delay 1"};
  }

  Status add_way(std::uint32_t source) {
    const auto number = static_cast<std::size_t>(population_of_[source]);
    const PlacedPopulation& from = made_.populations[number];
    const PlacedPopulation& to = target_population();
    std::vector<std::uint32_t> way;
    for (std::size_t h = hops_.size(); h-- > 1;) way.push_back(hops_[h].node);
    if (to.kind == PlacedKind::kWeights || to.kind == PlacedKind::kRecurrent) {
      way.push_back(hops_.front().node);
    }
    SPIKELOOM_TRY(const std::uint32_t projection, find_projection(source, way));
    SPIKELOOM_TRY(const StoredWeights stored, stored_weights(projection));
    const std::set<std::uint32_t> without_zeros = slices_without_zeros(projection);
    rows_.resize(std::max(rows_.size(), made_.slices.size()));
    nodes_.use(&stored);
    // A word of an image takes its time, also where rounding or a Scale makes 0 of its weight.
    const bool is_listed =
        !stored.delays.empty() || (stored.is_there && !stored.columns.start.empty());
    std::vector<Term> terms;
    for (std::uint32_t neuron = 0; neuron < from.slice.size(); ++neuron) {
      terms.assign(1, {neuron, 0, 1.0});
      SPIKELOOM_CHECK(follow_way(terms));
      std::erase_if(terms, [&](const Term& term) {
        return !is_listed && term.weight == 0.0 &&
               without_zeros.contains(to.slice[term.index / to.sums]);
      });
      for (Term& term : terms) {
        if (!stored.delays.empty()) term.delay_held = stored.delays[term.index / to.sums];
      }
      SPIKELOOM_CHECK(keep(source, from, neuron, to, terms));
    }
    nodes_.use(nullptr);
    const bool keeps_a_state = from.kind == PlacedKind::kNeuron || is_outside(from.kind);
    return hops_.front().link->bias_at_start && !keeps_a_state ? add_start(source) : Status{};
  }

  /// What the last link of a way holds before the first tick: what its source gives in silence.
  Status add_start(std::uint32_t source) {
    for (std::size_t h = 1; h < hops_.size(); ++h) {
      const Operation& operation = program_.nodes[hops_[h].node].operation;
      const Link& link = *hops_[h].link;
      if (!link.in_cycle || link.delay > 0 || std::holds_alternative<op::Delay>(operation)) {
        return {};
      }
    }
    if (silent_.empty()) {
      SPIKELOOM_TRY(silent_, outputs_in_silence(program_, numbers_, nodes_));
    }
    const std::vector<double>& values = silent_[source];
    std::vector<Term> terms;
    for (std::uint32_t i = 0; i < values.size(); ++i) {
      if (values[i] == 0.0) continue;
      terms.assign(1, {i, 0, 1.0});
      SPIKELOOM_CHECK(follow_way(terms));
      for (const Term& term : terms) {
        const double product = term.weight * values[i];
        if (!format_.holds(product)) {
          return unsupported_node(program_.nodes[source], "a sum beyond 32 bits at the start");
        }
        const auto [core, sum] = place_of(target_population(), term.index);
        for (std::uint32_t tick = 0; tick < hops_.front().link->delay; ++tick) {
          made_.cores[core].at_start.push_back({sum + 2 * term.pair, tick, format_.of(product)});
        }
      }
    }
    return {};
  }

  /// The plan's projection from a population to the present target over these nodes; ways that are
  /// there twice have one each.
  Result<std::uint32_t> find_projection(std::uint32_t source,
                                        const std::vector<std::uint32_t>& way) {
    for (std::uint32_t p = 0; p < plan_.projections.size(); ++p) {
      const mapping::PlanProjection& projection = plan_.projections[p];
      if (is_used_[p] != 0 || projection.nodes != way ||
          projection.source != static_cast<std::uint32_t>(population_of_[source]) ||
          projection.target != population_number()) {
        continue;
      }
      is_used_[p] = 1;
      return p;
    }
    return unsupported_node(
        program_.nodes[hops_.front().node],
        fmt::format("the plan does not lead from \"{}\" to here", program_.nodes[source].name));
  }

  Result<StoredWeights> stored_weights(std::uint32_t projection) const {
    if (images_ == nullptr) return StoredWeights{};
    return images_->read(projection);
  }

  /// Slices whose memory lists synapses one by one: it leaves weights out that are 0.
  std::set<std::uint32_t> slices_without_zeros(std::uint32_t projection) const {
    std::set<std::uint32_t> slices;
    for (const std::uint32_t b : blocks_of_[projection]) {
      const mapping::PlanBlock& block = plan_.blocks[b];
      if (block.kind != mapping::BlockKind::kSparse && block.kind != mapping::BlockKind::kRows) {
        continue;
      }
      slices.insert(block.slice);
    }
    return slices;
  }

  /// Adds terms to the row of a source neuron.
  Status keep(std::uint32_t source, const PlacedPopulation& from, std::uint32_t neuron,
              const PlacedPopulation& to, const std::vector<Term>& terms) {
    const ProgramNode& layer = program_.nodes[source];
    made_.synapses += terms.size();
    if (made_.synapses > kMostSynapses) {
      return Error{.code = ErrorCode::kResource,
                   .what = "more synapses than the emulator holds",
                   .where = layer.name,
                   .expected = fmt::format("up to {}", kMostSynapses)};
    }
    auto& rows = rows_[from.slice[neuron]];
    rows.resize(made_.slices[from.slice[neuron]].neurons.size());
    auto& row = rows[from.within[neuron]];
    for (const Term& term : terms) {
      if (term.delay_held > 0 && term.delay_held != std::max(1U, term.delay)) {
        return Error{.code = ErrorCode::kShape,
                     .what = "the image of a core is not this network's: another delay",
                     .where = layer.name,
                     .expected = fmt::format("{} ticks", term.delay),
                     .got = fmt::format("{}", term.delay_held),
                     .next = "make the images anew, with this network and Plan"};
      }
      if (term.delay > kLongestDelay || !format_.holds(term.weight)) {
        return unsupported_node(layer,
                                "a delay of more than 255 ticks, or a weight beyond 32 bits");
      }
      if (term.delay == 0 && !is_outside(from.kind) && !from.early) {
        immediate_.emplace(&from - made_.populations.data(), &to - made_.populations.data());
      }
      made_.longest_delay = std::max(made_.longest_delay, term.delay);
      const auto [core, sum] = place_of(to, term.index);
      row.push_back({core, sum + 2 * term.pair, term.delay, format_.of(term.weight)});
    }
    return {};
  }

  /// Sorts every row by core and hands its parts to the cores.
  void finish() {
    rows_.resize(made_.slices.size());
    for (std::uint32_t s = 0; s < rows_.size(); ++s) {
      std::vector<std::uint32_t>& listeners = made_.slices[s].listeners;
      for (auto& row : rows_[s]) {
        std::stable_sort(row.begin(), row.end(),
                         [](const RowTerm& a, const RowTerm& b) { return a.core < b.core; });
        for (const RowTerm& term : row) {
          if (listeners.empty() || listeners.back() != term.core) listeners.push_back(term.core);
        }
      }
      std::sort(listeners.begin(), listeners.end());
      listeners.erase(std::unique(listeners.begin(), listeners.end()), listeners.end());
      for (const std::uint32_t core : listeners) made_.cores[core].blocks.push_back({s, {0}, {}});
      for (const auto& row : rows_[s]) add_row(row, listeners);
      rows_[s] = {};
    }
  }

  struct RowTerm {
    std::uint32_t core = 0, sum = 0, delay = 0;
    Word weight = 0;
  };

  void add_row(const std::vector<RowTerm>& row, const std::vector<std::uint32_t>& listeners) {
    auto term = row.begin();
    for (const std::uint32_t core : listeners) {
      RowBlock& block = made_.cores[core].blocks.back();
      for (; term != row.end() && term->core == core; ++term) {
        PlacedSynapse synapse;
        synapse.sum = term->sum & kMostSums;
        synapse.delay = term->delay & 0xFFU;
        synapse.weight = term->weight;
        block.synapses.push_back(synapse);
      }
      block.start.push_back(static_cast<std::uint32_t>(block.synapses.size()));
    }
  }

  const Program& program_;
  const mapping::Plan& plan_;
  const CoreNumbers& numbers_;
  const CoreImages* images_;
  const WordFormat format_ = numbers_.format();
  LinearNodes nodes_;
  PlanProgram made_;
  std::vector<std::int64_t> population_of_;                  ///< by node
  std::vector<char> is_used_;                                ///< by projection of the plan
  std::vector<std::vector<std::uint32_t>> blocks_of_;        ///< the same
  std::vector<std::vector<double>> silent_;                  ///< by node, once it is asked for
  std::vector<char> is_sender_;                              ///< by node: a population, no Output
  std::vector<RingSlots> ring_slots_;                        ///< ring16: by population
  std::set<std::pair<std::size_t, std::size_t>> immediate_;  ///< populations joined without delay
  std::vector<Hop> hops_;                                    ///< from the target up
  std::vector<std::vector<std::vector<RowTerm>>> rows_;      ///< by slice and place
};

}  // namespace

bool RowBlock::has_effect(std::uint32_t neuron) const {
  return std::any_of(synapses.begin() + start[neuron], synapses.begin() + start[neuron + 1],
                     [](const PlacedSynapse& synapse) { return synapse.weight != 0; });
}

const RowBlock* PlacedCore::find(std::uint32_t slice) const {
  const auto at =
      std::lower_bound(blocks.begin(), blocks.end(), slice,
                       [](const RowBlock& block, std::uint32_t s) { return block.slice < s; });
  return at != blocks.end() && at->slice == slice ? &*at : nullptr;
}

Result<PlanProgram> place_program(const Program& program, const CoreNumbers& numbers,
                                  const mapping::Plan& plan, const mapping::PlanImages* images) {
  SPIKELOOM_CHECK(check_plan(plan));
  if (images == nullptr) return Placer(program, numbers, plan, nullptr).run();
  SPIKELOOM_TRY(const CoreImages memory, CoreImages::of(program, plan, *images));
  return Placer(program, numbers, plan, &memory).run();
}

}  // namespace spikeloom::emulator
