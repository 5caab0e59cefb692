#include "mapping/partition/partition.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "mapping/partition/detail/anneal.hpp"
#include "mapping/partition/detail/bisect.hpp"
#include "mapping/partition/detail/coarsen.hpp"
#include "mapping/partition/detail/refine.hpp"

namespace spikeloom::mapping {
namespace {

using namespace detail;

/// Of the coarsest level. Few suit graphs of modules, many those of layers: starts take turns.
constexpr std::uint32_t kVerticesPerPart[] = {12, 30};
constexpr std::uint32_t kClusterShare = 3;  ///< a cluster takes at most this part of a part
constexpr int kBisectionTries = 6;
/// Hotter and longer where several limits bind, since more has to change there.
constexpr AnnealOptions kOneLimit{.sweeps = 1000, .heat = 0.3};
constexpr AnnealOptions kSeveralLimits{.sweeps = 2000, .heat = 1.0};
/// Parts may grow beyond their capacity by this share on the coarsest level, and by less and less
/// down to the finest: heavy clusters could not move at all between parts that are nearly full.
constexpr double kSlack = 0.15;
/// The same on the finest level of the inner cycles, whose graph is not the real one.
constexpr double kInnerSlack = 0.05;
constexpr int kInnerCycles = 4;
/// First partitions that are tried, and cycles after which they are compared.
constexpr int kStarts = 6;
constexpr int kStartCycles = 2;

struct Level {
  Hypergraph graph;
  std::vector<std::uint32_t> cluster;  ///< of the vertices one level below
};

class Multilevel {
 public:
  /// Without annealing more bisections are tried, whose sides keep every limit where they can.
  Multilevel(const Hypergraph& graph, const PartitionOptions& options, bool anneals,
             std::uint32_t vertices_per_part = kVerticesPerPart[0])
      : graph_(graph), options_(options), anneals_(anneals), vertices_per_part_(vertices_per_part) {
    limits_.parts = options.parts;
    for (std::uint32_t p = 0; p < options.parts; ++p) {
      limits_.capacity.insert(limits_.capacity.end(), options.capacity.begin(),
                              options.capacity.end());
    }
    limits_.axons = options.max_axons.value_or(kNoLimit);
  }

  /// From nothing, or from a partition that is to become better. `slack` is what the parts of the
  /// finest level may be over their capacity.
  std::vector<std::uint32_t> cycle(std::vector<std::uint32_t> part, std::uint64_t seed,
                                   double slack) {
    std::vector<Level> levels = coarsen(part, seed, kNoLimit);
    const Hypergraph& top = levels.empty() ? graph_ : levels.back().graph;
    if (part.empty()) {
      const int tries = anneals_ ? 1 : kBisectionTries;
      part = bisect(top, options_.parts, options_.capacity, seed, tries);
      if (anneals_) part = annealed(top, part, seed);
    }
    const auto depth = static_cast<double>(std::max<std::size_t>(1, levels.size()));
    for (std::size_t i = levels.size(); i > 0; --i) {
      part = refined(levels[i - 1].graph, part,
                     std::max(slack, kSlack * static_cast<double>(i) / depth));
      part = projected(levels[i - 1].cluster, part);
    }
    return refined(graph_, part, slack);
  }

  /// The best of several first partitions of a graph of clusters, then of the whole graph.
  std::vector<std::uint32_t> first(std::uint64_t seed) {
    std::vector<std::uint32_t> best;
    std::vector<Level> levels = coarsen(best, seed, 1);
    if (levels.empty()) return cycle({}, seed, 0.0);
    std::pair<std::uint64_t, std::uint64_t> best_cost{};
    for (std::uint64_t start = 0; start < kStarts; ++start) {
      Multilevel inner(levels[0].graph, options_, anneals_, kVerticesPerPart[start % 2]);
      const std::uint64_t own = seed + 15485863 * (start + 1);
      auto part = inner.improved(inner.cycle({}, own, kInnerSlack), own, kStartCycles);
      const std::pair cost{inner.excess(), packets(levels[0].graph, part, options_.parts)};
      if (!best.empty() && cost >= best_cost) continue;
      best_cost = cost;
      vertices_per_part_ = kVerticesPerPart[start % 2];
      best = std::move(part);
    }
    return refined(graph_, projected(levels[0].cluster, best), 0.0);
  }

  /// Many cycles over a graph of clusters inside the parts, which is quicker than the whole graph,
  /// then the whole graph again.
  std::vector<std::uint32_t> inner_cycles(std::vector<std::uint32_t> part, std::uint64_t seed) {
    std::vector<Level> levels = coarsen(part, seed, 1);
    if (levels.empty()) return cycle(std::move(part), seed, 0.0);
    Multilevel inner(levels[0].graph, options_, anneals_, vertices_per_part_);
    part = inner.improved(std::move(part), seed, kInnerCycles);
    return refined(graph_, projected(levels[0].cluster, part), 0.0);
  }

  std::uint64_t excess() const { return excess_; }

 private:
  std::vector<std::uint32_t> improved(std::vector<std::uint32_t> part, std::uint64_t seed,
                                      int cycles) {
    std::uint64_t best = packets(graph_, part, options_.parts);
    for (int i = 0; i < cycles; ++i) {
      auto next = cycle(part, seed + 104729 * static_cast<std::uint64_t>(i), kInnerSlack);
      const std::uint64_t now = packets(graph_, next, options_.parts);
      if (now > best) continue;
      best = now;
      part = std::move(next);
    }
    return part;
  }

  /// Coarser and coarser graphs; `part`, if there is one, becomes that of the coarsest.
  std::vector<Level> coarsen(std::vector<std::uint32_t>& part, std::uint64_t seed,
                             std::size_t most) {
    std::vector<Level> levels;
    CoarsenOptions options{.min_vertices = options_.parts * vertices_per_part_,
                           .max_weight = {},
                           .part = {},
                           .seed = seed};
    for (const std::uint32_t capacity : options_.capacity) {
      options.max_weight.push_back(std::max<std::uint32_t>(1, capacity / kClusterShare));
    }
    while (levels.size() < most) {
      const Hypergraph& graph = levels.empty() ? graph_ : levels.back().graph;
      if (graph.vertices <= options.min_vertices) break;
      options.part = part;
      options.seed = seed + 31 * levels.size();
      std::uint32_t clusters = 0;
      std::vector<std::uint32_t> cluster = detail::cluster(graph, options, clusters);
      if (clusters > 0.95 * graph.vertices) break;
      if (!part.empty()) {
        std::vector<std::uint32_t> coarser(clusters);
        for (std::uint32_t v = 0; v < graph.vertices; ++v) coarser[cluster[v]] = part[v];
        part = std::move(coarser);
      }
      Hypergraph next = contract(graph, cluster, clusters, limits_.axons != kNoLimit);
      levels.push_back({std::move(next), std::move(cluster)});
    }
    return levels;
  }

  std::vector<std::uint32_t> refined(const Hypergraph& graph,
                                     const std::vector<std::uint32_t>& part, double slack) {
    PartLimits limits = limits_;
    for (std::uint32_t& capacity : limits.capacity) {
      capacity = static_cast<std::uint32_t>(capacity * (1.0 + slack));
    }
    if (limits.axons != kNoLimit) {
      limits.axons = static_cast<std::uint32_t>(limits.axons * (1.0 + slack));
    }
    Blocks blocks(graph, limits);
    blocks.assign(part);
    repair(graph, limits, blocks);
    refine(graph, blocks, {});
    excess_ = blocks.excess();
    return blocks.part();
  }

  std::vector<std::uint32_t> annealed(const Hypergraph& graph,
                                      const std::vector<std::uint32_t>& part, std::uint64_t seed) {
    const bool several = graph.resources > 1 || limits_.axons != kNoLimit;
    AnnealOptions options = several ? kSeveralLimits : kOneLimit;
    options.seed = seed * 31;
    Blocks blocks(graph, limits_);
    blocks.assign(part);
    anneal(graph, limits_, blocks, options);
    return blocks.part();
  }

  static std::vector<std::uint32_t> projected(const std::vector<std::uint32_t>& cluster,
                                              const std::vector<std::uint32_t>& part) {
    std::vector<std::uint32_t> finer(cluster.size());
    for (std::size_t v = 0; v < cluster.size(); ++v) finer[v] = part[cluster[v]];
    return finer;
  }

  const Hypergraph& graph_;
  const PartitionOptions& options_;
  bool anneals_;
  std::uint32_t vertices_per_part_;  ///< of the coarsest level
  PartLimits limits_;
  std::uint64_t excess_ = 0;
};

}  // namespace

Result<Partition> partition(const Hypergraph& graph, const PartitionOptions& options) {
  if (options.parts == 0 || options.capacity.size() != graph.resources) {
    return Error{.what = "a partition needs parts, and a capacity for each resource"};
  }
  Partition best;
  std::uint64_t excess = 0;
  // Annealing finds fewer packets, bisections alone keep to tight limits more often.
  for (const bool anneals : {true, false}) {
    Multilevel multilevel(graph, options, anneals);
    best = {.parts = options.parts, .part = multilevel.first(options.seed)};
    best.packets = packets(graph, best.part, best.parts);
    excess = multilevel.excess();
    for (int i = 1; i <= options.cycles; ++i) {
      auto part =
          multilevel.inner_cycles(best.part, options.seed + 7919 * static_cast<std::uint64_t>(i));
      const std::uint64_t now = packets(graph, part, best.parts);
      if (std::pair(multilevel.excess(), now) >= std::pair(excess, best.packets)) continue;
      best.part = std::move(part);
      best.packets = now;
      excess = multilevel.excess();
    }
    if (excess == 0) break;
  }
  if (excess > 0) {
    return Error{.code = ErrorCode::kResource,
                 .what = fmt::format("no partition into {} parts within the limits was found",
                                     options.parts),
                 .next = "allow more parts"};
  }
  return best;
}

PartUse part_use(const Hypergraph& graph, const Partition& partition) {
  PartLimits limits{.parts = partition.parts, .capacity = {}, .axons = kNoLimit - 1};
  limits.capacity.assign(std::size_t{partition.parts} * graph.resources, kNoLimit);
  Blocks blocks(graph, limits);
  blocks.assign(partition.part);
  PartUse use;
  for (std::uint32_t p = 0; p < partition.parts; ++p) {
    for (std::uint32_t r = 0; r < graph.resources; ++r) use.load.push_back(blocks.load(p, r));
    use.axons.push_back(blocks.axons(p));
  }
  return use;
}

}  // namespace spikeloom::mapping
