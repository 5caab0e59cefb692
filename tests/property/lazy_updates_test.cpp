/// Neurons that sleep through silence against neurons that are updated in every step.
///
/// Recording a state makes the cpu backend update each neuron in every step. Silences last hundreds
/// of steps and decays are any numbers, so that a closed form for the steps slept would show.

#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "models/nir/nir_reader.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"
#include "tests/property/random_network.hpp"
#include "tests/property/session_runs.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// Runs both ways, then goes on with the lazy session's state where it can be seen.
std::string lazy_difference(const Program& program, const std::vector<InputEvent>& events,
                            std::int64_t steps, Arithmetic arithmetic) {
  const Setup seen{"cpu", arithmetic, Watch::kStates};
  RecordedRun eager(program, seen);
  eager.push(events);
  eager.advance(steps + 1);
  const Trace& states = eager.traces()[0];
  for (const Watch watch : {Watch::kEnds, Watch::kOutputs}) {
    RecordedRun lazy(program, {"cpu", arithmetic, watch});
    lazy.push(events);
    lazy.advance(steps);
    RecordedRun woken(program, seen);
    woken.load(lazy.save());
    woken.advance(1);
    lazy.advance(1);
    std::string found = difference(seen_by(watch, program, states), lazy.traces()[0]);
    if (found.empty()) found = difference(from_step(states, steps), woken.traces()[0]);
    if (found.empty()) found = difference(eager.stats(), lazy.stats(), rounding(states));
    if (!found.empty()) return found;
  }
  return {};
}

std::uint64_t executed_updates(const Program& program, const std::vector<InputEvent>& events,
                               std::int64_t steps, Arithmetic arithmetic) {
  RecordedRun lazy(program, {"cpu", arithmetic, Watch::kOutputs});
  lazy.push(events);
  lazy.advance(steps);
  return lazy.stats().total(&NodeStats::executed_updates);
}

RC_GTEST_PROP(LazyUpdates, EqualEagerOnesInFloat32BitForBit, ()) {
  const std::int64_t steps = between(200, 700);
  const Program program = random_program({Numbers::kReal, true});
  RC_LOG() << describe(program);
  const auto events = random_bursts(program, Numbers::kReal, steps);
  RC_ASSERT(lazy_difference(program, events, steps, Arithmetic::kFloat32) == "");
}

RC_GTEST_PROP(LazyUpdates, EqualEagerOnesInInteger, ()) {
  const std::int64_t steps = between(200, 700);
  const Program program = random_program({Numbers::kInteger, true});
  RC_LOG() << describe(program);
  const auto events = random_bursts(program, Numbers::kInteger, steps);
  RC_ASSERT(lazy_difference(program, events, steps, Arithmetic::kInteger) == "");
}

Program lowered(const Network& network, const DiscretisationRequest& request) {
  auto resolved = resolve_discretisation(network, request);
  EXPECT_TRUE(resolved.ok()) << error_of(resolved);
  auto program = lower(network, resolved->discretisation);
  EXPECT_TRUE(program.ok()) << error_of(program);
  return *std::move(program);
}

/// A CubaLIF keeps a current for hundreds of steps after its input; the other parameters of the
/// list (bias, leak target) never let it rest.
TEST(LazyUpdates, ResidualCurrentBiasAndLeakTarget) {
  const DiscretisationRequest request{"nir", {{"dt", "1"}}, {}};
  constexpr std::int64_t kSteps = 900;
  const std::vector<InputEvent> events = {{2, 0, 0, 1.0}, {3, 0, 0, 1.0}, {600, 0, 0, 1.0}};
  for (const float leak : {0.0F, 0.5F, 1.5F}) {
    for (const float bias : {0.0F, 0.125F}) {
      node::CubaLif cuba;
      cuba.tau_syn = floats({1}, {37.3F});
      cuba.tau_mem = floats({1}, {11.7F});
      cuba.r = floats({1}, {9.1F});
      cuba.w_in = floats({1}, {30.0F});
      cuba.v_leak = floats({1}, {leak});
      cuba.v_threshold = floats({1}, {1.0F});
      NetworkBuilder builder;
      builder.add("in", input({1}));
      builder.add("w", affine(3, 1, {1.0F, 0.3F, 0.7F}, {bias, 0.0F, bias}));
      builder.add("neurons", cuba);
      builder.add("out", output({3}));
      builder.connect("in", "w");
      builder.connect("w", "neurons");
      builder.connect("neurons", "out");
      const auto network = std::move(builder).build();
      ASSERT_TRUE(network.ok()) << error_of(network);
      const Program program = lowered(*network, request);
      EXPECT_EQ(lazy_difference(program, events, kSteps, Arithmetic::kFloat32), "")
          << "leak " << leak << ", bias " << bias;
    }
  }
}

/// The property above would hold for a backend that never sleeps: here it has to.
TEST(LazyUpdates, NeuronsSleepThroughSilence) {
  NetworkBuilder builder;
  builder.add("in", input({200}));
  node::Lif lif;
  lif.tau = floats({1}, {20.0F});
  lif.r = floats({1}, {20.0F});
  lif.v_leak = floats({1}, {0.0F});
  lif.v_threshold = floats({1}, {1.5F});
  builder.add("neurons", lif);
  builder.add("out", output({200}));
  builder.connect("in", "neurons");
  builder.connect("neurons", "out");
  const auto network = std::move(builder).build();
  ASSERT_TRUE(network.ok()) << error_of(network);
  const Program program = lowered(*network, {"nir", {{"dt", "1"}}, {}});
  const std::vector<InputEvent> events = {{10, 0, 3, 1.0}, {11, 0, 3, 1.0}, {500, 0, 150, 1.0}};
  EXPECT_LE(executed_updates(program, events, 1000, Arithmetic::kFloat32), 3U * 64U);
  EXPECT_EQ(lazy_difference(program, events, 1000, Arithmetic::kFloat32), "");
}

/// Within a step a neuron spikes a million times at most, and may stay above its threshold: it goes
/// on in the next step, whatever comes then.
TEST(LazyUpdates, WhatAStepHadNoTimeToSpikeWakesTheNeuron) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("w", linear(1, 1, {3e6F}));
  builder.add("neuron", node::If{floats({1}, {1.0F}), floats({1}, {1.0F}), {}});
  builder.add("out", output({1}));
  builder.connect("in", "w");
  builder.connect("w", "neuron");
  builder.connect("neuron", "out");
  const auto network = std::move(builder).build();
  ASSERT_TRUE(network.ok()) << error_of(network);
  const Program program =
      lowered(*network,
              {"nir", {{"dt", "1"}, {"integrator", "exponential"}, {"spike-time", "substep"}}, {}});
  EXPECT_EQ(lazy_difference(program, {{0, 0, 0, 1.0}}, 4, Arithmetic::kFloat32), "");
}

/// A leak target above threshold makes the first neuron spike by itself and wake the second.
TEST(LazyUpdates, TwoLifNeurons) {
  constexpr const char* kFile = "acceptance/nir/01_lif/two_lif_neurons.nir";
  REQUIRE_SHARED(kFile);
  const auto model = read_nir(shared_path(kFile).string());
  ASSERT_TRUE(model.ok()) << error_of(model);
  for (const char* dt : {"1e-3", "1e-4"}) {
    for (const char* integrator : {"euler", "exponential"}) {
      for (const char* spike_value : {"unit", "per-dt"}) {
        const Program program = lowered(
            model->network,
            {"nir", {{"dt", dt}, {"integrator", integrator}, {"spike-value", spike_value}}, {}});
        RecordedRun run(program, {"cpu", Arithmetic::kFloat32, Watch::kOutputs});
        const auto steps = static_cast<std::int64_t>(std::lround(1.0 / std::stod(dt)));
        run.advance(steps);
        EXPECT_GT(run.stats().total(&NodeStats::events_out), 50U);
        EXPECT_EQ(lazy_difference(program, {}, steps, Arithmetic::kFloat32), "")
            << dt << ' ' << integrator << ' ' << spike_value;
      }
    }
  }
}

}  // namespace
}  // namespace spikeloom::test
