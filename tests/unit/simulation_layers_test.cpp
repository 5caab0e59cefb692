/// Simulated networks as layers: the spikes of the reference simulator, and what has no layers.

#include <algorithm>

#include <gtest/gtest.h>

#include "backends/simulation/reference_simulator.hpp"
#include "models/simulation/layers.hpp"
#include "models/simulation/microcircuit.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {
namespace {

namespace sim = simulation;

/// 40 excitatory neurons under a current and 10 inhibitory ones that they drive.
sim::Network small_network() {
  sim::Network network;
  const std::map<std::string, sim::Distribution> common = {
      {"t_ref", sim::Constant{2.0}},
      {"E_L", sim::Constant{-65.0}},
      {"V_reset", sim::Constant{-65.0}},
      {"V_th", sim::Constant{-50.0}},
      {"V_m", sim::Normal{-58.0, 5.0, -80.0, -51.0}},
      {"tau_m", sim::Constant{10.0}},
      {"C_m", sim::Constant{250.0}}};
  network.populations = {{"E", 40, "iaf_psc_delta", common}, {"I", 10, "iaf_psc_delta", common}};
  network.populations[0].parameters["I_e"] = sim::Constant{450.0};
  network.populations[1].parameters["I_e"] = sim::Constant{320.0};
  network.projections = {
      {"E to E", 0, 0, sim::FixedInDegree{8}, sim::Normal{0.3, 0.03}, sim::Constant{1.5}},
      {"E to I", 0, 1, sim::FixedInDegree{12}, sim::Normal{0.5, 0.1}, sim::Constant{1.5}},
      {"I to E", 1, 0, sim::FixedTotalNumber{90}, sim::Normal{-1.2, 0.3}, sim::Constant{0.8}}};
  return network;
}

TEST(SimulationLayers, SpikeLikeTheSimulatedNetwork) {
  constexpr std::int64_t kSteps = 800;
  const sim::Network network = small_network();
  const auto layers = layers_of(network);
  ASSERT_TRUE(layers.ok()) << error_of(layers);
  RunRequest request;
  request.declared = layers_discretisation(network);
  request.record = {{"E", Variable::kSpikes}, {"I", Variable::kSpikes}};
  request.steps = kSteps;
  const auto run = run_network(*layers, {}, request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  std::vector<std::pair<std::int64_t, std::uint32_t>> expected, got;
  auto simulator = sim::make_reference_simulator(network);
  ASSERT_TRUE(simulator.ok()) << error_of(simulator);
  ASSERT_TRUE((*simulator)
                  ->advance(kSteps,
                            [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
                              for (const std::uint32_t n : neurons) expected.emplace_back(step, n);
                              return true;
                            })
                  .ok());
  for (const auto& [name, spikes] : run->events) {
    for (const Recorded& spike : spikes) {
      got.emplace_back(spike.step, spike.index + (name == "I" ? 40 : 0));
    }
  }
  std::sort(got.begin(), got.end());
  EXPECT_GT(expected.size(), 150U) << "a silent network shows nothing";
  EXPECT_EQ(got, expected);
}

TEST(SimulationLayers, WhatHasNoLayersIsNamed) {
  sim::Network delta = small_network();
  delta.populations[1].model = "iaf_psc_alpha";
  sim::Network driven = small_network();
  driven.stimuli = {sim::CurrentStimulus{0, 100.0}};
  sim::Network varied = small_network();
  varied.populations[0].parameters["tau_m"] = sim::Normal{10.0, 1.0, 5.0};
  sim::Network uniform = small_network();
  uniform.projections[1].delay = sim::Uniform{0.1, 3.0};
  sim::Network bounded = small_network();
  bounded.populations[0].parameters["V_min"] = sim::Constant{-90.0};
  const std::vector<std::pair<sim::Network, std::string>> cases = {
      {bounded, "E"}, {delta, "I"}, {driven, "stimuli"}, {varied, "E"}, {uniform, "E to I"}};
  for (const auto& [network, where] : cases) {
    const auto layers = layers_of(network);
    ASSERT_FALSE(layers.ok()) << where;
    EXPECT_EQ(layers.error().code, ErrorCode::kUnsupported);
    EXPECT_EQ(layers.error().where, where);
  }
}

TEST(SimulationLayers, EveryNeuronHasItsTrain) {
  sim::Network network = small_network();
  network.projections.clear();
  network.populations[0].parameters["I_e"] = sim::Constant{0.0};
  network.stimuli = {sim::PoissonStimulus{1, 2000.0, 0.5}, sim::PoissonStimulus{0, 500.0, 20.0}};
  const auto layers = layers_of(network);
  ASSERT_TRUE(layers.ok()) << error_of(layers);
  const std::vector<float> noise = layers_noise(network);
  ASSERT_EQ(noise.size(), 50U);
  EXPECT_FLOAT_EQ(noise[9], 0.2F);
  EXPECT_FLOAT_EQ(noise[10], 0.05F);
  // 20 mV are enough; element 10 + 7 belongs to neuron 7 of E.
  CodedInput input;
  input.steps = 3;
  input.index = {17};
  input.value = {1.0};
  input.step_start = {0, 0, 1, 1};
  RunRequest request;
  request.declared = layers_discretisation(network);
  request.record = {{"E", Variable::kSpikes}};
  const auto run = run_network(*layers, input, request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  ASSERT_TRUE(run->events.contains("E"));
  EXPECT_EQ(run->events.at("E"), (std::vector<Recorded>{{1, 7, 1.0}}));
}

TEST(SimulationLayers, TheMicrocircuitHasAMatrixForEachProjection) {
  const auto network = make_microcircuit({.scale = 0.01});
  ASSERT_TRUE(network.ok());
  const auto layers = layers_of(*network);
  ASSERT_TRUE(layers.ok()) << error_of(layers);
  std::size_t matrices = 0;
  for (const Node& node : layers->nodes()) {
    matrices += kind_name(node.kind) == "SparseLinear" ? 1 : 0;
  }
  EXPECT_EQ(matrices, network->projections.size());
}

}  // namespace
}  // namespace spikeloom::test
