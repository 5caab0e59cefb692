/// Plans of random graphs on random machines with random faults: whatever comes out delivers every
/// packet to exactly the cores that have a synapse for it, over links that work.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/io/json.hpp"
#include "mapping/fit.hpp"
#include "mapping/plan_file.hpp"
#include "mapping/remap.hpp"
#include "tests/support/plan_checks.hpp"

namespace spikeloom::mapping {
namespace {

std::uint32_t between(std::uint32_t low, std::uint32_t high) {
  return *rc::gen::inRange(low, high + 1);
}
bool one_in(std::uint32_t n) { return between(1, n) == 1; }

std::shared_ptr<const SynapseList> random_list(std::uint32_t sources, std::uint32_t targets) {
  auto list = std::make_shared<SynapseList>();
  list->start.push_back(0);
  const std::uint32_t sparse = between(1, 12);
  for (std::uint32_t t = 0; t < targets; ++t) {
    for (std::uint32_t s = 0; s < sources; ++s) {
      if (one_in(sparse)) list->source.push_back(s);
    }
    list->start.push_back(list->source.size());
  }
  return list;
}

PopulationGraph random_graph() {
  PopulationGraph graph{.name = "random"};
  const std::uint32_t populations = between(1, 5);
  // Two layers of channels, rows and columns, and flat ones.
  const bool windows = populations > 2 && one_in(2);
  for (std::uint32_t p = 0; p < populations; ++p) {
    Population made{.name = "p" + std::to_string(p), .shape = {1, 1, between(1, 60)}};
    if (windows && p < 2) made.shape = {2 * between(1, 2), between(2, 7), between(2, 7)};
    made.rate = 0.01 * between(0, 20);
    made.state_values = between(0, 3);
    made.source = p == 0 && one_in(2);
    graph.populations.push_back(made);
  }
  if (windows) {
    const auto axis = [] {
      return WindowAxis{between(1, 2), static_cast<std::int64_t>(between(0, 2)), between(1, 4)};
    };
    graph.projections.push_back({.source = 0,
                                 .target = 1,
                                 .pattern = Pattern::kWindow,
                                 .window = {axis(), axis(), between(1, 2), 9}});
  }
  for (std::uint32_t i = between(windows ? 0 : 1, 6); i > 0; --i) {
    Projection made{.source = between(0, populations - 1), .target = between(0, populations - 1)};
    const Population& target = graph.populations[made.target];
    if (target.source) continue;
    const std::uint32_t sources = graph.populations[made.source].neurons();
    switch (between(0, 3)) {
      case 0:
        made.pattern = Pattern::kAll;
        break;
      case 1:
        made.pattern = sources == target.neurons() ? Pattern::kOneToOne : Pattern::kAll;
        break;
      case 2:
        made.pattern = Pattern::kRandom;
        made.synapses = between(0, 1000);
        break;
      default:
        made.pattern = Pattern::kList;
        made.list = random_list(sources, target.neurons());
    }
    made.delay = between(1, 4);
    graph.projections.push_back(std::move(made));
  }
  return graph;
}

Target random_target() {
  Target target;
  target.name = "random";
  target.size = "random";
  target.topology = one_in(4) ? Topology::kMesh : Topology::kHex;
  target.synapses = one_in(2) ? SynapseLayout::kRows : SynapseLayout::kPacked;
  target.width = static_cast<std::int32_t>(between(1, 5));
  target.rows.assign(between(1, 5), {0, target.width});
  target.wraps = one_in(2);
  TargetConstants& c = target.constants;
  c.cores = between(1, 6);
  c.first_core = between(0, 1);
  c.neurons = between(4, 30);
  c.data_bytes = one_in(2) ? between(300, 4000) : 0;
  c.in_axons = one_in(4) ? between(20, 200) : 0;
  c.out_axons = one_in(4) ? between(20, 200) : 0;
  c.state_bytes = c.sum_bytes = c.row_align = 4;
  c.sums = 1;
  c.block_bytes = between(0, 16);
  c.row_bytes = between(0, 12);
  c.word_bytes = 4;
  c.index_bytes = 2;
  c.rows_apart = one_in(2) ? 1 : 0;
  c.shared_bytes = c.rows_apart > 0.0 ? between(1000, 100'000) : 0;
  c.table_entries = between(1, 4) == 1 ? between(1, 10) : 1000;
  c.key_bits = one_in(4) ? between(6, 12) : 32;
  // What a file of the Plan has to give back.
  for (const ConstantInfo& info : target_constants()) {
    target.entries.push_back({std::string(info.name), c.*(info.member), "random"});
  }
  return target;
}

Faults random_faults(const Target& target) {
  Faults faults;
  const auto x = [&] {
    return static_cast<std::int32_t>(between(0, static_cast<std::uint32_t>(target.width) - 1));
  };
  const auto y = [&] {
    return static_cast<std::int32_t>(between(0, static_cast<std::uint32_t>(target.height()) - 1));
  };
  for (std::uint32_t i = between(0, 3); i > 0; --i) faults.chips.push_back({x(), y()});
  for (std::uint32_t i = between(0, 3); i > 0; --i) {
    const auto first = static_cast<std::uint32_t>(target.constants.first_core);
    const auto count = static_cast<std::uint32_t>(target.constants.cores);
    faults.cores.push_back(
        {x(), y(), static_cast<std::int32_t>(between(first, first + count - 1))});
  }
  for (std::uint32_t i = between(0, 6); i > 0 && target.wraps; --i) {
    const std::int32_t direction = target.topology == Topology::kMesh
                                       ? std::array<std::int32_t, 4>{0, 2, 3, 5}[between(0, 3)]
                                       : static_cast<std::int32_t>(between(0, 5));
    faults.links.push_back({x(), y(), direction});
  }
  return faults;
}

RC_GTEST_PROP(Plans, DeliverEveryPacketAroundFaultsOrSayWhyNot, ()) {
  const PopulationGraph graph = random_graph();
  const Target target = random_target();
  const MapOptions options{.faults = random_faults(target), .seed = between(0, 3)};
  const auto plan = map(graph, target, options);
  RC_CLASSIFY(plan.ok());
  if (!plan.ok()) {
    RC_LOG(plan.error().message());
    RC_ASSERT(plan.error().code == ErrorCode::kResource);
    RC_ASSERT(plan.error().message().find_first_of("0123456789") != std::string::npos);
    const auto report = fit(graph, target, options);
    if (report.ok()) RC_ASSERT(!report->fits);
    return;
  }
  const std::string fault = test::faults_of(*plan, graph);
  RC_LOG(fault);
  RC_ASSERT(fault.empty());
  const Status status = check(*plan);
  RC_LOG(status.ok() ? std::string() : status.error().message());
  RC_ASSERT(status.ok());
  for (const PlanTable& table : plan->tables) {
    RC_ASSERT(static_cast<double>(table.entries.size()) <= target.constants.table_entries);
  }
  const auto again = map(graph, target, options);
  RC_ASSERT(again.ok());
  const std::string text = io::to_json(to_value(*plan));
  RC_ASSERT(io::to_json(to_value(*again)) == text);
  const auto back = parse_plan(std::as_bytes(std::span(text)), "plan");
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == *plan);
}

/// Small populations that send to the same ones: their slices share trees.
void add_crowd(PopulationGraph& graph) {
  const auto targets = static_cast<std::uint32_t>(graph.populations.size());
  for (std::uint32_t i = between(0, 8); i > 0; --i) {
    const auto own = static_cast<std::uint32_t>(graph.populations.size());
    graph.populations.push_back(
        {.name = "p" + std::to_string(own), .shape = {1, 1, between(1, 20)}});
    for (std::uint32_t t = 0; t < targets && t < 2; ++t) {
      if (one_in(4) || graph.populations[t].source) continue;
      graph.projections.push_back({.source = own, .target = t, .pattern = Pattern::kAll});
    }
  }
}

/// Other lists, another target, a projection less, a layer of weights more.
PopulationGraph edited(const PopulationGraph& from) {
  PopulationGraph graph = from;
  const auto last = static_cast<std::uint32_t>(graph.populations.size()) - 1;
  for (Projection& projection : graph.projections) {
    if (one_in(3) && projection.list != nullptr) {
      projection.list = random_list(graph.populations[projection.source].neurons(),
                                    graph.populations[projection.target].neurons());
    }
    const std::uint32_t other = between(0, last);
    if (projection.pattern == Pattern::kAll && one_in(6) && !graph.populations[other].source) {
      projection.target = other;
    }
  }
  // A population with rows and channels has to keep its window.
  const bool removable =
      !graph.projections.empty() && graph.projections.back().pattern != Pattern::kWindow;
  if (removable && one_in(2)) graph.projections.pop_back();
  if (one_in(2)) {
    for (Population& population : graph.populations) ++population.node;
  }
  return graph;
}

/// Slices that send to some core are in one tree, others in none.
bool each_has_one_tree(const Plan& plan, const PopulationGraph& graph) {
  std::vector<int> trees(plan.slices.size(), 0);
  for (const PlanTree& tree : plan.trees) {
    for (const std::uint32_t s : tree.slices) ++trees[s];
  }
  for (std::size_t s = 0; s < trees.size(); ++s) {
    if (trees[s] != (test::cores_to_reach(plan, graph, plan.slices[s]).empty() ? 0 : 1)) {
      return false;
    }
  }
  return true;
}

RC_GTEST_PROP(Plans, MendedForEditsAndFaultsKeepEveryKey, ()) {
  PopulationGraph graph = random_graph();
  add_crowd(graph);
  const Target target = random_target();
  const auto first = map(graph, target);
  RC_PRE(first.ok());
  Plan plan = *first;
  for (std::uint32_t round = between(1, 3); round > 0; --round) {
    if (one_in(2)) graph = edited(graph);
    const MapOptions options{.faults = one_in(2) ? random_faults(target) : Faults{}};
    RemapReport report;
    const auto again = remap(plan, graph, options, &report);
    RC_CLASSIFY(again.ok() && report.anew.empty());
    if (!again.ok()) {
      RC_LOG(again.error().message());
      RC_ASSERT(again.error().code == ErrorCode::kResource);
      return;
    }
    const std::string fault = test::faults_of(*again, graph);
    RC_LOG(fault + report.anew);
    RC_ASSERT(fault.empty());
    const Status status = check(*again);
    RC_LOG(status.ok() ? std::string() : status.error().message());
    RC_ASSERT(status.ok());
    RC_ASSERT(each_has_one_tree(*again, graph));
    for (std::size_t p = 0; p < graph.populations.size(); ++p) {
      RC_ASSERT(again->populations[p].node == graph.populations[p].node);
    }
    if (report.anew.empty()) RC_ASSERT(difference(plan, *again).keys_changed == 0U);
    plan = *again;
  }
}

}  // namespace
}  // namespace spikeloom::mapping
