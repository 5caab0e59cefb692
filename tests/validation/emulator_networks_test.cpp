/// Whatever Mapping maps, the emulator runs: what it sends beside cpu, in integer and ring16, for
/// networks that were once refused; and rows that are read from images, or refused.

#include <algorithm>
#include <cstring>
#include <limits>

#include <gtest/gtest.h>

#include "backends/emulator/core_numbers.hpp"
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

void expect_cpus(const Program& program, bool rows_from_images = true) {
  const InputByStep input = some_input(program, 30);
  for (const Arithmetic arithmetic : {Arithmetic::kInteger, Arithmetic::kRing16}) {
    for (const auto& [target, per_core] :
         {std::pair<const char*, std::uint32_t>{"spinnaker2", 3}, {"spinnaker1:board", 2}}) {
      SCOPED_TRACE(std::string(target) + ", " + to_string(arithmetic));
      const auto run =
          run_plan(program, plan_of(program, target, per_core), input, {.arithmetic = arithmetic});
      ASSERT_TRUE(run.ok()) << error_of(run);
      EXPECT_EQ(run->total.dropped + run->total.late + run->total.saturated, 0U);
      EXPECT_EQ(run->rows_from_images, rows_from_images);
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

/// A kernel of 2 x 2 for each bias, over one channel.
node::Conv2d two_by_two(const std::vector<float>& weight, const std::vector<float>& bias) {
  const auto channels = static_cast<std::int64_t>(bias.size());
  node::Conv2d made;
  made.weight = floats({channels, 1, 2, 2}, weight);
  made.bias = floats({channels}, bias);
  return made;
}

node::Conv2d two_channels() { return two_by_two({1, -2, 3, 1, 2, 2, -1, 1}, {1, 0}); }

node::If relays(const Shape& shape, float threshold) {
  node::If made;
  made.r = Tensor::full(shape, 1.0F);
  made.v_threshold = Tensor::full(shape, threshold);
  return made;
}

Network two_channel_network() {
  return chain({1, 4, 4}, {two_channels(), relays({2, 3, 3}, 6.0F)}, {2, 3, 3});
}

Network joined(NetworkBuilder builder,
               const std::vector<std::pair<const char*, const char*>>& links) {
  for (const auto& [from, to] : links) builder.connect(from, to);
  auto network = std::move(builder).build();
  EXPECT_TRUE(network.ok()) << error_of(network);
  return network.ok() ? *std::move(network) : chain({1}, {}, {1});
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
      expect_cpus(lowered(joined(std::move(builder), {{"in", "w"},
                                                      {"w", "a"},
                                                      {"a", "back"},
                                                      {"back", "a"},
                                                      {"a", "v"},
                                                      {"v", "b"},
                                                      {"b", "out"}}),
                          d));
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
  const node::SumPool2d pool{integers({2, 2}), integers({1, 1}), integers({0, 0})};
  expect_cpus(lowered(chain({1, 4, 4}, {two_channels(), pool, relays({2, 2, 2}, 6.0F)}, {2, 2, 2}),
                      whole_steps()));
}

/// A Scale keeps the channels that a Flatten hides: the Output's slices are boxes of them.
TEST(EmulatedNetworks, KernelsBehindWhichEverythingIsFlat) {
  const node::Conv2d conv = two_by_two({1, -2, 3, 1, 2, 2, -1, 1, 4, 1, -1, -2}, {1, 0, -1});
  const node::Flatten flat{Tensor::scalar<std::int64_t>(0), Tensor::scalar<std::int64_t>(-1), {}};
  expect_cpus(lowered(chain({1, 3, 3},
                            {conv, flat, node::Scale{Tensor::full({12}, 2.0F)},
                             node::Delay{Tensor::full({12}, 1.0F)}},
                            {12}),
                      whole_steps()));
}

/// Neurons that a convolution reaches as channels, rows and columns, and that the next one hears as
/// channels of a line: no box is one of both.
TEST(EmulatedNetworks, KernelsAlongALineBehindPlanes) {
  const node::Flatten flat{Tensor::scalar<std::int64_t>(1), Tensor::scalar<std::int64_t>(2), {}};
  node::Conv1d line;
  line.weight = floats({2, 2, 3}, {1, 2, -1, 2, 1, 1, -1, 3, 1, 1, -2, 2});
  expect_cpus(
      lowered(chain({1, 5, 4},
                    {two_channels(), flat, relays({2, 12}, 4.0F), line, relays({2, 10}, 3.0F)},
                    {2, 10}),
              whole_steps()),
      false);
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
void expect_near_cpus(const Program& program, double apart) {
  InputByStep input(12);
  for (std::uint32_t step = 0; step < input.size(); ++step) {
    const auto word = static_cast<std::uint32_t>(step * 11 % kWords);
    input[step].push_back({program.inputs[0], word, 1.0});
  }
  const auto run = run_plan(program, plan_of(program, "spinnaker2", 5), input,
                            {.arithmetic = Arithmetic::kFloat32});
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_TRUE(run->rows_from_images);
  std::vector<std::uint32_t> nodes = run->nodes;
  std::erase_if(nodes, [&](std::uint32_t node) { return node == program.outputs[0]; });
  const auto expected = sent_on_cpu(program, input, nodes, Arithmetic::kFloat32);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  ASSERT_GE(expected->size(), 11U);
  for (const auto& [where, events] : *expected) {
    const auto got = run->sent.find(where);
    ASSERT_NE(got, run->sent.end());
    ASSERT_EQ(got->second.size(), events.size());
    for (std::size_t i = 0; i < events.size(); ++i) {
      EXPECT_EQ(got->second[i].first, events[i].first);
      EXPECT_NEAR(got->second[i].second, events[i].second, apart);
    }
  }
}

TEST(EmulatedNetworks, GatedUnitsInFloat32) {
  const std::vector<NodeKind> layers = {random_layer<node::Gru>(3, kVector, kVector, 1, 0.0),
                                        random_layer<node::Lstm>(4, kVector, kVector, 20, 0.0)};
  const auto network = word_network(layers);
  ASSERT_TRUE(network.ok()) << error_of(network);
  expect_near_cpus(lowered(*network, whole_steps()), 2e-6);
}

/// What leads back into a layer goes through its kernel, not its recurrent weights. It carries
/// roundings back too: 1.5e-5 after 12 steps.
TEST(EmulatedNetworks, AWayBackIntoARecurrentLayer) {
  for (const double pruned : {0.0, 0.9}) {
    SCOPED_TRACE(pruned);
    NetworkBuilder builder;
    const Tensor words = random_matrix(kWords, kVector, 500, 0.6);
    builder.add("in", node::Input{shape_tensor({kWords})});
    builder.add("words", node::Embedding{words, {}});
    builder.add("layer", random_layer<node::Gru>(3, kVector, kVector, 1, pruned));
    builder.add("back", node::Delay{Tensor::full({kVector}, 1.0F)});
    builder.add("decoder", node::Decoder{words, random_matrix(kWords, 1, 501, 0.2), {}});
    builder.add("out", node::Output{shape_tensor({kWords})});
    expect_near_cpus(lowered(joined(std::move(builder), {{"in", "words"},
                                                         {"words", "layer"},
                                                         {"layer", "back"},
                                                         {"back", "layer"},
                                                         {"layer", "decoder"},
                                                         {"decoder", "out"}}),
                             whole_steps()),
                     1e-4);
  }
}

TEST(EmulatedNetworks, ThePapersEgruIsNotPlaced) {
  const auto network = word_network({random_egru(kVector, kVector, 1, 0.0, 1)});
  ASSERT_TRUE(network.ok()) << error_of(network);
  const Program program = lowered(*network, whole_steps());
  const auto machine = emulator::PlanEmulator::create(program, plan_of(program, "spinnaker2", 5),
                                                      {.arithmetic = Arithmetic::kFloat32});
  ASSERT_FALSE(machine.ok());
  EXPECT_EQ(machine.error().code, ErrorCode::kUnsupported);
  EXPECT_NE(machine.error().where.find("layer1"), std::string::npos) << machine.error().message();
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

/// What a machine with these images sends, by step and node.
SentEvents sent_by(const Loaded& of, const mapping::PlanImages& images, const InputByStep& input) {
  SentEvents sent;
  auto machine = emulator::PlanEmulator::create(of.program, of.plan, {}, &images);
  EXPECT_TRUE(machine.ok()) << error_of(machine);
  for (std::size_t step = 0; machine.ok() && step < input.size(); ++step) {
    EXPECT_TRUE(machine->tick(input[step]).ok());
    for (const mapping::PlanPopulation& population : of.plan.populations) {
      for (const emulator::PlacedEvent& event : machine->sent(population.node)) {
        sent[{population.node, static_cast<std::int64_t>(step)}].emplace_back(event.index,
                                                                              event.value);
      }
    }
  }
  return sent;
}

/// Every byte of a block, changed, is refused, or is padding and changes nothing.
TEST(EmulatedImages, AnyOtherByteOfABlockIsRefused) {
  const node::SumPool2d sums_of_four{integers({2, 2}), integers({2, 2}), integers({0, 0})};
  const node::MaxPool2d largest_of_four{integers({2, 2}), integers({2, 2}), integers({0, 0})};
  node::Conv2d strided =
      two_by_two({1, -2, 3, 1, 2, 2, -1, 1, 2, 1, 1, 1, 3, -1, 2, 2}, {1, 0, 1, 0});
  strided.stride = integers({2, 3});
  strided.padding.value = integers({0, 1});
  strided.groups = Tensor::scalar<std::int64_t>(2);
  std::vector<float> few(64, 0.0F);
  for (std::size_t i = 0; i < few.size(); i += 9) few[i] = 3.0F;
  const std::vector<Network> networks = {
      chain({4}, {linear(4, 4, kMixed), relay(2.0F, 4), linear(4, 4, kMixed), relay(2.0F, 4)}, {4}),
      chain({8}, {linear(8, 8, few), relay(2.0F, 8)}, {8}),
      two_channel_network(),
      // Strides, padding and groups that are not 1, 0 and 1, and a pool before the kernel.
      chain({2, 4, 4}, {sums_of_four, strided, relays({4, 1, 1}, 3.0F)}, {4, 1, 1}),
      chain({1, 4, 4}, {relays({1, 4, 4}, 0.5F), largest_of_four, relays({1, 2, 2}, 0.5F)},
            {1, 2, 2}),
  };
  for (std::size_t n = 0; n < networks.size(); ++n) {
    for (const char* target : {"spinnaker2", "spinnaker1", "loihi"}) {
      SCOPED_TRACE(std::to_string(n) + " on " + target);
      const Loaded good = loaded(networks[n], target);
      const auto create = [&](const mapping::PlanImages& images) {
        return emulator::PlanEmulator::create(good.program, good.plan, {}, &images);
      };
      ASSERT_TRUE(create(good.images).ok()) << error_of(create(good.images));
      const InputByStep input = some_input(good.program, 6);
      const auto sent = sent_by(good, good.images, input);
      EXPECT_FALSE(sent.empty());
      int refused = 0;
      for (const mapping::PlanBlock& block : good.plan.blocks) {
        const std::uint32_t core = good.plan.slices[block.slice].core;
        for (std::uint64_t at = block.address; at < block.address + block.bytes; ++at) {
          mapping::PlanImages images = good.images;
          std::vector<std::byte>& memory =
              block.in_chip ? images.chips.at(good.plan.cores[core].chip) : images.cores[core];
          const bool is_zero = memory[at] == std::byte{0};
          memory[at] ^= std::byte{1};
          const auto machine = create(images);
          if (!machine.ok()) {
            ++refused;
            EXPECT_EQ(machine.error().code, ErrorCode::kShape) << machine.error().message();
            continue;
          }
          // A kernel's header is 15 numbers of 16 bits, where there is one; all else is padding.
          const bool is_header =
              block.kind == mapping::BlockKind::kKernel && at - block.address < 30 &&
              static_cast<double>(at - block.address) < good.plan.target.constants.kernel_bytes;
          EXPECT_TRUE(is_zero && !is_header) << "byte " << at - block.address << " of a block";
          EXPECT_EQ(sent_by(good, images, input), sent) << "byte " << at - block.address;
        }
      }
      // Where pools have no header, there is nothing to refuse.
      const bool is_pool = n + 1 == networks.size();
      const bool has_header = good.plan.target.constants.kernel_bytes > 0.0;
      EXPECT_GT(refused, is_pool && !has_header ? -1 : 4);
    }
  }
}

ErrorCode refusal(const Loaded& of, const char* what,
                  Arithmetic arithmetic = Arithmetic::kInteger) {
  const auto machine =
      emulator::PlanEmulator::create(of.program, of.plan, {.arithmetic = arithmetic}, &of.images);
  if (machine.ok()) {
    ADD_FAILURE() << "accepted";
    return ErrorCode::kInvalidArgument;
  }
  EXPECT_NE(machine.error().message().find(what), std::string::npos) << machine.error().message();
  return machine.error().code;
}

/// By which of its numbers a kernel's header is another one: a 2 x 2 kernel that moves by 2 rows
/// and 3 columns over sums of 2 x 2, with a column of them before the first.
TEST(EmulatedImages, OfKernelsThatLieOtherwiseAreRefusedByName) {
  const node::SumPool2d sums_of_four{integers({2, 2}), integers({2, 2}), integers({0, 0})};
  node::Conv2d strided = two_by_two({1, -2, 3, 1}, {1});
  strided.stride = integers({2, 3});
  strided.padding.value = integers({0, 1});
  const Loaded good = loaded(
      chain({1, 8, 8}, {sums_of_four, strided, relays({1, 2, 2}, 3.0F)}, {1, 2, 2}), "spinnaker2");
  const auto kernel = std::find_if(
      good.plan.blocks.begin(), good.plan.blocks.end(),
      [](const mapping::PlanBlock& block) { return block.kind == mapping::BlockKind::kKernel; });
  ASSERT_NE(kernel, good.plan.blocks.end());
  const std::vector<std::pair<std::size_t, const char*>> fields = {
      {6, "stride of rows (expected 4, "},      {7, "padding of rows (expected 0, "},
      {8, "extent of rows (expected 4, "},      {9, "stride of columns (expected 6, "},
      {10, "padding of columns (expected 2, "}, {11, "extent of columns (expected 4, "},
      {12, "number of groups (expected 1, "},   {13, "number of taps (expected 4, "},
      {14, "size of a weight (expected 1, "}};
  for (const auto& [field, says] : fields) {
    Loaded spoiled = good;
    std::vector<std::byte>& memory = spoiled.images.cores[good.plan.slices[kernel->slice].core];
    memory[kernel->address + 2 * field] ^= std::byte{8};
    EXPECT_EQ(refusal(spoiled, says), ErrorCode::kShape);
  }
}

/// No synapses at all are not what a convolution has.
TEST(EmulatedImages, OfConvolutionsAreKernels) {
  Loaded spoiled = loaded(two_channel_network(), "spinnaker2");
  for (mapping::PlanBlock& block : spoiled.plan.blocks) {
    if (block.kind != mapping::BlockKind::kKernel) continue;
    std::vector<std::byte>& memory = spoiled.images.cores[spoiled.plan.slices[block.slice].core];
    block.kind = mapping::BlockKind::kSparse;
    block.address = memory.size();
    block.bytes = 36;  // 17 pointers of two bytes, to four bytes
    memory.resize(memory.size() + block.bytes);
  }
  EXPECT_EQ(refusal(spoiled, "a block of another kind than its layer's"), ErrorCode::kShape);
  const auto graph = mapping::population_graph(spoiled.program);
  const auto made = mapping::MemoryImages(spoiled.program, *graph, spoiled.plan).all();
  ASSERT_FALSE(made.ok());
  EXPECT_NE(made.error().message().find("another kind"), std::string::npos);
}

/// A pointer that claims synapses which take no bytes, or targets wider than any number.
TEST(EmulatedImages, OfTargetsWithoutWidthAreRefused) {
  for (const std::uint32_t index : {0U, 9U}) {
    Loaded spoiled = loaded(chain({2}, {relay(2.0F, 2)}, {2}), "spinnaker2");
    mapping::PlanBlock& block = spoiled.plan.blocks.front();
    std::vector<std::byte>& memory = spoiled.images.cores[spoiled.plan.slices[block.slice].core];
    block.kind = mapping::BlockKind::kSparse;
    block.address = memory.size();
    block.bytes = 8;  // three pointers of two bytes
    memory.resize(memory.size() + block.bytes);
    memory[block.address + 4] = std::byte{200};
    if (index > 0) {
      memory[block.address + 4] = std::byte{1};
      block.bytes += 12;
      memory.resize(memory.size() + 12);
    }
    spoiled.plan.target.constants.row_align = 4;
    spoiled.plan.target.constants.index_bytes = index;
    EXPECT_EQ(refusal(spoiled, "targets of no or many bytes"), ErrorCode::kShape);
  }
}

TEST(EmulatedImages, OfWeightsThatAreNoNumbersAreRefused) {
  const std::vector<float> halves = {0.5F, 1.5F, -0.5F, 2.5F};
  Loaded spoiled = loaded(chain({2}, {linear(2, 2, halves), relay(2.0F, 2)}, {2}), "spinnaker2");
  const auto floats_in = [&](const mapping::PlanBlock& block) {
    return block.bytes >= 16 && !block.in_chip;
  };
  const auto block =
      std::find_if(spoiled.plan.blocks.begin(), spoiled.plan.blocks.end(), floats_in);
  ASSERT_NE(block, spoiled.plan.blocks.end());
  std::vector<std::byte>& memory = spoiled.images.cores[spoiled.plan.slices[block->slice].core];
  const float none = std::numeric_limits<float>::quiet_NaN();
  std::memcpy(&memory[block->address], &none, sizeof(none));
  EXPECT_EQ(refusal(spoiled, "other synapses", Arithmetic::kFloat32), ErrorCode::kShape);
  EXPECT_FALSE(emulator::WordFormat{.is_real = true}.holds(double{none}));
  EXPECT_FALSE(emulator::WordFormat{.is_real = true}.holds(1e39));
}

/// In ring16 a weight of 1 beside eight of 30,000 is 0; its word is there, and is walked.
TEST(EmulatedImages, OfWordsThatRoundingMakesZeroTakeTheirTime) {
  std::vector<float> weights(32, 30000.0F);
  weights[0] = weights[8] = 1.0F;
  const Program program =
      lowered(chain({8}, {linear(4, 8, weights), relay(2.0F, 4)}, {4}), whole_steps());
  const mapping::Plan plan = plan_of(program, "spinnaker1", 3);
  const InputByStep input = {{{program.inputs[0], 0, 1.0}}, {}};
  const auto rounded = run_plan(program, plan, input, {.arithmetic = Arithmetic::kRing16});
  ASSERT_TRUE(rounded.ok()) << error_of(rounded);
  const auto whole = run_plan(program, plan, input);
  ASSERT_TRUE(whole.ok()) << error_of(whole);
  EXPECT_EQ(rounded->total.synaptic_events, whole->total.synaptic_events);
  EXPECT_GE(whole->total.synaptic_events, 4U);
}

/// A slice of no population keeps a core that nothing has checked.
TEST(EmulatedImages, OfSlicesWithoutAPopulationAreRefused) {
  Loaded spoiled = loaded(chain({4}, {linear(4, 4, kMixed), relay(2.0F, 4)}, {4}), "spinnaker2");
  mapping::PlanSlice orphan = spoiled.plan.slices.back();
  orphan.core = 1000;
  orphan.key = 0xFFFF0000U;
  mapping::PlanBlock block = spoiled.plan.blocks.back();
  block.slice = static_cast<std::uint32_t>(spoiled.plan.slices.size());
  block.bytes = 4;
  spoiled.plan.slices.push_back(orphan);
  spoiled.plan.blocks.push_back(block);
  EXPECT_EQ(refusal(spoiled, "slices of no population"), ErrorCode::kShape);
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
