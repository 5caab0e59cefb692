#include "mapping/map.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include <fmt/format.h>

#include "mapping/keys.hpp"
#include "mapping/machine.hpp"
#include "mapping/placement.hpp"
#include "mapping/slices.hpp"
#include "mapping/tables/compress.hpp"
#include "mapping/trees.hpp"

namespace spikeloom::mapping {
namespace {

/// Adds the time since the last call to a step.
class Clock {
 public:
  void lap(double& step) {
    const auto now = std::chrono::steady_clock::now();
    step += std::chrono::duration<double>(now - last_).count();
    last_ = now;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

class Mapper {
 public:
  Mapper(const PopulationGraph& graph, const Target& target, const MapOptions& options)
      : graph_(graph), options_(options) {
    plan_.network = graph.name;
    plan_.target = target;
    plan_.faults = options.faults;
    plan_.seed = options.seed;
    plan_.off_chip = graph.off_chip;
  }

  Result<Plan> run(MapSeconds& seconds) {
    Clock clock;
    const Target& target = plan_.target;
    SPIKELOOM_TRY(const Machine machine, Machine::make(target, options_.faults));
    SPIKELOOM_TRY(slicing_, cut(graph_, target, options_.resources));
    sets_ = target_sets(graph_, slicing_);
    clock.lap(seconds.cut);
    SPIKELOOM_TRY(places_, place(slicing_, sets_, machine, target,
                                 {.seed = options_.seed, .effort = options_.effort}));
    clock.lap(seconds.place);
    describe();
    SPIKELOOM_CHECK(check_out_axons());
    clock.lap(seconds.cut);
    if (target.constants.table_entries > 0.0) {
      SPIKELOOM_TRY(keys_, allocate_keys(slicing_, places_, key_bits()));
      for (std::size_t s = 0; s < keys_.size(); ++s) {
        plan_.slices[s].key = keys_[s].key;
        plan_.slices[s].mask = keys_[s].mask;
      }
      by_key_ = keys_;
      std::sort(by_key_.begin(), by_key_.end(),
                [](const SliceKey& a, const SliceKey& b) { return a.key < b.key; });
      clock.lap(seconds.keys);
      SPIKELOOM_CHECK(find_trees(machine));
      clock.lap(seconds.trees);
      SPIKELOOM_CHECK(make_tables(machine));
      clock.lap(seconds.tables);
    }
    return std::move(plan_);
  }

 private:
  int key_bits() const {
    const auto bits = static_cast<int>(plan_.target.constants.key_bits);
    return bits >= 1 && bits <= 32 ? bits : 32;
  }

  void describe() {
    for (std::uint32_t p = 0; p < graph_.populations.size(); ++p) {
      const Population& from = graph_.populations[p];
      const auto& of = slicing_.populations[p];
      plan_.populations.push_back({from.name, from.node, from.shape, of.tile, from.rate,
                                   from.source, of.first_slice, of.slices, of.order});
    }
    for (const Projection& from : graph_.projections) {
      plan_.projections.push_back({from.source, from.target, from.pattern, from.delay, from.nodes});
    }
    for (std::uint32_t s = 0; s < places_.size(); ++s) {
      const Slice& slice = slicing_.slices[s];
      plan_.slices.push_back({slice.population, slice.first, slice.count, s, 0, 0});
      plan_.cores.push_back({places_[s].chip, places_[s].core, slice.use});
    }
    plan_.blocks = slicing_.blocks;
    std::map<std::uint32_t, std::uint64_t> chip_end;
    std::vector<std::uint64_t> core_end(plan_.cores.size());
    for (std::size_t s = 0; s < core_end.size(); ++s) {
      const CoreUse& use = plan_.cores[s].use;
      core_end[s] = use.table_bytes + use.state_bytes + use.buffer_bytes;
    }
    for (PlanBlock& block : plan_.blocks) {
      std::uint64_t& end =
          block.in_chip ? chip_end[plan_.cores[block.slice].chip] : core_end[block.slice];
      block.address = end;
      end += block.bytes;
    }
  }

  Status check_out_axons() {
    const auto limit = static_cast<std::uint64_t>(plan_.target.constants.out_axons);
    for (std::size_t s = 0; s < plan_.slices.size(); ++s) {
      CoreUse& use = plan_.cores[s].use;
      use.out_axons = use.neurons * sets_.sets[sets_.of_slice[s]].size();
      if (limit == 0 || use.out_axons <= limit) continue;
      return Error{.code = ErrorCode::kResource,
                   .what = fmt::format("a slice of population '{}' has too many out-axons for {}",
                                       graph_.populations[plan_.slices[s].population].name,
                                       plan_.target.name),
                   .expected = fmt::format("at most {}", limit),
                   .got = fmt::format("{} neurons to {} cores: {}", use.neurons,
                                      sets_.sets[sets_.of_slice[s]].size(), use.out_axons),
                   .next = fmt::format(
                       "--neurons-per-core {}",
                       std::max<std::uint64_t>(1, limit / sets_.sets[sets_.of_slice[s]].size()))};
    }
    return {};
  }

  /// Slices by (chip, set): they share a tree.
  Status find_trees(const Machine& machine) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint32_t>> groups;
    for (std::uint32_t s = 0; s < places_.size(); ++s) {
      if (sets_.of_slice[s] == 0) continue;
      groups[{places_[s].chip, sets_.of_slice[s]}].push_back(s);
    }
    TreeFinder finder(machine);
    // Cores of each chip that a set has, in the order of its chips.
    std::map<std::uint32_t, ChipCores> cores_of_set;
    for (const auto& [where, slices] : groups) {
      const auto [chip, set] = where;
      auto known = cores_of_set.find(set);
      if (known == cores_of_set.end()) known = cores_of_set.emplace(set, chip_cores(set)).first;
      const ChipCores& targets = known->second;
      SPIKELOOM_TRY(const auto chips, finder.find(chip, targets.chips));
      add_tree(slices, chips, targets);
    }
    return {};
  }

  struct ChipCores {
    std::vector<std::uint32_t> chips;               ///< ascending
    std::vector<std::vector<std::uint16_t>> cores;  ///< of each
  };

  ChipCores chip_cores(std::uint32_t set) const {
    std::vector<Place> places;
    for (const std::uint32_t slice : sets_.sets[set]) places.push_back(places_[slice]);
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
      return std::pair(a.chip, a.core) < std::pair(b.chip, b.core);
    });
    ChipCores made;
    for (const Place& place : places) {
      if (made.chips.empty() || made.chips.back() != place.chip) {
        made.chips.push_back(place.chip);
        made.cores.emplace_back();
      }
      made.cores.back().push_back(place.core);
    }
    return made;
  }

  void add_tree(const std::vector<std::uint32_t>& slices, const std::vector<TreeChip>& chips,
                const ChipCores& targets) {
    PlanTree tree{.slices = slices, .keys = keys_of(slices), .nodes = {}};
    std::vector<std::uint8_t> links(chips.size(), 0);
    for (const TreeChip& chip : chips) {
      if (chip.parent >= 0) {
        links[static_cast<std::size_t>(chip.parent)] |=
            static_cast<std::uint8_t>(1U << chip.direction);
      }
    }
    for (std::size_t i = 0; i < chips.size(); ++i) {
      const auto at = std::lower_bound(targets.chips.begin(), targets.chips.end(), chips[i].chip);
      PlanRoute route{.links = links[i], .cores = {}};
      if (at != targets.chips.end() && *at == chips[i].chip) {
        route.cores = targets.cores[static_cast<std::size_t>(at - targets.chips.begin())];
      }
      const int by = chips[i].direction;
      tree.nodes.push_back({chips[i].chip, route_number(std::move(route)),
                            static_cast<std::int8_t>(by < 0 ? -1 : opposite(by))});
    }
    plan_.trees.push_back(std::move(tree));
  }

  /// Entries for the slices of a tree, population by population.
  std::vector<RoutingEntry> keys_of(const std::vector<std::uint32_t>& slices) const {
    std::vector<RoutingEntry> entries;
    for (std::size_t i = 0; i < slices.size();) {
      std::vector<SliceKey> wanted;
      const std::uint32_t population = slicing_.slices[slices[i]].population;
      for (; i < slices.size() && slicing_.slices[slices[i]].population == population; ++i) {
        wanted.push_back(keys_[slices[i]]);
      }
      for (const SliceKey& entry : cover_keys(wanted, by_key_)) {
        entries.push_back({.key = entry.key, .mask = entry.mask});
      }
    }
    return entries;
  }

  std::uint32_t route_number(PlanRoute route) {
    const auto [found, is_new] =
        route_numbers_.try_emplace(route, static_cast<std::uint32_t>(plan_.routes.size()));
    if (is_new) plan_.routes.push_back(std::move(route));
    return found->second;
  }

  Status make_tables(const Machine& machine) {
    std::vector<std::vector<RoutingEntry>> raw(machine.chips());
    for (const PlanTree& tree : plan_.trees) {
      for (const TreeNode& node : tree.nodes) {
        const PlanRoute& route = plan_.routes[node.route];
        const bool straight =
            node.from >= 0 && route.cores.empty() && route.links == 1U << opposite(node.from);
        for (RoutingEntry entry : tree.keys) {
          entry.route = node.route;
          entry.defaultable = straight;
          raw[node.chip].push_back(entry);
        }
      }
    }
    const auto limit = static_cast<std::size_t>(plan_.target.constants.table_entries);
    for (std::uint32_t chip = 0; chip < raw.size(); ++chip) {
      if (raw[chip].empty()) continue;
      auto compressed = compress(raw[chip], {.use_default_routes = true});
      if (!compressed.ok()) return std::move(compressed).error().in(machine.name(chip));
      if (compressed->size() > limit) {
        return Error{.code = ErrorCode::kResource,
                     .what = "a routing table is too long after compression",
                     .where = machine.name(chip),
                     .expected = fmt::format("at most {} entries", limit),
                     .got = fmt::format("{} of {}", compressed->size(), raw[chip].size()),
                     .next = "more neurons a core, or a larger machine"};
      }
      plan_.tables.push_back(
          {chip, static_cast<std::uint32_t>(raw[chip].size()), *std::move(compressed)});
    }
    return {};
  }

  const PopulationGraph& graph_;
  const MapOptions& options_;
  Slicing slicing_;
  TargetSets sets_;
  std::vector<Place> places_;
  std::vector<SliceKey> keys_, by_key_;
  std::map<PlanRoute, std::uint32_t> route_numbers_;
  Plan plan_;
};

}  // namespace

Result<Plan> map(const PopulationGraph& graph, const Target& target, const MapOptions& options,
                 MapSeconds* seconds) {
  MapSeconds unused;
  return Mapper(graph, target, options).run(seconds != nullptr ? *seconds : unused);
}

}  // namespace spikeloom::mapping
