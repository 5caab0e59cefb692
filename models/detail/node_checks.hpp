#pragma once
/// Checks of one node's parameters, taken for themselves: ranks, element types, sizes that have to
/// agree within the node. Whether neighbours fit each other is lowering's question.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "snn/node_kinds.hpp"

namespace spikeloom::detail {

/// An error names the parameter in `where`. Oddities that can still be run (a negative time
/// constant, values that are not finite) are appended to `warnings`.
Status check_node(const NodeKind& kind, std::vector<std::string>& warnings);

}  // namespace spikeloom::detail
