/// Partitions of random hypergraphs: always within the limits, and counted as the definition says.

#include <set>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "mapping/partition/detail/blocks.hpp"
#include "mapping/partition/partition.hpp"

namespace spikeloom::mapping {
namespace {

std::uint32_t between(std::uint32_t low, std::uint32_t high) {
  return *rc::gen::inRange(low, high + 1);
}

Hypergraph random_graph() {
  Hypergraph graph;
  graph.vertices = between(2, 60);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) graph.weight.push_back(between(1, 2));
  graph.net_start.push_back(0);
  for (std::uint32_t e = between(1, 80); e > 0; --e) {
    std::set<std::uint32_t> pins;
    for (std::uint32_t i = between(1, 8); i > 0; --i) pins.insert(between(0, graph.vertices - 1));
    graph.pin.insert(graph.pin.end(), pins.begin(), pins.end());
    graph.net_weight.push_back(between(0, 9));
    graph.net_start.push_back(graph.pin.size());
  }
  index_vertices(graph);
  return graph;
}

RC_GTEST_PROP(Partitions, StayWithinTheLimits, ()) {
  const Hypergraph graph = random_graph();
  RC_ASSERT(check(graph).ok());
  std::uint32_t total = 0;
  for (const std::uint32_t weight : graph.weight) total += weight;
  const std::uint32_t parts = between(1, 6);
  // Two more than an even share leaves room for the heavier vertices.
  const PartitionOptions options{.parts = parts, .capacity = {total / parts + 2}, .cycles = 1};
  const auto found = partition(graph, options);
  RC_ASSERT(found.ok());
  std::vector<std::uint32_t> load(parts, 0);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    RC_ASSERT(found->part[v] < parts);
    load[found->part[v]] += graph.weight[v];
  }
  for (const std::uint32_t l : load) RC_ASSERT(l <= options.capacity[0]);
  RC_ASSERT(found->packets == packets(graph, found->part, parts));
}

RC_GTEST_PROP(Partitions, EveryGainIsWhatTheMoveReallySaves, ()) {
  const Hypergraph graph = random_graph();
  const std::uint32_t parts = between(2, 5);
  detail::PartLimits limits{.parts = parts, .capacity = {}, .axons = 1000};
  limits.capacity.assign(parts, detail::kNoLimit);
  detail::Blocks blocks(graph, limits), fresh(graph, limits);
  std::vector<std::uint32_t> part;
  for (std::uint32_t v = 0; v < graph.vertices; ++v) part.push_back(between(0, parts - 1));
  blocks.assign(part);
  for (int i = 0; i < 20; ++i) {
    const std::uint32_t v = between(0, graph.vertices - 1), to = between(0, parts - 1);
    if (blocks.part(v) == to) continue;
    const auto before = static_cast<std::int64_t>(packets(graph, blocks.part(), parts));
    const std::int64_t gain = blocks.gain(v, to);
    blocks.move(v, to, [](std::uint32_t, std::int32_t) {});
    const auto after = static_cast<std::int64_t>(packets(graph, blocks.part(), parts));
    RC_ASSERT(before - after == gain);
    // The tables that moves keep are those that a fresh count gives.
    fresh.assign(blocks.part());
    for (std::uint32_t u = 0; u < graph.vertices; ++u) {
      for (std::uint32_t p = 0; p < parts; ++p) {
        if (p != blocks.part(u)) RC_ASSERT(blocks.gain(u, p) == fresh.gain(u, p));
      }
    }
    for (std::uint32_t p = 0; p < parts; ++p) RC_ASSERT(blocks.axons(p) == fresh.axons(p));
  }
}

}  // namespace
}  // namespace spikeloom::mapping
