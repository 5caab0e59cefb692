#include "mapping/remap.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "mapping/detail/plan_trees.hpp"
#include "mapping/detail/shared_cores.hpp"
#include "mapping/machine.hpp"
#include "mapping/slices.hpp"

namespace spikeloom::mapping {

Faults joined(const Faults& old, const Faults& more) {
  Faults all = old;
  const auto add = [](auto& to, const auto& from) {
    for (const auto& fault : from) {
      if (std::find(to.begin(), to.end(), fault) == to.end()) to.push_back(fault);
    }
  };
  add(all.chips, more.chips);
  add(all.cores, more.cores);
  add(all.links, more.links);
  return all;
}

namespace {

/// The cut that a Plan was made with.
Slicing slicing_of(const Plan& plan) {
  Slicing slicing;
  for (const PlanPopulation& population : plan.populations) {
    slicing.populations.push_back(
        {population.tile, population.first_slice, population.slices, population.order});
  }
  for (const PlanSlice& from : plan.slices) {
    const PlanPopulation& population = plan.populations[from.population];
    const Extent3 &shape = population.shape, &tile = population.tile;
    Slice slice{.population = from.population,
                .first = from.first,
                .count = from.count,
                .box = {},
                .use = {}};
    if (shape[0] == 1 && shape[1] == 1) {
      slice.box = {{0, 0, from.first}, {1, 1, from.count}};
    } else {
      // Slices are the boxes of a grid, channels first.
      std::uint32_t at = static_cast<std::uint32_t>(slicing.slices.size()) - population.first_slice;
      for (const std::size_t axis : {std::size_t{2}, std::size_t{1}, std::size_t{0}}) {
        const std::uint32_t pieces = (shape[axis] + tile[axis] - 1) / tile[axis];
        slice.box.first[axis] = at % pieces * tile[axis];
        slice.box.size[axis] = std::min(tile[axis], shape[axis] - slice.box.first[axis]);
        at /= pieces;
      }
    }
    slicing.slices.push_back(slice);
  }
  return slicing;
}

class Remapper {
 public:
  Remapper(const Plan& old, const PopulationGraph& graph, const MapOptions& options,
           RemapReport& report)
      : old_(old), graph_(graph), options_(options), report_(report) {}

  Result<Plan> run() {
    SPIKELOOM_CHECK(check(graph_));
    MapOptions all = options_;
    all.faults = joined(old_.faults, options_.faults);
    SPIKELOOM_TRY(const Machine machine, Machine::make(old_.target, all.faults));
    report_.anew = why_anew();
    if (report_.anew.empty()) {
      plan_ = old_;
      plan_.faults = all.faults;
      slicing_ = slicing_of(old_);
      report_.anew = cut_otherwise();
    }
    if (report_.anew.empty()) report_.anew = recount();
    if (report_.anew.empty()) report_.anew = move_away(machine);
    if (report_.anew.empty()) {
      Status mended = lead_anew(machine);
      if (mended.ok()) {
        detail::place_blocks(plan_);
        return std::move(plan_);
      }
      // Other slices and keys may fit where these do not.
      if (mended.error().code != ErrorCode::kResource) return std::move(mended).error();
      const Error& error = mended.error();
      report_.anew = error.where.empty() ? error.what : error.where + ": " + error.what;
    }
    report_ = {.anew = report_.anew};
    return map(graph_, old_.target, all);
  }

 private:
  std::string why_anew() const {
    if (detail::shares_cores(old_.target)) return "its cores hold parts of every population";
    if (graph_.populations.size() != old_.populations.size()) {
      return "populations were added or removed";
    }
    for (std::size_t p = 0; p < graph_.populations.size(); ++p) {
      const Population& now = graph_.populations[p];
      const PlanPopulation& before = old_.populations[p];
      if (now.name != before.name || now.shape != before.shape || now.source != before.source) {
        return fmt::format("population '{}' is another than before", now.name);
      }
    }
    return {};
  }

  /// Says which population windows touch though its slices are no grid of its tiles: runs that
  /// follow listed synapses have any length.
  std::string cut_otherwise() const {
    for (const Projection& projection : graph_.projections) {
      if (projection.pattern != Pattern::kWindow) continue;
      for (const std::uint32_t p : {projection.source, projection.target}) {
        if (!is_grid(p)) {
          return fmt::format("population '{}' is cut otherwise than windows want it",
                             plan_.populations[p].name);
        }
      }
    }
    return {};
  }

  bool is_grid(std::uint32_t p) const {
    const PlanPopulation& population = plan_.populations[p];
    std::uint64_t boxes = 1;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      boxes *= (population.shape[axis] + population.tile[axis] - 1) / population.tile[axis];
    }
    if (boxes != population.slices) return false;
    const auto first = slicing_.slices.begin() + population.first_slice;
    return std::all_of(first, first + population.slices, [&](const Slice& slice) {
      return slice.box.neurons() == slice.count && slice.box.first[2] % population.tile[2] == 0;
    });
  }

  /// What every slice takes now; says which does not fit any more.
  std::string recount() {
    const ResourceModel model(graph_, plan_.target, options_.resources);
    std::vector<std::uint32_t> source_slices;
    for (std::size_t p = 0; p < graph_.populations.size(); ++p) {
      source_slices.push_back(plan_.populations[p].slices);
      plan_.populations[p].rate = graph_.populations[p].rate;
      plan_.populations[p].node = graph_.populations[p].node;
    }
    plan_.network = graph_.name;
    plan_.off_chip = graph_.off_chip;
    plan_.projections.clear();
    for (const Projection& from : graph_.projections) {
      plan_.projections.push_back({from.source, from.target, from.pattern, from.delay, from.nodes});
    }
    plan_.blocks.clear();
    plan_.blocks.reserve(old_.blocks.size());
    for (std::uint32_t s = 0; s < plan_.slices.size(); ++s) {
      const std::uint32_t p = plan_.slices[s].population;
      const std::size_t first = plan_.blocks.size();
      CoreUse& use = plan_.cores[plan_.slices[s].core].use;
      use = model.use(p, slicing_.slices[s].box, source_slices, &plan_.blocks);
      for (std::size_t b = first; b < plan_.blocks.size(); ++b) plan_.blocks[b].slice = s;
      const CoreLimits limits = core_limits(plan_.target, options_.resources, p);
      const auto resource = over(use, limits);
      const bool late = limits.delay > 0 && model.longest_delay(p) > limits.delay;
      if (resource || late) {
        return fmt::format("a slice of population '{}' does not fit its core any more: {}",
                           plan_.populations[p].name,
                           to_string(resource.value_or(Resource::kDelay)));
      }
      slicing_.slices[s].use = use;
    }
    return {};
  }

  /// Slices on cores that do not work, or are cut off, go to the nearest free one.
  std::string move_away(const Machine& machine) {
    const auto memory = static_cast<std::uint64_t>(plan_.target.constants.shared_bytes);
    std::set<std::pair<std::uint32_t, std::uint32_t>> used;
    std::vector<std::uint64_t> bytes(machine.chips(), 0);
    std::vector<std::uint32_t> homeless;
    for (std::uint32_t s = 0; s < plan_.slices.size(); ++s) {
      const PlanCore& core = plan_.cores[plan_.slices[s].core];
      const auto& working = machine.cores(core.chip);
      if (machine.joined(core.chip) && std::binary_search(working.begin(), working.end(),
                                                          static_cast<std::uint16_t>(core.core))) {
        used.insert({core.chip, core.core});
        bytes[core.chip] += core.use.shared_bytes;
      } else {
        homeless.push_back(s);
      }
    }
    moved_.assign(plan_.slices.size(), 0);
    for (const std::uint32_t s : homeless) {
      PlanCore& core = plan_.cores[plan_.slices[s].core];
      std::optional<std::pair<std::uint32_t, std::uint32_t>> best;
      std::uint32_t nearest = std::numeric_limits<std::uint32_t>::max();
      for (std::uint32_t chip = 0; chip < machine.chips(); ++chip) {
        if (!machine.joined(chip)) continue;
        const std::uint32_t distance = machine.distance(core.chip, chip);
        if (distance >= nearest || (memory > 0 && bytes[chip] + core.use.shared_bytes > memory)) {
          continue;
        }
        for (const std::uint16_t number : machine.cores(chip)) {
          if (used.count({chip, number}) != 0) continue;
          best = {chip, number};
          nearest = distance;
          break;
        }
      }
      if (!best) return "no core is free for what lived on a dead one";
      core.chip = best->first;
      core.core = best->second;
      used.insert(*best);
      bytes[core.chip] += core.use.shared_bytes;
      moved_[s] = 1;
    }
    for (std::uint32_t chip = 0; chip < machine.chips(); ++chip) {
      if (memory > 0 && bytes[chip] > memory) return machine.name(chip) + " has too little memory";
    }
    report_.slices_moved = homeless.size();
    return {};
  }

  /// What leaves each population, as far as a Plan knows it.
  static std::vector<std::vector<const PlanProjection*>> outgoing(
      const std::vector<PlanProjection>& projections, std::size_t populations) {
    std::vector<std::vector<const PlanProjection*>> from(populations);
    for (const PlanProjection& projection : projections) {
      from[projection.source].push_back(&projection);
    }
    return from;
  }

  /// Populations whose targets may be others than before.
  std::vector<char> dirty_populations() const {
    const std::size_t populations = plan_.populations.size();
    const auto before = outgoing(old_.projections, populations);
    const auto now = outgoing(plan_.projections, populations);
    std::vector<char> moved(populations, 0), dirty(populations, 0);
    for (std::uint32_t s = 0; s < moved_.size(); ++s) {
      if (moved_[s] == 0) continue;
      moved[plan_.slices[s].population] = 1;
      dirty[plan_.slices[s].population] = 1;
    }
    for (std::size_t p = 0; p < populations; ++p) {
      const auto equal = [](const PlanProjection* a, const PlanProjection* b) { return *a == *b; };
      if (!std::equal(before[p].begin(), before[p].end(), now[p].begin(), now[p].end(), equal)) {
        dirty[p] = 1;
      }
      for (const PlanProjection* projection : now[p]) {
        // A Plan keeps neither windows nor lists: they are looked at again.
        const bool unknown =
            projection->pattern == Pattern::kList || projection->pattern == Pattern::kWindow;
        if (unknown || moved[projection->target] != 0) dirty[p] = 1;
      }
    }
    return dirty;
  }

  bool way_works(const Machine& machine, const PlanTree& tree) const {
    return std::all_of(tree.nodes.begin(), tree.nodes.end(), [&](const TreeNode& node) {
      return machine.works(node.chip) &&
             (node.from < 0 || machine.neighbour(node.chip, node.from) != kNoChip);
    });
  }

  Status lead_anew(const Machine& machine) {
    if (plan_.target.constants.table_entries > 0.0) return mend(machine);
    const std::vector<char> all_of_them(plan_.populations.size(), 1);
    return check_out_axons(target_sets(graph_, slicing_), all_of_them);
  }

  Status mend(const Machine& machine) {
    const bool new_faults = !(plan_.faults == old_.faults);
    std::vector<char> dirty = dirty_populations();
    std::vector<char> broken(plan_.trees.size(), 0), looked_at = broken, wanted = dirty;
    const auto population = [&](std::uint32_t s) { return plan_.slices[s].population; };
    for (std::size_t t = 0; t < plan_.trees.size(); ++t) {
      const PlanTree& tree = plan_.trees[t];
      if (new_faults && !way_works(machine, tree)) broken[t] = 1;
      looked_at[t] =
          broken[t] != 0 || std::any_of(tree.slices.begin(), tree.slices.end(),
                                        [&](std::uint32_t s) { return dirty[population(s)] != 0; });
      if (looked_at[t] == 0) continue;
      for (const std::uint32_t s : tree.slices) wanted[population(s)] = 1;
    }
    const TargetSets sets = target_sets(graph_, slicing_, wanted);
    SPIKELOOM_CHECK(check_out_axons(sets, wanted));
    // Trees that still serve: same chip, same ends for all of their slices.
    std::vector<char> served(plan_.slices.size(), 0);
    std::vector<PlanTree> kept;
    for (std::size_t t = 0; t < plan_.trees.size(); ++t) {
      PlanTree& tree = plan_.trees[t];
      const std::uint32_t first = tree.slices.front();
      bool good = broken[t] == 0;
      // Of a tree that is not looked at some slices' sets may be unknown: of other populations than
      // those that are wanted for another tree's sake.
      if (good && looked_at[t] != 0) {
        good = std::all_of(tree.slices.begin(), tree.slices.end(),
                           [&](std::uint32_t s) {
                             return moved_[s] == 0 && sets.of_slice[s] == sets.of_slice[first];
                           }) &&
               serves(tree, sets.sets[sets.of_slice[first]]);
      }
      if (!good) continue;
      for (const std::uint32_t s : tree.slices) served[s] = 1;
      kept.push_back(std::move(tree));
    }
    plan_.trees = std::move(kept);
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint32_t>> groups;
    for (std::uint32_t s = 0; s < plan_.slices.size(); ++s) {
      if (served[s] != 0 || sets.of_slice[s] == 0) continue;
      groups[{plan_.cores[plan_.slices[s].core].chip, sets.of_slice[s]}].push_back(s);
    }
    detail::PlanTrees trees(plan_, machine);
    std::map<std::uint32_t, std::vector<RoutingEntry>> patches;
    for (const auto& [where, slices] : groups) {
      SPIKELOOM_TRY(auto tree, trees.find(slices, where.second, sets.sets[where.second]));
      SPIKELOOM_CHECK(check_keys(tree));
      for (const TreeNode& node : tree.nodes) {
        for (const RoutingEntry& key : tree.keys) {
          RoutingEntry entry = detail::raw_entry(plan_, node, key);
          entry.defaultable = false;  // the table below may hold what this key went by before
          patches[node.chip].push_back(entry);
        }
      }
      plan_.trees.push_back(std::move(tree));
    }
    report_.trees_changed = groups.size();
    report_.tables_changed = patches.size();
    return patch(machine, patches);
  }

  /// Whether a tree ends at the cores of just these slices.
  bool serves(const PlanTree& tree, const std::vector<std::uint32_t>& slices) const {
    using Ends = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
    Ends wanted, reached;
    for (const std::uint32_t s : slices) {
      const PlanCore& core = plan_.cores[plan_.slices[s].core];
      wanted.emplace_back(core.chip, core.core);
    }
    for (const TreeNode& node : tree.nodes) {
      for (const std::uint16_t core : plan_.routes[node.route].cores) {
        reached.emplace_back(node.chip, core);
      }
    }
    std::sort(wanted.begin(), wanted.end());
    std::sort(reached.begin(), reached.end());
    return wanted == reached;
  }

  Status check_out_axons(const TargetSets& sets, const std::vector<char>& wanted) {
    const auto limit = static_cast<std::uint64_t>(plan_.target.constants.out_axons);
    for (std::uint32_t s = 0; s < plan_.slices.size(); ++s) {
      CoreUse& use = plan_.cores[plan_.slices[s].core].use;
      use.out_axons = old_.cores[old_.slices[s].core].use.out_axons;
      if (wanted[plan_.slices[s].population] != 0) {
        use.out_axons = use.neurons * sets.sets[sets.of_slice[s]].size();
      }
      if (limit > 0 && use.out_axons > limit) {
        return Error{.code = ErrorCode::kResource,
                     .what = fmt::format("a slice of population '{}' has too many out-axons",
                                         plan_.populations[plan_.slices[s].population].name)};
      }
    }
    return {};
  }

  /// The proof of a patch: its entries match keys of the tree's own slices, and no other slice's.
  Status check_keys(const PlanTree& tree) {
    if (by_key_.empty()) {
      for (std::uint32_t s = 0; s < plan_.slices.size(); ++s) {
        by_key_.emplace_back(plan_.slices[s].key, s);
      }
      std::sort(by_key_.begin(), by_key_.end());
    }
    std::size_t covered = 0;
    for (const RoutingEntry& entry : tree.keys) {
      const std::pair from{entry.key, std::uint32_t{0}};
      for (auto at = std::lower_bound(by_key_.begin(), by_key_.end(), from);
           at != by_key_.end() && at->first <= (entry.key | ~entry.mask); ++at) {
        if (!std::binary_search(tree.slices.begin(), tree.slices.end(), at->second)) {
          return Error{.code = ErrorCode::kInvalidArgument,
                       .what = fmt::format("an entry for key {} would take another slice's packets",
                                           hex32(at->first)),
                       .where = "remap"};
        }
        ++covered;
      }
    }
    if (covered == tree.slices.size()) return {};
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the entries of a tree do not match all of its slices",
                 .where = "remap"};
  }

  Status patch(const Machine& machine,
               const std::map<std::uint32_t, std::vector<RoutingEntry>>& patches) {
    const auto limit = static_cast<std::size_t>(plan_.target.constants.table_entries);
    std::map<std::uint32_t, PlanTable> tables;
    for (PlanTable& table : plan_.tables) tables.emplace(table.chip, std::move(table));
    std::vector<std::uint32_t> count(machine.chips(), 0);
    for (const PlanTree& tree : plan_.trees) {
      for (const TreeNode& node : tree.nodes) {
        count[node.chip] += static_cast<std::uint32_t>(tree.keys.size());
      }
    }
    for (const auto& [chip, entries] : patches) {
      PlanTable& table = tables.try_emplace(chip, PlanTable{chip, 0, {}}).first->second;
      table.entries.insert(table.entries.begin(), entries.begin(), entries.end());
      if (table.entries.size() <= limit) continue;
      std::vector<RoutingEntry> raw;
      for (const PlanTree& tree : plan_.trees) {
        for (const TreeNode& node : tree.nodes) {
          if (node.chip != chip) continue;
          for (const RoutingEntry& key : tree.keys) {
            raw.push_back(detail::raw_entry(plan_, node, key));
          }
        }
      }
      SPIKELOOM_TRY(table, detail::compressed_table(plan_, machine, chip, raw));
    }
    plan_.tables.clear();
    for (auto& [chip, table] : tables) {
      table.raw_entries = count[chip];
      if (machine.works(chip) && count[chip] > 0) plan_.tables.push_back(std::move(table));
    }
    return {};
  }

  const Plan& old_;
  const PopulationGraph& graph_;
  const MapOptions& options_;
  RemapReport& report_;
  Plan plan_;
  Slicing slicing_;
  std::vector<char> moved_;                                      ///< by slice
  std::vector<std::pair<std::uint32_t, std::uint32_t>> by_key_;  ///< (key, slice), ascending
};

}  // namespace

Result<Plan> remap(const Plan& old, const PopulationGraph& graph, const MapOptions& options,
                   RemapReport* report) {
  RemapReport unused;
  return Remapper(old, graph, options, report != nullptr ? *report : unused).run();
}

}  // namespace spikeloom::mapping
