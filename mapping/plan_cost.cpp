#include <algorithm>
#include <bit>
#include <set>

#include "mapping/machine.hpp"
#include "mapping/map.hpp"

namespace spikeloom::mapping {

PlanCost cost(const Plan& plan) {
  PlanCost cost;
  cost.cores = plan.cores.size();
  std::set<std::uint32_t> chips;
  for (const PlanCore& core : plan.cores) {
    chips.insert(core.chip);
    cost.max_cycles = std::max(cost.max_cycles, core.use.cycles);
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
  return cost;
}

}  // namespace spikeloom::mapping
