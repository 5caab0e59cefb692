#include "snn/detail/digraph.hpp"

#include <algorithm>
#include <functional>
#include <queue>

#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/strong_components.hpp>

namespace spikeloom::detail {
namespace {

using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;

Graph make_graph(std::uint32_t node_count, std::span<const Arc> arcs) {
  return {arcs.begin(), arcs.end(), node_count};
}

}  // namespace

std::vector<std::uint32_t> strong_component_of(std::uint32_t node_count,
                                               std::span<const Arc> arcs) {
  const Graph graph = make_graph(node_count, arcs);
  std::vector<std::uint32_t> component(node_count);
  if (node_count == 0) return component;
  boost::strong_components(graph, boost::make_iterator_property_map(
                                      component.begin(), boost::get(boost::vertex_index, graph)));
  return component;
}

std::optional<std::vector<std::uint32_t>> topological_order(std::uint32_t node_count,
                                                            std::span<const Arc> arcs) {
  const Graph graph = make_graph(node_count, arcs);
  std::vector<std::uint32_t> waiting(node_count, 0);
  for (const auto& [source, target] : arcs) ++waiting[target];
  std::priority_queue<std::uint32_t, std::vector<std::uint32_t>, std::greater<>> ready;
  for (std::uint32_t node = 0; node < node_count; ++node) {
    if (waiting[node] == 0) ready.push(node);
  }
  std::vector<std::uint32_t> order;
  order.reserve(node_count);
  while (!ready.empty()) {
    const std::uint32_t node = ready.top();
    ready.pop();
    order.push_back(node);
    for (auto [edge, end] = boost::out_edges(node, graph); edge != end; ++edge) {
      const auto target = static_cast<std::uint32_t>(boost::target(*edge, graph));
      if (--waiting[target] == 0) ready.push(target);
    }
  }
  if (order.size() != node_count) return std::nullopt;
  return order;
}

bool on_cycle(std::uint32_t node, std::span<const std::uint32_t> component,
              std::span<const Arc> arcs) {
  return std::any_of(arcs.begin(), arcs.end(), [&](const Arc& arc) {
    return arc.first == node && component[arc.second] == component[node];
  });
}

}  // namespace spikeloom::detail
