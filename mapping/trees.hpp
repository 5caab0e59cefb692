#pragma once
/// Multicast trees on a machine: from one chip to many, over few links, none of them dead.
///
/// The shortest tree is a Steiner tree, which is hard to find (Karp 1972). A tree grows from the
/// source: the nearest chip that is still missing is joined by a shortest way, again and again
/// (Takahashi and Matsuyama 1980); then ways between forks are taken out and the two halves joined
/// anew where that is shorter. Every choice is the first in a fixed order, so the same machine and
/// chips give the same tree.

#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "mapping/machine.hpp"

namespace spikeloom::mapping {

/// One chip of a tree; parents come before their children.
struct TreeChip {
  std::uint32_t chip = 0;
  std::int32_t parent = -1;    ///< index of the chip the packet comes from; -1: the source
  std::int8_t direction = -1;  ///< of the link from the parent, seen from the parent
  friend bool operator==(const TreeChip&, const TreeChip&) = default;
};

class TreeFinder {
 public:
  explicit TreeFinder(const Machine& machine);

  /// A tree over `chips` (without repetitions; the source may be one of them). The source stands
  /// first. kResource: there is no way to one of them, which is named.
  Result<std::vector<TreeChip>> find(std::uint32_t source, std::span<const std::uint32_t> chips);

 private:
  struct Joint {
    std::uint32_t chip = 0;
    int direction = 0;
  };
  void start();
  bool grow(std::uint32_t source, std::span<const std::uint32_t> chips, std::uint32_t& missing);
  bool join_nearest();
  bool shorten(std::span<const std::uint32_t> chips);
  bool rejoin(std::uint32_t from, int direction);
  int degree(std::uint32_t chip) const;
  std::vector<TreeChip> ordered(std::uint32_t source) const;

  const Machine& machine_;
  std::vector<std::uint8_t> links_;   ///< of the tree, by chip
  std::vector<std::uint8_t> inside_;  ///< 1: in the tree
  std::vector<std::uint8_t> wanted_;  ///< 1: still to be joined, 2: joined
  std::vector<std::uint32_t> tree_;   ///< its chips, in the order they came
  std::vector<std::uint32_t> seen_;   ///< round of the search that saw the chip
  std::vector<std::int8_t> came_by_;  ///< direction of the last step of the search
  std::vector<std::uint32_t> queue_;
  std::uint32_t round_ = 0, left_ = 0;
  std::uint32_t tree_links_ = 0;
};

}  // namespace spikeloom::mapping
