/// SANA-FE's files: what is read, what is refused and by which name, and damage at every place.

#include "backends/emulator/sanafe.hpp"

#include <gtest/gtest.h>

#include "tests/support/mapped_example.hpp"

namespace spikeloom::test {
namespace {

using emulator::CoreProgram;
using emulator::MappedProgram;
using emulator::ResetMode;
using emulator::SomaModel;

std::string replaced(std::string text, const std::string& what, const std::string& with) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  if (at != std::string::npos) text.replace(at, what.size(), with);
  return text;
}

Error chip_error(const std::string& what, const std::string& with) {
  const auto chip = emulator::parse_sanafe_chip(replaced(example_chip(), what, with), "chip.yaml");
  EXPECT_FALSE(chip.ok()) << with;
  return chip.ok() ? Error{} : chip.error();
}

TEST(SanafeChip, ReadsTilesCoresAndUnits) {
  const auto chip = emulator::parse_sanafe_chip(example_chip(), "chip.yaml");
  ASSERT_TRUE(chip.ok()) << chip.error().message();
  EXPECT_EQ(chip->width, 3U);
  EXPECT_EQ(chip->height, 2U);
  ASSERT_EQ(chip->tiles.size(), 6U);
  EXPECT_EQ(chip->tiles[5].x, 2U);
  EXPECT_EQ(chip->tiles[5].y, 1U);
  ASSERT_EQ(chip->cores.size(), 12U);
  EXPECT_EQ(chip->core_name(11), "5.1");
  ASSERT_EQ(chip->kinds.size(), 1U);
  const emulator::CoreKind& kind = chip->kinds[0];
  EXPECT_EQ(kind.max_neurons, 64U);
  EXPECT_EQ(kind.message_in.energy, 3e4);
  EXPECT_EQ(kind.message_out.latency, 40e-9);
  ASSERT_EQ(kind.synapses.size(), 2U);
  EXPECT_EQ(kind.synapses[1].event.energy, 7.0);
  ASSERT_EQ(kind.somas.size(), 3U);
  EXPECT_EQ(kind.somas[1].model, SomaModel::kTrueNorth);
  EXPECT_EQ(kind.somas[2].name.find("inputs[9]"), 9);
  EXPECT_EQ(kind.somas[2].name.find("inputs[10]"), -1);
  EXPECT_EQ(kind.somas[2].name.find("inputs"), -1);
  EXPECT_EQ(chip->hop_costs[0].west.energy, 1000.0);
}

TEST(SanafeChip, BarrierTables) {
  const auto seconds = [](const std::string& table, std::uint64_t tiles) {
    const auto chip = emulator::parse_sanafe_chip(
        replaced(example_chip(), "sync_model: table, latency_sync: {1: 1.0e-6, 2: 2.0e-6}", table),
        "chip.yaml");
    EXPECT_TRUE(chip.ok()) << table;
    return chip.ok() ? chip->barrier_seconds(tiles) : -1.0;
  };
  const std::string table = "sync_model: table, latency_sync: {2: 0.5, 4: 1.5}";
  EXPECT_EQ(seconds(table, 1), 0.5);  // below the first key: the first value
  EXPECT_EQ(seconds(table, 3), 0.5);
  EXPECT_EQ(seconds(table, 4), 1.5);
  EXPECT_EQ(seconds(table, 99), 1.5);
  EXPECT_EQ(seconds("sync_model: table, latency_sync: [1, 2, 3]", 1), 2.0);
  EXPECT_EQ(seconds("sync_model: fixed, latency_sync: 0.25", 7), 0.25);
  EXPECT_EQ(seconds("sync_model: fixed", 7), 0.0);
}

TEST(SanafeChip, RefusesByName) {
  const auto unsupported = [](const std::string& what, const std::string& with,
                              const std::string& name) {
    const Error error = chip_error(what, with);
    EXPECT_EQ(error.code, ErrorCode::kUnsupported) << error.message();
    EXPECT_NE(error.message().find(name), std::string::npos) << error.message();
  };
  unsupported("topology: mesh", "topology: torus", "torus");
  unsupported("model: leaky_integrate_fire", "model: hodgkin_huxley", "hodgkin_huxley");
  unsupported("model: leaky_integrate_fire", "model: x, plugin: /lib/x.so", "plugin");
  unsupported("model: accumulator,", "model: taps,", "taps");
  unsupported("model: current_based,", "model: stochastic,", "stochastic");
  unsupported("buffer_position: soma", "buffer_position: dendrite", "buffer_position dendrite");
  unsupported("buffer_position: soma", "buffer_position: soma, buffer_inside_unit: true", "inside");
  unsupported("energy_north_hop", "energy_up_hop: 1.0, energy_north_hop", "energy_up_hop");
  unsupported("name: loihi", "name: sum", "two sections");
  unsupported("[{name: out,",
              "[{name: out2, attributes: {energy_message_out: 1, "
              "latency_message_out: 1}}, {name: out,",
              "axon_out");
  unsupported("energy_spike_out: 10000.0", "noise: n.txt, energy_spike_out: 10000.0", "noise");
  unsupported("sync_model: table", "sync_model: tree", "tree");
}

TEST(SanafeChip, RefusesWhatIsMissingOrNoNumber) {
  const auto malformed = [](const std::string& what, const std::string& with,
                            const std::string& name) {
    const Error error = chip_error(what, with);
    EXPECT_EQ(error.code, ErrorCode::kFormat) << error.message();
    EXPECT_NE(error.message().find(name), std::string::npos) << error.message();
  };
  malformed("width: 3, ", "", "'width' is missing");
  malformed("width: 3", "width: three", "width");
  malformed("width: 3", "width: 0", "width");
  malformed("energy_message_in: 3.0e+4, ", "", "energy_message_in");
  malformed("energy_access_neuron: 1.0", "energy_access_neuron: nan", "energy_access_neuron");
  malformed("latency_north_hop: 1.0e-9", "latency_north_hop: -1", "latency_north_hop");
  malformed("tile[0..5]", "tile[5..0]", "[5..0]");
  malformed("architecture:", "building:", "architecture");
  EXPECT_EQ(chip_error("tile[0..5]", "tile[0..6]").code, ErrorCode::kShape);
}

TEST(SanafeChip, RefusesSizesBeyondItsBounds) {
  for (const auto& [what, with] : std::vector<std::pair<std::string, std::string>>{
           {"width: 3, height: 2", "width: 16384, height: 16384"},
           {"tile[0..5]", "tile[0..99999999999]"},
           {"core[0..1]", "core[0..4000000000]"},
           {"inputs[0..9]", "inputs[0..4000000000]"}}) {
    EXPECT_EQ(chip_error(what, with).code, ErrorCode::kResource) << with;
  }
}

const char* const kGroups =
    "  - {name: in, attributes: {soma_hw_name: 'inputs[0]'}, neurons: [{0: {spikes: [1, 0]}}]}\n"
    "  - name: a\n"
    "    attributes: [soma_hw_name: loihi, threshold: 3, reset_mode: soft, log_spikes: true]\n"
    "    neurons:\n"
    "    - 0..2: {bias: 2}\n"
    "    - 3: [soma: {threshold: 9}, bias: 1, log_spikes: false]\n";
const char* const kEdges =
    "  - in -> a: {type: dense, weight: [1, 2, 3, 4]}\n"
    "  - a.3 -> a.0: [w: -5]\n"
    "  - a -> a: {type: sparse, source_target_pairs: [[3, 1], [0, 2]], weight: [6, 7]}\n";
const char* const kMappings =
    "- a.3: {core: '2.1'}\n- in: {core: '0.0'}\n- a.0..2: {core: '2.1', synapse: sparse}\n";

TEST(SanafeNetwork, ReadsEveryForm) {
  const auto program = parse_mapped(example_network(kGroups, kEdges, kMappings));
  ASSERT_TRUE(program.ok()) << program.error().message();
  EXPECT_EQ(program->neurons(), 5U);
  EXPECT_EQ(program->synapses, 7U);
  EXPECT_EQ(program->used_tiles, 2U);
  EXPECT_TRUE(program->compact);
  EXPECT_EQ(program->neuron_name(0), "in.0");
  EXPECT_EQ(program->neuron_name(4), "a.3");
  EXPECT_FALSE(program->logged[0]);
  EXPECT_TRUE(program->logged[1]);
  EXPECT_FALSE(program->logged[4]);
  const CoreProgram& core = program->cores[5];
  EXPECT_EQ(core.neuron, (std::vector<std::uint32_t>{4, 1, 2, 3}));  // as they are mapped
  EXPECT_EQ(core.bias, (std::vector<double>{1, 2, 2, 2}));
  ASSERT_EQ(core.runs.size(), 2U);
  EXPECT_EQ(core.runs[0].parameters.threshold, 9.0);
  EXPECT_EQ(core.runs[0].parameters.reset_mode, ResetMode::kSoft);
  EXPECT_EQ(core.runs[1].begin, 1U);
  EXPECT_EQ(core.runs[1].end, 4U);
  // a.3 has two synapses in its own core, in the order of the file: to a.0 and to a.1.
  ASSERT_EQ(core.first_axon[1], 1U);
  const emulator::Axon& axon = core.axons[0];
  ASSERT_EQ(axon.count, 2U);
  EXPECT_EQ(core.compact[axon.first].neuron, 1U);
  EXPECT_EQ(core.compact[axon.first].weight, -5);
  EXPECT_EQ(core.compact[axon.first + 1].neuron, 2U);
  EXPECT_EQ(core.compact[axon.first + 1].weight, 6);
  EXPECT_EQ(axon.synapse_energy, 2 * 7.0);
}

TEST(SanafeNetwork, ConvolutionsRunOverKernelThenChannels) {
  // 3 x 3 input of 2 channels, kernel 2 x 2, 2 filters, stride 1: the centre of channel 1 reaches
  // every output.
  std::string weights;
  for (int i = 0; i < 16; ++i) weights += (i == 0 ? "" : ", ") + std::to_string(100 + i);
  const auto program = parse_mapped(example_network(
      "  - {name: a, attributes: {soma_hw_name: loihi}, neurons: [0..17: {}]}\n"
      "  - {name: b, attributes: {soma_hw_name: loihi}, neurons: [0..7: {}]}\n",
      "  - a -> b: {type: conv2d, input_width: 3, input_height: 3, input_channels: 2, "
      "kernel_width: 2, kernel_height: 2, kernel_count: 2, stride_width: 1, stride_height: 1, "
      "weight: [" +
          weights + "]}\n",
      "- a: {core: '0.0'}\n- b: {core: '0.1'}\n"));
  ASSERT_TRUE(program.ok()) << program.error().message();
  EXPECT_EQ(program->synapses, 2U * 4U * 8U);
  const CoreProgram& from = program->cores[0];
  const emulator::Axon& axon = from.axons[from.first_axon[9 + 4]];
  ASSERT_EQ(axon.count, 8U);
  for (std::uint32_t i = 0; i < 8; ++i) {
    const auto& synapse = program->cores[1].compact[axon.first + i];
    const std::uint32_t filter = i / 4;
    const std::uint32_t row = i / 2 % 2;
    const std::uint32_t column = i % 2;
    EXPECT_EQ(synapse.neuron, i);
    // Kernel place (1 - row, 1 - column), input channel 1.
    EXPECT_EQ(synapse.weight,
              100 + static_cast<int>(((1 - row) * 2 + 1 - column) * 4 + 2 + filter));
  }
}

TEST(SanafeNetwork, FractionsAreKeptWide) {
  const auto program = parse_mapped(example_network(
      kGroups, "  - in.0 -> a.2: {weight: 0.5}\n  - in.0 -> a.1: {weight: 40000}\n", kMappings));
  ASSERT_TRUE(program.ok()) << program.error().message();
  EXPECT_FALSE(program->compact);
  ASSERT_EQ(program->cores[5].wide.size(), 2U);
  EXPECT_EQ(program->cores[5].wide[0].weight, 0.5);
}

struct Refusal {
  std::string what, with;
  ErrorCode code;
  std::string name;
};

TEST(SanafeNetwork, RefusesByName) {
  const std::string good = example_network(kGroups, kEdges, kMappings);
  const std::vector<Refusal> refusals = {
      {"threshold: 3", "treshold: 3", ErrorCode::kUnsupported, "treshold"},
      {"threshold: 3", "threshold: x", ErrorCode::kFormat, "group 'a'"},
      {"threshold: 3", "threshold: .inf", ErrorCode::kFormat, "finite"},
      {"reset_mode: soft", "reset_mode: gentle", ErrorCode::kFormat, "gentle"},
      {"spikes: [1, 0]", "poisson: 0.5", ErrorCode::kUnsupported, "random"},
      {"spikes: [1, 0]", "rate: 1.5", ErrorCode::kFormat, "between 0 and 1"},
      {"- 3: [soma", "- 9: [soma", ErrorCode::kShape, "0 to 3"},
      {"name: in,", "name: a,", ErrorCode::kFormat, "there already"},
      {"in -> a:", "in => a:", ErrorCode::kFormat, "'a -> b'"},
      {"in -> a:", "in -> z:", ErrorCode::kFormat, "'z'"},
      {"a.3 -> a.0:", "a.3 -> a:", ErrorCode::kFormat, "two groups, or two neurons"},
      {"a.3 -> a.0:", "a.3 -> a.9:", ErrorCode::kFormat, "a.9"},
      {"a.3 -> a.0:", "a.3 -> in.0:", ErrorCode::kUnsupported, "onto an input"},
      {"[w: -5]", "[w: -5, delay: 2]", ErrorCode::kUnsupported, "delays"},
      {"[w: -5]", "[w: -5, u: 2]", ErrorCode::kUnsupported, "'u'"},
      {"[w: -5]", "[]", ErrorCode::kFormat, "'weight' is missing"},
      {"type: dense", "type: conv3d", ErrorCode::kUnsupported, "conv3d"},
      {"[1, 2, 3, 4]", "[1, 2, 3]", ErrorCode::kShape, "4 weights"},
      {"[[3, 1], [0, 2]]", "[[3, 1], [0, 4]]", ErrorCode::kFormat, "[0, 4]"},
      {"- a.3: {core: '2.1'}", "- a.3: {core: '6.0'}", ErrorCode::kShape, "6.0"},
      {"- a.3: {core: '2.1'}", "- a.3: {core: 2}", ErrorCode::kFormat, "tile.core"},
      {"- a.3: {core: '2.1'}\n", "", ErrorCode::kFormat, "a.3 is not mapped"},
      {"- a.3: {core: '2.1'}", "- a.1: {core: '2.1'}", ErrorCode::kFormat, "mapped twice"},
      {"synapse: sparse", "synapse: thin", ErrorCode::kNotFound, "thin"},
      {"synapse: sparse", "dendrite: line", ErrorCode::kUnsupported, "delays"},
      {"mappings:", "placings:", ErrorCode::kFormat, "mappings"},
      {"edges:", "links:", ErrorCode::kUnsupported, "links"},
      {"0..2: {bias: 2}", "0..2: {bias: 2, bias: 3}", ErrorCode::kFormat, "twice"},
  };
  for (const Refusal& refusal : refusals) {
    const auto program = parse_mapped(replaced(good, refusal.what, refusal.with));
    ASSERT_FALSE(program.ok()) << refusal.with;
    EXPECT_EQ(program.error().code, refusal.code) << program.error().message();
    EXPECT_NE(program.error().message().find(refusal.name), std::string::npos)
        << program.error().message();
  }
}

TEST(SanafeNetwork, RefusesSizesBeyondItsBounds) {
  const auto error = [](const std::string& groups, const std::string& edges) {
    const auto program = parse_mapped(example_network(groups, edges, "- a: {core: '0.0'}\n"));
    EXPECT_FALSE(program.ok());
    return program.ok() ? Error{} : program.error();
  };
  EXPECT_EQ(error("  - {name: a, neurons: [0..99999999: {}]}\n", "").code, ErrorCode::kResource);
  // More neurons than a core holds.
  EXPECT_EQ(error("  - {name: a, neurons: [0..64: {}]}\n", "").code, ErrorCode::kResource);
  // 1,024 sources and as many synapses fit 3,000; a second edge of the kind does not.
  const std::string square = "  - {name: a, neurons: [0..1023: {}]}\n";
  const std::string edge =
      "  - a -> a: {type: conv2d, input_width: 32, input_height: 32, input_channels: 1, "
      "kernel_width: 1, kernel_height: 1, kernel_count: 1, stride_width: 1, stride_height: 1, "
      "weight: [1]}\n";
  std::string mappings;
  for (int core = 0; core < 12; ++core) {
    for (int i = core * 64; i < core * 64 + 64; ++i) {
      mappings += "- a." + std::to_string(i) + ": {core: '" + std::to_string(core / 2) + "." +
                  std::to_string(core % 2) + "'}\n";
    }
  }
  const auto once = parse_mapped(example_network(square, edge, mappings), {5000, 3000});
  ASSERT_FALSE(once.ok());
  EXPECT_NE(once.error().message().find("a.768 is not mapped"), std::string::npos);
  const auto twice = parse_mapped(example_network(square, edge + edge, mappings), {5000, 3000});
  ASSERT_FALSE(twice.ok());
  EXPECT_EQ(twice.error().code, ErrorCode::kResource) << twice.error().message();
  const auto few = parse_mapped(example_network(kGroups, kEdges, kMappings), {100, 6});
  ASSERT_FALSE(few.ok());
  EXPECT_EQ(few.error().code, ErrorCode::kResource);
}

TEST(SanafeNetwork, DamageAtEveryPlaceIsAnErrorOrAnotherNetwork) {
  const std::string good = example_network(kGroups, kEdges, kMappings);
  int refused = 0;
  for (std::size_t length = 0; length < good.size(); ++length) {
    refused += parse_mapped(good.substr(0, length)).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, static_cast<int>(good.size()) * 9 / 10);
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char byte : {'\0', '{', ']', '9', '-', ':'}) {
      std::string text = good;
      text[at] = byte;
      static_cast<void>(parse_mapped(text).ok());
    }
  }
  const std::string chip = example_chip();
  for (std::size_t length = 0; length < chip.size(); length += 3) {
    static_cast<void>(emulator::parse_sanafe_chip(chip.substr(0, length), "chip.yaml").ok());
  }
}

TEST(SanafeFiles, AFileThatIsNotThereIsNamed) {
  const auto program = emulator::read_sanafe({"no.yaml", "no-chip.yaml"});
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code, ErrorCode::kNotFound);
  EXPECT_NE(program.error().message().find("no-chip.yaml"), std::string::npos);
}

}  // namespace
}  // namespace spikeloom::test
