/// One LIF neuron as eleven platforms ran it: acceptance/nir/01_lif.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>

#include <gtest/gtest.h>

#include "backends/emulator/plan_emulator.hpp"
#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "models/nir/nir_reader.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

struct Trace {
  std::vector<double> input, membrane, spike;
};

Trace read_trace(const std::string& name) {
  std::ifstream file(shared_path("acceptance/nir/01_lif/" + name));
  Trace trace;
  for (std::string line; std::getline(file, line);) {
    std::istringstream row(line);
    double x = 0, v = 0, s = 0;
    char comma = 0;
    row >> x >> comma >> v >> comma >> s;
    trace.input.push_back(x);
    trace.membrane.push_back(v);
    trace.spike.push_back(s);
  }
  return trace;
}

struct Platform {
  std::string csv, model, preset;
  std::vector<std::pair<std::string, std::string>> options;
  double tolerance;
  std::optional<double> spike_marker = std::nullopt;  ///< recorded at spikes instead of v
};

/// dt is that of the experiment: 1e-4 s. Tolerances are those of the acceptance list.
const std::vector<Platform>& platforms() {
  static const std::vector<Platform> all = {
      {"lif_exact.csv", "lif_norse.nir", "exact", {{"dt", "1e-4"}}, 1e-6},
      {"lif_norse.csv", "lif_norse.nir", "norse", {{"dt", "1e-4"}}, 1e-6},
      {"lif_snntorch.csv", "lif_norse.nir", "snntorch", {{"dt", "1e-4"}}, 1e-6},
      {"lif_sinabs.csv", "lif_norse.nir", "sinabs", {{"dt", "1e-4"}, {"input-gain", "0.04"}}, 1e-6},
      {"lif_rockpool.csv", "lif_rockpool.nir", "rockpool", {}, 1e-6},
      {"lif_nengo.csv", "lif_norse.nir", "nengo", {{"dt", "1e-4"}}, 1e-6},
      {"lif_spyx.csv", "lif_norse.nir", "spyx", {{"dt", "1e-4"}}, 1e-6},
      {"lif_spinnaker2.csv", "lif_norse.nir", "spinnaker2", {{"dt", "1e-4"}}, 5e-4},
      {"lif_lava_cpu_float.csv", "lif_norse.nir", "lava", {{"dt", "1e-4"}}, 1e-6},
      {"lif_lava_cpu_fixed.csv",
       "lif_norse.nir",
       "lava",
       {{"dt", "1e-4"},
        {"fixed-point", "loihi"},
        {"weight-scale", "16000"},
        {"threshold-scale", "16000"}},
       0.0},
      // The chip's probe holds the marker 128 instead of the membrane at the four spikes.
      {"lif_lava_loihi_fixed.csv",
       "lif_norse.nir",
       "lava",
       {{"dt", "1e-4"},
        {"fixed-point", "loihi"},
        {"weight-scale", "16000"},
        {"threshold-scale", "16000"}},
       0.0,
       128.0},
  };
  return all;
}

class NirLif : public testing::TestWithParam<std::tuple<Platform, Runner>> {};

TEST_P(NirLif, SpikesAndMembraneEqualThePlatforms) {
  const auto& [platform, runner] = GetParam();
  REQUIRE_SHARED("acceptance/nir/01_lif/" + platform.csv);
  const Trace trace = read_trace(platform.csv);
  ASSERT_EQ(trace.input.size(), 1000U);
  const auto model = read_nir(shared_path("acceptance/nir/01_lif/" + platform.model).string());
  ASSERT_TRUE(model.ok()) << error_of(model);
  std::string neuron;
  for (const Node& node : model->network.nodes()) {
    if (kind_name(node.kind) == "LIF") neuron = node.name;
  }
  std::vector<double> input;
  for (const double x : trace.input) input.push_back(x != 0.0 ? 1.0 : 0.0);
  RunRequest request{.preset = platform.preset,
                     .options = platform.options,
                     .arithmetic = runner.arithmetic,
                     .backend = runner.backend,
                     .record = {{neuron, Variable::kSpikes}, {neuron, Variable::kMembrane}}};
  const auto run = run_network(model->network, one_per_step(input), request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  const auto& membrane = run->state.at(neuron + ":v");
  ASSERT_EQ(membrane.size(), 1000U);
  std::vector<double> spikes(1000, 0.0);
  for (const Recorded& spike : run->events.at(neuron)) {
    spikes[static_cast<std::size_t>(spike.step)] = spike.value;
  }
  double worst = 0.0;
  for (std::size_t t = 0; t < 1000; ++t) {
    EXPECT_EQ(spikes[t], trace.spike[t]) << "step " << t;
    if (platform.spike_marker && spikes[t] != 0.0) {
      EXPECT_EQ(trace.membrane[t], *platform.spike_marker);
      continue;
    }
    worst = std::max(worst, std::abs(membrane[t][0] - trace.membrane[t]));
  }
  EXPECT_LE(worst, platform.tolerance);
  EXPECT_EQ(run->events.at(neuron).size(), 4U);
}

INSTANTIATE_TEST_SUITE_P(Platforms, NirLif,
                         testing::Combine(testing::ValuesIn(platforms()),
                                          testing::ValuesIn(real_runners())),
                         [](const auto& info) {
                           std::string name = std::get<0>(info.param).csv;
                           name = name.substr(4, name.size() - 8);
                           return name + "_" + to_string(std::get<1>(info.param));
                         });

TEST(NirLifOnAChip, SpikesAndMembraneEqualThoseOfSpinnaker2) {
  REQUIRE_SHARED("acceptance/nir/01_lif/lif_spinnaker2.csv");
  const Trace trace = read_trace("lif_spinnaker2.csv");
  const auto model = read_nir(shared_path("acceptance/nir/01_lif/lif_norse.nir").string());
  ASSERT_TRUE(model.ok()) << error_of(model);
  DiscretisationRequest request;
  request.preset = "spinnaker2";
  request.options = {{"dt", "1e-4"}};
  const auto resolved = resolve_discretisation(model->network, request);
  ASSERT_TRUE(resolved.ok()) << error_of(resolved);
  const auto program = lower(model->network, resolved->discretisation);
  ASSERT_TRUE(program.ok()) << error_of(program);
  const auto graph = mapping::population_graph(*program);
  const auto target = mapping::load_target("spinnaker2");
  ASSERT_TRUE(graph.ok() && target.ok());
  const auto plan = mapping::map(*graph, *target, {});
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  auto machine =
      emulator::PlanEmulator::create(*program, *plan, {.arithmetic = Arithmetic::kFloat32});
  ASSERT_TRUE(machine.ok()) << error_of(machine);
  const auto neuron = std::find_if(program->nodes.begin(), program->nodes.end(),
                                   [](const ProgramNode& node) { return node.kind == "LIF"; });
  const auto node = static_cast<std::uint32_t>(neuron - program->nodes.begin());
  std::size_t fired = 0;
  double worst = 0.0;
  for (std::size_t t = 0; t < trace.input.size(); ++t) {
    std::vector<emulator::PlacedEvent> events;
    if (trace.input[t] != 0.0) events.push_back({program->inputs[0], 0, 1.0});
    ASSERT_TRUE(machine->tick(events).ok());
    const bool fires = !machine->sent(node).empty();
    EXPECT_EQ(fires ? 1.0 : 0.0, trace.spike[t]) << "step " << t;
    fired += fires ? 1 : 0;
    worst = std::max(worst, std::abs(machine->membrane(node, 0) - trace.membrane[t]));
  }
  EXPECT_EQ(fired, 4U);
  EXPECT_LE(worst, 5e-4);
}

/// A neuron that spikes by itself drives a second one, for one second without input.
struct TwoLifCase {
  std::string dt;
  double largest_v;
};

class TwoLif : public testing::TestWithParam<std::tuple<TwoLifCase, Runner>> {
 protected:
  static Result<RunResult> run(const std::string& dt, const std::string& spike_value) {
    const Runner& runner = std::get<1>(GetParam());
    const auto model = read_nir(shared_path("acceptance/nir/01_lif/two_lif_neurons.nir").string());
    if (!model.ok()) return model.error();
    RunRequest request{
        .preset = "nir",
        // The second neuron fires on Dirac pulses: its peak is before the reset.
        .options = {{"dt", dt}, {"spike-value", spike_value}, {"record-v", "before"}},
        .arithmetic = runner.arithmetic,
        .backend = runner.backend};
    std::vector<std::string> neurons;
    for (const Node& node : model->network.nodes()) {
      if (kind_name(node.kind) == "LIF") neurons.push_back(node.name);
    }
    for (const std::string& name : neurons) {
      request.record.emplace_back(name, Variable::kSpikes);
      request.record.emplace_back(name, Variable::kMembrane);
    }
    request.steps = static_cast<std::int64_t>(std::lround(1.0 / std::stod(dt)));
    return run_network(model->network, {}, request);
  }

  static double largest(const RunResult& run, const std::string& key) {
    double value = 0.0;
    for (const auto& step : run.state.at(key)) value = std::max(value, step[0]);
    return value;
  }
};

TEST_P(TwoLif, RateIsIndependentOfTheStepAndUnitSpikesAreNot) {
  REQUIRE_SHARED("acceptance/nir/01_lif/two_lif_neurons.nir");
  const auto result = run(std::get<0>(GetParam()).dt, "unit");
  ASSERT_TRUE(result.ok()) << error_of(result);
  ASSERT_EQ(result->state.size(), 2U);
  const std::string first = result->state.begin()->first;
  const std::string second = std::next(result->state.begin())->first;
  EXPECT_EQ(result->events.at(first.substr(0, first.find(':'))).size(), 55U);
  const double expected = std::get<0>(GetParam()).largest_v;
  EXPECT_NEAR(largest(*result, second), expected, expected * 5e-4);
}

TEST_P(TwoLif, DiracSpikesKeepTheSecondMembrane) {
  REQUIRE_SHARED("acceptance/nir/01_lif/two_lif_neurons.nir");
  const auto result = run(std::get<0>(GetParam()).dt, "per-dt");
  const auto finest = run("1e-5", "per-dt");
  ASSERT_TRUE(result.ok()) << error_of(result);
  ASSERT_TRUE(finest.ok()) << error_of(finest);
  const std::string second = std::next(result->state.begin())->first;
  EXPECT_NEAR(largest(*result, second) / largest(*finest, second), 1.0, 0.02);
}

INSTANTIATE_TEST_SUITE_P(Steps, TwoLif,
                         testing::Combine(testing::Values(TwoLifCase{"1e-3", 0.1177},
                                                          TwoLifCase{"1e-4", 0.01198},
                                                          TwoLifCase{"1e-5", 0.001200}),
                                          testing::ValuesIn(real_runners())),
                         [](const auto& info) {
                           return "dt_" + std::get<0>(info.param).dt.substr(3) + "_" +
                                  to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace spikeloom::test
