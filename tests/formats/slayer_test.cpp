/// SLAYER's files: layers as text, layers from weight counts, weights, the description.

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>

#include <gtest/gtest.h>

#include "models/slayer/slayer_inference.hpp"
#include "models/slayer/slayer_reader.hpp"
#include "models/slayer/slayer_topology.hpp"
#include "models/slayer/slayer_weights.hpp"
#include "snn/discretisation.hpp"
#include "snn/input_coding.hpp"
#include "tests/formats/nir_support.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {
namespace {

using enum SlayerKind;

TEST(SlayerTopology, ReadsItsText) {
  const auto topology = parse_slayer_topology("2x128x128 4a 16c5z 2a 32c3z 2a 512 11");
  ASSERT_TRUE(topology.ok()) << error_of(topology);
  EXPECT_EQ(topology->input, (Shape{2, 128, 128}));
  const std::vector<SlayerLayer> expected = {{kPool, 0, 4, 4, 0}, {kConvolution, 16, 5, 1, 2},
                                             {kPool, 0, 2, 2, 0}, {kConvolution, 32, 3, 1, 1},
                                             {kPool, 0, 2, 2, 0}, {kDense, 512},
                                             {kDense, 11}};
  EXPECT_EQ(topology->layers, expected);
  EXPECT_EQ(to_string(*topology), "2x128x128 4a 16c5z 2a 32c3z 2a 512 11");
  const auto shapes = slayer_shapes(*topology);
  ASSERT_TRUE(shapes.ok());
  EXPECT_EQ((*shapes)[4], (Shape{32, 8, 8}));
  const auto counts = slayer_weight_counts(*topology);
  ASSERT_TRUE(counts.ok());
  EXPECT_EQ(*counts, (std::vector<std::int64_t>{16, 800, 4, 4608, 4, 1048576, 5632}));
}

TEST(SlayerTopology, ReadsPaddingsStridesAndDashes) {
  const auto topology = parse_slayer_topology("2x34x34-16c5p1-2a-32c3p1s2-10");
  ASSERT_TRUE(topology.ok()) << error_of(topology);
  EXPECT_EQ(topology->layers[0], (SlayerLayer{kConvolution, 16, 5, 1, 1}));
  EXPECT_EQ(topology->layers[2], (SlayerLayer{kConvolution, 32, 3, 2, 1}));
  EXPECT_EQ(to_string(*topology), "2x34x34 16c5p1 2a 32c3zs2 10");
}

TEST(SlayerTopology, NamesWhatItCannotRead) {
  for (const char* text : {"", "2x34x34", "2x34 10", "10 20", "2x34x34 3b", "2x34x34 16c4z 10",
                           "2x34x34 0a", "2x34x34 16c 10", "2x34x34 99999999999999999999"}) {
    const auto topology = parse_slayer_topology(text);
    ASSERT_FALSE(topology.ok()) << text;
    EXPECT_EQ(topology.error().code, ErrorCode::kFormat) << text;
  }
  for (const char* text : {"2x34x34 4a 10", "2x34x34 10 2a", "2x4x4 8c5 10"}) {
    const auto topology = parse_slayer_topology(text);
    ASSERT_FALSE(topology.ok()) << text;
    EXPECT_EQ(topology.error().code, ErrorCode::kShape) << text;
  }
}

/// Files of the layers of `text`, in no useful order.
std::vector<SlayerWeightCount> files_of(const char* text) {
  const auto topology = parse_slayer_topology(text);
  const auto counts = slayer_weight_counts(*topology);
  std::map<SlayerKind, int> numbers;
  std::vector<SlayerWeightCount> files;
  for (std::size_t i = 0; i < counts->size(); ++i) {
    const SlayerKind kind = topology->layers[i].kind;
    files.push_back({kind, ++numbers[kind], (*counts)[i]});
  }
  std::reverse(files.begin(), files.end());
  return files;
}

TEST(SlayerInference, FindsTheOnlyLayersThatFit) {
  for (const char* text : {"2x128x128 4a 16c5z 2a 32c3z 2a 512 11", "2x128x128 4a 128 11",
                           "2x34x34 40 10", "2x64x64 4a 8c3z 2a 16c3z 2a 64 7"}) {
    const auto found = infer_slayer_topology(files_of(text), parse_slayer_topology(text)->input);
    ASSERT_TRUE(found.ok()) << text << ": " << error_of(found);
    EXPECT_EQ(to_string(*found), text);
  }
}

TEST(SlayerInference, RefusesWhatCouldBeSeveralNetworks) {
  // A pool before the convolution or behind it: the weight counts are the same.
  const char* text = "2x32x32 8c3z 2a 10";
  const auto found = infer_slayer_topology(files_of(text), {2, 32, 32});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kAmbiguous);
  EXPECT_NE(found.error().got.find("'2x32x32 8c3z 2a 10'"), std::string::npos);
  EXPECT_NE(found.error().got.find("'2x32x32 2a 8c3z 10'"), std::string::npos);
  EXPECT_NE(found.error().next.find("--layers"), std::string::npos);
}

TEST(SlayerInference, CountsEveryLayoutOnce) {
  // 72 = 9 x 2x2x2 = 4 x 2x3x3 (padded or not) = 1 x 2x6x6; without pools both orders are one.
  const std::vector<SlayerWeightCount> files = {{kConvolution, 1, 72}};
  const auto found = infer_slayer_topology(files, {2, 8, 8});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().what.find("4 layouts"), 0U) << found.error().what;
  for (const char* text : {"'2x8x8 9c2'", "'2x8x8 4c3z'", "'2x8x8 4c3'", "'2x8x8 1c6'"}) {
    EXPECT_NE(found.error().got.find(text), std::string::npos) << found.error().got;
  }
}

/// Found by fuzzing: comparing every layout with all before it took most of a minute here.
TEST(SlayerInference, GivesUpSoonOnFilesThatCouldBeAnything) {
  const std::vector<SlayerWeightCount> files(100, {kConvolution, 80, 238 * 238});
  const std::clock_t start = std::clock();
  const auto found = infer_slayer_topology(files, {2, 64, 64});
  EXPECT_LT(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC, 5.0);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kAmbiguous);
  EXPECT_NE(found.error().next.find("--layers"), std::string::npos);
}

TEST(SlayerInference, RefusesWhatFitsNoNetwork) {
  const std::vector<SlayerWeightCount> files = {{kDense, 1, 7}};
  const auto found = infer_slayer_topology(files, {2, 34, 34});
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.error().code, ErrorCode::kShape);
}

TEST(SlayerWeightFile, NamesTheLineThatIsNoNumber) {
  const auto values = parse_slayer_weights("-2\r\n 3.5 \n\n-0\n1e1", "fc1.txt");
  ASSERT_TRUE(values.ok()) << error_of(values);
  EXPECT_EQ(*values, (std::vector<double>{-2, 3.5, 0, 10}));
  for (const char* text : {"1\n2\nx\n", "1\n2\n3 4\n", "1\n2\nnan\n", "1\n2\n0x10\n"}) {
    const auto bad = parse_slayer_weights(text, "fc1.txt");
    ASSERT_FALSE(bad.ok()) << text;
    EXPECT_NE(bad.error().where.find("fc1.txt: line 3"), std::string::npos) << bad.error().where;
  }
}

constexpr const char* kYaml =
    "simulation:\n    Ts: 1.0\n    tSample: 100\n"
    "neuron:\n    type: LOIHI\n    vThMant: 80\n    vDecay: 128\n    iDecay: 1024\n"
    "training:\n    error: {type: NumSpikes}\n";

/// A folder with a description and the weights of "1x4x4 2a 3".
class SlayerFiles {
 public:
  SlayerFiles() {
    write("network.yaml", kYaml);
    write("pool1.txt", "28\n28\n28\n28\n");
    write("fc1.txt", "2\n4\n6\n8\n-2\n-4\n-6\n-8\n0\n0\n0\n0\n");
    write("accuracy.txt", "# Train Test\n0.5 0.4\n");
  }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.file(name), std::ios::binary) << text;
  }
  void remove(const std::string& name) { std::filesystem::remove(folder_.file(name)); }
  Result<LoadedModel> read(const std::string& layers = "1x4x4 2a 3") {
    SlayerReadOptions options;
    options.weights = folder_.file("");
    options.layers = layers;
    return read_slayer(folder_.file("network.yaml"), options);
  }

 private:
  TemporaryFolder folder_;
};

TEST(SlayerReader, BuildsTheNetworkAndSaysHowItRuns) {
  SlayerFiles files;
  const auto model = files.read();
  ASSERT_TRUE(model.ok()) << error_of(model);
  std::vector<std::string> names;
  for (const Node& node : model->network.nodes()) names.push_back(node.name);
  EXPECT_EQ(names, (std::vector<std::string>{"input", "pool1.synapse", "pool1", "flatten",
                                             "fc1.synapse", "fc1", "output"}));
  const auto d = discretisation_from_value(*model->run_settings.find("discretisation"));
  ASSERT_TRUE(d.ok());
  EXPECT_EQ(d->preset, "slayer");
  EXPECT_EQ(d->step_time(), kMillisecond);
  const auto coding = input_coding_from_value(*model->run_settings.find("input_coding"));
  ASSERT_TRUE(coding.ok());
  EXPECT_EQ(coding->steps, 100);
  EXPECT_EQ(coding->ignored_steps, 1);
  ASSERT_EQ(model->report.warnings.size(), 1U);
  EXPECT_EQ(model->report.warnings[0], "accuracy.txt: no weights, ignored");
}

TEST(SlayerReader, NamesWhatDoesNotFit) {
  const auto code_of = [](const Result<LoadedModel>& model) {
    return model.ok() ? std::string("read") : to_string(model.error().code);
  };
  SlayerFiles files;
  EXPECT_EQ(code_of(files.read("1x4x4 2a 4")), "shape") << "fewer weights than layers need";
  EXPECT_EQ(code_of(files.read("1x4x4 2a 3 2")), "not-found") << "no fc2.txt";
  EXPECT_EQ(code_of(files.read("1x2x2 3")), "shape") << "pool1.txt is left over";
  files.write("fc3.txt", "1\n");
  EXPECT_EQ(code_of(files.read()), "not-found") << "fc2.txt left out";
  files.remove("fc3.txt");
  files.write("delay1.txt", "1\n");
  EXPECT_EQ(code_of(files.read()), "unsupported");
  files.remove("delay1.txt");
  files.write("fc1.txt", "2\n4\n6\n8\n-2\n-4\n-6\n");
  EXPECT_EQ(code_of(files.read()), "shape") << "a truncated file";
  files.write("fc1.txt", "");
  EXPECT_EQ(code_of(files.read()), "shape");
}

TEST(SlayerReader, RefusesOtherNeuronsAndOddNumbers) {
  const std::string yaml = kYaml;
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = yaml;
    text.replace(text.find(from), from.size(), to);
    return text;
  };
  for (const auto& [text, says] :
       {std::pair(with("LOIHI", "SRMALPHA"), "SRMALPHA"), std::pair(with("80", "80.5"), "vThMant"),
        std::pair(with("128", "5000"), "vDecay"), std::pair(with("128", "many"), "vDecay"),
        std::pair(with("    iDecay: 1024\n", ""), "iDecay"),
        std::pair(with("100", "-1"), "tSample"), std::pair(with("100", "1e300"), "tSample"),
        std::pair(with("neuron", "neurons"), "neuron")}) {
    SlayerFiles files;
    files.write("network.yaml", text);
    const auto model = files.read();
    ASSERT_FALSE(model.ok()) << text;
    EXPECT_NE(model.error().message().find(says), std::string::npos) << model.error().message();
  }
}

/// Cut off anywhere and with any byte changed, a description is read or refused with a reason.
TEST(SlayerReader, DamagedDescriptions) {
  const std::string yaml = kYaml;
  SlayerFiles files;
  for (std::size_t size = 0; size < yaml.size(); ++size) {
    files.write("network.yaml", yaml.substr(0, size));
    const auto model = files.read();
    if (!model.ok()) {
      EXPECT_FALSE(model.error().what.empty());
    }
  }
  for (std::size_t i = 0; i < yaml.size(); ++i) {
    std::string text = yaml;
    text[i] = static_cast<char>(text[i] ^ 0x15);
    files.write("network.yaml", text);
    const auto model = files.read();
    if (!model.ok()) {
      EXPECT_FALSE(model.error().what.empty());
    }
  }
}

}  // namespace
}  // namespace spikeloom::test
