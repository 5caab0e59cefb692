#pragma once
/// Shapes of every node of a flat graph; private to snn.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "snn/detail/flatten.hpp"

namespace spikeloom::detail {

struct NodeShapes {
  Shape in, out;
};

/// Propagates shapes along the arcs until all are known, then checks every arc.
/// kShape names the nodes that disagree or whose shape nothing determines.
Result<std::vector<NodeShapes>> infer_shapes(const FlatGraph& graph,
                                             std::vector<std::string>& notes);

}  // namespace spikeloom::detail
