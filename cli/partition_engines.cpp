#include "cli/partition_engines.hpp"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#ifdef SPIKELOOM_WITH_METIS
#include <metis.h>
#endif
#ifdef SPIKELOOM_WITH_SCOTCH
#include <scotch.h>
#endif

namespace spikeloom::cli {
namespace {

using mapping::Hypergraph;
using mapping::Partition;
using mapping::PartitionOptions;

constexpr std::uint64_t kMost = std::numeric_limits<std::int32_t>::max();

/// Neurons with a synapse between them, both ways: neighbours of v are [start[v], start[v + 1]).
struct SynapseGraph {
  std::vector<std::int32_t> start, neighbour, weight;
};

[[maybe_unused]] Result<SynapseGraph> synapse_graph(const Hypergraph& graph) {
  std::vector<std::uint64_t> at(std::size_t{graph.vertices} + 1, 0);
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    const auto pins = graph.pins(e);
    at[pins[0] + std::size_t{1}] += pins.size() - 1;
    for (const std::uint32_t v : pins.subspan(1)) ++at[v + std::size_t{1}];
  }
  std::partial_sum(at.begin(), at.end(), at.begin());
  if (at.back() > kMost) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the graph has too many synapses for this engine",
                 .expected = fmt::format("at most {}", kMost / 2),
                 .got = fmt::format("{}", at.back() / 2)};
  }
  std::vector<std::pair<std::uint32_t, std::uint64_t>> ends(at.back());
  std::vector<std::uint64_t> next(at.begin(), at.end() - 1);
  for (std::uint32_t e = 0; e < graph.nets(); ++e) {
    const std::uint32_t source = graph.pins(e)[0];
    for (const std::uint32_t v : graph.pins(e).subspan(1)) {
      ends[next[source]++] = {v, graph.net_weight[e]};
      ends[next[v]++] = {source, graph.net_weight[e]};
    }
  }
  SynapseGraph made;
  made.start.push_back(0);
  for (std::uint32_t v = 0; v < graph.vertices; ++v) {
    const auto first = ends.begin() + static_cast<std::ptrdiff_t>(at[v]);
    const auto last = ends.begin() + static_cast<std::ptrdiff_t>(at[v + std::size_t{1}]);
    std::sort(first, last);
    for (auto i = first; i != last;) {
      const std::uint32_t other = i->first;
      std::uint64_t sum = 0;
      for (; i != last && i->first == other; ++i) sum += i->second;
      made.neighbour.push_back(static_cast<std::int32_t>(other));
      made.weight.push_back(static_cast<std::int32_t>(std::min(sum, kMost)));
    }
    made.start.push_back(static_cast<std::int32_t>(made.neighbour.size()));
  }
  return made;
}

/// How far parts may be over an even share of resource r: to their capacity.
[[maybe_unused]] double room(const Hypergraph& graph, const PartitionOptions& options,
                             std::uint32_t r) {
  double total = 0.0;
  for (std::uint32_t v = 0; v < graph.vertices; ++v) total += graph.weights(v)[r];
  return total > 0.0 ? std::max(1.0, options.capacity[r] * double{1} * options.parts / total) : 1.0;
}

[[maybe_unused]] Partition finished(const Hypergraph& graph, const PartitionOptions& options,
                                    const std::vector<std::int32_t>& part) {
  Partition made{.parts = options.parts, .part = {part.begin(), part.end()}};
  made.packets = mapping::packets(graph, made.part, made.parts);
  return made;
}

[[maybe_unused]] std::vector<std::int32_t> everything_on_one(const Hypergraph& graph) {
  return std::vector<std::int32_t>(graph.vertices, 0);
}

Error absent(std::string_view engine) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = fmt::format("this build has no {}", engine),
               .next = fmt::format("install lib{}-dev, configure and build again", engine)};
}

[[maybe_unused]] Error failed(std::string_view engine, int code) {
  return Error{.code = ErrorCode::kResource,
               .what = fmt::format("{} gave up", engine),
               .got = fmt::format("its code {}", code)};
}

#ifdef SPIKELOOM_WITH_METIS
Result<Partition> by_metis(const Hypergraph& graph, const PartitionOptions& options) {
  static_assert(sizeof(idx_t) == 4, "Debian's METIS has 32-bit numbers");
  if (options.parts == 1) return finished(graph, options, everything_on_one(graph));
  SPIKELOOM_TRY(SynapseGraph edges, synapse_graph(graph));
  auto vertices = static_cast<idx_t>(graph.vertices);
  auto resources = static_cast<idx_t>(graph.resources);
  auto parts = static_cast<idx_t>(options.parts);
  std::vector<idx_t> weight(graph.weight.begin(), graph.weight.end());
  std::vector<real_t> balance;
  for (std::uint32_t r = 0; r < graph.resources; ++r) {
    balance.push_back(static_cast<real_t>(room(graph, options, r)));
  }
  idx_t settings[METIS_NOPTIONS];
  METIS_SetDefaultOptions(settings);
  settings[METIS_OPTION_SEED] = static_cast<idx_t>(options.seed & 0x7FFFFFFF);
  std::vector<idx_t> part(graph.vertices);
  idx_t cut = 0;
  const int code = METIS_PartGraphKway(
      &vertices, &resources, edges.start.data(), edges.neighbour.data(), weight.data(), nullptr,
      edges.weight.data(), &parts, nullptr, balance.data(), settings, &cut, part.data());
  if (code != METIS_OK) return failed("metis", code);
  return finished(graph, options, part);
}
#endif

#ifdef SPIKELOOM_WITH_SCOTCH
Result<Partition> by_scotch(const Hypergraph& graph, const PartitionOptions& options) {
  static_assert(sizeof(SCOTCH_Num) == 4, "Debian's Scotch has 32-bit numbers");
  if (graph.resources > 1) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "Scotch balances one resource",
                 .got = fmt::format("{}", graph.resources)};
  }
  if (options.parts == 1) return finished(graph, options, everything_on_one(graph));
  SPIKELOOM_TRY(SynapseGraph edges, synapse_graph(graph));
  std::vector<SCOTCH_Num> weight(graph.weight.begin(), graph.weight.end());
  std::vector<SCOTCH_Num> part(graph.vertices);
  SCOTCH_randomSeed(static_cast<SCOTCH_Num>(options.seed & 0x7FFFFFFF));
  SCOTCH_randomReset();
  SCOTCH_Graph its;
  SCOTCH_Strat strategy;
  int code = SCOTCH_graphInit(&its);
  if (code != 0) return failed("scotch", code);
  SCOTCH_stratInit(&strategy);
  code = SCOTCH_graphBuild(&its, 0, static_cast<SCOTCH_Num>(graph.vertices), edges.start.data(),
                           nullptr, weight.data(), nullptr,
                           static_cast<SCOTCH_Num>(edges.neighbour.size()), edges.neighbour.data(),
                           edges.weight.data());
  if (code == 0) {
    code = SCOTCH_stratGraphMapBuild(&strategy, SCOTCH_STRATQUALITY,
                                     static_cast<SCOTCH_Num>(options.parts),
                                     room(graph, options, 0) - 1.0);
  }
  if (code == 0) {
    code = SCOTCH_graphPart(&its, static_cast<SCOTCH_Num>(options.parts), &strategy, part.data());
  }
  SCOTCH_stratExit(&strategy);
  SCOTCH_graphExit(&its);
  if (code != 0) return failed("scotch", code);
  return finished(graph, options, part);
}
#endif

}  // namespace

std::vector<PartitionEngine> partition_engines() {
  std::vector<PartitionEngine> engines{{"metis", ""}, {"scotch", ""}};
#ifndef SPIKELOOM_WITH_METIS
  engines[0].reason = absent("metis").next;
#endif
#ifndef SPIKELOOM_WITH_SCOTCH
  engines[1].reason = absent("scotch").next;
#endif
  return engines;
}

Result<Partition> partition_by(std::string_view engine, [[maybe_unused]] const Hypergraph& graph,
                               [[maybe_unused]] const PartitionOptions& options) {
#ifdef SPIKELOOM_WITH_METIS
  if (engine == "metis") return by_metis(graph, options);
#endif
#ifdef SPIKELOOM_WITH_SCOTCH
  if (engine == "scotch") return by_scotch(graph, options);
#endif
  return absent(engine);
}

}  // namespace spikeloom::cli
