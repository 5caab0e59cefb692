/// Networks that spikeloom maps, run by their Plans: the same spikes as cpu, bit for bit.

#include <algorithm>

#include <gtest/gtest.h>

#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "snn/lowering.hpp"
#include "tests/support/acceptance_networks.hpp"
#include "tests/support/emulated_plan.hpp"

namespace spikeloom::test {
namespace {

Result<mapping::Plan> plan_of(const Program& program, const std::string& target,
                              std::uint32_t neurons_per_core = 0) {
  SPIKELOOM_TRY(const auto graph, mapping::population_graph(program));
  SPIKELOOM_TRY(const auto machine, mapping::load_target(target));
  mapping::MapOptions options;
  options.resources.neurons_per_core = neurons_per_core;
  return mapping::map(graph, machine, options);
}

InputByStep input_of(const Program& program, const CodedInput& coded) {
  InputByStep input(static_cast<std::size_t>(coded.steps));
  for (std::size_t step = 0; step < input.size(); ++step) {
    for (std::size_t i = coded.step_start[step]; i < coded.step_start[step + 1]; ++i) {
      input[step].push_back({program.inputs[0], coded.index[i], coded.value[i]});
    }
  }
  return input;
}

/// The integer form of cnn_sinabs, every link between populations a step long.
Program sinabs() {
  const Quantised made =
      quantised(read_network(kNirCnn + "cnn_sinabs.nir"), "nir", {{"dt", "1e-3"}}, {.bits = 8});
  Discretisation discretisation = made.integer.discretisation;
  discretisation.link_delay = 1;
  auto program = lower(made.integer.network, discretisation);
  EXPECT_TRUE(program.ok()) << error_of(program);
  return program.ok() ? *std::move(program) : Program{};
}

struct Partition {
  std::string target;
  std::uint32_t neurons_per_core = 0;
  Arithmetic arithmetic = Arithmetic::kInteger;
};

class EmulatedCnn : public testing::TestWithParam<Partition> {};

TEST_P(EmulatedCnn, SendsWhatCpuSends) {
  REQUIRE_SHARED(kNirCnn + "cnn_sinabs.nir");
  const Program program = sinabs();
  const auto plan = plan_of(program, GetParam().target, GetParam().neurons_per_core);
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  const InputByStep input = input_of(program, first_steps(nmnist_recording(60001), 100));
  emulator::PlanOptions options;
  options.arithmetic = GetParam().arithmetic;
  const auto emulated = run_plan(program, *plan, input, options);
  ASSERT_TRUE(emulated.ok()) << error_of(emulated);
  const auto expected = sent_on_cpu(program, input, emulated->nodes, options.arithmetic);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  EXPECT_GE(emulated->nodes.size(), 5U);
  EXPECT_GT(expected->size(), 300U) << "a silent network shows nothing";
  EXPECT_EQ(difference(*expected, emulated->sent, program), "");
  EXPECT_EQ(emulated->total.dropped, 0U);
  EXPECT_EQ(emulated->total.late, 0U);
  EXPECT_EQ(emulated->total.saturated, 0U);
  EXPECT_GT(emulated->total.synaptic_events, 100000U);
}

INSTANTIATE_TEST_SUITE_P(Machines, EmulatedCnn,
                         testing::Values(Partition{"spinnaker2"}, Partition{"spinnaker2", 100},
                                         Partition{"spinnaker2:board", 37},
                                         Partition{"spinnaker1:board"},
                                         Partition{"spinnaker1:board", 0, Arithmetic::kRing16}),
                         [](const auto& info) { return "n" + std::to_string(info.index); });

TEST(EmulatedCnnInFloat, SumsDoNotDependOnTheMapping) {
  REQUIRE_SHARED(kNirCnn + "cnn_sinabs.nir");
  DiscretisationRequest request;
  request.preset = "nir";
  request.options = {{"dt", "1e-3"}, {"link-delay", "1"}};
  const Network network = read_network(kNirCnn + "cnn_sinabs.nir");
  const auto resolved = resolve_discretisation(network, request);
  ASSERT_TRUE(resolved.ok()) << error_of(resolved);
  const auto program = lower(network, resolved->discretisation);
  ASSERT_TRUE(program.ok()) << error_of(program);
  const InputByStep input = input_of(*program, first_steps(nmnist_recording(60001), 60));
  SentEvents first;
  for (const Partition& where : {Partition{"spinnaker2:board"}, Partition{"spinnaker2:board", 37},
                                 Partition{"spinnaker1:board", 100}}) {
    const auto plan = plan_of(*program, where.target, where.neurons_per_core);
    ASSERT_TRUE(plan.ok()) << error_of(plan);
    const auto run = run_plan(*program, *plan, input, {.arithmetic = Arithmetic::kFloat32});
    ASSERT_TRUE(run.ok()) << error_of(run);
    if (first.empty()) {
      first = run->sent;
      const auto expected = sent_on_cpu(*program, input, run->nodes, Arithmetic::kFloat32);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      EXPECT_GT(expected->size(), 150U) << "a silent network shows nothing";
      EXPECT_EQ(difference(*expected, first, *program), "");
    }
    EXPECT_EQ(difference(first, run->sent, *program), "");
  }
}

TEST(EmulatedPlan, PacketsThatMeetOnLinksChangeTimeAndNothingElse) {
  REQUIRE_SHARED(kNirCnn + "cnn_sinabs.nir");
  const Program program = sinabs();
  const auto plan = plan_of(program, "spinnaker1:board");
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  const InputByStep input = input_of(program, first_steps(nmnist_recording(60001), 40));
  const auto summed = run_plan(program, *plan, input, {.free_running = true});
  const auto timed =
      run_plan(program, *plan, input, {.free_running = true, .timing = emulator::Timing::kEvents});
  ASSERT_TRUE(summed.ok() && timed.ok());
  EXPECT_EQ(difference(summed->sent, timed->sent, program), "");
  EXPECT_EQ(timed->total.dropped, 0U);
  EXPECT_EQ(timed->total.hops, summed->total.hops);
  EXPECT_EQ(timed->total.deliveries, summed->total.deliveries);
  EXPECT_EQ(timed->total.slow.total(), summed->total.slow.total());
  EXPECT_GT(timed->total.busy_seconds, summed->total.busy_seconds);
}

TEST(EmulatedPlan, ATableWithoutAnEntryDropsItsPacketsAndSaysSo) {
  REQUIRE_SHARED(kNirCnn + "cnn_sinabs.nir");
  const Program program = sinabs();
  auto plan = plan_of(program, "spinnaker2");
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  // The first layer's packets find nothing at their source any more.
  const auto victim = std::find_if(plan->populations.begin(), plan->populations.end(),
                                   [](const auto& population) { return population.name == "1"; });
  ASSERT_NE(victim, plan->populations.end());
  const mapping::PlanPopulation population = *victim;
  for (std::uint32_t s = 0; s < population.slices; ++s) {
    const std::uint32_t key = plan->slices[population.first_slice + s].key;
    for (mapping::PlanTable& table : plan->tables) {
      std::erase_if(table.entries, [&](const auto& entry) { return entry.matches(key); });
    }
  }
  const InputByStep input = input_of(program, first_steps(nmnist_recording(60001), 30));
  const auto emulated = run_plan(program, *plan, input);
  ASSERT_TRUE(emulated.ok()) << error_of(emulated);
  EXPECT_GT(emulated->total.dropped, 0U);
  ASSERT_FALSE(emulated->losses.empty());
  EXPECT_EQ(emulated->losses[0].kind, emulator::LossKind::kDropped);
  EXPECT_EQ(emulated->losses[0].node, static_cast<std::uint32_t>(population.node));
  EXPECT_LE(emulated->losses.size(), emulated->total.dropped);
  const auto expected = sent_on_cpu(program, input, emulated->nodes);
  ASSERT_TRUE(expected.ok());
  EXPECT_NE(difference(*expected, emulated->sent, program), "");
}

TEST(EmulatedPlan, OverrunsAreCountedAndInRealTimePacketsComeLate) {
  REQUIRE_SHARED(kNirCnn + "cnn_sinabs.nir");
  const Program program = sinabs();
  auto plan = plan_of(program, "spinnaker2");
  ASSERT_TRUE(plan.ok()) << error_of(plan);
  const InputByStep input = input_of(program, first_steps(nmnist_recording(60001), 60));
  const auto patient = run_plan(program, *plan, input);
  ASSERT_TRUE(patient.ok());
  // A clock at which the busiest core's tick just does not fit.
  plan->target.constants.clock =
      0.999 * patient->total.most_cycles / plan->target.constants.tick_seconds;
  const auto waits = run_plan(program, *plan, input);
  ASSERT_TRUE(waits.ok());
  EXPECT_EQ(waits->total.overruns, 1U);
  EXPECT_EQ(difference(patient->sent, waits->sent, program), "");
  const auto hurries = run_plan(program, *plan, input, {.real_time = true});
  ASSERT_TRUE(hurries.ok());
  EXPECT_GE(hurries->total.overruns, 1U);
  EXPECT_GE(hurries->total.late, 1U);
  ASSERT_FALSE(hurries->losses.empty());
  EXPECT_EQ(hurries->losses[0].kind, emulator::LossKind::kLate);
  // With time to spare nothing is late, and nothing differs.
  plan->target.constants.clock *= 2.0;
  const auto calm = run_plan(program, *plan, input, {.real_time = true});
  ASSERT_TRUE(calm.ok());
  EXPECT_EQ(calm->total.late, 0U);
  EXPECT_EQ(calm->total.overruns, 0U);
  EXPECT_EQ(difference(patient->sent, calm->sent, program), "");
}

TEST(EmulatedPlan, APlanOfAnotherNetworkIsRefused) {
  REQUIRE_SHARED(kNirCnn + "cnn_sinabs.nir");
  const Program program = sinabs();
  auto plan = plan_of(program, "spinnaker2");
  ASSERT_TRUE(plan.ok());
  plan->populations[1].name = "elsewhere";
  const auto run = run_plan(program, *plan, InputByStep(1));
  ASSERT_FALSE(run.ok());
  EXPECT_EQ(run.error().code, ErrorCode::kShape);
}

}  // namespace
}  // namespace spikeloom::test
