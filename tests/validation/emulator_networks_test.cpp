/// Whatever Mapping maps, the emulator runs: what it sends beside cpu, in integer and ring16, for
/// networks that were once refused; and rows that are read from images, or refused.

#include <gtest/gtest.h>

#include "mapping/from_program.hpp"
#include "mapping/images.hpp"
#include "mapping/map.hpp"
#include "snn/lowering.hpp"
#include "tests/support/emulated_plan.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"
#include "tests/support/word_networks.hpp"

namespace spikeloom::test {
namespace {

mapping::Plan plan_of(const Program& program, const std::string& target,
                      std::uint32_t neurons_per_core) {
  const auto graph = mapping::population_graph(program);
  EXPECT_TRUE(graph.ok()) << error_of(graph);
  const auto machine = mapping::load_target(target);
  EXPECT_TRUE(machine.ok()) << error_of(machine);
  mapping::MapOptions options;
  options.resources.neurons_per_core = neurons_per_core;
  const auto plan = mapping::map(*graph, *machine, options);
  EXPECT_TRUE(plan.ok()) << error_of(plan);
  return plan.ok() ? *plan : mapping::Plan{};
}

Program lowered(const Network& network, const Discretisation& d) {
  auto program = lower(network, d);
  EXPECT_TRUE(program.ok()) << error_of(program);
  return program.ok() ? *std::move(program) : Program{};
}

Discretisation whole_steps() {
  Discretisation d;
  d.dt = 1.0;
  d.link_delay = 1;
  d.fixed_point = FixedPoint::kLoihi;
  return d;
}

/// Some inputs, differently in each step.
InputByStep some_input(const Program& program, std::size_t steps) {
  InputByStep input(steps);
  const std::uint32_t in = program.inputs[0];
  const auto size = static_cast<std::uint32_t>(program.nodes[in].out_size);
  for (std::uint32_t step = 0; step < steps; ++step) {
    for (std::uint32_t i = 0; i < size; ++i) {
      if ((step * 7 + i * 3) % 5 < 2) input[step].push_back({in, i, 1.0 + (step + i) % 2});
    }
  }
  return input;
}

void expect_cpus(const Program& program) {
  const InputByStep input = some_input(program, 30);
  for (const Arithmetic arithmetic : {Arithmetic::kInteger, Arithmetic::kRing16}) {
    for (const auto& [target, per_core] :
         {std::pair<const char*, std::uint32_t>{"spinnaker2", 3}, {"spinnaker1:board", 2}}) {
      SCOPED_TRACE(std::string(target) + ", " + to_string(arithmetic));
      const auto run =
          run_plan(program, plan_of(program, target, per_core), input, {.arithmetic = arithmetic});
      ASSERT_TRUE(run.ok()) << error_of(run);
      EXPECT_EQ(run->total.dropped + run->total.late + run->total.saturated, 0U);
      EXPECT_TRUE(run->rows_from_images);
      const auto expected = sent_on_cpu(program, input, run->nodes, arithmetic);
      ASSERT_TRUE(expected.ok()) << error_of(expected);
      EXPECT_GT(expected->size(), 10U) << "a silent network shows nothing";
      EXPECT_EQ(difference(*expected, run->sent, program), "");
    }
  }
}

node::Lif leaky(std::int64_t neurons, float threshold) {
  node::Lif made;
  made.tau = Tensor::full({neurons}, 4.0F);
  made.r = Tensor::full({neurons}, 4.0F);
  made.v_leak = Tensor::full({neurons}, 0.0F);
  made.v_threshold = Tensor::full({neurons}, threshold);
  return made;
}

const std::vector<float> kMixed = {3, -1, 2, 1, 4, -2, 2, 2, -3, 5, 1, 1, 2, -1, 3, 4};

// --- what leaves late ----------------------------------------------------------------------------

TEST(EmulatedNetworks, SpikesOfTheMembraneBeforeTheStep) {
  for (const Reset reset : {Reset::kSubtract, Reset::kToVReset}) {
    Discretisation d = whole_steps();
    d.reset = reset;
    d.reset_timing = ResetTiming::kNextStep;
    for (const int link_delay : {0, 1}) {
      d.link_delay = link_delay;
      NetworkBuilder builder;
      builder.add("in", input({4}));
      builder.add("w", linear(4, 4, kMixed));
      builder.add("a", leaky(4, 3.0F));
      builder.add("back", linear(4, 4, kMixed));
      builder.add("v", linear(4, 4, kMixed));
      builder.add("b", leaky(4, 5.0F));
      builder.add("out", output({4}));
      for (const auto& [from, to] :
           std::vector<std::pair<const char*, const char*>>{{"in", "w"},
                                                            {"w", "a"},
                                                            {"a", "back"},
                                                            {"back", "a"},
                                                            {"a", "v"},
                                                            {"v", "b"},
                                                            {"b", "out"}}) {
        builder.connect(from, to);
      }
      const auto network = std::move(builder).build();
      ASSERT_TRUE(network.ok()) << error_of(network);
      expect_cpus(lowered(*network, d));
    }
  }
}

TEST(EmulatedNetworks, SpikesRecordedAtTheirArrival) {
  Discretisation d = whole_steps();
  d.reset = Reset::kToVReset;
  d.record_spikes = RecordSpikes::kArrival;
  expect_cpus(lowered(
      chain({4}, {linear(4, 4, kMixed), leaky(4, 3.0F), linear(4, 4, kMixed), leaky(4, 5.0F)}, {4}),
      d));
}

// --- what lies between
// -----------------------------------------------------------------------------

TEST(EmulatedNetworks, TwoLayersOfWeightsWithoutNeurons) {
  expect_cpus(lowered(
      chain({4}, {affine(4, 4, kMixed, {1, 0, -2, 3}), linear(4, 4, kMixed), leaky(4, 9.0F)}, {4}),
      whole_steps()));
}

TEST(EmulatedNetworks, ScalesBetweenWeightsAndNeurons) {
  expect_cpus(lowered(
      chain({4}, {linear(4, 4, kMixed), node::Scale{floats({4}, {2, 3, 1, 2})}, leaky(4, 9.0F)},
            {4}),
      whole_steps()));
}

TEST(EmulatedNetworks, PoolsBetweenWeightsAndNeurons) {
  // Two channels of 3 x 3 from one; windows of 2 x 2 that overlap.
  node::Conv2d conv;
  conv.weight = floats({2, 1, 2, 2}, {1, -2, 3, 1, 2, 2, -1, 1});
  conv.bias = floats({2}, {1, 0});
  conv.stride = integers({1, 1});
  conv.padding.value = integers({0, 0});
  conv.dilation = integers({1, 1});
  conv.groups = Tensor::scalar<std::int64_t>(1);
  const node::SumPool2d pool{integers({2, 2}), integers({1, 1}), integers({0, 0})};
  node::If neurons;
  neurons.r = Tensor::full({2, 2, 2}, 1.0F);
  neurons.v_threshold = Tensor::full({2, 2, 2}, 6.0F);
  expect_cpus(lowered(chain({1, 4, 4}, {conv, pool, neurons}, {2, 2, 2}), whole_steps()));
}

/// A Scale keeps the channels that a Flatten hides: the Output's slices are boxes of them.
TEST(EmulatedNetworks, KernelsBehindWhichEverythingIsFlat) {
  node::Conv2d conv;
  conv.weight = floats({3, 1, 2, 2}, {1, -2, 3, 1, 2, 2, -1, 1, 4, 1, -1, -2});
  conv.bias = floats({3}, {1, 0, -1});
  conv.stride = integers({1, 1});
  conv.padding.value = integers({0, 0});
  conv.dilation = integers({1, 1});
  conv.groups = Tensor::scalar<std::int64_t>(1);
  const node::Flatten flat{Tensor::scalar<std::int64_t>(0), Tensor::scalar<std::int64_t>(-1), {}};
  expect_cpus(lowered(chain({1, 3, 3},
                            {conv, flat, node::Scale{Tensor::full({12}, 2.0F)},
                             node::Delay{Tensor::full({12}, 1.0F)}},
                            {12}),
                      whole_steps()));
}

TEST(EmulatedNetworks, OutputsBehindScalesAndDelays) {
  expect_cpus(
      lowered(chain({4},
                    {linear(4, 4, kMixed), leaky(4, 3.0F), node::Scale{floats({4}, {2, 3, 1, -2})},
                     node::Delay{floats({4}, {0, 1, 3, 2})}},
                    {4}),
              whole_steps()));
}

TEST(EmulatedNetworks, DelaysThatDifferFromNeuronToNeuron) {
  expect_cpus(lowered(chain({4},
                            {node::Delay{floats({4}, {0, 2, 1, 3})}, linear(4, 4, kMixed),
                             node::Delay{floats({4}, {1, 0, 2, 0})}, leaky(4, 3.0F)},
                            {4}),
                      whole_steps()));
}

// --- dense baselines
// -------------------------------------------------------------------------------

/// float32 sums depend on their order, which is that of the senders here.
TEST(EmulatedNetworks, GatedUnitsInFloat32) {
  const std::vector<NodeKind> layers = {random_layer<node::Gru>(3, kVector, kVector, 1, 0.0),
                                        random_layer<node::Lstm>(4, kVector, kVector, 20, 0.0)};
  const auto network = word_network(layers);
  ASSERT_TRUE(network.ok()) << error_of(network);
  const Program program = lowered(*network, whole_steps());
  InputByStep input(12);
  for (std::uint32_t step = 0; step < input.size(); ++step) {
    const auto word = static_cast<std::uint32_t>(step * 11 % kWords);
    input[step].push_back({program.inputs[0], word, 1.0});
  }
  const auto run = run_plan(program, plan_of(program, "spinnaker2", 5), input,
                            {.arithmetic = Arithmetic::kFloat32});
  ASSERT_TRUE(run.ok()) << error_of(run);
  std::vector<std::uint32_t> nodes = run->nodes;
  std::erase_if(nodes, [&](std::uint32_t node) { return node == program.outputs[0]; });
  const auto expected = sent_on_cpu(program, input, nodes, Arithmetic::kFloat32);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  ASSERT_GE(expected->size(), 24U);
  for (const auto& [where, events] : *expected) {
    const auto got = run->sent.find(where);
    ASSERT_NE(got, run->sent.end());
    ASSERT_EQ(got->second.size(), events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(got->second[i].first, events[i].first);
      EXPECT_NEAR(got->second[i].second, events[i].second, 2e-6);
    }
  }
}

TEST(EmulatedNetworks, ThePapersEgruHasNoPlan) {
  const auto network = word_network({random_egru(kVector, kVector, 1, 0.0, 1)});
  ASSERT_TRUE(network.ok()) << error_of(network);
  const auto graph = mapping::population_graph(lowered(*network, whole_steps()));
  ASSERT_FALSE(graph.ok());
  EXPECT_EQ(graph.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(graph.error().where, "layer1");
}

// --- images
// ----------------------------------------------------------------------------------------

struct Loaded {
  Program program;
  mapping::Plan plan;
  mapping::PlanImages images;
};

Loaded loaded(const Network& network, const std::string& target) {
  Loaded made;
  made.program = lowered(network, whole_steps());
  made.plan = plan_of(made.program, target, 3);
  const auto graph = mapping::population_graph(made.program);
  auto images = mapping::MemoryImages(made.program, *graph, made.plan).all();
  EXPECT_TRUE(images.ok()) << error_of(images);
  made.images = *std::move(images);
  EXPECT_TRUE(made.images.missing.empty());
  return made;
}

/// Every byte of a block, changed, is refused, or is padding and changes nothing.
TEST(EmulatedImages, AnyOtherByteOfABlockIsRefused) {
  node::Conv2d conv;
  conv.weight = floats({2, 1, 2, 2}, {1, -2, 3, 1, 2, 2, -1, 1});
  conv.bias = floats({2}, {1, 0});
  conv.stride = integers({1, 1});
  conv.padding.value = integers({0, 0});
  conv.dilation = integers({1, 1});
  conv.groups = Tensor::scalar<std::int64_t>(1);
  node::If neurons;
  neurons.r = Tensor::full({2, 3, 3}, 1.0F);
  neurons.v_threshold = Tensor::full({2, 3, 3}, 6.0F);
  std::vector<float> few(64, 0.0F);
  for (std::size_t i = 0; i < few.size(); i += 9) few[i] = 3.0F;
  const std::vector<Network> networks = {
      chain({4}, {linear(4, 4, kMixed), relay(2.0F, 4), linear(4, 4, kMixed), relay(2.0F, 4)}, {4}),
      chain({8}, {linear(8, 8, few), relay(2.0F, 8)}, {8}),
      chain({1, 4, 4}, {conv, neurons}, {2, 3, 3}),
  };
  for (std::size_t n = 0; n < networks.size(); ++n) {
    for (const char* target : {"spinnaker2", "spinnaker1", "loihi"}) {
      SCOPED_TRACE(std::to_string(n) + " on " + target);
      const Loaded good = loaded(networks[n], target);
      const auto create = [&](const mapping::PlanImages& images) {
        return emulator::PlanEmulator::create(good.program, good.plan, {}, &images);
      };
      ASSERT_TRUE(create(good.images).ok()) << error_of(create(good.images));
      std::size_t refused = 0, same = 0;
      for (const mapping::PlanBlock& block : good.plan.blocks) {
        const std::uint32_t core = good.plan.slices[block.slice].core;
        for (std::uint64_t at = block.address; at < block.address + block.bytes; ++at) {
          mapping::PlanImages images = good.images;
          std::vector<std::byte>& memory =
              block.in_chip ? images.chips.at(good.plan.cores[core].chip) : images.cores[core];
          memory[at] ^= std::byte{1};
          const auto machine = create(images);
          if (machine.ok()) {
            ++same;
            continue;
          }
          ++refused;
          EXPECT_EQ(machine.error().code, ErrorCode::kShape) << machine.error().message();
        }
      }
      EXPECT_GT(refused, 4U);
      // Padding of rows, and of a kernel's header what no core reads.
      EXPECT_LT(same, 6 * refused);
    }
  }
}

TEST(EmulatedImages, OfOtherCoresOrTooShortAreRefused) {
  const Loaded good = loaded(chain({4}, {linear(4, 4, kMixed), relay(2.0F, 4)}, {4}), "spinnaker2");
  mapping::PlanImages images = good.images;
  images.cores.pop_back();
  EXPECT_FALSE(emulator::PlanEmulator::create(good.program, good.plan, {}, &images).ok());
  images = good.images;
  for (auto& core : images.cores) core.resize(core.size() / 2);
  const auto cut = emulator::PlanEmulator::create(good.program, good.plan, {}, &images);
  ASSERT_FALSE(cut.ok());
  EXPECT_EQ(cut.error().code, ErrorCode::kShape);
}

}  // namespace
}  // namespace spikeloom::test
