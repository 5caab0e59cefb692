#pragma once
/// Partition of a hypergraph into parts of limited size, with few packets between them.
///
/// Multilevel: clusters of neighbours are contracted until few vertices per part are left, those
/// are split by recursive bisection and annealed, and every level on the way back is refined by
/// k-way Fiduccia-Mattheyses. Several partitions are made so and combined with the best. Cycles
/// over the result, whose clusters stay inside a part, repeat that. One thread; the same graph,
/// options and seed give the same partition.

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "mapping/partition/hypergraph.hpp"

namespace spikeloom::mapping {

struct PartitionOptions {
  std::uint32_t parts = 0;
  std::vector<std::uint32_t> capacity;  ///< of one part, by resource
  /// Sources that one part may receive from (a source inside it counts when it has targets there).
  std::optional<std::uint32_t> max_axons = {};
  std::uint64_t seed = 0;
  int cycles = 4;  ///< repetitions after the first partition; more are better and slower
};

struct Partition {
  std::uint32_t parts = 0;
  std::vector<std::uint32_t> part;  ///< of each vertex
  std::uint64_t packets = 0;
};

/// kInvalidArgument: options that do not fit the graph. kResource: no partition within the limits
/// was found; the message says which limit is beyond reach, and by how much.
Result<Partition> partition(const Hypergraph& graph, const PartitionOptions& options);

/// What the fullest part holds of each resource, then its sources (axons): for reports.
struct PartUse {
  std::vector<std::uint32_t> load;   ///< (parts, resources)
  std::vector<std::uint32_t> axons;  ///< by part
};
PartUse part_use(const Hypergraph& graph, const Partition& partition);

}  // namespace spikeloom::mapping
