#include "mapping/partition/partition.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "mapping/partition/detail/anneal.hpp"
#include "mapping/partition/detail/bisect.hpp"
#include "mapping/partition/detail/coarsen.hpp"
#include "mapping/partition/detail/refine.hpp"

namespace spikeloom::mapping {
namespace {

using namespace detail;

constexpr std::uint32_t kVerticesPerPart = 12;  ///< of the coarsest level
constexpr std::uint32_t kClusterShare = 3;      ///< a cluster takes at most this part of a part
constexpr int kBisectionTries = 6;
/// Hotter and longer where several limits bind, since more has to change there.
constexpr AnnealOptions kOneLimit{.sweeps = 1000, .heat = 0.3};
constexpr AnnealOptions kSeveralLimits{.sweeps = 2000, .heat = 1.0};
/// Parts may grow beyond their capacity by this share on the coarsest level, and by less and less
/// down to the finest: heavy clusters could not move at all between parts that are nearly full.
constexpr double kSlack = 0.15;
/// The same on the finest level of inner graphs, which are not the real one: of first partitions,
/// and of what cycles and combinations make of them.
constexpr double kStartSlack = 0.05, kInnerSlack = 0.02;
constexpr int kInnerCycles = 4;
/// First partitions; each but the best is combined with the best once. Dense graphs, whose first
/// partitions hardly differ, get fewer.
constexpr std::size_t kStarts = 6, kFewStarts = 3, kManyPins = 1'000'000;
/// Cycles over the whole graph end after so many in a row that made nothing better.
constexpr int kInVain = 2;

struct Level {
  Hypergraph graph;
  std::vector<std::uint32_t> cluster;  ///< of the vertices one level below
};

class Multilevel {
 public:
  struct Found {
    std::pair<std::uint64_t, std::uint64_t> cost;  ///< beyond the limits, packets
    std::vector<std::uint32_t> part;
  };

  Found judged(std::vector<std::uint32_t> part) const {
    const std::uint64_t now = packets(graph_, part, options_.parts);
    return {{excess_, now}, std::move(part)};
  }

  /// Without annealing more bisections are tried, whose sides keep every limit where they can.
  Multilevel(const Hypergraph& graph, const PartitionOptions& options, bool anneals)
      : graph_(graph), options_(options), anneals_(anneals) {
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
    return climbed(levels, std::move(part), slack);
  }

  /// Several first partitions of a graph of clusters, the best combined with each other; then the
  /// whole graph.
  Found first(std::uint64_t seed) {
    std::vector<std::uint32_t> none;
    std::vector<Level> levels = coarsen(none, seed, 1);
    if (levels.empty()) return judged(cycle({}, seed, 0.0));
    Multilevel inner(levels[0].graph, options_, anneals_);
    const std::size_t starts = graph_.pin.size() > kManyPins ? kFewStarts : kStarts;
    std::vector<Found> found;
    for (std::uint64_t start = 1; start <= starts; ++start) {
      const std::uint64_t own = seed + 15485863 * start;
      found.push_back(inner.improved(inner.judged(inner.cycle({}, own, kStartSlack)), own, 1));
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const Found& a, const Found& b) { return a.cost < b.cost; });
    for (std::size_t i = 1; i < starts; ++i) {
      Found child = inner.judged(inner.combined(found[0].part, found[i].part, seed + 7907 * i));
      // Worse than both: the graph has no structure on which they could agree.
      if (child.cost > found[i].cost) break;
      if (child.cost < found[0].cost) found[0] = std::move(child);
    }
    return judged(refined(graph_, projected(levels[0].cluster, found[0].part), 0.0));
  }

  /// Many cycles over a graph of clusters inside the parts, which is quicker than the whole graph,
  /// then the whole graph again.
  Found inner_cycles(std::vector<std::uint32_t> part, std::uint64_t seed) {
    std::vector<Level> levels = coarsen(part, seed, 1);
    if (levels.empty()) return judged(cycle(std::move(part), seed, 0.0));
    Multilevel inner(levels[0].graph, options_, anneals_);
    const Found better = inner.improved(
        inner.judged(inner.refined(levels[0].graph, part, kInnerSlack)), seed, kInnerCycles);
    return judged(refined(graph_, projected(levels[0].cluster, better.part), 0.0));
  }

 private:
  Found improved(Found best, std::uint64_t seed, int cycles) {
    for (int i = 0; i < cycles; ++i) {
      Found next =
          judged(cycle(best.part, seed + 104729 * static_cast<std::uint64_t>(i), kInnerSlack));
      if (next.cost <= best.cost) best = std::move(next);
    }
    return best;
  }

  /// `a`, refined over clusters that neither partition divides: what both agree on moves as one.
  std::vector<std::uint32_t> combined(const std::vector<std::uint32_t>& a,
                                      const std::vector<std::uint32_t>& b, std::uint64_t seed) {
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> number;
    std::vector<std::uint32_t> both(a.size()), part_of;
    for (std::size_t v = 0; v < a.size(); ++v) {
      const auto next = static_cast<std::uint32_t>(number.size());
      const auto [at, is_new] = number.try_emplace({a[v], b[v]}, next);
      if (is_new) part_of.push_back(a[v]);
      both[v] = at->second;
    }
    std::vector<Level> levels = coarsen(both, seed, kNoLimit);
    for (std::uint32_t& p : both) p = part_of[p];
    const Hypergraph& top = levels.empty() ? graph_ : levels.back().graph;
    return climbed(levels, refined(top, both, kSlack), kInnerSlack);
  }

  /// From the coarsest level up to the finest, refined on each.
  std::vector<std::uint32_t> climbed(const std::vector<Level>& levels,
                                     std::vector<std::uint32_t> part, double slack) {
    const auto depth = static_cast<double>(std::max<std::size_t>(1, levels.size()));
    for (std::size_t i = levels.size(); i > 0; --i) {
      part = refined(levels[i - 1].graph, part,
                     std::max(slack, kSlack * static_cast<double>(i) / depth));
      part = projected(levels[i - 1].cluster, part);
    }
    return refined(graph_, part, slack);
  }

  /// Coarser and coarser graphs; `part`, if there is one, becomes that of the coarsest.
  std::vector<Level> coarsen(std::vector<std::uint32_t>& part, std::uint64_t seed,
                             std::size_t most) {
    std::vector<Level> levels;
    CoarsenOptions options{.min_vertices = options_.parts * kVerticesPerPart,
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
  PartLimits limits_;
  std::uint64_t excess_ = 0;
};

}  // namespace

Result<Partition> partition(const Hypergraph& graph, const PartitionOptions& options) {
  if (options.parts == 0 || options.capacity.size() != graph.resources) {
    return Error{.what = "a partition needs parts, and a capacity for each resource"};
  }
  Multilevel::Found best;
  // Annealing finds fewer packets, bisections alone keep to tight limits more often.
  for (const bool anneals : {true, false}) {
    Multilevel multilevel(graph, options, anneals);
    best = multilevel.first(options.seed);
    for (int i = 1, in_vain = 0; i <= options.cycles && in_vain < kInVain; ++i) {
      auto next =
          multilevel.inner_cycles(best.part, options.seed + 7919 * static_cast<std::uint64_t>(i));
      in_vain = next.cost < best.cost ? 0 : in_vain + 1;
      if (in_vain == 0) best = std::move(next);
    }
    if (best.cost.first == 0) break;
  }
  if (best.cost.first > 0) {
    return Error{.code = ErrorCode::kResource,
                 .what = fmt::format("no partition into {} parts within the limits was found",
                                     options.parts),
                 .next = "allow more parts"};
  }
  return Partition{options.parts, std::move(best.part), best.cost.second};
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
