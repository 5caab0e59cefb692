/// Networks on an emulated machine: language layers and rounds of a tick, cycles, time and levels
/// by hand, and runs with losses, which cpu repeats without exactly what was lost.

#include <algorithm>
#include <set>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "models/language/quantize_language.hpp"
#include "snn/lowering.hpp"
#include "tests/support/emulated_plan.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"
#include "tests/support/word_networks.hpp"

namespace spikeloom::test {
namespace {

mapping::Plan plan_of(const Program& program, const mapping::Target& target,
                      std::uint32_t neurons_per_core = 0) {
  const auto graph = mapping::population_graph(program);
  EXPECT_TRUE(graph.ok()) << error_of(graph);
  mapping::MapOptions options;
  options.resources.neurons_per_core = neurons_per_core;
  const auto plan = mapping::map(*graph, target, options);
  EXPECT_TRUE(plan.ok()) << error_of(plan);
  return plan.ok() ? *plan : mapping::Plan{};
}

Program lowered(const Network& network, int link_delay) {
  Discretisation d;
  d.dt = 1.0;
  d.link_delay = link_delay;
  d.fixed_point = FixedPoint::kLoihi;
  auto program = lower(network, d);
  EXPECT_TRUE(program.ok()) << error_of(program);
  return program.ok() ? *std::move(program) : Program{};
}

// --- language ------------------------------------------------------------------------------------

TEST(EmulatedLanguage, TheStackSendsWhatCpuSends) {
  const auto network =
      word_network({random_egru(70, kVector, 1, 0.9), random_egru(kVector, 70, 10, 0.5)});
  ASSERT_TRUE(network.ok()) << error_of(network);
  const auto whole = quantize_language(*network, RowRounding::kInt8);
  ASSERT_TRUE(whole.ok()) << error_of(whole);
  const RandomStream random{3, 4};
  for (const int link_delay : {0, 1}) {
    const Program program = lowered(*whole, link_delay);
    InputByStep input(40);
    for (std::size_t step = 0; step < input.size(); ++step) {
      const auto word = static_cast<std::uint32_t>(random.uniform(step) * double{kWords});
      input[step].push_back({program.inputs[0], word, 1});
    }
    for (const auto& [name, per_core] : {std::pair<const char*, std::uint32_t>{"spinnaker2", 0},
                                         {"spinnaker2:board", 7},
                                         {"spinnaker1:board", 11}}) {
      SCOPED_TRACE(std::string(name) + ", link delay " + std::to_string(link_delay));
      const auto target = mapping::load_target(name);
      ASSERT_TRUE(target.ok());
      const auto emulated = run_plan(program, plan_of(program, *target, per_core), input);
      ASSERT_TRUE(emulated.ok()) << error_of(emulated);
      // The decoder and what leaves it are outside of the machine.
      std::vector<std::uint32_t> nodes = emulated->nodes;
      std::erase_if(nodes, [&](std::uint32_t node) { return node == program.outputs[0]; });
      EXPECT_GE(nodes.size(), 2U);
      const auto expected = sent_on_cpu(program, input, nodes);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      EXPECT_GT(expected->size(), 60U) << "a silent network shows nothing";
      EXPECT_EQ(difference(*expected, emulated->sent, program), "");
    }
  }
}

// --- by hand -------------------------------------------------------------------------------------

/// Cores of 1 kHz or 2 kHz; a tick of 100 or 200 cycles at the slow level.
mapping::Target slow_machine(double tick_seconds) {
  const auto target = mapping::parse_target(
      "name = 'hand'\ntitle = 'by hand'\ntopology = 'flat'\nsynapses = 'packed'\nsize = 'chip'\n"
      "[sizes.chip]\nwidth = 1\nheight = 1\n[core.count]\nvalue = 9\nsource = 'here'\n",
      "hand.toml");
  EXPECT_TRUE(target.ok()) << error_of(target);
  mapping::Target made = *target;
  made.constants.clock = 1000.0;
  made.constants.fast_clock = 2000.0;
  made.constants.tick_seconds = tick_seconds;
  made.constants.cycles_tick = 10.0;
  made.constants.cycles_neuron = 5.0;
  made.constants.cycles_packet = 7.0;
  made.constants.cycles_synapse = 2.0;
  return made;
}

/// Two inputs, three relays that fire for any input, two more behind them.
Network two_layers() {
  return chain({2},
               {linear(3, 2, {1, 1, 1, 1, 1, 1}), relay(0.0F, 3), linear(2, 3, {1, 1, 1, 1, 1, 1}),
                relay(0.0F, 2)},
               {2});
}

struct ByHand {
  emulator::PlanOptions options;
  int link_delay = 1;
  double tick_seconds = 0.1;
  double seconds = 0.0, busy_seconds = 0.0, fast_cycles = 0.0;
  std::uint64_t overruns = 0;
};

void expect_by_hand(const std::vector<ByHand>& cases) {
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    const ByHand& c = cases[i];
    const Program program = lowered(two_layers(), c.link_delay);
    const mapping::Plan plan = plan_of(program, slow_machine(c.tick_seconds));
    ASSERT_EQ(plan.cores.size(), 3U);
    const InputByStep input = {{{program.inputs[0], 0, 1}, {program.inputs[0], 1, 1}}};
    const auto run = run_plan(program, plan, input, c.options);
    ASSERT_TRUE(run.ok()) << error_of(run);
    EXPECT_EQ(run->total.packets, 5U);
    EXPECT_EQ(run->total.synaptic_events, 12U);
    EXPECT_DOUBLE_EQ(run->total.seconds, c.seconds);
    EXPECT_DOUBLE_EQ(run->total.busy_seconds, c.busy_seconds);
    EXPECT_EQ(run->total.overruns, c.overruns);
    EXPECT_DOUBLE_EQ(run->total.fast.total(), c.fast_cycles);
    emulator::SpentCycles all = run->total.slow;
    all.add(run->total.fast);
    EXPECT_DOUBLE_EQ(all.tick, 30.0);
    EXPECT_DOUBLE_EQ(all.neurons, 25.0);
    EXPECT_DOUBLE_EQ(all.packets, 35.0);
    EXPECT_DOUBLE_EQ(all.synapses, 24.0);
  }
}

// --- ring16 --------------------------------------------------------------------------------------

TEST(EmulatedRing16, SlotsStopAndAreNamed) {
  // A sum of 30,000 and -30,000: three spikes of the first would make 90,000, the slot stops at
  // 65,535; then 65,535 - 30,000; then -90,000 and -30,000 stop in the other slot at -65,535.
  const Program program =
      lowered(chain({2}, {linear(1, 2, {30000, -30000}), relay(40000.0F, 1)}, {1}), 1);
  const auto target = mapping::load_target("spinnaker1");
  ASSERT_TRUE(target.ok());
  const std::uint32_t in = program.inputs[0];
  const InputByStep input = {{{in, 0, 3}}, {{in, 0, 3}, {in, 1, 1}}, {{in, 0, -3}, {in, 1, 1}}, {}};
  const auto run =
      run_plan(program, plan_of(program, *target), input, {.arithmetic = Arithmetic::kRing16});
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_EQ(run->total.saturated, 3U);
  ASSERT_EQ(run->saturations.size(), 3U);
  const auto relays = *program.find("layer1");
  for (const emulator::Saturation& one : run->saturations) EXPECT_EQ(one.node, relays);
  EXPECT_TRUE(run->saturations[1].excitatory);
  EXPECT_FALSE(run->saturations[2].excitatory);
  const auto expected = sent_on_cpu(program, input, run->nodes, Arithmetic::kRing16);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  EXPECT_EQ(difference(*expected, run->sent, program), "");
  // It fires for 65,535 alone.
  EXPECT_EQ(run->total.events, 5U + 1U);
}

TEST(EmulatedMachine, CyclesAndTimeAreThoseOfTheHand) {
  // In the first tick both inputs send. The first layer's core: tick 10, 3 updates 15, 2 packets
  // 14, 6 events 12: 51 cycles. All three fire; the second layer's core: 10 + 2 x 5 + 3 x 7 + 6 x 2
  // = 53. The core that hands in the inputs: 10.
  using emulator::Performance;
  const std::vector<ByHand> cases = {
      {{}, 1, 0.1, 0.1, 0.053, 0.0, 0},
      {{.free_running = true}, 1, 0.1, 0.053, 0.053, 0.0, 0},
      {{.performance = Performance::kFast}, 1, 0.1, 0.1, 0.0265, 114.0, 0},
      // 52 cycles: the second layer's core alone takes the fast level, the first needs 51 ms.
      {{.performance = Performance::kByLoad}, 1, 0.052, 0.052, 0.051, 53.0, 0},
      {{}, 1, 0.052, 0.053, 0.053, 0.0, 1},
      // Without a delay the second layer steps in the same tick: 51 in the first round, then
      // packets, events and updates of the second layer: 21 + 12 + 10.
      {{.free_running = true}, 0, 0.1, 0.051 + 0.043, 0.051 + 0.043, 0.0, 0},
  };
  expect_by_hand(cases);
}

TEST(EmulatedMachine, WithTimingByEventsCoresWaitForTheirPackets) {
  // Both inputs send at 0 ms, so the first layer's core works on their packets from 10 to 36 ms and
  // steps its neurons until 41, 46 and 51 ms. The second layer's core was done with its own at 20:
  // it takes up the three packets at 41, 52 and 63, and needs 7 + 2 x 2 cycles for each.
  using emulator::Performance;
  using emulator::Timing;
  const std::vector<ByHand> cases = {
      {{.timing = Timing::kEvents}, 1, 0.1, 0.1, 0.074, 0.0, 0},
      {{.free_running = true, .timing = Timing::kEvents}, 1, 0.1, 0.074, 0.074, 0.0, 0},
      {{.performance = Performance::kFast, .timing = Timing::kEvents},
       1,
       0.1,
       0.1,
       0.037,
       114.0,
       0},
      {{.timing = Timing::kEvents}, 1, 0.07, 0.074, 0.074, 0.0, 1},
      // 52 cycles: the second layer's core knows of 53 when the first has stepped, and is fast from
      // its own neurons on: 10 ms, 5 for them, then 5.5 for each packet from 41 ms on.
      {{.performance = Performance::kByLoad, .timing = Timing::kEvents},
       1,
       0.052,
       0.0575,
       0.0575,
       43.0,
       1},
      // Without a delay the second layer waits for the first, so that nothing is there too late.
      {{.free_running = true, .timing = Timing::kEvents}, 0, 0.1, 0.094, 0.094, 0.0, 0},
  };
  expect_by_hand(cases);
}

// --- wrong images --------------------------------------------------------------------------------

TEST(EmulatedPlan, ImagesThatNoMachineCanHoldAreRefused) {
  const Program program = lowered(two_layers(), 1);
  const auto target = mapping::load_target("spinnaker2");
  ASSERT_TRUE(target.ok());
  const mapping::Plan good = plan_of(program, *target, 2);
  ASSERT_TRUE(run_plan(program, good, InputByStep(1)).ok());
  ASSERT_GE(good.slices.size(), 4U);
  const std::vector<std::pair<std::string, void (*)(mapping::Plan&)>> faults = {
      {"covers less", [](mapping::Plan& p) { p.slices.back().count -= 1; }},
      {"no core", [](mapping::Plan& p) { p.slices[1].core = 1000; }},
      {"off the machine", [](mapping::Plan& p) { p.cores[0].chip = 77; }},
      {"one core twice", [](mapping::Plan& p) { p.cores[1].core = p.cores[0].core; }},
      {"one key twice", [](mapping::Plan& p) { p.slices[2].key = p.slices[1].key; }},
      {"mask", [](mapping::Plan& p) { p.slices[1].mask = ~std::uint32_t{0}; }},
      {"order",
       [](mapping::Plan& p) {
         p.populations[1].order = {0, 1, 1};
       }},
      {"order beyond",
       [](mapping::Plan& p) {
         p.populations[1].order = {0, 1, 9};
       }},
      {"beyond the memory", [](mapping::Plan& p) { p.blocks[0].address = 98303; }},
      {"block of nothing", [](mapping::Plan& p) { p.blocks[0].slice = 1000; }},
  };
  for (const auto& [name, spoil] : faults) {
    mapping::Plan plan = good;
    spoil(plan);
    const auto run = run_plan(program, plan, InputByStep(1));
    ASSERT_FALSE(run.ok()) << name;
    EXPECT_EQ(run.error().code, ErrorCode::kShape) << name;
  }
}

// --- losses --------------------------------------------------------------------------------------

constexpr std::int64_t kSteps = 50;

std::vector<float> whole_weights(std::int64_t count, std::uint64_t stream) {
  const RandomStream random{5, stream};
  std::vector<float> weights;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(count); ++i) {
    weights.push_back(static_cast<float>(static_cast<int>(7.0 * random.uniform(i)) - 3));
  }
  return weights;
}

/// in -> before -> senders -> between -> receivers -> out; packets of the senders are lost.
struct LossCase {
  std::string name;
  Shape in, sent, out;
  std::vector<NodeKind> before, between;
  NodeKind senders, receivers;
  double packets = 0.0;  ///< that a core has time for, so that some are late and none for ever

  std::string senders_name() const { return "layer" + std::to_string(before.size()); }
  Network whole() const {
    std::vector<NodeKind> layers = before;
    layers.push_back(senders);
    layers.insert(layers.end(), between.begin(), between.end());
    layers.push_back(receivers);
    return chain(in, layers, out);
  }
  /// The senders an Input.
  Network behind_the_senders() const {
    std::vector<NodeKind> layers = between;
    layers.push_back(receivers);
    return chain(sent, layers, out);
  }
};

std::vector<LossCase> loss_cases() {
  const auto pair = [](std::int64_t value) { return integers({value, value}); };
  node::Conv2d convolution;
  convolution.weight = floats({3, 2, 3, 3}, whole_weights(54, 3));
  convolution.padding = Padding{std::string("same")};
  const node::SumPool2d pool{pair(2), pair(2), pair(0)};
  std::vector<float> delays;
  for (int i = 0; i < 24; ++i) delays.push_back(static_cast<float>(i % 4));
  node::Lif leaky;
  leaky.tau = floats({1}, {4.0F});
  leaky.r = floats({1}, {4.0F});
  leaky.v_leak = floats({1}, {0.0F});
  leaky.v_threshold = floats({1}, {5.0F});
  leaky.v_reset = floats({1}, {0.0F});
  return {{"dense",
           {12},
           {40},
           {30},
           {linear(40, 12, whole_weights(480, 1))},
           {linear(30, 40, whole_weights(1200, 2))},
           relay(2.0F, 40),
           relay(4.0F, 30),
           12.0},
          {"convolution",
           {2, 4, 6},
           {2, 4, 6},
           {3, 2, 3},
           {},
           {convolution, pool},
           relay(0.0F, 1),
           relay(4.0F, 1),
           16.0},
          {"delays",
           {24},
           {24},
           {20},
           {},
           {node::Delay{floats({24}, delays)},
            affine(20, 24, whole_weights(480, 4), whole_weights(20, 5))},
           relay(0.0F, 1),
           leaky,
           10.0}};
}

struct Lossy {
  LossCase network;
  Program program;
  mapping::Plan plan;
  InputByStep input;
  std::uint32_t senders = 0, receivers = 0;  ///< nodes
};

Lossy lossy_network(const LossCase& network) {
  Lossy made;
  made.network = network;
  made.program = lowered(network.whole(), 1);
  const auto target = mapping::load_target("spinnaker1:board");
  EXPECT_TRUE(target.ok());
  made.plan = plan_of(made.program, *target, 2);
  made.senders = *made.program.find(network.senders_name());
  made.receivers = made.program.nodes[made.program.outputs[0]].inputs[0].source;
  const RandomStream random{6, 0};
  made.input.resize(kSteps);
  const auto elements =
      static_cast<std::uint32_t>(made.program.nodes[made.program.inputs[0]].out_size);
  // Silence at the end, so that nothing waits when the run ends.
  for (std::size_t step = 0; step < 30; ++step) {
    for (std::uint32_t i = 0; i < elements; ++i) {
      if (random.uniform(step * elements + i) < 0.5) {
        made.input[step].push_back({made.program.inputs[0], i, 1});
      }
    }
  }
  return made;
}

/// What the receivers of one core do on cpu, given what the senders sent less what was lost there.
void expect_core(const Lossy& network, const EmulatedRun& run, std::uint32_t core) {
  const Program alone = lowered(network.network.behind_the_senders(), 1);
  InputByStep input(kSteps);
  for (const auto& [where, events] : run.sent) {
    if (where.first != network.senders) continue;
    for (const auto& [neuron, value] : events) {
      std::int64_t step = where.second;
      for (const emulator::Loss& loss : run.losses) {
        if (loss.node != network.senders || loss.neuron != neuron || loss.core != core ||
            loss.sent != step) {
          continue;
        }
        step = loss.kind == emulator::LossKind::kLate ? loss.tick : kSteps;
        break;
      }
      // The link takes a tick.
      if (step + 1 < kSteps) {
        input[static_cast<std::size_t>(step) + 1].push_back({alone.inputs[0], neuron, 1});
      }
    }
  }
  const std::uint32_t relays = alone.nodes[alone.outputs[0]].inputs[0].source;
  const auto expected = sent_on_cpu(alone, input, {relays});
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  std::set<std::uint32_t> here;
  for (const mapping::PlanSlice& slice : network.plan.slices) {
    const auto& population = network.plan.populations[slice.population];
    if (slice.core != core || population.node != network.receivers) continue;
    for (std::uint32_t i = 0; i < slice.count; ++i) {
      here.insert(population.order.empty() ? slice.first + i : population.order[slice.first + i]);
    }
  }
  const auto of_core = [&](const SentEvents& sent, std::uint32_t node) {
    std::set<std::pair<std::int64_t, std::uint32_t>> spikes;
    for (const auto& [where, events] : sent) {
      if (where.first != node) continue;
      for (const auto& event : events) {
        if (here.contains(event.first)) spikes.emplace(where.second, event.first);
      }
    }
    return spikes;
  };
  EXPECT_EQ(of_core(*expected, relays), of_core(run.sent, network.receivers)) << "core " << core;
}

std::set<std::uint32_t> receiving_cores(const Lossy& network) {
  std::set<std::uint32_t> cores;
  for (const mapping::PlanSlice& slice : network.plan.slices) {
    if (network.plan.populations[slice.population].node == network.receivers) {
      cores.insert(slice.core);
    }
  }
  return cores;
}

class EmulatedLosses : public testing::TestWithParam<LossCase> {};

TEST_P(EmulatedLosses, CpuWithoutTheDroppedPacketsGivesTheSameSpikes) {
  Lossy network = lossy_network(GetParam());
  const std::set<std::uint32_t> cores = receiving_cores(network);
  ASSERT_GE(cores.size(), 9U);
  // Packets of half of the senders' slices find no entry where the last receivers live.
  const std::uint32_t chip = network.plan.cores[*cores.rbegin()].chip;
  const auto senders =
      std::find_if(network.plan.populations.begin(), network.plan.populations.end(),
                   [&](const auto& population) { return population.node == network.senders; });
  for (std::uint32_t s = 0; s < senders->slices / 2; ++s) {
    const std::uint32_t key = network.plan.slices[senders->first_slice + s].key;
    for (mapping::PlanTable& table : network.plan.tables) {
      if (table.chip != chip) continue;
      std::erase_if(table.entries, [&](const auto& entry) { return entry.matches(key); });
    }
  }
  const auto run = run_plan(network.program, network.plan, network.input);
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_GT(run->total.dropped, 50U);
  ASSERT_EQ(run->losses.size(), run->total.dropped);
  EXPECT_EQ(run->total.late, 0U);
  const auto undisturbed = sent_on_cpu(network.program, network.input, {network.receivers});
  ASSERT_TRUE(undisturbed.ok());
  EXPECT_NE(difference(*undisturbed, run->sent, network.program), "") << "nothing was missed";
  for (const std::uint32_t core : cores) expect_core(network, *run, core);
}

TEST_P(EmulatedLosses, CpuWithLatePacketsLateGivesTheSameSpikes) {
  Lossy network = lossy_network(GetParam());
  // Time for the updates and a few packets: the rest of a tick's packets wait.
  mapping::TargetConstants& c = network.plan.target.constants;
  c.cycles_packet = 10.0;
  c.cycles_synapse = 1.0;
  c.clock = (2.0 * c.cycles_neuron + 10.0 * network.network.packets) / c.tick_seconds;
  const auto run = run_plan(network.program, network.plan, network.input, {.real_time = true});
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_GT(run->total.late, 50U);
  ASSERT_EQ(run->losses.size(), run->total.late + run->total.dropped);
  for (const std::uint32_t core : receiving_cores(network)) expect_core(network, *run, core);
}

/// Links so slow, and routers so impatient, that packets are dropped on their way.
Lossy crowded_network() {
  Lossy network = lossy_network(loss_cases().front());
  mapping::TargetConstants& c = network.plan.target.constants;
  c.link_seconds = 4e-5;
  c.link_output = 1.0;
  c.link_input = 1.0;
  c.router_timeout = 2e-5;
  c.reinject_packets = 0.0;
  return network;
}

TEST(EmulatedCrowds, CpuWithoutThePacketsThatRoutersDroppedGivesTheSameSpikes) {
  const Lossy network = crowded_network();
  const auto run =
      run_plan(network.program, network.plan, network.input, {.timing = emulator::Timing::kEvents});
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_GT(run->total.dropped, 50U);
  EXPECT_GT(run->total.timed_out, 50U);
  EXPECT_EQ(run->total.reinjected, 0U);
  ASSERT_EQ(run->losses.size(), run->total.dropped);
  for (const emulator::Loss& loss : run->losses) {
    EXPECT_EQ(loss.kind, emulator::LossKind::kTimedOut);
  }
  const auto undisturbed = sent_on_cpu(network.program, network.input, {network.receivers});
  ASSERT_TRUE(undisturbed.ok());
  EXPECT_NE(difference(*undisturbed, run->sent, network.program), "") << "nothing was missed";
  for (const std::uint32_t core : receiving_cores(network)) expect_core(network, *run, core);
}

TEST(EmulatedCrowds, WhatIsSentAgainIsNotLost) {
  Lossy network = crowded_network();
  network.plan.target.constants.link_seconds = 3e-4;
  network.plan.target.constants.reinject_packets = 4096.0;
  network.plan.target.constants.reinject_seconds = 1e-5;
  const auto run =
      run_plan(network.program, network.plan, network.input, {.timing = emulator::Timing::kEvents});
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_GT(run->total.timed_out, 50U);
  EXPECT_EQ(run->total.timed_out, run->total.reinjected);
  EXPECT_EQ(run->total.dropped, 0U);
  EXPECT_GT(run->total.overruns, 0U) << "the links were not in the way";
  const auto expected = sent_on_cpu(network.program, network.input, run->nodes);
  ASSERT_TRUE(expected.ok());
  EXPECT_EQ(difference(*expected, run->sent, network.program), "");
}

TEST(EmulatedCrowds, PacketsThatAreOnTheirWayWhenTheTickEndsAreLate) {
  Lossy network = crowded_network();
  network.plan.target.constants.link_seconds = 1.5e-4;
  network.plan.target.constants.router_timeout = 0.0;
  network.plan.target.constants.link_output = 0.0;
  network.plan.target.constants.link_input = 0.0;
  const auto run = run_plan(network.program, network.plan, network.input,
                            {.real_time = true, .timing = emulator::Timing::kEvents});
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_GT(run->total.late, 50U);
  ASSERT_EQ(run->losses.size(), run->total.late + run->total.dropped);
  for (const std::uint32_t core : receiving_cores(network)) expect_core(network, *run, core);
}

INSTANTIATE_TEST_SUITE_P(Networks, EmulatedLosses, testing::ValuesIn(loss_cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace spikeloom::test
