#include "mapping/detail/plan_trees.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mapping/tables/compress.hpp"

namespace spikeloom::mapping::detail {
namespace {

std::uint64_t hash(const PlanRoute& route) {
  std::uint64_t value = route.links;
  for (const std::uint16_t core : route.cores) value = (value ^ core) * 0x9E3779B97F4A7C15U;
  return value ^ value >> 32U;
}

}  // namespace

PlanTrees::PlanTrees(Plan& plan, const Machine& machine) : plan_(plan), finder_(machine) {
  for (const PlanSlice& slice : plan.slices) by_key_.push_back({slice.key, slice.mask});
  std::sort(by_key_.begin(), by_key_.end(),
            [](const SliceKey& a, const SliceKey& b) { return a.key < b.key; });
  route_numbers_.reserve(plan.routes.size());
  for (std::uint32_t r = 0; r < plan.routes.size(); ++r) {
    route_numbers_.emplace(hash(plan.routes[r]), r);
  }
}

const PlanTrees::ChipCores& PlanTrees::chip_cores(std::uint32_t set,
                                                  const std::vector<std::uint32_t>& targets) {
  const auto known = cores_of_set_.find(set);
  if (known != cores_of_set_.end()) return known->second;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> places;
  for (const std::uint32_t slice : targets) {
    const PlanCore& core = plan_.cores[plan_.slices[slice].core];
    places.emplace_back(core.chip, core.core);
  }
  std::sort(places.begin(), places.end());
  ChipCores made;
  for (const auto& [chip, core] : places) {
    if (made.chips.empty() || made.chips.back() != chip) {
      made.chips.push_back(chip);
      made.cores.emplace_back();
    }
    made.cores.back().push_back(static_cast<std::uint16_t>(core));
  }
  return cores_of_set_.emplace(set, std::move(made)).first->second;
}

/// Entries for the slices of a tree, population by population.
std::vector<RoutingEntry> PlanTrees::keys_of(const std::vector<std::uint32_t>& slices) const {
  std::vector<RoutingEntry> entries;
  for (std::size_t i = 0; i < slices.size();) {
    std::vector<SliceKey> wanted;
    const std::uint32_t population = plan_.slices[slices[i]].population;
    for (; i < slices.size() && plan_.slices[slices[i]].population == population; ++i) {
      wanted.push_back({plan_.slices[slices[i]].key, plan_.slices[slices[i]].mask});
    }
    for (const SliceKey& entry : cover_keys(std::move(wanted), by_key_)) {
      entries.push_back({.key = entry.key, .mask = entry.mask});
    }
  }
  return entries;
}

std::uint32_t PlanTrees::route_number(PlanRoute route) {
  const std::uint64_t own = hash(route);
  const auto [first, last] = route_numbers_.equal_range(own);
  for (auto known = first; known != last; ++known) {
    if (plan_.routes[known->second] == route) return known->second;
  }
  const auto number = static_cast<std::uint32_t>(plan_.routes.size());
  route_numbers_.emplace(own, number);
  plan_.routes.push_back(std::move(route));
  return number;
}

Result<PlanTree> PlanTrees::find(const std::vector<std::uint32_t>& slices, std::uint32_t set,
                                 const std::vector<std::uint32_t>& targets) {
  const ChipCores& ends = chip_cores(set, targets);
  const std::uint32_t source = plan_.cores[plan_.slices[slices.front()].core].chip;
  SPIKELOOM_TRY(const auto chips, finder_.find(source, ends.chips));
  PlanTree tree{.slices = slices, .keys = keys_of(slices), .nodes = {}};
  std::vector<std::uint8_t> links(chips.size(), 0);
  for (const TreeChip& chip : chips) {
    if (chip.parent < 0) continue;
    links[static_cast<std::size_t>(chip.parent)] |= static_cast<std::uint8_t>(1U << chip.direction);
  }
  for (std::size_t i = 0; i < chips.size(); ++i) {
    const auto at = std::lower_bound(ends.chips.begin(), ends.chips.end(), chips[i].chip);
    PlanRoute route{.links = links[i], .cores = {}};
    if (at != ends.chips.end() && *at == chips[i].chip) {
      route.cores = ends.cores[static_cast<std::size_t>(at - ends.chips.begin())];
    }
    const int by = chips[i].direction;
    tree.nodes.push_back({chips[i].chip, route_number(std::move(route)),
                          static_cast<std::int8_t>(by < 0 ? -1 : opposite(by))});
  }
  return tree;
}

RoutingEntry raw_entry(const Plan& plan, const TreeNode& node, const RoutingEntry& key) {
  const PlanRoute& route = plan.routes[node.route];
  RoutingEntry entry = key;
  entry.route = node.route;
  entry.defaultable =
      node.from >= 0 && route.cores.empty() && route.links == 1U << opposite(node.from);
  return entry;
}

Result<PlanTable> compressed_table(const Plan& plan, const Machine& machine, std::uint32_t chip,
                                   const std::vector<RoutingEntry>& raw) {
  auto compressed = compress(raw, {.use_default_routes = true});
  if (!compressed.ok()) return std::move(compressed).error().in(machine.name(chip));
  const auto limit = static_cast<std::size_t>(plan.target.constants.table_entries);
  if (compressed->size() > limit) {
    return Error{.code = ErrorCode::kResource,
                 .what = "a routing table is too long after compression",
                 .where = machine.name(chip),
                 .expected = fmt::format("at most {} entries", limit),
                 .got = fmt::format("{} of {}", compressed->size(), raw.size()),
                 .next = "more neurons a core, or a larger machine"};
  }
  return PlanTable{chip, static_cast<std::uint32_t>(raw.size()), *std::move(compressed)};
}

void place_blocks(Plan& plan) {
  std::vector<std::uint64_t> core_end, chip_end;
  for (const PlanCore& core : plan.cores) {
    if (core.chip >= chip_end.size()) chip_end.resize(core.chip + std::size_t{1}, 0);
    core_end.push_back(core.use.table_bytes + core.use.state_bytes + core.use.buffer_bytes);
  }
  for (PlanBlock& block : plan.blocks) {
    const std::uint32_t core = plan.slices[block.slice].core;
    std::uint64_t& end = block.in_chip ? chip_end[plan.cores[core].chip] : core_end[core];
    block.address = end;
    end += block.bytes;
  }
}

}  // namespace spikeloom::mapping::detail
