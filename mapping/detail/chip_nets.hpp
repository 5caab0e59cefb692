#pragma once
/// Who talks to whom between chips, for placement; private to mapping.

#include <cstdint>
#include <span>
#include <vector>

#include "mapping/machine.hpp"
#include "mapping/slices.hpp"

namespace spikeloom::mapping::detail {

/// Slices of one chip that send to the same targets: one tree for all of them.
struct ChipNet {
  std::uint64_t weight = 0;        ///< how many slices
  std::uint32_t set = 0;           ///< of TargetSets
  std::span<std::uint32_t> chips;  ///< the source's first, then the targets', each once
};

class ChipNets {
 public:
  ChipNets(const TargetSets& sets, const std::vector<std::uint32_t>& chip_of);
  std::span<ChipNet> nets() { return nets_; }
  std::span<const ChipNet> nets() const { return nets_; }

 private:
  std::vector<ChipNet> nets_;
  std::vector<std::uint32_t> chips_;
};

/// Length of a minimum spanning tree over chip distances: what a multicast tree has at most where
/// nothing is broken.
class SpanningTree {
 public:
  explicit SpanningTree(const Machine& machine)
      : machine_(machine), mark_(machine.chips(), 0), seen_(machine.chips(), 0) {}
  std::uint64_t length(std::span<const std::uint32_t> chips);

 private:
  bool all_adjacent(std::span<const std::uint32_t> chips);

  const Machine& machine_;
  std::vector<std::uint32_t> mark_, seen_, queue_;
  std::uint32_t round_ = 0;
  std::vector<std::uint32_t> left_, nearest_;  ///< Prim's
};

}  // namespace spikeloom::mapping::detail
