/// Simulated networks on cuda (on the processor everywhere, and on a device where one is) beside
/// the engine: the same spikes, states and counts.

#include <map>

#include <gtest/gtest.h>

#include "backends/cuda/machine.hpp"
#include "backends/simulation/cuda_simulator.hpp"
#include "backends/simulation/engine.hpp"
#include "models/simulation/microcircuit.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::simulation {
namespace {

using Spikes = std::vector<std::pair<std::int64_t, std::uint32_t>>;

/// Populations of different parameters, delays and rules, a current that comes and goes.
Network driven() {
  Network n;
  n.seed = 3;
  n.populations = {{"E",
                    300,
                    "iaf_psc_exp",
                    {{"V_m", Normal{-60.0, 5.0}},
                     {"I_e", Constant{420.0}},
                     {"tau_syn_ex", Constant{0.5}},
                     {"tau_syn_in", Constant{0.5}}}},
                   {"I",
                    75,
                    "iaf_psc_exp",
                    {{"V_m", Uniform{-65.0, -52.0}},
                     {"I_e", Constant{400.0}},
                     {"t_ref", Constant{0.0}},
                     {"tau_syn_ex", Constant{0.3}},
                     {"tau_syn_in", Constant{0.3}}}}};
  n.projections = {
      {"", 0, 0, FixedTotalNumber{9000}, Normal{40.0, 4.0}, Normal{1.5, 0.7, 0.05}},
      {"", 0, 1, FixedInDegree{60}, Normal{40.0, 4.0}, Constant{0.8}},
      {"", 1, 0, PairwiseBernoulli{0.2}, Normal{-160.0, 16.0, -400.0, 0.0}, Uniform{0.1, 2.0}},
      {"", 1, 1, FixedOutDegree{10}, Constant{-160.0}, Constant{0.1}}};
  n.stimuli = {CurrentStimulus{0, 90.0, 20.0, 47.0}, CurrentStimulus{1, -40.0, 33.3}};
  return n;
}

Spikes run(Simulator& simulator, std::int64_t steps) {
  Spikes spikes;
  const auto sink = [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
    for (const std::uint32_t n : neurons) spikes.emplace_back(step, n);
    return true;
  };
  const Status done = simulator.advance(steps, sink);
  EXPECT_TRUE(done.ok()) << done.error().message();
  return spikes;
}

void expect_same(const Network& network, std::int64_t steps, std::size_t least) {
  const auto engine = Engine::make(network, {.threads = 1});
  ASSERT_TRUE(engine.ok()) << test::error_of(engine);
  std::vector<std::shared_ptr<cuda::Machine>> machines = {cuda::make_host_machine()};
  if (auto device = cuda::make_device_machine(); device.ok()) machines.push_back(*device);
  std::vector<std::unique_ptr<CudaSimulator>> others;
  for (const auto& machine : machines) {
    auto made = CudaSimulator::make(network, machine);
    ASSERT_TRUE(made.ok()) << test::error_of(made);
    EXPECT_EQ((*made)->synapses(), (*engine)->synapses());
    others.push_back(*std::move(made));
  }
  std::size_t seen = 0;
  // Parts of a recorded sequence, and several of them.
  for (const std::int64_t part : {std::int64_t{1}, std::int64_t{300}, steps}) {
    const Spikes expected = run(**engine, part);
    seen += expected.size();
    for (const auto& other : others) {
      EXPECT_TRUE(run(*other, part) == expected) << "step " << other->step();
      EXPECT_EQ(other->counts().spikes, (*engine)->counts().spikes);
      EXPECT_EQ(other->counts().synaptic_events, (*engine)->counts().synaptic_events);
      for (const char* const variable : {"V_m", "I_syn_ex", "refractory"}) {
        const auto wanted = (*engine)->state(0, variable), got = other->state(0, variable);
        ASSERT_TRUE(wanted.ok() && got.ok());
        EXPECT_TRUE(*wanted == *got) << variable;
      }
    }
  }
  EXPECT_GT(seen, least);
}

TEST(CudaSimulation, SpikesAreTheEngines) { expect_same(driven(), 700, 500); }

TEST(CudaSimulation, SpikesOfTheMicrocircuitAreTheEngines) {
  const auto network = make_microcircuit({.scale = 0.1});
  ASSERT_TRUE(network.ok()) << test::error_of(network);
  expect_same(*network, 600, 30);
}

/// A V_reset that a float does not tell from V_th is below it all the same: no neuron fires in its
/// refractory time.
TEST(CudaSimulation, AResetNextToTheThresholdKeepsTheRefractoryTime) {
  Network network = driven();
  network.populations[0].parameters["V_th"] = Constant{-50.0};
  network.populations[0].parameters["V_reset"] = Constant{-50.000000001};
  network.populations[0].parameters["t_ref"] = Constant{2.0};
  network.populations[0].parameters["I_e"] = Constant{3000.0};  // fires again and again
  expect_same(network, 200, 500);
  const auto engine = Engine::make(network, {.threads = 1});
  ASSERT_TRUE(engine.ok()) << test::error_of(engine);
  std::map<std::uint32_t, std::int64_t> last;
  for (const auto& [step, neuron] : run(**engine, 300)) {
    if (neuron >= 300) continue;
    const auto before = last.find(neuron);
    if (before != last.end()) {
      EXPECT_GT(step - before->second, 20) << neuron;
    }
    last[neuron] = step;
  }
}

/// In the middle of a recorded sequence.
TEST(CudaSimulation, StopsAfterTheStepThatItsSinkRefused) {
  const auto whole = CudaSimulator::make(driven(), cuda::make_host_machine());
  const auto stopped = CudaSimulator::make(driven(), cuda::make_host_machine());
  ASSERT_TRUE(whole.ok() && stopped.ok());
  const Spikes expected = run(**whole, 700);
  Spikes spikes;
  for (const std::int64_t last : {99, 300}) {
    const Status refused =
        (*stopped)->advance(700, [&](std::int64_t step, std::span<const std::uint32_t> neurons) {
          for (const std::uint32_t n : neurons) spikes.emplace_back(step, n);
          return step < last;
        });
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().code, ErrorCode::kCancelled);
    EXPECT_EQ((*stopped)->step(), last + 1);
  }
  const Spikes rest = run(**stopped, 399);
  spikes.insert(spikes.end(), rest.begin(), rest.end());
  EXPECT_TRUE(spikes == expected);
  EXPECT_EQ((*stopped)->counts().synaptic_events, (*whole)->counts().synaptic_events);
}

TEST(CudaSimulation, RefusesWhatItCannotDo) {
  const auto refused = [](const Network& network) {
    const auto made = CudaSimulator::make(network, cuda::make_host_machine());
    return made.ok() ? ErrorCode::kFormat : made.error().code;
  };
  Network poisson = driven();
  poisson.stimuli.push_back(PoissonStimulus{0, 1000.0, 10.0});
  EXPECT_EQ(refused(poisson), ErrorCode::kUnsupported);
  Network slow = driven();
  slow.populations[0].parameters["tau_syn_in"] = Constant{5.0};
  EXPECT_EQ(refused(slow), ErrorCode::kUnsupported);
  Network wrong = driven();
  wrong.populations[0].size = -1;
  EXPECT_EQ(refused(wrong), ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace spikeloom::simulation
