#include "mapping/partition/hypergraph.hpp"

#include <limits>
#include <numeric>

#include <fmt/format.h>

namespace spikeloom::mapping {

void index_vertices(Hypergraph& graph) {
  graph.vertex_start.assign(graph.vertices + std::size_t{1}, 0);
  for (const std::uint32_t v : graph.pin) ++graph.vertex_start[v + std::size_t{1}];
  std::partial_sum(graph.vertex_start.begin(), graph.vertex_start.end(),
                   graph.vertex_start.begin());
  graph.net_of.resize(graph.pin.size());
  std::vector<std::size_t> next(graph.vertex_start.begin(), graph.vertex_start.end() - 1);
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    for (const std::uint32_t v : graph.pins(e)) graph.net_of[next[v]++] = e;
  }
}

Status check(const Hypergraph& graph) {
  constexpr std::uint64_t kLimit = std::numeric_limits<std::int32_t>::max();
  const auto bad = [](std::string what, std::string where = {}) {
    return Error{.what = std::move(what), .where = std::move(where)};
  };
  if (graph.resources == 0 ||
      graph.weight.size() != std::size_t{graph.vertices} * graph.resources) {
    return bad("a hypergraph needs as many weights as vertices times resources");
  }
  if (graph.net_start.size() != graph.nets() + std::size_t{1} || graph.net_start.front() != 0 ||
      graph.net_start.back() != graph.pin.size()) {
    return bad("the nets of a hypergraph do not add up to its pins");
  }
  std::uint64_t total = 0;
  std::vector<std::uint32_t> seen(graph.vertices, graph.nets());
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    if (graph.net_start[e] > graph.net_start[e + 1]) return bad("a net ends before it starts");
    for (const std::uint32_t v : graph.pins(e)) {
      const std::string where = fmt::format("net {}", e);
      if (v >= graph.vertices) return bad(fmt::format("vertex {} does not exist", v), where);
      if (seen[v] == e) return bad(fmt::format("vertex {} occurs twice", v), where);
      seen[v] = e;
    }
    total += graph.net_weight[e];
  }
  if (total > kLimit) return bad("the weights of the nets add up to more than 2^31 - 1");
  for (std::uint32_t r = 0; r < graph.resources; ++r) {
    total = 0;
    for (std::uint32_t v = 0; v < graph.vertices; ++v) total += graph.weights(v)[r];
    if (total > kLimit) return bad("the weights of the vertices add up to more than 2^31 - 1");
  }
  return {};
}

std::uint64_t packets(const Hypergraph& graph, std::span<const std::uint32_t> part,
                      std::uint32_t parts) {
  std::vector<std::uint32_t> seen(parts, graph.nets());
  std::uint64_t sum = 0;
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    std::uint64_t touched = 0;
    for (const std::uint32_t v : graph.pins(e)) {
      touched += seen[part[v]] != e ? 1 : 0;
      seen[part[v]] = e;
    }
    if (touched > 1) sum += (touched - 1) * graph.net_weight[e];
  }
  return sum;
}

}  // namespace spikeloom::mapping
