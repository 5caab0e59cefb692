#pragma once
/// Trees of a Plan whose slices, cores and keys are there already; private to mapping.

#include <cstdint>
#include <map>
#include <unordered_map>
#include <vector>

#include "mapping/keys.hpp"
#include "mapping/machine.hpp"
#include "mapping/plan.hpp"
#include "mapping/trees.hpp"

namespace spikeloom::mapping::detail {

class PlanTrees {
 public:
  /// Both have to stay alive; routes that are new are added to the Plan.
  PlanTrees(Plan& plan, const Machine& machine);

  /// The tree of `slices`, all on one chip, to the slices `targets`. Equal targets have one number
  /// `set`, so that their cores are looked up once. kResource: there is no way.
  Result<PlanTree> find(const std::vector<std::uint32_t>& slices, std::uint32_t set,
                        const std::vector<std::uint32_t>& targets);

 private:
  struct ChipCores {
    std::vector<std::uint32_t> chips;               ///< ascending
    std::vector<std::vector<std::uint16_t>> cores;  ///< of each
  };
  const ChipCores& chip_cores(std::uint32_t set, const std::vector<std::uint32_t>& targets);
  std::vector<RoutingEntry> keys_of(const std::vector<std::uint32_t>& slices) const;
  std::uint32_t route_number(PlanRoute route);

  Plan& plan_;
  TreeFinder finder_;
  std::vector<SliceKey> by_key_;
  std::map<std::uint32_t, ChipCores> cores_of_set_;
  std::unordered_multimap<std::uint64_t, std::uint32_t> route_numbers_;  ///< by hash
};

/// What a chip of a tree needs for one of the tree's keys.
RoutingEntry raw_entry(const Plan& plan, const TreeNode& node, const RoutingEntry& key);

/// The compressed and proven table of a chip. kResource: it stays longer than the target's.
Result<PlanTable> compressed_table(const Plan& plan, const Machine& machine, std::uint32_t chip,
                                   const std::vector<RoutingEntry>& raw);

/// Gives every block its address: after what the core holds besides, or in the chip's memory.
void place_blocks(Plan& plan);

}  // namespace spikeloom::mapping::detail
