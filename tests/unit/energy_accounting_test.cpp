/// The accountings against docs/energy.md, where the example is worked out by hand.

#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "energy/comparison.hpp"
#include "snn/lowering.hpp"
#include "snn/run_stats_value.hpp"
#include "tests/support/energy_example.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

struct Example {
  std::vector<LayerDescription> layers;
  RunStats stats;
  CostTable table;
};

Example example() {
  Example made;
  const Network network = energy_example_network();
  CodedInput input;
  input.steps = 2;
  input.step_start = {0, 1, 2};
  input.index = {4, 0};
  input.value = {1.0, 2.0};
  RunRequest request;
  request.options = {{"dt", "1e-3"}};
  request.backend = "cpu";
  request.arithmetic = Arithmetic::kFloat32;
  request.schedule = Schedule::kRows;
  const auto run = run_network(network, input, request);
  EXPECT_TRUE(run.ok()) << error_of(run);
  const auto program = lower(network, run->discretisation);
  EXPECT_TRUE(program.ok()) << error_of(program);
  made.layers = describe_layers(*program);
  made.stats = run->stats;
  made.table = *load_cost_table("45nm");
  return made;
}

/// "layer|component" -> pJ of the table under "#### title"; the last row is the sum.
std::map<std::string, double> by_hand(const std::string& title) {
  std::map<std::string, double> rows;
  std::ifstream file(source_dir() / "docs" / "energy.md");
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) inside = line == "#### " + title;
    if (!inside || !line.starts_with("| ") || line.starts_with("| layer")) continue;
    std::vector<std::string> cells;
    std::istringstream cut(line.substr(2));
    for (std::string cell; std::getline(cut, cell, '|');) {
      cell.erase(0, cell.find_first_not_of(' '));
      cell.erase(cell.find_last_not_of(' ') + 1);
      cells.push_back(cell);
    }
    if (cells.size() == 4) rows[cells[0] + "|" + cells[1]] = std::stod(cells[3]);
  }
  return rows;
}

std::map<std::string, double> computed(const EnergyBreakdown& breakdown,
                                       const std::vector<LayerDescription>& layers) {
  std::map<std::string, double> rows;
  for (std::uint32_t i = 0; i < layers.size(); ++i) {
    for (std::size_t c = 0; c < kComponents; ++c) {
      const double joules = breakdown.of(i, static_cast<Component>(c));
      if (joules != 0.0) {
        rows[layers[i].name + "|" + to_string(static_cast<Component>(c))] = joules * 1e12;
      }
    }
  }
  rows["**sum**|"] = breakdown.total() * 1e12;
  return rows;
}

void expect_equal(const std::string& title, const EnergyBreakdown& breakdown,
                  const std::vector<LayerDescription>& layers) {
  const auto hand = by_hand(title);
  const auto ours = computed(breakdown, layers);
  ASSERT_GE(hand.size(), 4U) << title;
  for (const auto& [row, joules] : hand) {
    ASSERT_TRUE(ours.contains(row)) << title << ": " << row;
    // The document's figures are exact decimals; a double of pJ holds 15 digits.
    EXPECT_NEAR(ours.at(row), joules, 1e-12 * joules) << title << ": " << row;
  }
  for (const auto& [row, joules] : ours) {
    EXPECT_TRUE(hand.contains(row)) << title << ": not in the document: " << row << " " << joules;
  }
}

TEST(EnergyByHand, TheSpikesAreThoseOfTheDocument) {
  const Example e = example();
  const auto of = [&](const std::string& name) {
    for (const NodeStats& node : e.stats.nodes) {
      if (node.name == name) return node;
    }
    ADD_FAILURE() << name;
    return NodeStats();
  };
  EXPECT_EQ(of("conv").ac, 8U);
  EXPECT_EQ(of("conv").mac, 2U);
  EXPECT_EQ(of("if1").events_out, 6U);
  EXPECT_EQ(of("fc1").ac, 18U);
  EXPECT_EQ(of("lif2").events_out, 3U);
  EXPECT_EQ(of("fc2").ac, 6U);
  EXPECT_EQ(of("if3").events_out, 2U);
}

TEST(EnergyByHand, EveryNumberOfEveryAccounting) {
  const Example e = example();
  for (const Accounting accounting : kAccountings) {
    const auto spiking = price_run(accounting, e.layers, e.stats, e.table, {});
    ASSERT_TRUE(spiking.ok()) << error_of(spiking);
    expect_equal(to_string(accounting), *spiking, e.layers);
    const auto dense = price_dense(accounting, e.layers, e.table, {});
    ASSERT_TRUE(dense.ok()) << error_of(dense);
    expect_equal(std::string(to_string(accounting)) + ", dense", *dense, e.layers);
  }
}

TEST(EnergyByHand, SumsOverLayersAndComponentsEqualTheTotal) {
  const Example e = example();
  for (const Accounting accounting : kAccountings) {
    const auto b = price_run(accounting, e.layers, e.stats, e.table, {.inferences = 2.0});
    ASSERT_TRUE(b.ok());
    double layers = 0.0;
    double components = 0.0;
    for (std::uint32_t i = 0; i < e.layers.size(); ++i) layers += b->of_layer(i);
    for (std::size_t c = 0; c < kComponents; ++c) {
      components += b->of_component(static_cast<Component>(c));
    }
    EXPECT_NEAR(layers, b->total(), 1e-14 * b->total());
    EXPECT_NEAR(components, b->total(), 1e-14 * b->total());
    const auto whole = price_run(accounting, e.layers, e.stats, e.table, {});
    EXPECT_DOUBLE_EQ(2.0 * b->total(), whole->total());
  }
}

TEST(EnergyComparison, TheVerdictBeginsWithTheLoss) {
  const Example e = example();
  const auto report = energy_report(e.layers, e.stats, e.table, {});
  ASSERT_TRUE(report.ok()) << error_of(report);
  EXPECT_EQ(report->dense_passes, 1.0);
  // 2744 against 2102 pJ, 1113 against 670; compute wins with 38 against 285.
  EXPECT_TRUE(report->verdict.starts_with("The spiking network LOSES")) << report->verdict;
  EXPECT_FALSE(report->comparisons[0].loses());
  EXPECT_TRUE(report->comparisons[1].loses());
  EXPECT_TRUE(report->comparisons[2].loses());
}

TEST(EnergyComparison, BreakEvenIsWhereBothCostTheSame) {
  const Example e = example();
  const auto report = energy_report(e.layers, e.stats, e.table, {});
  ASSERT_TRUE(report.ok());
  const EnergyComparison& compute = report->comparisons[0];
  ASSERT_EQ(compute.layers.size(), 3U);
  // fc1: 8 inputs, 6 events of 3 accumulates at 0.9 pJ against 24 at 4.6: 110.4 / 2.7 events.
  EXPECT_EQ(report->layers[compute.layers[1].layer].name, "fc1");
  EXPECT_NEAR(*compute.layers[1].break_even_rate, 110.4 / 2.7 / 8.0, 1e-12);
  EXPECT_NEAR(*compute.layers[1].break_even_rate, 4.6 / 0.9, 1e-12) << "E_MAC / E_AC";
  EXPECT_DOUBLE_EQ(compute.layers[1].rate, 6.0 / 8.0);
}

TEST(EnergyComparison, AtTheTurningPriceBothAreEqual) {
  const Example e = example();
  const auto report = energy_report(e.layers, e.stats, e.table, {});
  ASSERT_TRUE(report.ok());
  int turning = 0;
  for (const EnergyComparison& c : report->comparisons) {
    for (const Sensitivity& one : c.sensitivity) {
      if (!one.turns_at) continue;
      ++turning;
      CostTable table = e.table;
      table.entries[one.entry].value = *one.turns_at;
      const auto spiking = price_run(c.accounting, e.layers, e.stats, table, {});
      const auto dense = price_dense(c.accounting, e.layers, table, {});
      EXPECT_NEAR(spiking->total() / dense->total(), 1.0, 1e-9) << table.entries[one.entry].name;
    }
  }
  EXPECT_GE(turning, 4);
}

TEST(EnergyComparison, UnverifiedPricesStayOutOfTheVerdict) {
  Example e = example();
  for (CostEntry& entry : e.table.entries) {
    if (entry.name == "sram.8KiB") entry.status = CostStatus::kUnverified;
  }
  const auto report = energy_report(e.layers, e.stats, e.table, {});
  ASSERT_TRUE(report.ok());
  EXPECT_EQ(report->verdict.find("traffic"), std::string::npos) << report->verdict;
  EXPECT_NE(report->verdict.find("1 more accounting rests on unverified"), std::string::npos)
      << report->verdict;
  EXPECT_GT(report->comparisons[2].spiking_unverified, 0.0);
}

/// An embedding of 5 words and 4 values, 3 gated units with 10 of 63 weights kept, a decoder.
struct LanguageExample {
  std::vector<LayerDescription> layers;
  RunStats stats;
};

LanguageExample language_example() {
  LanguageExample made;
  LayerDescription embedding;
  embedding.name = "embedding";
  embedding.in_size = 5;
  embedding.out_size = 4;
  embedding.weights = 20;
  LayerDescription units;
  units.name = "units";
  units.role = LayerRole::kWeights;
  units.in_size = 4;
  units.out_size = 3;
  units.weights = units.nonzero_weights = 10;
  units.dense_macs = 3 * 3 * 4 + 3 * 3 * 3;
  units.state_values = 6;
  units.update_macs = 3;
  units.spiking = units.leaky = units.has_current = units.temporal = true;
  units.group = 1;
  units.inputs = {0};
  made.layers = {embedding, units};
  // Two tokens: 8 bytes written by the table a value, 7 multiply-accumulates, one event out.
  NodeStats looked;
  looked.name = "embedding";
  looked.events_in = 2;
  looked.bytes.weights = 2 * 4 * 4;
  NodeStats updated;
  updated.name = "units";
  updated.events_in = 8;
  updated.events_out = 1;
  updated.mac = updated.executed_mac = 7;
  updated.neuron_updates = updated.executed_updates = 6;
  updated.bytes.weights = 7 * 4;
  updated.bytes.state = 6 * 16;
  updated.bytes.events = 8;
  made.stats.steps = 2;
  made.stats.arithmetic = "float32";
  made.stats.nodes = {looked, updated};
  return made;
}

TEST(EnergyAccounting, LookUpsAndGatedUnitsAreNotFree) {
  const LanguageExample e = language_example();
  const CostTable table = *load_cost_table("45nm");
  const auto of = [](const EnergyBreakdown& b, std::uint32_t layer, Component component) {
    return b.of(layer, component) * 1e12;
  };
  const auto traffic = price_run(Accounting::kTraffic, e.layers, e.stats, table, {});
  ASSERT_TRUE(traffic.ok()) << error_of(traffic);
  EXPECT_NEAR(of(*traffic, 0, Component::kWeightTraffic), 32 * 1.25, 1e-9);
  EXPECT_NEAR(of(*traffic, 0, Component::kAddressing), 2 * 0.1, 1e-9);
  EXPECT_NEAR(of(*traffic, 1, Component::kMultiplyAccumulate), 7 * 4.6, 1e-9);
  EXPECT_NEAR(of(*traffic, 1, Component::kWeightTraffic), 28 * 1.25, 1e-9);
  // 6 updates of 3 products and a comparison; one reset.
  EXPECT_NEAR(of(*traffic, 1, Component::kNeuronUpdate), 6 * (3 * 4.6 + 0.9) + 0.9, 1e-9);
  const auto lemaire = price_run(Accounting::kLemaire, e.layers, e.stats, table, {});
  ASSERT_TRUE(lemaire.ok());
  EXPECT_NEAR(of(*lemaire, 0, Component::kWeightTraffic), 8 * (13.2 + 1.09e-5 * 32 * 20), 1e-9);
}

TEST(EnergyAccounting, TheDenseTwinHasTheWeightsThatWerePruned) {
  const LanguageExample e = language_example();
  const CostTable table = *load_cost_table("45nm");
  const auto traffic = price_dense(Accounting::kTraffic, e.layers, table, {.passes = 1.0});
  ASSERT_TRUE(traffic.ok()) << error_of(traffic);
  EXPECT_NEAR(traffic->of(0, Component::kWeightTraffic) * 1e12, 4 * 4 * 1.25, 1e-9);
  EXPECT_NEAR(traffic->of(1, Component::kWeightTraffic) * 1e12, 63 * 4 * 1.25, 1e-9);
  EXPECT_NEAR(traffic->of(1, Component::kMultiplyAccumulate) * 1e12, 63 * 4.6, 1e-9);
  EXPECT_NEAR(traffic->of(1, Component::kNeuronUpdate) * 1e12, 3 * 3 * 4.6, 1e-9);
  EXPECT_NEAR(traffic->of(1, Component::kStateTraffic) * 1e12, 2 * 3 * 4 * 1.25, 1e-9);
  const auto lemaire = price_dense(Accounting::kLemaire, e.layers, table, {.passes = 1.0});
  ASSERT_TRUE(lemaire.ok());
  EXPECT_NEAR(lemaire->of(1, Component::kWeightTraffic) * 1e12, 63 * (13.2 + 1.09e-5 * 32 * 63),
              1e-9);
}

/// What a chip's table has no price for is said: its operations do not read a table of words.
TEST(EnergyAccounting, AChipSaysThatItDoesNotPriceLookUps) {
  const LanguageExample e = language_example();
  const auto b = price_run(Accounting::kTraffic, e.layers, e.stats, *load_cost_table("spinnaker1"),
                           {.step_seconds = 1e-3});
  ASSERT_TRUE(b.ok()) << error_of(b);
  ASSERT_FALSE(b->notes.empty());
  EXPECT_NE(b->notes[0].find("2 rows looked up in layer 'embedding' are not priced"),
            std::string::npos)
      << b->notes[0];
}

/// Events of 16 bits and weights of 8: the operations are of the wider ones.
TEST(EnergyAccounting, GatedUnitsAreNotPricedAsInt8) {
  LanguageExample e = language_example();
  e.layers[1].weight_bits = 8;
  e.stats.arithmetic = "integer";
  // 45nm has no int16 multiplication; the next wider one stands in.
  EXPECT_EQ(format_of(e.layers, e.stats, *load_cost_table("45nm")), NumberFormat::kInt32);
}

TEST(EnergyComparison, AWinThatInt8TakesAwayIsSaidBesideTheLoss) {
  const Example e = example();
  CostTable table = *load_cost_table("45nm");
  for (CostEntry& entry : table.entries) {
    if (entry.name == "mac.int8") entry.value = 1e-15;  // 62 MACs: far below 38 pJ
  }
  const auto report = energy_report(e.layers, e.stats, table, {});
  ASSERT_TRUE(report.ok());
  EXPECT_NE(report->verdict.find("it wins by compute: 38 pJ against 285 pJ, but not against int8 "
                                 "(compute: 38 pJ against"),
            std::string::npos)
      << report->verdict;
}

TEST(EnergyAccounting, WhatATableCannotPriceIsSaid) {
  const Example e = example();
  CostTable table = e.table;
  std::erase_if(table.entries, [](const CostEntry& entry) { return entry.name == "mac.fp32"; });
  const auto priced = price_run(Accounting::kCompute, e.layers, e.stats, table, {});
  ASSERT_FALSE(priced.ok());
  EXPECT_EQ(priced.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(priced.error().what.find("mac.fp32 for 2 of multiply-accumulates in layer 'conv'"),
            std::string::npos)
      << priced.error().message();
  EXPECT_FALSE(price_run(Accounting::kCompute, e.layers, RunStats(), e.table, {}).ok());
  EXPECT_FALSE(
      price_run(Accounting::kCompute, e.layers, e.stats, e.table, {.inferences = 0.0}).ok());
}

TEST(EnergyAccounting, AChipIsPricedByOperationsUpdatesHopsAndIdling) {
  const Example e = example();
  const CostTable table = *load_cost_table("spinnaker1");
  const auto b = price_run(Accounting::kTraffic, e.layers, e.stats, table, {.step_seconds = 1e-3});
  ASSERT_TRUE(b.ok()) << error_of(b);
  // 34 operations, 2 steps of 8 + 3 + 2 neurons, 2 + 6 + 3 events into weight layers, 2 ms.
  EXPECT_DOUBLE_EQ(b->of_component(Component::kAccumulate), 32 * 43e-9);
  EXPECT_DOUBLE_EQ(b->of_component(Component::kMultiplyAccumulate), 2 * 43e-9);
  EXPECT_DOUBLE_EQ(b->of_component(Component::kNeuronUpdate), 26 * 100e-9);
  EXPECT_DOUBLE_EQ(b->of_component(Component::kTransport), 11 * 1e-9);
  EXPECT_DOUBLE_EQ(b->of_component(Component::kIdle), 0.35 * 2e-3);
  std::vector<NodeTransport> transport(e.layers.size());
  transport[0] = {.packets = 2, .hops = 10};
  const auto mapped = price_run(Accounting::kTraffic, e.layers, e.stats, table,
                                {.step_seconds = 1e-3, .transport = transport});
  EXPECT_DOUBLE_EQ(mapped->of_component(Component::kTransport), 10 * 1e-9);
}

TEST(EnergyAccounting, ADescriptionSurvivesItsValue) {
  const Example e = example();
  const Value value = to_value(e.layers);
  const auto read = layers_from_value(value);
  ASSERT_TRUE(read.ok()) << error_of(read);
  EXPECT_EQ(to_value(*read), value);
  const auto again = price_dense(Accounting::kLemaire, *read, e.table, {});
  EXPECT_EQ(again->total(), price_dense(Accounting::kLemaire, e.layers, e.table, {})->total());
  EXPECT_FALSE(layers_from_value(Value("x")).ok());
  Value damaged = value;
  damaged.as_list()->at(1).set("group", 99);
  EXPECT_FALSE(layers_from_value(damaged).ok());
  const auto stats = run_stats_from_value(to_value(e.stats));
  ASSERT_TRUE(stats.ok()) << error_of(stats);
  EXPECT_EQ(to_value(*stats).find("layers")->as_list()->size(), e.layers.size());
  EXPECT_EQ(price_run(Accounting::kTraffic, e.layers, *stats, e.table, {})->total(),
            price_run(Accounting::kTraffic, e.layers, e.stats, e.table, {})->total());
}

TEST(EnergyText, JoulesHaveAPrefix) {
  EXPECT_EQ(joules_text(3.858e-6), "3.86 uJ");
  EXPECT_EQ(joules_text(0.0653), "65.3 mJ");
  EXPECT_EQ(joules_text(0.0), "0 J");
  EXPECT_EQ(joules_text(9.9999e-10), "1 nJ");
  EXPECT_DOUBLE_EQ(carbon_grams(3.6e6, 380.0), 380.0);
}

}  // namespace
}  // namespace spikeloom::test
