#pragma once
/// Inlines nested graphs; private to snn.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "snn/detail/digraph.hpp"
#include "snn/discretisation.hpp"
#include "snn/network.hpp"

namespace spikeloom::detail {

struct FlatNode {
  std::string path;
  const NodeKind* kind = nullptr;
  bool port = false;  ///< an Input or Output of a nested graph: passes its input on
};

struct FlatGraph {
  std::vector<FlatNode> nodes;
  std::vector<Arc> arcs;  ///< edge order of the file, outer graph first
};

/// kUnsupported: a nested graph without exactly one Input and Output where edges need them, or
/// nested deeper than 64.
Result<FlatGraph> flatten(const Network& network, DuplicateEdges duplicates);

}  // namespace spikeloom::detail
