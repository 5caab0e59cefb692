/// Incremental mapping, differences of Plans, sweeps.

#include <algorithm>
#include <array>
#include <functional>

#include <gtest/gtest.h>

#include "mapping/machine.hpp"
#include "mapping/plan_file.hpp"
#include "mapping/relief.hpp"
#include "mapping/remap.hpp"
#include "mapping/sweep.hpp"
#include "mapping/tables/prove.hpp"
#include "tests/support/plan_checks.hpp"

namespace spikeloom::mapping {
namespace {

Target target(const std::string& name) {
  auto loaded = load_target(name);
  EXPECT_TRUE(loaded.ok()) << loaded.error().message();
  return *std::move(loaded);
}

/// `count` populations of 100 neurons; population i sends to i + 1, i + 3 and i + 7.
PopulationGraph web(std::uint32_t count) {
  PopulationGraph graph{.name = "web"};
  for (std::uint32_t i = 0; i < count; ++i) {
    graph.populations.push_back({.name = "p" + std::to_string(i), .shape = {1, 1, 100}});
    for (const std::uint32_t step : {1U, 3U, 7U}) {
      graph.projections.push_back({.source = i,
                                   .target = (i + step) % count,
                                   .pattern = Pattern::kRandom,
                                   .synapses = 500});
    }
  }
  return graph;
}

Plan mapped(const PopulationGraph& graph, const MapOptions& options = {}) {
  auto plan = map(graph, target("spinnaker1:6x5"), options);
  EXPECT_TRUE(plan.ok()) << plan.error().message();
  return *std::move(plan);
}

const MapOptions kSmall{.resources = {.neurons_per_core = 20}};

TEST(Remaps, OfTheSameGraphChangeNothing) {
  const PopulationGraph graph = web(40);
  const Plan plan = mapped(graph, kSmall);
  RemapReport report;
  const auto again = remap(plan, graph, kSmall, &report);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(report.anew, "");
  EXPECT_EQ(report.trees_changed, 0U);
  EXPECT_TRUE(difference(plan, *again).same());
  EXPECT_EQ(*again, plan);
}

TEST(Remaps, OfAnEditedGraphKeepKeysAndPlaces) {
  PopulationGraph graph = web(40);
  const Plan plan = mapped(graph, kSmall);
  graph.projections[10].target = 0;                         // of population 3
  graph.projections.erase(graph.projections.begin() + 60);  // of population 20
  graph.projections.push_back(
      {.source = 30, .target = 5, .pattern = Pattern::kRandom, .synapses = 100});
  RemapReport report;
  const auto again = remap(plan, graph, kSmall, &report);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(report.anew, "");
  EXPECT_EQ(test::faults_of(*again, graph), "");
  EXPECT_TRUE(check(*again).ok()) << check(*again).error().message();
  const PlanDifference changed = difference(plan, *again);
  EXPECT_EQ(changed.keys_changed, 0U);
  EXPECT_EQ(changed.slices_moved, 0U);
  EXPECT_EQ(changed.slices_recut, 0U);
  // The five slices each of populations 3, 20 and 30, and nobody else.
  EXPECT_EQ(changed.trees_changed, 15U);
  EXPECT_EQ(changed.lines.size(), 5U);  // projections, three populations, tables
  // The patched tables route every key as the trees say: the exact proof.
  for (const PlanTable& table : again->tables) {
    std::vector<RoutingEntry> raw;
    for (const PlanTree& tree : again->trees) {
      for (const TreeNode& node : tree.nodes) {
        if (node.chip != table.chip) continue;
        for (RoutingEntry entry : tree.keys) {
          entry.route = node.route;
          const PlanRoute& route = again->routes[node.route];
          entry.defaultable =
              node.from >= 0 && route.cores.empty() && route.links == 1U << opposite(node.from);
          raw.push_back(entry);
        }
      }
    }
    const auto found = find_difference(raw, table.entries, {.allow_default_routes = true});
    ASSERT_TRUE(found.ok());
    EXPECT_FALSE(found->has_value()) << (*found)->text();
  }
}

/// Slices of two populations share a tree where they lie on one chip and have the same targets. A
/// fault that breaks a tree of the first population elsewhere must not take the second's ends away.
TEST(Remaps, KeepTreesThatTwoPopulationsShareWhicheverLinkBreaks) {
  PopulationGraph graph{.name = "shared"};
  for (const auto& [name, neurons] : {std::pair{"a", 500}, {"b", 500}, {"c", 300}}) {
    graph.populations.push_back(
        {.name = name, .shape = {1, 1, static_cast<std::uint32_t>(neurons)}});
  }
  for (const std::uint32_t source : {0U, 1U}) {
    graph.projections.push_back({.source = source, .target = 2, .pattern = Pattern::kAll});
  }
  const Plan plan = mapped(graph, kSmall);
  const auto shared = std::count_if(plan.trees.begin(), plan.trees.end(), [&](const PlanTree& t) {
    return plan.slices[t.slices.front()].population != plan.slices[t.slices.back()].population;
  });
  ASSERT_GT(shared, 0);
  ASSERT_GT(plan.trees.size(), 2U);
  int mended = 0;
  for (std::int32_t chip = 0; chip < 30; ++chip) {
    for (const std::int32_t direction : {0, 1, 2}) {
      MapOptions options = kSmall;
      options.faults.links = {{chip % 6, chip / 6, direction}};
      const auto again = remap(plan, graph, options);
      if (!again.ok()) {  // the edge of the machine has no such link
        EXPECT_EQ(again.error().code, ErrorCode::kInvalidArgument);
        continue;
      }
      ++mended;
      EXPECT_EQ(test::faults_of(*again, graph), "") << chip << " " << direction;
      std::size_t slices = 0;  // old entries of a table may still serve a slice that lost its tree
      for (const PlanTree& tree : again->trees) slices += tree.slices.size();
      EXPECT_EQ(slices, 50U) << chip << " " << direction;
    }
  }
  EXPECT_GT(mended, 60);
}

TEST(Remaps, GoRoundNewFaults) {
  const PopulationGraph graph = web(40);
  const Plan plan = mapped(graph, kSmall);
  MapOptions options = kSmall;
  options.faults = {.chips = {{1, 1}}, .cores = {{0, 0, 3}}, .links = {{2, 2, 0}, {3, 0, 2}}};
  RemapReport report;
  const auto again = remap(plan, graph, options, &report);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(report.anew, "");
  std::uint64_t dead = 0;
  for (const PlanCore& core : plan.cores) {
    dead += core.chip == 6 + 1 || (core.chip == 0 && core.core == 3) ? 1U : 0U;
  }
  EXPECT_GE(dead, 10U);
  EXPECT_EQ(report.slices_moved, dead);
  EXPECT_EQ(test::faults_of(*again, graph), "");
  EXPECT_EQ(difference(plan, *again).keys_changed, 0U);
  EXPECT_EQ(difference(plan, *again).slices_moved, dead);
}

TEST(Remaps, SayWhyAllIsMappedAnew) {
  PopulationGraph graph = web(10);
  const Plan plan = mapped(graph);
  graph.populations[4].shape[2] = 120;
  RemapReport report;
  auto again = remap(plan, graph, {}, &report);
  ASSERT_TRUE(again.ok());
  EXPECT_NE(report.anew.find("'p4'"), std::string::npos);
  EXPECT_EQ(test::faults_of(*again, graph), "");
  graph = web(10);
  graph.projections[0].delay = 40;  // no core has so many slots
  EXPECT_FALSE(remap(plan, graph, {}, &report).ok());
}

/// A layer of weights more, and every layer behind it is another node of the Program.
TEST(Remaps, NameTheNodesOfTheEditedNetwork) {
  PopulationGraph graph = web(10);
  for (std::uint32_t p = 0; p < 10; ++p) graph.populations[p].node = p;
  const Plan plan = mapped(graph);
  for (std::uint32_t p = 4; p < 10; ++p) graph.populations[p].node = p + 1;
  RemapReport report;
  const auto again = remap(plan, graph, {}, &report);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_EQ(report.anew, "");
  for (std::size_t p = 0; p < 10; ++p) {
    EXPECT_EQ(again->populations[p].node, graph.populations[p].node) << p;
  }
}

/// Runs that follow listed synapses are no grid, and windows want one.
TEST(Remaps, CutAnewWhereWindowsComeToUnevenRuns) {
  PopulationGraph graph{.name = "uneven"};
  for (const auto& [name, neurons] : {std::pair{"a", 300U}, {"b", 120U}, {"c", 120U}}) {
    graph.populations.push_back({.name = name, .shape = {1, 1, neurons}});
  }
  auto list = std::make_shared<SynapseList>();
  list->start.push_back(0);
  for (std::uint32_t t = 0; t < 120; ++t) {
    for (std::uint32_t s = 0; s < (t < 40 ? 300U : 5U); ++s) list->source.push_back(s);
    list->start.push_back(list->source.size());
  }
  graph.projections.push_back({.source = 0, .target = 1, .pattern = Pattern::kList, .list = list});
  Target machine = target("spinnaker2:board");
  machine.constants.fixed_bytes = machine.constants.spike_bytes = 0.0;
  machine.constants.data_bytes = 26'000.0;
  const auto plan = map(graph, machine);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  ASSERT_GT(plan->populations[1].slices, 1U);
  const std::uint32_t first = plan->populations[1].first_slice;
  ASSERT_LT(plan->slices[first].count, plan->slices[first + 1].count);
  graph.projections.push_back({.source = 1,
                               .target = 2,
                               .pattern = Pattern::kWindow,
                               .window = {{1, 0, 1}, {1, 1, 3}, 1, 3}});
  RemapReport report;
  const auto again = remap(*plan, graph, {}, &report);
  ASSERT_TRUE(again.ok()) << again.error().message();
  EXPECT_NE(report.anew.find("'b'"), std::string::npos) << report.anew;
  EXPECT_EQ(test::faults_of(*again, graph), "");
}

/// Smaller slices send to fewer pairs of a neuron and a core.
TEST(Remaps, CutAnewWhereACoreHasTooManyOutAxons) {
  PopulationGraph graph{.name = "wide"};
  for (const auto& [name, neurons] : {std::pair{"a", 20U}, {"b", 60U}, {"c", 60U}}) {
    graph.populations.push_back({.name = name, .shape = {1, 1, neurons}});
  }
  graph.projections.push_back({.source = 0, .target = 1, .pattern = Pattern::kAll});
  for (const bool tables : {true, false}) {
    Target machine = target("spinnaker1:6x5");
    machine.constants.out_axons = 60.0;
    if (!tables) machine.constants.table_entries = 0.0;
    const auto plan = map(graph, machine, kSmall);
    ASSERT_TRUE(plan.ok()) << plan.error().message();
    PopulationGraph more = graph;
    more.projections.push_back({.source = 0, .target = 2, .pattern = Pattern::kAll});
    RemapReport report;
    const auto again = remap(*plan, more, kSmall, &report);
    ASSERT_TRUE(again.ok()) << again.error().message();
    EXPECT_NE(report.anew.find("out-axons"), std::string::npos) << report.anew;
    EXPECT_EQ(test::faults_of(*again, more), "");
  }
}

TEST(Seeds, DrawTheExchangesOfPlacementAlone) {
  const PopulationGraph graph = web(40);
  const Target board = target("spinnaker1:board");
  MapOptions options{.resources = {.neurons_per_core = 20}, .seed = 3};
  const auto once = map(graph, board, options), again = map(graph, board, options);
  ASSERT_TRUE(once.ok() && again.ok());
  EXPECT_EQ(*once, *again);
  EXPECT_EQ(once->seed, 3U);
  options.seed = 4;
  const auto other = map(graph, board, options);
  ASSERT_TRUE(other.ok());
  EXPECT_NE(once->cores, other->cores);
  EXPECT_EQ(once->populations, other->populations);  // the cut draws nothing
  for (const auto* plan : {&*once, &*other}) {
    EXPECT_EQ(test::faults_of(*plan, graph), "");
    EXPECT_TRUE(check(*plan).ok()) << check(*plan).error().message();
  }
}

TEST(Sweeps, MarkWhatNothingBeats) {
  const auto points = sweep(web(20), target("spinnaker1:board"), {25, 50, 100});
  ASSERT_TRUE(points.ok()) << points.error().message();
  ASSERT_EQ(points->size(), 6U);  // each on the board and on the smallest torus
  EXPECT_EQ((*points)[0].cost.cores, 80U);
  EXPECT_EQ((*points)[1].target, "spinnaker1:3x2");  // 80 cores of 17 a chip
  EXPECT_EQ((*points)[5].cost.cores, 20U);
  const auto costs = [](const SweepPoint& point) {
    return std::array{static_cast<double>(point.cost.cores), point.cost.packets, point.cost.hops,
                      static_cast<double>(point.cost.table_sum), point.cost.busy_seconds};
  };
  for (const SweepPoint& point : *points) {
    const bool beaten = std::any_of(points->begin(), points->end(), [&](const SweepPoint& other) {
      const auto a = costs(other), b = costs(point);
      return a != b && std::equal(a.begin(), a.end(), b.begin(), std::less_equal<>());
    });
    EXPECT_EQ(point.pareto, !beaten) << point.neurons_per_core << " on " << point.target;
  }
  EXPECT_TRUE((*points)[5].pareto);
  EXPECT_EQ(torus_size(69), "9x8");
}

TEST(Sweeps, LatencyIsWorkAndTheLongestWay) {
  // Two populations on a core each, of chips next to each other: 17 cores hold the sixteen others.
  PopulationGraph graph{.name = "line"};
  for (int i = 0; i < 18; ++i) {
    graph.populations.push_back(
        {.name = "p" + std::to_string(i), .shape = {1, 1, 10}, .rate = 0.5});
  }
  graph.projections.push_back({.source = 0, .target = 17, .pattern = Pattern::kAll});
  Target machine = target("spinnaker1:board");
  machine.constants.cycles_neuron = 200.0;
  machine.constants.cycles_packet = 30.0;
  machine.constants.cycles_synapse = 10.0;
  machine.constants.router_latency = 1e-3;
  machine.constants.link_seconds = 2e-3;
  const auto plan = map(graph, machine);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  const PlanCost costs = cost(*plan);
  // Population 17: 10 updates, 5 packets, 50 events.
  const double cycles = 10 * 200.0 + 5 * 30.0 + 50 * 10.0;
  EXPECT_DOUBLE_EQ(costs.max_cycles, cycles);
  EXPECT_DOUBLE_EQ(costs.all_cycles, cycles + 17 * 2000.0);
  EXPECT_DOUBLE_EQ(costs.sent, 5.0);
  EXPECT_EQ(costs.longest_way, costs.tree_links);
  const auto links = static_cast<double>(costs.longest_way);
  // A link that is crossed carries five packets of 2 ms: more than the core's work.
  const double busiest = links > 0 ? 5 * 2e-3 : cycles / machine.constants.clock;
  EXPECT_NEAR(costs.busy_seconds, busiest + links * 2e-3 + (links + 1) * 1e-3, 1e-12);
}

TEST(FaultSweeps, TheNetworkGoesWhereTheWorkingPartsAre) {
  PopulationGraph graph = web(40);
  for (Population& population : graph.populations) population.rate = 0.2;
  const auto price = [](const Plan&, const PlanCost& costs) { return 2.0 * costs.hops; };
  const FaultSweepOptions sweep{.shares = {0.0, 0.1, 0.95}, .trials = 6, .seed = 3};
  const auto points = fault_sweep(graph, target("spinnaker1:6x5"), sweep, kSmall, price);
  ASSERT_TRUE(points.ok()) << points.error().message();
  ASSERT_EQ(points->size(), 3U);
  const FaultPoint &whole = (*points)[0], &worn = (*points)[1], &ruin = (*points)[2];
  const PlanCost healthy = cost(mapped(graph, kSmall));
  EXPECT_EQ(whole.yield(), 1.0);
  EXPECT_EQ(whole.mended, 6U);
  EXPECT_EQ(whole.mean_dead_cores, 0.0);
  EXPECT_DOUBLE_EQ(whole.mean_hops, healthy.hops);
  EXPECT_DOUBLE_EQ(whole.mean_joules, 2.0 * healthy.hops);
  EXPECT_DOUBLE_EQ(whole.most_seconds, healthy.busy_seconds);
  // 510 cores and 90 links: 51 and 9 of them, 6.8 and 2.8 either way.
  EXPECT_NEAR(worn.mean_dead_cores, 51, 3 * 6.8 / 2.4);
  EXPECT_NEAR(worn.mean_dead_links, 9, 3 * 2.8 / 2.4);
  EXPECT_EQ(worn.yield(), 1.0);
  EXPECT_GT(worn.mean_hops, whole.mean_hops);
  // 200 slices on some 25 cores.
  EXPECT_EQ(ruin.mapped, 0U);
  EXPECT_NE(ruin.problem, "");
  EXPECT_FALSE(fault_sweep(graph, target("spinnaker1:6x5"), {.shares = {1.5}}).ok());
  EXPECT_FALSE(fault_sweep(graph, target("spinnaker1:6x5"), {.shares = {}}).ok());
}

TEST(Reliefs, LeadTreesRoundTheBusiestLinkAndKeepThePlanRight) {
  PopulationGraph graph = web(40);
  for (Population& population : graph.populations) population.rate = 0.2;
  Plan plan = mapped(graph, kSmall);
  const Plan before = plan;
  const auto report = relieve(plan);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->problem, "");
  EXPECT_GT(report->trees_moved, 0U);
  EXPECT_DOUBLE_EQ(report->before, cost(before).max_link_load);
  EXPECT_DOUBLE_EQ(report->after, cost(plan).max_link_load);
  EXPECT_LT(report->after, 0.9 * report->before);
  EXPECT_EQ(plan.slices, before.slices);
  EXPECT_EQ(test::faults_of(plan, graph), "");
  EXPECT_TRUE(check(plan).ok());
}

TEST(Reliefs, WeighSlicesByWhatARunCounted) {
  const PopulationGraph graph = web(40);  // rates of 0: nothing is busy
  Plan plan = mapped(graph, kSmall);
  const auto silent = relieve(plan);
  ASSERT_TRUE(silent.ok());
  EXPECT_EQ(silent->trees_moved, 0U);
  std::vector<double> packets(plan.slices.size(), 3.0);
  const auto busy = relieve(plan, {.slice_packets = packets});
  ASSERT_TRUE(busy.ok());
  EXPECT_GT(busy->before, 3.0);
  EXPECT_LT(busy->after, busy->before);
  EXPECT_EQ(test::faults_of(plan, graph), "");
}

}  // namespace
}  // namespace spikeloom::mapping
