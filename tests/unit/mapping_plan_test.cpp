/// Resources, cuts, keys, whole Plans and their files.

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "base/io/json.hpp"
#include "mapping/fit.hpp"
#include "mapping/from_program.hpp"
#include "mapping/graph_file.hpp"
#include "mapping/keys.hpp"
#include "mapping/map.hpp"
#include "mapping/plan_file.hpp"
#include "mapping/slices.hpp"
#include "models/load.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"
#include "tests/support/plan_checks.hpp"
#include "tests/support/shared_data.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::mapping {
namespace {

Target target(const std::string& name) {
  auto loaded = load_target(name);
  EXPECT_TRUE(loaded.ok()) << loaded.error().message();
  return *std::move(loaded);
}

PopulationGraph two(std::uint32_t sources, std::uint32_t targets, Projection projection) {
  PopulationGraph graph{.name = "two"};
  graph.populations.push_back({.name = "a", .shape = {1, 1, sources}, .rate = 0.1, .source = true});
  graph.populations.push_back({.name = "b", .shape = {1, 1, targets}, .state_values = 2});
  projection.source = 0;
  projection.target = 1;
  graph.projections.push_back(std::move(projection));
  return graph;
}

CoreUse use(const PopulationGraph& graph, const std::string& name) {
  const Target t = target(name);
  const ResourceModel model(graph, t, {});
  return model.use(1, {{0, 0, 0}, graph.populations[1].shape}, {3, 1});
}

TEST(Resources, AreTheBytesThatAreLaidOut) {
  // Ten sources, five targets, 2-byte weights; docs/mapping.md has the formulas.
  const PopulationGraph dense = two(10, 5, {.pattern = Pattern::kAll, .weight_bytes = 2});
  const CoreUse packed = use(dense, "spinnaker2");
  EXPECT_EQ(packed.row_bytes, 10U * 12);  // 5 x 2 bytes, to whole words
  EXPECT_EQ(packed.state_bytes, 5U * 2 * 4);
  EXPECT_EQ(packed.buffer_bytes, 5U * 2 * 4 + 2048);  // this tick and the next
  EXPECT_EQ(packed.table_bytes, 2048U + 3 * 16);
  EXPECT_EQ(packed.shared_bytes, 0U);
  EXPECT_EQ(packed.synapses, 50U);
  EXPECT_DOUBLE_EQ(packed.cycles, 5 * 264 + 0.1 * 50 * 25);
  const CoreUse rows = use(dense, "spinnaker1");
  EXPECT_EQ(rows.row_bytes, 10U * (12 + 5 * 4));  // header of three words, a word a synapse
  EXPECT_EQ(rows.shared_bytes, rows.row_bytes);
  EXPECT_EQ(rows.buffer_bytes, 5U * 2 * 2 * 2 + 1024);

  // Three synapses: (1 -> 0), (1 -> 2), (7 -> 2).
  auto list = std::make_shared<SynapseList>();
  list->start = {0, 1, 1, 3, 3, 3};
  list->source = {1, 1, 7};
  const PopulationGraph sparse =
      two(10, 5, {.pattern = Pattern::kList, .weight_bytes = 1, .list = list});
  const CoreUse listed = use(sparse, "spinnaker2");
  // Row pointers 11 x 2 -> 24, indices 3 x 2 -> 8, weights 3 -> 4; dense would be 10 x 8.
  EXPECT_EQ(listed.row_bytes, 24U + 8 + 4);
  EXPECT_EQ(listed.in_axons, 2U);
  // The longest row has two words, so all ten have.
  EXPECT_EQ(use(sparse, "spinnaker1").row_bytes, 10U * (12 + 2 * 4));

  // A 3 x 3 convolution, 2 -> 4 channels of 6 x 6, one byte a weight.
  PopulationGraph conv =
      two(1, 1, {.pattern = Pattern::kWindow, .window = {{1, 1, 3}, {1, 1, 3}, 1, 9}});
  conv.populations[0].shape = {2, 6, 6};
  conv.populations[1].shape = {4, 6, 6};
  EXPECT_EQ(use(conv, "spinnaker2").row_bytes, 64U + 4 * 2 * 9);
  EXPECT_EQ(use(conv, "spinnaker2").in_axons, 72U);
}

TEST(Cuts, FollowLimitsAndRows) {
  const PopulationGraph dense = two(10, 1000, {.pattern = Pattern::kAll});
  const auto cutting = cut(dense, target("spinnaker1"), {});
  ASSERT_TRUE(cutting.ok()) << cutting.error().message();
  EXPECT_EQ(cutting->populations[1].slices, 4U);  // 256 neurons a core
  EXPECT_EQ(cutting->slices.back().count, 250U);

  // Neuron t has 1 synapse, but neurons 900 .. 999 have 400: even bytes, not even neurons.
  auto list = std::make_shared<SynapseList>();
  list->start.push_back(0);
  for (std::uint32_t t = 0; t < 1000; ++t) {
    for (std::uint32_t s = 0; s < (t < 900 ? 1U : 400U); ++s) list->source.push_back(s);
    list->start.push_back(list->source.size());
  }
  const PopulationGraph uneven =
      two(1000, 1000, {.pattern = Pattern::kList, .weight_bytes = 4, .list = list});
  const auto runs = cut(uneven, target("spinnaker2"), {});
  ASSERT_TRUE(runs.ok()) << runs.error().message();
  ASSERT_GE(runs->populations[1].slices, 3U);
  std::uint64_t most = 0, sum = 0;
  for (const Slice& slice : runs->slices) {
    if (slice.population != 1) continue;
    EXPECT_LE(slice.use.data_bytes(), 98304U);
    most = std::max(most, slice.use.data_bytes());
    sum += slice.use.data_bytes();
  }
  EXPECT_LT(static_cast<double>(most) * runs->populations[1].slices,
            1.3 * static_cast<double>(sum));
}

TEST(Cuts, SayWhatDoesNotFit) {
  const PopulationGraph wide = two(200'000, 3, {.pattern = Pattern::kAll, .weight_bytes = 4});
  const auto none = cut(wide, target("spinnaker2"), {});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kResource);
  const std::string message = none.error().message();
  EXPECT_NE(message.find("population 'b'"), std::string::npos) << message;
  EXPECT_NE(message.find("data memory"), std::string::npos) << message;
  EXPECT_NE(message.find("98304"), std::string::npos) << message;
  const PopulationGraph late = two(4, 4, {.pattern = Pattern::kAll, .delay = 40});
  const auto delay = cut(late, target("spinnaker1"), {});
  ASSERT_FALSE(delay.ok());
  EXPECT_NE(delay.error().message().find("16 ticks"), std::string::npos);
}

TEST(Keys, CoverAPopulationWithOneEntry) {
  const std::vector<SliceKey> all{{0, ~7U}, {8, ~7U}, {16, ~7U}, {32, ~7U}};
  const auto one = cover_keys({all[0], all[1], all[2]}, std::span(all).first(3));
  ASSERT_EQ(one.size(), 1U);
  EXPECT_EQ(one[0].mask, ~31U);
  // 0 .. 7 and 16 .. 23, but not 8 .. 15: two entries.
  EXPECT_EQ(cover_keys({all[0], all[2]}, all).size(), 2U);
}

PopulationGraph cnn_sinabs(Program& program) {
  const auto path = test::shared_path("acceptance/nir/02_cnn/cnn_sinabs.nir");
  auto model = load_model(path.string());
  EXPECT_TRUE(model.ok());
  auto resolved = resolve_discretisation(
      model->network, {.preset = "sinabs", .options = {{"link-delay", "1"}}, .declared = {}});
  EXPECT_TRUE(resolved.ok()) << resolved.error().message();
  auto lowered = lower(model->network, resolved->discretisation);
  EXPECT_TRUE(lowered.ok()) << lowered.error().message();
  program = *std::move(lowered);
  auto graph = population_graph(program);
  EXPECT_TRUE(graph.ok()) << graph.error().message();
  return *std::move(graph);
}

TEST(Plans, OfAConvolutionalNetworkDeliverEverySpike) {
  REQUIRE_SHARED("acceptance/nir/02_cnn/cnn_sinabs.nir");
  Program program;
  const PopulationGraph graph = cnn_sinabs(program);
  for (const char* name : {"spinnaker2", "spinnaker1", "spinnaker1:3x3", "loihi"}) {
    const auto plan = map(graph, target(name));
    ASSERT_TRUE(plan.ok()) << name << ": " << plan.error().message();
    EXPECT_EQ(test::faults_of(*plan, graph), "") << name;
    EXPECT_TRUE(check(*plan).ok()) << name << ": " << check(*plan).error().message();
  }
}

TEST(Plans, OfFaultyMachinesGoRoundTheFaults) {
  REQUIRE_SHARED("acceptance/nir/02_cnn/cnn_sinabs.nir");
  Program program;
  const PopulationGraph graph = cnn_sinabs(program);
  const Faults faults{.chips = {{1, 0}, {2, 2}},
                      .cores = {{0, 0, 1}, {0, 0, 2}, {0, 1, 17}},
                      .links = {{0, 0, 2}, {0, 1, 1}, {3, 3, 0}}};
  const auto plan = map(graph, target("spinnaker1"), {.faults = faults});
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  EXPECT_EQ(test::faults_of(*plan, graph), "");
}

TEST(Plans, FilesGiveBackTheSamePlan) {
  REQUIRE_SHARED("acceptance/nir/02_cnn/cnn_sinabs.nir");
  Program program;
  const PopulationGraph graph = cnn_sinabs(program);
  const auto plan = map(graph, target("spinnaker1"), {.faults = {.links = {{0, 0, 2}}}});
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  for (const char* ending : {".h5", ".json"}) {
    const std::string path = testing::TempDir() + "plan" + ending;
    ASSERT_TRUE(write_plan(*plan, path).ok());
    EXPECT_TRUE(looks_like_plan(path));
    const auto back = read_plan(path);
    ASSERT_TRUE(back.ok()) << back.error().message();
    EXPECT_EQ(*back, *plan) << ending;
    std::filesystem::remove(path);
  }
}

TEST(Plans, DamagedFilesAreRefused) {
  PopulationGraph graph = two(40, 40, {.pattern = Pattern::kOneToOne});
  const auto plan = map(graph, target("spinnaker1"), {.resources = {.neurons_per_core = 16}});
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  const auto refused = [](const Plan& changed) {
    const Status status = check(changed);
    return status.ok() ? std::string() : status.error().message();
  };
  EXPECT_EQ(refused(*plan), "");
  Plan changed = *plan;
  changed.slices[1].first = 15;
  EXPECT_NE(refused(changed).find("slices, entry 1"), std::string::npos);
  changed = *plan;
  changed.slices[2].key = changed.slices[1].key;
  EXPECT_NE(refused(changed).find("keys"), std::string::npos);
  changed = *plan;
  changed.cores[1].core = 18;
  EXPECT_NE(refused(changed).find("cores, entry 1"), std::string::npos);
  for (const std::uint64_t far :
       {std::uint64_t{100'000'000'000}, std::uint64_t{1} << 62, ~std::uint64_t{0}}) {
    changed = *plan;
    changed.blocks[1].address = far;
    EXPECT_NE(refused(changed).find("beyond its memory"), std::string::npos);
  }
  changed = *plan;
  changed.blocks[0].kind = BlockKind::kKernel;
  EXPECT_NE(refused(changed).find("blocks, entry 0"), std::string::npos);
  for (const char* constant : {"layout.index", "layout.align"}) {
    changed = *plan;
    changed.target.entries[0].name = constant;
    changed.target.entries[0].value = 1e6;
    EXPECT_NE(refused(changed).find(constant), std::string::npos);
  }
  changed = *plan;
  changed.populations[0].tile[1] = 0xFFFFFFFF;
  EXPECT_NE(refused(changed).find("populations, entry 0"), std::string::npos);
  changed = *plan;
  changed.trees[0].nodes[0].route = 1000;
  EXPECT_NE(refused(changed).find("trees, entry 0"), std::string::npos);
  changed = *plan;
  changed.trees[0].slices.clear();
  EXPECT_NE(refused(changed).find("no slice's"), std::string::npos);
  changed = *plan;
  changed.trees[0].slices.push_back(changed.trees[0].slices[0]);
  EXPECT_NE(refused(changed).find("comes twice"), std::string::npos);
  changed = *plan;
  changed.routes[changed.trees[0].nodes[0].route].cores.push_back(18);
  EXPECT_NE(refused(changed).find("a core without a slice"), std::string::npos);
  const std::string text = io::to_json(to_value(*plan));
  const auto bytes = std::as_bytes(std::span(text));
  EXPECT_TRUE(parse_plan(bytes, "p").ok());
  EXPECT_FALSE(parse_plan(bytes.first(bytes.size() / 2), "p").ok());
  EXPECT_FALSE(parse_plan(std::as_bytes(std::span("{}", 2)), "p").ok());
}

/// Parts of several populations lie on one core: each may fit where all together do not.
TEST(Plans, SharedCoresHoldTheirPartsTogetherOrSayWhyNot) {
  PopulationGraph graph = two(40, 40, {.pattern = Pattern::kAll, .weight_bytes = 1});
  graph.populations.push_back({.name = "c", .shape = {1, 1, 40}});
  graph.projections.push_back(
      {.source = 0, .target = 2, .pattern = Pattern::kAll, .weight_bytes = 1});
  for (const bool in_chip : {false, true}) {
    Target machine = target("cpu:2");
    if (in_chip) {
      machine.synapses = SynapseLayout::kRows;
      machine.constants.rows_apart = 1.0;
      machine.constants.word_bytes = 4.0;
    }
    const auto plan = map(graph, machine);
    ASSERT_TRUE(plan.ok()) << plan.error().message();
    double& limit = in_chip ? machine.constants.shared_bytes : machine.constants.data_bytes;
    for (const PlanCore& core : plan->cores) {
      const std::uint64_t bytes = in_chip ? core.use.shared_bytes : core.use.data_bytes();
      limit = in_chip ? limit + static_cast<double>(bytes)
                      : std::max(limit, static_cast<double>(bytes));
    }
    const auto full = map(graph, machine);
    ASSERT_TRUE(full.ok()) << full.error().message();
    EXPECT_TRUE(check(*full).ok()) << check(*full).error().message();
    limit -= 1.0;
    const auto refused = map(graph, machine);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kResource);
    EXPECT_NE(refused.error().message().find(fmt::format("{:.0f}", limit)), std::string::npos);
    EXPECT_FALSE(fit(graph, machine)->fits);
  }
  // 20 neurons of each of the three on either core.
  Target machine = target("cpu:2");
  machine.constants.neurons = 60.0;
  EXPECT_TRUE(map(graph, machine).ok());
  machine.constants.neurons = 59.0;
  const auto refused = map(graph, machine);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("59 neurons"), std::string::npos)
      << refused.error().message();
}

TEST(Plans, BlocksThatOverlapAreRefused) {
  for (const char* name : {"spinnaker1", "spinnaker2", "cpu:2"}) {
    PopulationGraph graph = two(40, 40, {.pattern = Pattern::kAll, .weight_bytes = 1});
    graph.projections.push_back(graph.projections[0]);
    const auto plan = map(graph, target(name));
    ASSERT_TRUE(plan.ok()) << plan.error().message();
    EXPECT_TRUE(check(*plan).ok()) << name;
    Plan changed = *plan;
    ASSERT_EQ(changed.blocks[0].slice, changed.blocks[1].slice);
    changed.blocks[1].address = changed.blocks[0].address + 4;
    const Status status = check(changed);
    ASSERT_FALSE(status.ok()) << name;
    EXPECT_NE(status.error().message().find("another block"), std::string::npos);
  }
}

PopulationGraph lowered_graph(const Network& network) {
  Discretisation discretisation;
  discretisation.dt = 1.0;
  discretisation.link_delay = 1;
  const auto program = lower(network, discretisation);
  EXPECT_TRUE(program.ok()) << program.error().message();
  auto graph = population_graph(*program);
  EXPECT_TRUE(graph.ok()) << graph.error().message();
  return graph.ok() ? *std::move(graph) : PopulationGraph();
}

TEST(PopulationGraphs, AFlattenLeavesAConvolutionItsWindows) {
  node::Conv2d convolution;
  convolution.weight = Tensor::full({2, 1, 3, 3}, 1.0F);
  const node::Flatten flatten{
      Tensor::scalar<std::int64_t>(0), Tensor::scalar<std::int64_t>(-1), {}};
  const auto read_out = lowered_graph(test::chain({1, 6, 8}, {convolution, flatten}, {48}));
  ASSERT_EQ(read_out.populations.size(), 2U);
  EXPECT_EQ(read_out.populations[1].shape, (Extent3{2, 4, 6}));
  ASSERT_EQ(read_out.projections.size(), 1U);
  EXPECT_EQ(read_out.projections[0].pattern, Pattern::kWindow);
  const auto neurons =
      lowered_graph(test::chain({1, 6, 8}, {convolution, flatten, test::relay(1.0F, 48)}, {48}));
  ASSERT_EQ(neurons.populations.size(), 2U);
  EXPECT_EQ(neurons.populations[1].shape, (Extent3{2, 4, 6}));
  for (const char* name : {"spinnaker1", "spinnaker2", "loihi", "cpu:2", "gpu"}) {
    const auto plan = map(neurons, target(name));
    ASSERT_TRUE(plan.ok()) << name << plan.error().message();
    EXPECT_TRUE(check(*plan).ok()) << name;
  }
}

/// Its units send twice a step: that wants keys of its own, where there are keys.
TEST(PopulationGraphs, ThePapersEgruIsRefusedOnlyWhereThereAreKeys) {
  node::Egru layer;
  layer.kernel = Tensor::full({6, 4}, 0.5F);
  layer.recurrent = Tensor::full({6, 2}, 0.5F);
  layer.bias = layer.recurrent_bias = Tensor::full({6}, 0.0F);
  layer.threshold = Tensor::full({2}, 0.1F);
  layer.form = Tensor::scalar<std::int64_t>(1);
  Discretisation discretisation;
  discretisation.dt = 1.0;
  discretisation.link_delay = 1;
  const auto program = lower(test::chain({4}, {layer}, {2}), discretisation);
  ASSERT_TRUE(program.ok()) << program.error().message();
  const auto graph = population_graph(*program);
  ASSERT_TRUE(graph.ok()) << graph.error().message();
  for (const char* name : {"cpu:2", "gpu"}) {
    EXPECT_TRUE(check_events(*program, target(name)).ok()) << name;
    const auto plan = map(*graph, target(name));
    ASSERT_TRUE(plan.ok()) << name << plan.error().message();
    EXPECT_TRUE(check(*plan).ok()) << name;
  }
  const Status refused = check_events(*program, target("spinnaker2"));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(refused.error().message().find("layer0"), std::string::npos);
}

/// Whichever comes first, the neurons or the weights.
TEST(PopulationGraphs, AnOutputAddsUpNeuronsAndWeights) {
  for (const bool weights_first : {false, true}) {
    NetworkBuilder builder;
    builder.add("in", test::input({3}));
    builder.add("neurons", test::relay(1.0F, 3));
    builder.add("weights", test::linear(3, 3, std::vector<float>(9, 1.0F)));
    builder.add("out", test::output({3}));
    builder.connect("in", "neurons");
    builder.connect("in", "weights");
    builder.connect(weights_first ? "weights" : "neurons", "out");
    builder.connect(weights_first ? "neurons" : "weights", "out");
    const auto network = std::move(builder).build();
    ASSERT_TRUE(network.ok());
    const auto graph = lowered_graph(*network);
    ASSERT_EQ(graph.populations.size(), 3U);
    std::vector<Pattern> into_output;
    for (const Projection& projection : graph.projections) {
      if (graph.populations[projection.target].name == "out") {
        into_output.push_back(projection.pattern);
      }
    }
    std::sort(into_output.begin(), into_output.end());
    EXPECT_EQ(into_output, (std::vector<Pattern>{Pattern::kAll, Pattern::kOneToOne}))
        << weights_first;
  }
}

TEST(Fits, NameTheResourceAndTheChange) {
  const PopulationGraph many = two(40, 300'000, {.pattern = Pattern::kOneToOne});
  PopulationGraph wide = many;
  wide.projections[0].pattern = Pattern::kAll;
  const auto report = fit(wide, target("spinnaker1:board"));
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_FALSE(report->fits);
  EXPECT_EQ(report->cores_needed, 1U + 1172);  // ceil(300,000 / 256)
  EXPECT_EQ(report->cores, 816U);
  EXPECT_EQ(report->populations[1].bound_by, Resource::kNeurons);
  ASSERT_FALSE(report->changes.empty());
  // 1,173 cores on chips of 17: 69 chips, 9 x 8.
  EXPECT_NE(report->changes[0].find("spinnaker1:9x8"), std::string::npos) << report->changes[0];
  const PopulationGraph heavy = two(30'000, 3, {.pattern = Pattern::kAll, .weight_bytes = 4});
  const auto light = fit(heavy, target("spinnaker2"));
  ASSERT_TRUE(light.ok());
  EXPECT_FALSE(light->fits);
}

TEST(GraphFiles, AreReadAndWrongOnesNamed) {
  const auto graph = parse_graph(
      R"({"name": "g", "populations": [{"name": "a", "neurons": 5, "rate": 0.5}, {"neurons": 5}],
          "projections": [{"source": 0, "target": 1, "pattern": "one-to-one", "delay": 3}]})",
      "g.json");
  ASSERT_TRUE(graph.ok()) << graph.error().message();
  EXPECT_EQ(graph->populations[0].rate, 0.5);
  EXPECT_EQ(graph->projections[0].pattern, Pattern::kOneToOne);
  EXPECT_EQ(graph->projections[0].delay, 3U);
  const auto message = [](const std::string& text) {
    const auto parsed = parse_graph(text, "g.json");
    return parsed.ok() ? std::string("accepted") : parsed.error().message();
  };
  EXPECT_NE(message(R"({"populations": [{"neurons": 0}], "projections": []})").find("neurons"),
            std::string::npos);
  EXPECT_NE(message(R"({"populations": [{"neurons": 2}], "projections": [{"source": 0,
                        "target": 1}]})")
                .find("projection 0"),
            std::string::npos);
  EXPECT_NE(
      message(R"({"populations": [{"neurons": 2, "size": 3}], "projections": []})").find("size"),
      std::string::npos);
}

}  // namespace
}  // namespace spikeloom::mapping
