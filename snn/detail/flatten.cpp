#include "snn/detail/flatten.hpp"

#include <optional>
#include <set>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

constexpr int kMaxDepth = 64;

/// Where edges to and from a node of the original graph end in the flat one.
struct Ends {
  std::optional<std::uint32_t> entry, exit;
};

/// The single Input (or Output) among the flat nodes of an inlined graph.
template <typename Port>
std::optional<std::uint32_t> only_port(const Network& inner, const std::vector<Ends>& ends,
                                       std::optional<std::uint32_t> Ends::*end) {
  std::optional<std::uint32_t> found;
  for (std::size_t i = 0; i < inner.nodes().size(); ++i) {
    if (!std::holds_alternative<Port>(inner.nodes()[i].kind)) continue;
    if (found) return std::nullopt;
    found = ends[i].*end;
  }
  return found;
}

Status inline_graph(const Network& network, const std::string& prefix, int depth,
                    DuplicateEdges duplicates, FlatGraph& flat, std::vector<Ends>& ends) {
  if (depth > kMaxDepth) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("graphs are nested deeper than {}", kMaxDepth),
                 .where = fmt::format("node \"{}\"", prefix)};
  }
  for (const Node& node : network.nodes()) {
    const std::string path = prefix + node.name;
    if (const auto* nested = std::get_if<node::Subgraph>(&node.kind)) {
      std::vector<Ends> inner;
      SPIKELOOM_CHECK(
          inline_graph(*nested->network, path + "/", depth + 1, duplicates, flat, inner));
      ends.push_back({only_port<node::Input>(*nested->network, inner, &Ends::entry),
                      only_port<node::Output>(*nested->network, inner, &Ends::exit)});
      continue;
    }
    const auto index = static_cast<std::uint32_t>(flat.nodes.size());
    const bool port = depth > 0 && (std::holds_alternative<node::Input>(node.kind) ||
                                    std::holds_alternative<node::Output>(node.kind));
    flat.nodes.push_back({path, &node.kind, port});
    ends.push_back({index, index});
  }
  std::set<std::pair<std::uint32_t, std::uint32_t>> seen;
  for (const Edge& edge : network.edges()) {
    const bool repeated = !seen.emplace(edge.source.value, edge.target.value).second;
    if (repeated && duplicates == DuplicateEdges::kOnce) continue;
    const auto source = ends[edge.source.value].exit;
    const auto target = ends[edge.target.value].entry;
    if (!source || !target) {
      const Node& culprit = network[source ? edge.target : edge.source];
      return Error{.code = ErrorCode::kUnsupported,
                   .what = fmt::format("an edge {} a nested graph without exactly one {}",
                                       source ? "enters" : "leaves", source ? "Input" : "Output"),
                   .where = fmt::format("node \"{}{}\"", prefix, culprit.name),
                   .next = "give the nested graph one Input and one Output"};
    }
    flat.arcs.emplace_back(*source, *target);
  }
  return {};
}

}  // namespace

Result<FlatGraph> flatten(const Network& network, DuplicateEdges duplicates) {
  FlatGraph flat;
  std::vector<Ends> ends;
  SPIKELOOM_CHECK(inline_graph(network, "", 0, duplicates, flat, ends));
  return flat;
}

}  // namespace spikeloom::detail
