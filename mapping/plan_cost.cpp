#include <algorithm>
#include <array>
#include <bit>
#include <set>
#include <unordered_map>

#include "mapping/machine.hpp"
#include "mapping/map.hpp"

namespace spikeloom::mapping {

namespace {

/// Links from the source's chip to the farthest; nodes come after those that lead to them.
std::uint64_t longest_way(const Target& target, const PlanTree& tree) {
  constexpr std::array<std::array<std::int64_t, 2>, kDirections> kStep = {
      {{1, 0}, {1, 1}, {0, 1}, {-1, 0}, {-1, -1}, {0, -1}}};
  const std::int64_t width = target.width, height = target.height();
  std::unordered_map<std::int64_t, std::uint64_t> links;  // from the source, by chip
  std::uint64_t most = 0;
  for (const TreeNode& node : tree.nodes) {
    std::uint64_t way = 0;
    if (node.from >= 0) {
      const auto& step = kStep[static_cast<std::size_t>(node.from)];
      const std::int64_t x = (node.chip % width + step[0] + width) % width;
      const std::int64_t y = (node.chip / width + step[1] + height) % height;
      way = links[y * width + x] + 1;
    }
    links[node.chip] = way;
    most = std::max(most, way);
  }
  return most;
}

}  // namespace

PlanCost cost(const Plan& plan) {
  PlanCost cost;
  cost.cores = plan.cores.size();
  std::set<std::uint32_t> chips;
  for (const PlanCore& core : plan.cores) {
    chips.insert(core.chip);
    cost.max_cycles = std::max(cost.max_cycles, core.use.cycles);
    cost.all_cycles += core.use.cycles;
  }
  cost.chips = chips.size();
  const std::size_t all =
      static_cast<std::size_t>(plan.target.width) * plan.target.rows.size() * kDirections;
  std::vector<double> load(all, 0.0);
  std::vector<std::uint64_t> trees(all, 0);
  for (const PlanTree& tree : plan.trees) {
    double rate = 0.0;  // packets of the whole tree, a tick
    for (const std::uint32_t s : tree.slices) {
      const PlanSlice& slice = plan.slices[s];
      rate += plan.populations[slice.population].rate * slice.count;
    }
    cost.sent += rate;
    cost.longest_way = std::max(cost.longest_way, longest_way(plan.target, tree));
    const std::uint64_t slices = tree.slices.size();
    cost.tree_links += slices * (tree.nodes.size() - 1);
    for (const TreeNode& node : tree.nodes) {
      const PlanRoute& route = plan.routes[node.route];
      cost.packets += rate * static_cast<double>(route.cores.size());
      cost.hops += rate * std::popcount(route.links);
      for (int d = 0; d < kDirections; ++d) {
        if ((route.links >> d & 1) == 0) continue;
        load[node.chip * kDirections + static_cast<std::uint32_t>(d)] += rate;
        trees[node.chip * kDirections + static_cast<std::uint32_t>(d)] += slices;
      }
    }
  }
  if (!load.empty()) {
    cost.max_link_load = *std::max_element(load.begin(), load.end());
    cost.max_link_trees = *std::max_element(trees.begin(), trees.end());
  }
  for (const PlanTable& table : plan.tables) {
    cost.raw_max = std::max<std::uint64_t>(cost.raw_max, table.raw_entries);
    cost.raw_sum += table.raw_entries;
    cost.table_max = std::max<std::uint64_t>(cost.table_max, table.entries.size());
    cost.table_sum += table.entries.size();
  }
  const TargetConstants& c = plan.target.constants;
  const double work = c.clock > 0.0 ? cost.max_cycles / c.clock : 0.0;
  const auto ways = static_cast<double>(cost.longest_way);
  cost.busy_seconds = std::max(work, cost.max_link_load * c.link_seconds) + ways * c.link_seconds +
                      (ways + 1.0) * c.router_latency;
  return cost;
}

}  // namespace spikeloom::mapping
