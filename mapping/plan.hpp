#pragma once
/// Plan: where every neuron of a network lives on a machine, and how its events travel.
///
/// Pure data: a backend includes this header and executes what stands here. Vectors refer to each
/// other by index. map() makes a Plan (mapping/map.hpp), plan_file.hpp reads and writes it.
///
/// * A **population** is a layer; position p of it is neuron order[p] of the network's node (p
///   itself where `order` is empty).
/// * A **slice** is a run of positions [first, first + count) of one population. It lives on one
///   core. Its neuron at position first + i sends packets with key `key | i`; (k & mask) == key
///   tells the slice's packets from all others.
/// * A **block** is what a target slice holds of one projection, all sources together: `bytes` at
///   `address` of the core's data memory, or of the chip's.
/// * A **tree** is the way of the packets of some slices on one chip: at each chip, the entry it
///   needs. The raw table of a chip is the entries of all trees; `tables` are what was made of
///   them, proven to route every key of every slice alike. Routes are numbers of `routes`.
/// * Machines without key tables (router.entries = 0) have no keys, trees or tables.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "mapping/population_graph.hpp"
#include "mapping/tables/routing_table.hpp"
#include "mapping/target.hpp"

namespace spikeloom::mapping {

struct PlanPopulation {
  std::string name;
  std::int64_t node = -1;  ///< index into Program::nodes
  Extent3 shape = {1, 1, 0};
  Extent3 tile = {1, 1, 0};  ///< slices are boxes of at most this size
  double rate = 0.0;
  bool source = false;  ///< its events come from outside
  std::uint32_t first_slice = 0, slices = 0;
  std::vector<std::uint32_t> order;  ///< neuron of each position; empty: its own number
  friend bool operator==(const PlanPopulation&, const PlanPopulation&) = default;
};

struct PlanProjection {
  std::uint32_t source = 0, target = 0;  ///< populations
  Pattern pattern = Pattern::kAll;
  std::uint32_t delay = 1;
  std::vector<std::uint32_t> nodes;  ///< of the Program, on the way from source to target
  friend bool operator==(const PlanProjection&, const PlanProjection&) = default;
};

/// What a core holds and does, by resource.
struct CoreUse {
  std::uint64_t neurons = 0, in_axons = 0, out_axons = 0;
  std::uint64_t synapses = 0;
  std::uint64_t state_bytes = 0;   ///< states and parameters
  std::uint64_t buffer_bytes = 0;  ///< sums for each tick of delay, arriving packets
  std::uint64_t table_bytes = 0;   ///< lookup of arriving keys, fixed parts
  std::uint64_t row_bytes = 0;     ///< synapses with padding, indices, row pointers
  std::uint64_t shared_bytes = 0;  ///< of the rows, what lies in the chip's memory
  double cycles = 0.0;             ///< of a tick, at the rates the plan was made with

  std::uint64_t data_bytes() const {
    return state_bytes + buffer_bytes + table_bytes + row_bytes - shared_bytes;
  }
  friend bool operator==(const CoreUse&, const CoreUse&) = default;
};

struct PlanCore {
  std::uint32_t chip = 0;  ///< y x width + x
  std::uint32_t core = 0;  ///< number within the chip
  CoreUse use;
  friend bool operator==(const PlanCore&, const PlanCore&) = default;
};

struct PlanSlice {
  std::uint32_t population = 0;
  std::uint32_t first = 0, count = 0;
  std::uint32_t core = 0;  ///< index into Plan::cores
  std::uint32_t key = 0, mask = 0;
  friend bool operator==(const PlanSlice&, const PlanSlice&) = default;
};

/// How the synapses of a block lie.
enum class BlockKind : std::uint8_t {
  kDense,   ///< a row for each source of the population, a weight for each target of the slice
  kSparse,  ///< row pointers, then indices, then weights
  kRows,    ///< SpiNNaker's rows, padded to the longest
  kKernel,  ///< the kernels of the slice's channels, and the geometry
  kOneToOne,
};
const char* to_string(BlockKind kind);

struct PlanBlock {
  std::uint32_t slice = 0, projection = 0;
  BlockKind kind = BlockKind::kDense;
  bool in_chip = false;  ///< in the chip's memory, not in the core's
  std::uint64_t address = 0, bytes = 0;
  std::uint64_t sources = 0;  ///< source neurons that reach the slice
  std::uint64_t synapses = 0;
  friend bool operator==(const PlanBlock&, const PlanBlock&) = default;
};

/// Where a router sends a packet: links as bits of directions, and cores of the chip.
struct PlanRoute {
  std::uint8_t links = 0;
  std::vector<std::uint16_t> cores;  ///< ascending
  friend auto operator<=>(const PlanRoute&, const PlanRoute&) = default;
};

/// A chip of a tree.
struct TreeNode {
  std::uint32_t chip = 0;
  std::uint32_t route = 0;  ///< index into Plan::routes
  std::int8_t from = -1;    ///< direction of the link it came by, seen from here; -1: the source
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};
struct PlanTree {
  std::vector<std::uint32_t> slices;  ///< ascending
  std::vector<RoutingEntry> keys;     ///< key and mask of the entries, the same on each chip
  std::vector<TreeNode> nodes;        ///< the source's chip first, then away from it
  friend bool operator==(const PlanTree&, const PlanTree&) = default;
};

struct PlanTable {
  std::uint32_t chip = 0;
  std::uint32_t raw_entries = 0;  ///< before compression
  std::vector<RoutingEntry> entries;
  friend bool operator==(const PlanTable&, const PlanTable&) = default;
};

struct Plan {
  std::string network;  ///< name of the file or graph it was made from
  Target target;
  Faults faults;
  std::uint64_t seed = 0;
  std::vector<PlanPopulation> populations;
  std::vector<PlanProjection> projections;
  std::vector<PlanCore> cores;
  std::vector<PlanSlice> slices;  ///< population by population
  std::vector<PlanBlock> blocks;  ///< slice by slice
  std::vector<PlanRoute> routes;
  std::vector<PlanTree> trees;
  std::vector<PlanTable> tables;  ///< of chips that need one, ascending
  std::vector<OffChip> off_chip;
  friend bool operator==(const Plan&, const Plan&) = default;
};

/// Whether a projection holds a recurrent layer's own weights: its nodes are that layer alone. A
/// way that leads from the layer back to it has nodes between, or comes before its own.
inline bool is_own(const Plan& plan, std::uint32_t projection) {
  const PlanProjection& of = plan.projections[projection];
  if (of.source != of.target || of.nodes.size() != 1) return false;
  const auto is_alike = [&](const PlanProjection& other) {
    return other.source == of.source && other.target == of.target && other.nodes == of.nodes;
  };
  return std::none_of(plan.projections.begin() + projection + 1, plan.projections.end(), is_alike);
}

/// What the memory of a Plan's cores and chips is loaded with, from address 0 (images.hpp).
struct PlanImages {
  std::vector<std::vector<std::byte>> cores;  ///< by Plan::cores
  std::map<std::uint32_t, std::vector<std::byte>>
      chips;                           ///< those that hold rows, by PlanCore::chip
  std::vector<std::uint32_t> missing;  ///< blocks that have no bytes, ascending
};

}  // namespace spikeloom::mapping
