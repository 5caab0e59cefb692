#pragma once
/// A network like another one with some of its nodes' kinds replaced.

#include <functional>
#include <string>

#include "snn/network.hpp"

namespace spikeloom::detail {

/// `change(path, node)` gives the kind that takes the node's place; nested graphs are walked, and
/// never handed to `change`. `path` is the node's name below those of its graphs, joined by '/'.
Result<Network> rebuild(
    const Network& network,
    const std::function<Result<NodeKind>(const std::string& path, const Node& node)>& change);

}  // namespace spikeloom::detail
