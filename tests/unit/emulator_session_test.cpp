/// The emulator behind the backend contract: push, advance, read.

#include <algorithm>
#include <cmath>

#include <gtest/gtest.h>

#include "backends/emulator/plan_session.hpp"
#include "mapping/from_program.hpp"
#include "mapping/map.hpp"
#include "snn/lowering.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom {
namespace {

struct Placed {
  Program program;
  mapping::Plan plan;
};

/// Three inputs, four relays that fire above 2, and two behind them.
Placed placed() {
  Discretisation d;
  d.dt = 1.0;
  d.link_delay = 1;
  Placed made;
  auto program = lower(
      test::chain({3},
                  {test::linear(4, 3, {3, 1, 0, 0, 3, 1, 1, 0, 3, 1, 1, 1}), test::relay(2.0F, 4),
                   test::linear(2, 4, {1, 1, 1, 0, 0, 1, 1, 1}), test::relay(1.0F, 2)},
                  {2}),
      d);
  EXPECT_TRUE(program.ok());
  made.program = *std::move(program);
  const auto graph = mapping::population_graph(made.program);
  mapping::MapOptions options;
  options.resources.neurons_per_core = 2;
  auto plan = mapping::map(*graph, *mapping::load_target("spinnaker2"), options);
  EXPECT_TRUE(plan.ok());
  made.plan = *std::move(plan);
  return made;
}

struct Log : Sink {
  std::vector<std::string> lines;
  void events(std::uint32_t node, Variable variable, std::uint32_t element, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    for (std::size_t i = 0; i < index.size(); ++i) {
      lines.push_back(std::to_string(node) + to_string(variable) + std::to_string(element) + "@" +
                      std::to_string(step) + ":" + std::to_string(index[i]) + "=" +
                      std::to_string(value[i]));
    }
  }
  void state(std::uint32_t node, Variable variable, std::uint32_t element, std::int64_t step,
             std::span<const double> value) override {
    for (const double v : value) {
      lines.push_back(std::to_string(node) + to_string(variable) + std::to_string(element) + "@" +
                      std::to_string(step) + "=" + std::to_string(v));
    }
  }
};

RunOptions options_of(const Program& program) {
  RunOptions options;
  options.arithmetic = Arithmetic::kInteger;
  const std::uint32_t relays = *program.find("layer1");
  options.record = {{relays, Variable::kSpikes}, {relays, Variable::kMembrane}};
  return options;
}

void push(Session& session, std::uint32_t element, std::uint32_t step, std::uint32_t index) {
  const Time time = step * session.step_time();
  EXPECT_TRUE(session.push(element, 0, {{&time, 1}, {&index, 1}, {}}).ok());
}

std::vector<std::string> ran(const Executable& executable) {
  auto session = executable.open(2);
  EXPECT_TRUE(session.ok());
  Log log;
  for (std::uint32_t step = 0; step < 12; ++step) {
    for (std::uint32_t element = 0; element < 2; ++element) {
      push(**session, element, step, (step + element) % 3);
    }
    EXPECT_TRUE((*session)->advance((step + 1) * (*session)->step_time()).ok());
    EXPECT_TRUE((*session)->read(log).ok());
  }
  EXPECT_EQ((*session)->steps_done(), 12);
  EXPECT_EQ((*session)->stats().steps, 12U);
  std::sort(log.lines.begin(), log.lines.end());
  return log.lines;
}

TEST(EmulatorSession, RecordsWhatCpuRecords) {
  const Placed of = placed();
  const auto emulated = emulator::compile_planned(of.program, options_of(of.program), of.plan);
  ASSERT_TRUE(emulated.ok()) << emulated.error().message();
  const auto cpu = compile("cpu", of.program, options_of(of.program));
  ASSERT_TRUE(cpu.ok());
  const auto expected = ran(**cpu);
  EXPECT_GT(expected.size(), 100U);
  EXPECT_EQ(ran(**emulated), expected);
}

/// Of the Output too, which no core has: it records what the relays before it send.
TEST(EmulatorSession, CountsTheEventsThatCpuCounts) {
  const Placed of = placed();
  const auto emulated = emulator::compile_planned(of.program, options_of(of.program), of.plan);
  const auto cpu = compile("cpu", of.program, options_of(of.program));
  ASSERT_TRUE(emulated.ok() && cpu.ok());
  const auto counted = [&](const Executable& executable) {
    auto session = executable.open();
    EXPECT_TRUE(session.ok());
    for (std::uint32_t step = 0; step < 6; ++step) {
      push(**session, 0, step, step % 3);
    }
    EXPECT_TRUE((*session)->advance(8 * (*session)->step_time()).ok());
    std::vector<std::uint64_t> events;
    for (const char* const name : {"in", "layer1", "layer3", "out"}) {
      events.push_back((*session)->stats().nodes[*of.program.find(name)].events_out);
    }
    return events;
  };
  const auto expected = counted(**cpu);
  EXPECT_GT(expected.back(), 0U);
  EXPECT_EQ(counted(**emulated), expected);
}

TEST(EmulatorSession, KeepsTheContract) {
  const Placed of = placed();
  const auto executable = emulator::compile_planned(of.program, options_of(of.program), of.plan);
  ASSERT_TRUE(executable.ok());
  EXPECT_FALSE((*executable)->open(0).ok());
  auto session = (*executable)->open();
  ASSERT_TRUE(session.ok());
  const Time late = 0;
  const std::uint32_t first = 0, outside = 3;
  EXPECT_FALSE((*session)->push(0, 0, {{&late, 1}, {&outside, 1}, {}}).ok());
  EXPECT_FALSE((*session)->push(1, 0, {{&late, 1}, {&first, 1}, {}}).ok());
  ASSERT_TRUE((*session)->push(0, 0, {{&late, 1}, {&first, 1}, {}}).ok());
  const Time step = (*session)->step_time();
  ASSERT_TRUE((*session)->advance(step).ok());
  // The relays of weights 3, 0, 1 and 1 for input 0: one fires.
  std::vector<float> out(4);
  ASSERT_TRUE((*session)->latest(0, *of.program.find("layer1"), out).ok());
  EXPECT_EQ(out, (std::vector<float>{1, 0, 0, 0}));
  EXPECT_FALSE((*session)->latest(0, *of.program.find("layer0"), out).ok());
  EXPECT_FALSE((*session)->push(0, 0, {{&late, 1}, {&first, 1}, {}}).ok()) << "late";
  const double beyond = 30000.5;
  EXPECT_FALSE((*session)->push(0, 0, {{&step, 1}, {&first, 1}, {&beyond, 1}}).ok());
  EXPECT_EQ((*session)->save().error().code, ErrorCode::kUnsupported);
  EXPECT_FALSE((*session)->load({}).ok());
  EXPECT_EQ(dynamic_cast<emulator::PlanSession&>(**session).machine().total().packets, 2U);
  ASSERT_TRUE((*session)->reset().ok());
  EXPECT_EQ((*session)->steps_done(), 0);
  EXPECT_TRUE((*session)->push(0, 0, {{&late, 1}, {&first, 1}, {}}).ok());
}

/// One element's event that no packet carries does not leave the other a step ahead.
TEST(EmulatorSession, ElementsStayInStepWhenAnEventIsRefused) {
  const Placed of = placed();
  RunOptions options = options_of(of.program);
  options.arithmetic = Arithmetic::kFloat32;
  const auto executable = emulator::compile_planned(of.program, options, of.plan);
  ASSERT_TRUE(executable.ok());
  auto session = (*executable)->open(2);
  ASSERT_TRUE(session.ok());
  const Time time = 0;
  const std::uint32_t first = 0;
  for (const double beyond : {1e39, -HUGE_VAL, std::nan("")}) {
    const Status pushed = (*session)->push(1, 0, {{&time, 1}, {&first, 1}, {&beyond, 1}});
    const Status advanced = (*session)->advance((*session)->step_time());
    EXPECT_FALSE(pushed.ok() && advanced.ok()) << beyond;
  }
  ASSERT_TRUE((*session)->advance(5 * (*session)->step_time()).ok());
  const auto& machines = dynamic_cast<emulator::PlanSession&>(**session);
  EXPECT_GT(machines.machine(0).total().seconds, 0.0);
  EXPECT_EQ(machines.machine(0).total().seconds, machines.machine(1).total().seconds);
}

TEST(EmulatorSession, RefusesByName) {
  const Placed of = placed();
  RunOptions options = options_of(of.program);
  options.record = {{*of.program.find("layer0"), Variable::kOutput}};
  const auto between = emulator::compile_planned(of.program, options, of.plan);
  ASSERT_FALSE(between.ok());
  EXPECT_NE(between.error().message().find("layer0"), std::string::npos);
  mapping::Plan other = of.plan;
  other.populations[1].name = "another";
  options.record.clear();
  EXPECT_FALSE(emulator::compile_planned(of.program, options, other).ok());
}

}  // namespace
}  // namespace spikeloom
