#include "models/detail/rebuild.hpp"

#include <memory>
#include <utility>

namespace spikeloom::detail {
namespace {

using Change = std::function<Result<NodeKind>(const std::string&, const Node&)>;

Result<Network> rebuild_below(const Network& network, const Change& change,
                              const std::string& prefix) {
  NetworkBuilder builder;
  for (const Node& node : network.nodes()) {
    const std::string path = prefix + node.name;
    if (const auto* nested = std::get_if<node::Subgraph>(&node.kind)) {
      SPIKELOOM_TRY(Network inner, rebuild_below(*nested->network, change, path + "/"));
      builder.add(node.name, node::Subgraph{std::make_shared<const Network>(std::move(inner))},
                  node.metadata);
      continue;
    }
    SPIKELOOM_TRY(NodeKind kind, change(path, node));
    builder.add(node.name, std::move(kind), node.metadata);
  }
  for (const Edge& edge : network.edges()) builder.connect(edge.source, edge.target);
  builder.set_metadata(network.metadata());
  builder.set_producer_version(network.producer_version());
  return std::move(builder).build();
}

}  // namespace

Result<Network> rebuild(const Network& network, const Change& change) {
  return rebuild_below(network, change, "");
}

}  // namespace spikeloom::detail
