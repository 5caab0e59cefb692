#include "mapping/map.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "mapping/detail/plan_trees.hpp"
#include "mapping/detail/shared_cores.hpp"
#include "mapping/keys.hpp"
#include "mapping/machine.hpp"
#include "mapping/placement.hpp"
#include "mapping/slices.hpp"

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
    SPIKELOOM_CHECK(cut_all());
    clock.lap(seconds.cut);
    if (detail::shares_cores(target)) {
      SPIKELOOM_CHECK(share_cores(machine));
    } else {
      SPIKELOOM_TRY(places_, place(slicing_, sets_, machine, target, options_.seed));
    }
    clock.lap(seconds.place);
    describe();
    if (detail::shares_cores(target)) SPIKELOOM_CHECK(check_shared_cores());
    clock.lap(seconds.cut);
    if (target.constants.table_entries > 0.0) {
      SPIKELOOM_TRY(const auto keys, allocate_keys(slicing_, places_, key_bits()));
      for (std::size_t s = 0; s < keys.size(); ++s) {
        plan_.slices[s].key = keys[s].key;
        plan_.slices[s].mask = keys[s].mask;
      }
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

  /// Part i of every population on core i.
  Status share_cores(const Machine& machine) {
    const std::vector<std::uint16_t>& cores = machine.cores(0);
    for (const auto& of : slicing_.populations) {
      if (of.slices > cores.size()) {
        return Error{.code = ErrorCode::kResource,
                     .what = fmt::format("{} has too few working cores", plan_.target.name),
                     .expected = fmt::format("{}", of.slices),
                     .got = fmt::format("{}", cores.size())};
      }
      for (std::uint32_t i = 0; i < of.slices; ++i) places_.push_back({0, cores[i]});
    }
    return {};
  }

  /// Each part fits a core by itself: now what lies on a core, or in the chip, together. Axons of a
  /// source that several parts hear are counted for each, so they say nothing here.
  Status check_shared_cores() const {
    const auto too_much = [this](const char* what, double most, std::uint64_t needed,
                                 const char* unit = "bytes") {
      return Error{.code = ErrorCode::kResource,
                   .what = fmt::format("all populations together do not fit {} of {}", what,
                                       plan_.target.name),
                   .expected = fmt::format("at most {:.0f} {}", most, unit),
                   .got = fmt::format("{}", needed),
                   .next = "a target with more, or larger, cores"};
    };
    const TargetConstants& c = plan_.target.constants;
    std::uint64_t in_chip = 0;
    for (const PlanCore& core : plan_.cores) {
      in_chip += core.use.shared_bytes;
      const std::uint64_t bytes = core.use.data_bytes();
      if (c.data_bytes > 0.0 && static_cast<double>(bytes) > c.data_bytes) {
        return too_much("a core", c.data_bytes, bytes);
      }
      if (c.neurons > 0.0 && static_cast<double>(core.use.neurons) > c.neurons) {
        return too_much("a core", c.neurons, core.use.neurons, "neurons");
      }
    }
    if (c.shared_bytes > 0.0 && static_cast<double>(in_chip) > c.shared_bytes) {
      return too_much("the memory", c.shared_bytes, in_chip);
    }
    return {};
  }

  /// Together on one core; a source that both hear counts twice.
  static void add(const CoreUse& more, CoreUse& use) {
    use.neurons += more.neurons;
    use.in_axons += more.in_axons;
    use.out_axons += more.out_axons;
    use.synapses += more.synapses;
    use.state_bytes += more.state_bytes;
    use.buffer_bytes += more.buffer_bytes;
    use.table_bytes += more.table_bytes;
    use.row_bytes += more.row_bytes;
    use.shared_bytes += more.shared_bytes;
    use.cycles += more.cycles;
  }

  /// The core at a place: its own where it holds one slice, else the sum of what it holds.
  std::uint32_t core_of(const Place& place, const CoreUse& use) {
    if (detail::shares_cores(plan_.target)) {
      for (std::uint32_t c = 0; c < plan_.cores.size(); ++c) {
        if (plan_.cores[c].core != place.core) continue;
        add(use, plan_.cores[c].use);
        return c;
      }
    }
    plan_.cores.push_back({place.chip, place.core, use});
    return static_cast<std::uint32_t>(plan_.cores.size() - 1);
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
      const std::uint32_t core = core_of(places_[s], slice.use);
      plan_.slices.push_back({slice.population, slice.first, slice.count, core, 0, 0});
    }
    plan_.blocks = slicing_.blocks;
    detail::place_blocks(plan_);
  }

  /// Cuts, and cuts again smaller where a slice would have more out-axons than a core.
  Status cut_all() {
    constexpr int kRounds = 12;
    const auto limit = static_cast<std::uint64_t>(plan_.target.constants.out_axons);
    ResourceOptions resources = options_.resources;
    resources.population_neurons.resize(graph_.populations.size(), 0);
    for (int round = 0;; ++round) {
      SPIKELOOM_TRY(slicing_, cut(graph_, plan_.target, resources));
      sets_ = target_sets(graph_, slicing_);
      std::optional<std::uint32_t> worst;
      for (std::uint32_t s = 0; s < slicing_.slices.size(); ++s) {
        Slice& slice = slicing_.slices[s];
        const std::uint64_t targets = sets_.sets[sets_.of_slice[s]].size();
        slice.use.out_axons = slice.use.neurons * targets;
        if (limit == 0 || slice.use.out_axons <= limit) continue;
        worst = s;
        std::uint32_t& most = resources.population_neurons[slice.population];
        const auto fits = static_cast<std::uint32_t>(std::max<std::uint64_t>(1, limit / targets));
        most = most == 0 ? fits : std::min(most, fits);
      }
      if (!worst) return {};
      const Slice& slice = slicing_.slices[*worst];
      const std::uint64_t targets = sets_.sets[sets_.of_slice[*worst]].size();
      if (targets <= limit && round + 1 < kRounds) continue;
      return Error{
          .code = ErrorCode::kResource,
          .what = fmt::format("a slice of population '{}' has too many out-axons for {}",
                              graph_.populations[slice.population].name, plan_.target.name),
          .expected = fmt::format("at most {}", limit),
          .got = fmt::format("{} neurons to {} cores: {}", slice.use.neurons, targets,
                             slice.use.out_axons),
          .next = "larger slices of the populations it sends to"};
    }
  }

  /// Slices by (chip, set): they share a tree.
  Status find_trees(const Machine& machine) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::vector<std::uint32_t>> groups;
    for (std::uint32_t s = 0; s < places_.size(); ++s) {
      if (sets_.of_slice[s] == 0) continue;
      groups[{places_[s].chip, sets_.of_slice[s]}].push_back(s);
    }
    detail::PlanTrees trees(plan_, machine);
    for (const auto& [where, slices] : groups) {
      const std::uint32_t set = where.second;
      SPIKELOOM_TRY(auto tree, trees.find(slices, set, sets_.sets[set]));
      plan_.trees.push_back(std::move(tree));
    }
    return {};
  }

  Status make_tables(const Machine& machine) {
    std::vector<std::vector<RoutingEntry>> raw(machine.chips());
    for (const PlanTree& tree : plan_.trees) {
      for (const TreeNode& node : tree.nodes) {
        for (const RoutingEntry& key : tree.keys) {
          raw[node.chip].push_back(detail::raw_entry(plan_, node, key));
        }
      }
    }
    for (std::uint32_t chip = 0; chip < raw.size(); ++chip) {
      if (raw[chip].empty()) continue;
      SPIKELOOM_TRY(auto table, detail::compressed_table(plan_, machine, chip, raw[chip]));
      plan_.tables.push_back(std::move(table));
    }
    return {};
  }

  const PopulationGraph& graph_;
  const MapOptions& options_;
  Slicing slicing_;
  TargetSets sets_;
  std::vector<Place> places_;
  Plan plan_;
};

}  // namespace

Result<Plan> map(const PopulationGraph& graph, const Target& target, const MapOptions& options,
                 MapSeconds* seconds) {
  MapSeconds unused;
  return Mapper(graph, target, options).run(seconds != nullptr ? *seconds : unused);
}

}  // namespace spikeloom::mapping
