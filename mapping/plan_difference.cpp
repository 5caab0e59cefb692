#include <algorithm>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include "mapping/remap.hpp"

namespace spikeloom::mapping {
namespace {

/// A slice by what it is: population, first neuron, neurons.
using Identity = std::tuple<std::string, std::uint32_t, std::uint32_t>;

std::map<Identity, std::uint32_t> by_identity(const Plan& plan) {
  std::map<Identity, std::uint32_t> slices;
  for (std::uint32_t s = 0; s < plan.slices.size(); ++s) {
    const PlanSlice& slice = plan.slices[s];
    slices[{plan.populations[slice.population].name, slice.first, slice.count}] = s;
  }
  return slices;
}

/// Chips and routes on the way of each slice.
std::vector<std::vector<std::pair<std::uint32_t, PlanRoute>>> ways(const Plan& plan) {
  std::vector<std::vector<std::pair<std::uint32_t, PlanRoute>>> of_slice(plan.slices.size());
  for (const PlanTree& tree : plan.trees) {
    std::vector<std::pair<std::uint32_t, PlanRoute>> way;
    for (const TreeNode& node : tree.nodes) way.emplace_back(node.chip, plan.routes[node.route]);
    std::sort(way.begin(), way.end());
    for (const std::uint32_t s : tree.slices) of_slice[s] = way;
  }
  return of_slice;
}

std::string table_text(const Plan& plan, const PlanTable& table) {
  std::string text;
  for (const RoutingEntry& entry : table.entries) {
    const PlanRoute& route = plan.routes[entry.route];
    text += fmt::format("{}/{}:{}", entry.key, entry.mask, route.links);
    for (const std::uint16_t core : route.cores) text += fmt::format(",{}", core);
    text += ' ';
  }
  return text;
}

}  // namespace

PlanDifference difference(const Plan& a, const Plan& b) {
  PlanDifference made;
  if (a.target.name != b.target.name || a.target.size != b.target.size) {
    made.lines.push_back(fmt::format("target: {}:{} and {}:{}", a.target.name, a.target.size,
                                     b.target.name, b.target.size));
  }
  const std::size_t faults_a =
      a.faults.chips.size() + a.faults.cores.size() + a.faults.links.size();
  const std::size_t faults_b =
      b.faults.chips.size() + b.faults.cores.size() + b.faults.links.size();
  if (!(a.faults == b.faults)) {
    made.lines.push_back(fmt::format("faults: {} and {}", faults_a, faults_b));
  }
  if (a.projections != b.projections) {
    made.lines.push_back(
        fmt::format("projections: {} and {}", a.projections.size(), b.projections.size()));
  }
  const auto left = by_identity(a), right = by_identity(b);
  const auto ways_a = ways(a), ways_b = ways(b);
  struct Count {
    std::uint64_t moved = 0, keys = 0, trees = 0, recut = 0;
  };
  std::map<std::string, Count> by_population;
  for (const auto& [identity, s] : left) {
    Count& count = by_population[std::get<0>(identity)];
    const auto other = right.find(identity);
    if (other == right.end()) {
      ++count.recut;
      continue;
    }
    const PlanSlice &x = a.slices[s], &y = b.slices[other->second];
    const PlanCore &from = a.cores[x.core], &to = b.cores[y.core];
    count.moved += from.chip != to.chip || from.core != to.core ? 1U : 0U;
    count.keys += x.key != y.key || x.mask != y.mask ? 1U : 0U;
    count.trees += ways_a[s] != ways_b[other->second] ? 1U : 0U;
  }
  for (const auto& [identity, s] : right) {
    if (left.count(identity) == 0) ++by_population[std::get<0>(identity)].recut;
  }
  for (const auto& [name, count] : by_population) {
    made.slices_moved += count.moved;
    made.keys_changed += count.keys;
    made.trees_changed += count.trees;
    made.slices_recut += count.recut;
    if (count.moved + count.keys + count.trees + count.recut == 0) continue;
    made.lines.push_back(
        fmt::format("population '{}': {} slices moved, {} with other keys, {} with "
                    "other trees, {} cut otherwise",
                    name, count.moved, count.keys, count.trees, count.recut));
  }
  std::map<std::uint32_t, std::pair<std::string, std::string>> tables;
  for (const PlanTable& table : a.tables) tables[table.chip].first = table_text(a, table);
  for (const PlanTable& table : b.tables) tables[table.chip].second = table_text(b, table);
  for (const auto& [chip, texts] : tables) made.tables_changed += texts.first != texts.second;
  if (made.tables_changed > 0) {
    made.lines.push_back(fmt::format("tables: those of {} chips differ", made.tables_changed));
  }
  return made;
}

}  // namespace spikeloom::mapping
