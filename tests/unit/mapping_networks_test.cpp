/// Every network at hand on spinnaker2, spinnaker1 and loihi: a Plan that delivers, or what binds.

#include <filesystem>

#include <gtest/gtest.h>

#include "mapping/fit.hpp"
#include "mapping/from_program.hpp"
#include "mapping/plan_file.hpp"
#include "models/load.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::mapping {
namespace {

constexpr const char* kTargets[] = {"spinnaker2", "spinnaker1", "loihi"};

PopulationGraph graph_of(const std::filesystem::path& path, const std::string& preset,
                         const std::string& dt) {
  const auto model = load_model(path.string());
  EXPECT_TRUE(model.ok()) << model.error().message();
  DiscretisationRequest request;
  if (!preset.empty()) request.preset = preset;
  if (!dt.empty()) request.options.emplace_back("dt", dt);
  if (const Value* declared = model->run_settings.find("discretisation")) {
    const auto parsed = discretisation_from_value(*declared);
    if (parsed.ok()) request.declared = *parsed;
  }
  request.options.emplace_back("link-delay", "1");
  const auto resolved = resolve_discretisation(model->network, request);
  EXPECT_TRUE(resolved.ok()) << resolved.error().message();
  const auto program = lower(model->network, resolved->discretisation);
  EXPECT_TRUE(program.ok()) << program.error().message();
  auto graph = population_graph(*program);
  EXPECT_TRUE(graph.ok()) << graph.error().message();
  return *std::move(graph);
}

/// Fits with a Plan that holds together, or does not with a reason that has numbers.
void expect_answer(const PopulationGraph& graph, const std::string& target, bool fits) {
  const auto loaded = load_target(target);
  ASSERT_TRUE(loaded.ok());
  const auto report = fit(graph, *loaded);
  ASSERT_TRUE(report.ok()) << report.error().message();
  EXPECT_EQ(report->fits, fits) << target << ": "
                                << (report->problem ? report->problem->message() : "fits");
  if (report->fits) {
    EXPECT_TRUE(check(*report->plan).ok());
    return;
  }
  EXPECT_NE(report->problem->message().find_first_of("0123456789"), std::string::npos);
}

TEST(NetworksAtHand, OfFoundationFitEveryChip) {
  REQUIRE_SHARED("acceptance/nir/02_cnn/cnn_sinabs.nir");
  const std::vector<std::array<std::string, 3>> networks = {
      {"01_lif/lif_norse.nir", "norse", "1e-4"},
      {"01_lif/two_lif_neurons.nir", "norse", "1e-4"},
      {"02_cnn/cnn_sinabs.nir", "sinabs", ""},
      {"03_rnn/braille_noDelay_bias_zero.nir", "snntorch", ""},
      {"03_rnn/braille_noDelay_noBias_subtract.nir", "snntorch", ""}};
  for (const auto& [file, preset, dt] : networks) {
    SCOPED_TRACE(file);
    const auto graph = graph_of(test::shared_path("acceptance/nir/" + file), preset, dt);
    for (const char* target : kTargets) expect_answer(graph, target, true);
  }
}

/// Affine after pool after convolution: the convolution's sums are a population of their own.
TEST(NetworksAtHand, LayersOfWeightsWithoutNeuronsFitEveryChip) {
  REQUIRE_SHARED("acceptance/nir/06_reference_writer/conv2d_same_avgpool_flatten.nir");
  const auto graph = graph_of(
      test::shared_path("acceptance/nir/06_reference_writer/conv2d_same_avgpool_flatten.nir"), "",
      "");
  // By the file: 1 x 8 x 8 inputs, 2 x 8 x 8 sums, 3 outputs.
  ASSERT_EQ(graph.populations.size(), 3U);
  EXPECT_EQ(graph.populations[1].shape, (Extent3{2, 8, 8}));
  EXPECT_TRUE(graph.populations[1].graded);
  EXPECT_EQ(graph.populations[2].neurons(), 3U);
  ASSERT_EQ(graph.projections.size(), 2U);
  EXPECT_EQ(graph.projections[0].pattern, Pattern::kWindow);
  EXPECT_EQ(graph.projections[0].window.taps, 9U);
  EXPECT_EQ(graph.projections[1].pattern, Pattern::kAll);
  EXPECT_EQ(graph.projections[1].rows, 32U);  // of the pooled values
  for (const char* target : kTargets) expect_answer(graph, target, true);
}

TEST(NetworksAtHand, OfLavaFitSpiNNaker) {
  REQUIRE_SHARED("acceptance/lava/pilotnet_lif/network.net");
  for (const char* name : {"pilotnet_lif", "pilotnet_sdnn", "mnist_bootstrap"}) {
    SCOPED_TRACE(name);
    const auto path = test::shared_path(std::string("acceptance/lava/") + name + "/network.net");
    const auto graph = graph_of(path, "", "");
    for (const char* target : {"spinnaker2", "spinnaker1"}) expect_answer(graph, target, true);
  }
}

/// Those that every build carries. A neuron of their first layer hears more sources than a core of
/// loihi does.
TEST(NetworksAtHand, OfGesturesFitSpiNNaker) {
  for (const char* name : {"gesture-lif", "gesture-egru"}) {
    SCOPED_TRACE(name);
    const auto path =
        test::source_dir() / "models/gesture/weights" / (std::string(name) + ".sloom");
    const auto graph = graph_of(path, "", "");
    for (const char* target : {"spinnaker2", "spinnaker1"}) expect_answer(graph, target, true);
    expect_answer(graph, "loihi", false);
  }
}

TEST(NetworksAtHand, ThePrunedLanguageModelFitsOneSpiNNaker2Chip) {
  const auto path =
      test::source_dir() / "models/language/weights/wt2-prune95/wt2-prune95.safetensors";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "the weights are not here";
  const auto graph = graph_of(path, "", "");
  const auto target = load_target("spinnaker2:chip");
  ASSERT_TRUE(target.ok());
  // As stored, in 8 bits, and in the 32 bits that the published one had.
  for (const std::uint32_t bytes : {0U, 4U}) {
    const auto plan = map(graph, *target, {.resources = {.weight_bytes = bytes}});
    ASSERT_TRUE(plan.ok()) << plan.error().message();
    EXPECT_LE(plan->cores.size(), 150U);
    for (const PlanCore& core : plan->cores) EXPECT_LE(core.use.data_bytes(), 96U * 1024);
    // 5 % of the 24.2 M weights of 750-1350-1350-750, by its model card; each on one core.
    std::uint64_t synapses = 0;
    for (const PlanCore& core : plan->cores) synapses += core.use.synapses;
    EXPECT_NEAR(static_cast<double>(synapses), 0.05 * 24'165'000, 0.002 * 24'165'000);
    // Embedding and decoder: 33,278 words of 750 bytes each.
    ASSERT_EQ(plan->off_chip.size(), 2U);
    for (const OffChip& one : plan->off_chip) EXPECT_EQ(one.bytes, 33'278.0 * 750);
  }
}

}  // namespace
}  // namespace spikeloom::mapping
