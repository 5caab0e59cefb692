#include "mapping/partition/detail/bisect.hpp"

#include <algorithm>
#include <limits>
#include <queue>

#include "base/random.hpp"
#include "mapping/partition/detail/refine.hpp"

namespace spikeloom::mapping::detail {
namespace {

/// Side 0 grows from `start` until it holds its share of resource 0.
std::vector<std::uint32_t> grow(const Hypergraph& graph, const PartLimits& limits,
                                std::uint64_t wanted, std::uint32_t start) {
  std::vector<std::uint32_t> side(graph.vertices, 1);
  std::vector<double> tie(graph.vertices, 0.0);
  std::vector<char> reached(graph.nets(), 0);
  std::priority_queue<std::pair<double, std::uint32_t>> queue;
  std::uint64_t load = 0;
  queue.push({0.0, start});
  std::uint32_t next = start;
  for (std::uint32_t visited = 0; load < wanted && visited < graph.vertices;) {
    if (queue.empty()) {  // nothing is tied to it any more: go on elsewhere
      next = next + 1 == graph.vertices ? 0 : next + 1;
      ++visited;
      if (side[next] == 1) queue.push({tie[next], next});
      continue;
    }
    const auto [value, v] = queue.top();
    queue.pop();
    if (side[v] == 0 || value != tie[v]) continue;
    const std::uint32_t weight = graph.weights(v)[0];
    if (load + weight > limits.capacity[0]) {
      tie[v] = -1.0;
      continue;
    }
    side[v] = 0;
    load += weight;
    for (const std::uint32_t e : graph.nets_of(v)) {
      if (reached[e] != 0) continue;
      reached[e] = 1;
      const auto pins = graph.pins(e);
      const double score = graph.net_weight[e] / static_cast<double>(pins.size());
      for (const std::uint32_t u : pins) {
        if (side[u] == 0 || tie[u] < 0.0) continue;
        tie[u] += score;
        queue.push({tie[u], u});
      }
    }
  }
  return side;
}

/// One side of a bisection as a graph; `vertex` says which vertices those are.
Hypergraph side_graph(const Hypergraph& graph, const std::vector<std::uint32_t>& side,
                      std::uint32_t which, std::vector<std::uint32_t>& vertex) {
  Hypergraph part;
  part.resources = graph.resources;
  std::vector<std::uint32_t> number(graph.vertices, 0);
  vertex.clear();
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    if (side[v] != which) continue;
    number[v] = part.vertices++;
    vertex.push_back(v);
    const auto weights = graph.weights(v);
    part.weight.insert(part.weight.end(), weights.begin(), weights.end());
  }
  part.net_start.push_back(0);
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    const std::size_t first = part.pin.size();
    for (const std::uint32_t v : graph.pins(e)) {
      if (side[v] == which) part.pin.push_back(number[v]);
    }
    if (part.pin.size() - first < 2) {
      part.pin.resize(first);
      continue;
    }
    part.net_weight.push_back(graph.net_weight[e]);
    part.net_start.push_back(part.pin.size());
  }
  index_vertices(part);
  return part;
}

struct Job {
  const std::vector<std::uint32_t>& capacity;
  std::uint64_t seed;
  int tries;
};

std::vector<std::uint32_t> best_bisection(const Hypergraph& graph, const PartLimits& limits,
                                          double share, const Job& job) {
  std::uint64_t total = 0;
  for (std::uint32_t v = 0; v < graph.vertices; ++v) total += graph.weights(v)[0];
  const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total));
  Blocks blocks(graph, limits);
  std::vector<std::uint32_t> best;
  std::pair<std::uint64_t, std::uint64_t> best_cost{};
  const RandomStream stream{job.seed, 0xb15ec7};
  for (int i = 0; i < job.tries; ++i) {
    const std::uint32_t word = stream.words(static_cast<std::uint64_t>(i))[0];
    const auto start = static_cast<std::uint32_t>(std::uint64_t{word} * graph.vertices >> 32);
    blocks.assign(grow(graph, limits, wanted, start));
    repair(graph, limits, blocks);
    refine(graph, blocks, {.passes = 4, .patience = 0.25});
    const std::pair cost{blocks.excess(), packets(graph, blocks.part(), 2)};
    if (best.empty() || cost < best_cost) {
      best = blocks.part();
      best_cost = cost;
    }
  }
  return best;
}

void split(const Hypergraph& graph, std::uint32_t parts, std::uint32_t first, const Job& job,
           const std::vector<std::uint32_t>& name, std::vector<std::uint32_t>& part) {
  if (parts == 1 || graph.vertices == 0) {
    for (const std::uint32_t v : name) part[v] = first;
    return;
  }
  const std::uint32_t half = parts / 2;
  PartLimits limits{.parts = 2, .capacity = {}};
  for (const std::uint32_t count : {half, parts - half}) {
    for (const std::uint32_t capacity : job.capacity) {
      const std::uint64_t room = std::uint64_t{capacity} * count;
      limits.capacity.push_back(static_cast<std::uint32_t>(
          std::min<std::uint64_t>(room, std::numeric_limits<std::int32_t>::max())));
    }
  }
  const auto side = best_bisection(graph, limits, static_cast<double>(half) / parts,
                                   {job.capacity, job.seed + first * 977 + parts, job.tries});
  for (const std::uint32_t which : {0U, 1U}) {
    std::vector<std::uint32_t> vertex;
    const Hypergraph inside = side_graph(graph, side, which, vertex);
    for (std::uint32_t& v : vertex) v = name[v];
    split(inside, which == 0 ? half : parts - half, which == 0 ? first : first + half, job, vertex,
          part);
  }
}

}  // namespace

std::vector<std::uint32_t> bisect(const Hypergraph& graph, std::uint32_t parts,
                                  const std::vector<std::uint32_t>& capacity, std::uint64_t seed,
                                  int tries) {
  std::vector<std::uint32_t> part(graph.vertices, 0), name(graph.vertices);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) name[v] = v;
  split(graph, parts, 0, {capacity, seed, tries}, name, part);
  return part;
}

}  // namespace spikeloom::mapping::detail
