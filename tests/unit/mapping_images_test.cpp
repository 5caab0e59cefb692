/// Memory images: bytes by the formats of images.hpp, and networks read back from them.

#include <filesystem>
#include <map>
#include <tuple>

#include <gtest/gtest.h>

#include "mapping/from_program.hpp"
#include "mapping/images.hpp"
#include "mapping/map.hpp"
#include "models/load.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"
#include "tests/support/shared_data.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::mapping {
namespace {

std::vector<int> numbers(const std::vector<std::byte>& bytes) {
  std::vector<int> made;
  for (const std::byte b : bytes) made.push_back(std::to_integer<int>(b));
  return made;
}

TargetConstants packed() {
  TargetConstants made;
  made.row_align = 4;
  made.index_bytes = 2;
  return made;
}

/// Source 0 to target 2 with weight 5, source 1 to 0 with -1 and to 3 with 7.
const std::vector<ImageSynapse> kThree = {{1, 0, 3, 7.0}, {0, 0, 2, 5.0}, {1, 0, 0, -1.0}};

TEST(Images, OfDenseRowsHaveAWeightForEveryTarget) {
  const BlockLayout layout{
      .kind = BlockKind::kDense, .rows = 2, .targets = 5, .constants = packed()};
  const auto bytes = encode(layout, kThree);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(numbers(*bytes), (std::vector<int>{0, 0, 5, 0, 0, 0, 0, 0, 255, 0, 0, 7, 0, 0, 0, 0}));
}

TEST(Images, OfSparseRowsArePointersIndicesAndWeights) {
  const BlockLayout layout{
      .kind = BlockKind::kSparse, .rows = 2, .targets = 5, .constants = packed()};
  const auto bytes = encode(layout, kThree);
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(numbers(*bytes), (std::vector<int>{0, 0,   1, 0, 3, 0, 0, 0,  // pointers
                                               2, 0,   0, 0, 3, 0, 0, 0,  // targets
                                               5, 255, 7, 0}));           // weights
  auto cut = *bytes;
  cut.resize(6);
  EXPECT_FALSE(decode(layout, cut).ok());
  auto wrong = *bytes;
  wrong[2] = std::byte{9};  // a pointer beyond the last synapse
  EXPECT_FALSE(decode(layout, wrong).ok());
  // Pointers that do not begin at 0, or fall, name synapses twice or not at all.
  for (const auto& [at, value] : {std::pair{0, 1}, std::pair{2, 4}}) {
    auto falling = *bytes;
    falling[static_cast<std::size_t>(at)] = static_cast<std::byte>(value);
    EXPECT_FALSE(decode(layout, falling).ok()) << at;
  }
}

TEST(Images, OfLayoutsWithoutBoundAreNotRead) {
  const std::vector<std::byte> bytes(64, std::byte{0xFF});
  const BlockLayout no_gates{.kind = BlockKind::kSparse, .rows = 0, .targets = 5, .gates = 0};
  EXPECT_FALSE(decode(no_gates, bytes).ok());
  // Rows times their bytes would begin anew at 2^64.
  const BlockLayout huge{.kind = BlockKind::kDense,
                         .rows = 1U << 31U,
                         .targets = 1U << 31U,
                         .gates = 1U << 16U,
                         .weight_bytes = 4};
  EXPECT_FALSE(decode(huge, bytes).ok());
  // Neither indices nor weights: nothing but a pointer says how many synapses there are.
  const BlockLayout bare{.kind = BlockKind::kSparse, .rows = 1, .targets = 5, .weight_bytes = 0};
  const std::vector<std::byte> many = {std::byte{0}, std::byte{0},    std::byte{0},
                                       std::byte{0}, std::byte{0xFF}, std::byte{0xFF},
                                       std::byte{9}, std::byte{0}};
  EXPECT_FALSE(decode(bare, many).ok());
}

TEST(Images, RefuseSynapsesOutsideTheirBlock) {
  TargetConstants constants = packed();
  constants.row_bytes = 12;
  constants.word_bytes = 4;
  for (const BlockKind kind : {BlockKind::kDense, BlockKind::kSparse, BlockKind::kRows}) {
    const BlockLayout layout{.kind = kind, .rows = 2, .targets = 5, .constants = constants};
    for (const ImageSynapse& outside :
         {ImageSynapse{2, 0, 0, 1.0}, ImageSynapse{0, 1, 0, 1.0}, ImageSynapse{0, 0, 5, 1.0},
          ImageSynapse{0, 0, 0, 1.0, 0}}) {
      const auto bytes = encode(layout, std::span(&outside, 1));
      ASSERT_FALSE(bytes.ok());
      EXPECT_EQ(bytes.error().code, ErrorCode::kShape);
    }
  }
}

TEST(Images, OfRowsAreWordsPaddedToTheLongest) {
  TargetConstants constants;
  constants.row_bytes = 12;
  constants.word_bytes = constants.row_align = 4;
  const BlockLayout layout{
      .kind = BlockKind::kRows, .rows = 2, .targets = 5, .delay = 3, .constants = constants};
  std::vector<ImageSynapse> three = kThree;
  for (ImageSynapse& s : three) s.delay = 3;
  const auto bytes = encode(layout, three);
  ASSERT_TRUE(bytes.ok());
  // A word: weight, delay - 1 and gate, target, from the high end.
  EXPECT_EQ(numbers(*bytes), (std::vector<int>{0, 0,    0,   0,   1, 0,    0, 0, 0, 0, 0, 0,  //
                                               2, 0x20, 5,   0,   0, 0,    0, 0,              //
                                               0, 0,    0,   0,   2, 0,    0, 0, 0, 0, 0, 0,  //
                                               0, 0x20, 255, 255, 3, 0x20, 7, 0}));
  EXPECT_EQ(decode(layout, *bytes)->size(), 3U);
  BlockLayout full = layout;
  full.row_words = 5;
  EXPECT_EQ(encode(full, three)->size(), 2U * (12 + 5 * 4));
  EXPECT_EQ(*decode(full, *encode(full, three)), *decode(layout, *bytes));
  for (const ImageSynapse& wrong :
       {ImageSynapse{0, 0, 0, 0.5}, ImageSynapse{0, 0, 256, 1.0}, ImageSynapse{0, 0, 0, 1.0, 17}}) {
    EXPECT_EQ(encode(layout, std::vector{wrong}).error().code, ErrorCode::kUnsupported);
  }
}

struct Mapped {
  Program program;
  PopulationGraph graph;
  Plan plan;
};

Mapped mapped(const Network& network, const Value* declared, const std::string& target,
              const MapOptions& options = {}) {
  DiscretisationRequest request;
  if (declared != nullptr) {
    const auto parsed = discretisation_from_value(*declared);
    if (parsed.ok()) request.declared = *parsed;
  } else {
    request.preset = "snntorch";
  }
  request.options.emplace_back("link-delay", "1");
  const auto resolved = resolve_discretisation(network, request);
  EXPECT_TRUE(resolved.ok()) << resolved.error().message();
  auto program = lower(network, resolved->discretisation);
  EXPECT_TRUE(program.ok()) << program.error().message();
  auto graph = population_graph(*program);
  EXPECT_TRUE(graph.ok()) << graph.error().message();
  auto plan = map(*graph, *load_target(target), options);
  EXPECT_TRUE(plan.ok()) << plan.error().message();
  return {*std::move(program), *std::move(graph), *std::move(plan)};
}

std::uint32_t neuron(const Plan& plan, std::uint32_t population, std::uint32_t position) {
  const auto& order = plan.populations[population].order;
  return order.empty() ? position : order[position];
}

/// (source, gate, target) of every synapse that the images of a projection hold; fails where one
/// comes twice.
using Synapses = std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, double>;
Synapses walked(const Mapped& of, std::uint32_t projection) {
  Synapses all;
  const MemoryImages images(of.program, of.graph, of.plan);
  for (std::uint32_t b = 0; b < of.plan.blocks.size(); ++b) {
    const PlanBlock& block = of.plan.blocks[b];
    if (block.projection != projection || block.kind == BlockKind::kKernel) continue;
    const PlanSlice& slice = of.plan.slices[block.slice];
    const auto memory = images.core(slice.core);
    EXPECT_TRUE(memory.ok()) << memory.error().message();
    const auto bytes = std::span(*memory).subspan(block.address, block.bytes);
    const auto read = decode(images.layout(b), bytes);
    EXPECT_TRUE(read.ok()) << read.error().message();
    for (const ImageSynapse& s : *read) {
      const auto source = of.plan.projections[projection].source;
      const auto at = std::tuple(neuron(of.plan, source, s.row), s.gate,
                                 neuron(of.plan, slice.population, slice.first + s.target));
      EXPECT_TRUE(all.emplace(at, s.weight).second) << "twice";
    }
  }
  return all;
}

/// 8 inputs, 20 neurons on cores of 6; two of three weights are zero.
TEST(Images, OfADenseLayerGiveItsWeightsBack) {
  std::vector<float> weight(160, 0.0F);
  for (std::size_t i = 0; i < weight.size(); i += 3)
    weight[i] = static_cast<float>(i % 100) - 49.5F;
  const Network network =
      test::chain({8}, {test::linear(20, 8, weight), test::relay(0.5F, 20)}, {20});
  const Mapped of = mapped(network, nullptr, "spinnaker2", {.resources = {.neurons_per_core = 6}});
  const Synapses all = walked(of, 0);
  EXPECT_EQ(all.size(), 54U);
  for (const auto& [at, value] : all) {
    const auto [source, gate, target] = at;
    EXPECT_EQ(value, weight[std::size_t{target} * 8 + source]);
  }
  // Words of SpiNNaker's rows hold integers.
  const Mapped rows = mapped(network, nullptr, "spinnaker1");
  const MemoryImages images(rows.program, rows.graph, rows.plan);
  const auto refused = images.block(0);
  ASSERT_FALSE(refused.ok());
  EXPECT_NE(refused.error().message().find("quantize"), std::string::npos);
}

/// Its recurrent layers are pruned; each core's image is as long as the Plan says.
TEST(Images, OfARecurrentLayerGiveItsGatesBack) {
  const auto path = test::source_dir() / "models/gesture/weights/gesture-egru.sloom";
  const auto model = load_model(path.string());
  ASSERT_TRUE(model.ok()) << model.error().message();
  const Mapped of =
      mapped(model->network, model->run_settings.find("discretisation"), "spinnaker2");
  const MemoryImages images(of.program, of.graph, of.plan);
  for (std::uint32_t b = 0; b < of.plan.blocks.size(); ++b) {
    const auto bytes = images.block(b);
    ASSERT_TRUE(bytes.ok()) << bytes.error().message();
    EXPECT_EQ(bytes->size(), of.plan.blocks[b].bytes);
  }
  std::size_t layers = 0;
  for (std::uint32_t p = 0; p < of.plan.projections.size(); ++p) {
    const PlanProjection& projection = of.plan.projections[p];
    const auto node = static_cast<std::size_t>(of.plan.populations[projection.target].node);
    const auto* layer = std::get_if<op::Recurrent>(&of.program.nodes[node].operation);
    if (layer == nullptr) continue;
    ++layers;
    const op::SourceMatrix& matrix =
        projection.source == projection.target ? layer->recurrent : layer->kernel;
    Synapses expected;
    for (std::uint32_t input = 0; input < matrix.inputs; ++input) {
      for (auto k = matrix.row_start[input]; k < matrix.row_start[input + 1]; ++k) {
        const auto at = static_cast<std::size_t>(k);
        const auto units = static_cast<std::uint32_t>(layer->units);
        if (matrix.value[at] == 0.0F) continue;
        expected[{input, matrix.target[at] / units, matrix.target[at] % units}] =
            static_cast<double>(matrix.value[at]);
      }
    }
    EXPECT_EQ(walked(of, p), expected);
  }
  EXPECT_GE(layers, 2U);
}

/// What a Plan says of a block is held against its synapses before any of it is written.
TEST(Images, OfABlockThatIsNotAsThePlanSaysCostNoMemory) {
  node::Conv2d convolution;
  convolution.weight = Tensor::full({2, 1, 3, 3}, 1.0F);
  node::If neurons;
  neurons.r = neurons.v_threshold = Tensor::full({2, 8, 8}, 1.0F);
  Mapped of =
      mapped(test::chain({1, 10, 10}, {convolution, neurons}, {2, 8, 8}), nullptr, "spinnaker2");
  ASSERT_FALSE(of.plan.blocks.empty());
  of.plan.blocks[0].kind = BlockKind::kDense;
  of.plan.slices[of.plan.blocks[0].slice].count = 0xFFFFFFFFU;  // terabytes of rows
  const auto refused = MemoryImages(of.program, of.graph, of.plan).block(0);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, ErrorCode::kShape);
}

}  // namespace
}  // namespace spikeloom::mapping
