/// Networks that lava-dl trained, beside what Lava's own runs recorded (acceptance/lava).

#include <algorithm>
#include <array>

#include <gtest/gtest.h>

#include "base/io/file.hpp"
#include "base/io/idx.hpp"
#include "models/netx/netx_reader.hpp"
#include "sensors/spike_tensor.hpp"
#include "tests/support/integer_backends.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

const std::string kLif = "acceptance/lava/pilotnet_lif/";
const std::string kMnist = "acceptance/lava/mnist_bootstrap/";
const std::string kSdnn = "acceptance/lava/pilotnet_sdnn/";
/// A sample lasts tSample + 1 = 17 steps.
constexpr const char* kSampleSteps = "17";
/// What a recorded membrane says of a neuron that spiked in this step.
constexpr double kSpikeMarker = 128.0;

/// A layer of the network and the name that the recordings have for it.
struct Layer {
  const char* node;
  const char* file;
};
constexpr std::array<Layer, 8> kLayers = {{{"conv1", "conv-0"},
                                           {"conv2", "conv-1"},
                                           {"conv3", "conv-2"},
                                           {"conv4", "conv-3"},
                                           {"conv5", "conv-4"},
                                           {"dense7", "fc-0"},
                                           {"dense8", "fc-1"},
                                           {"dense9", "fc-2"}}};
constexpr std::array<std::size_t, 8> kSpikes = {166897, 63672, 23247, 14567, 6770, 226, 49, 8};

Tensor read_idx(const std::string& name) {
  const auto bytes = io::read_file(shared_path("data/mnist/" + name).string());
  const auto array = io::parse_idx(*bytes, name);
  EXPECT_TRUE(array.ok()) << error_of(array);
  return array.ok() ? *array : Tensor();
}

LoadedModel load(const std::string& name) {
  auto model = read_netx(shared_path(name).string());
  EXPECT_TRUE(model.ok()) << error_of(model);
  return model.ok() ? *std::move(model) : LoadedModel();
}

/// An array (time, features...) from (x, y, channel, time) or (neuron, time).
Tensor read_array(const std::string& name) {
  for (const char* axes : {"xyct", "ct"}) {
    auto tensor = read_spike_tensor(shared_path(name).string(), {.axes = axes});
    if (tensor.ok()) return *std::move(tensor);
  }
  ADD_FAILURE() << name;
  return Tensor();
}

CodedInput code(const std::string& name, const Shape& shape) {
  const auto input = code_sequence(read_array(name), shape, InputCoding{});
  EXPECT_TRUE(input.ok()) << error_of(input);
  return input.ok() ? *input : CodedInput();
}

RunRequest declared_request(const LoadedModel& model, const std::string& backend) {
  RunRequest request;
  request.declared = *discretisation_from_value(*model.run_settings.find("discretisation"));
  request.arithmetic = Arithmetic::kInteger;
  request.backend = backend;
  return request;
}

class LavaNetworks : public testing::TestWithParam<std::string> {};

TEST_P(LavaNetworks, PilotNetSpikesInEveryStep) {
  REQUIRE_SHARED(kLif);
  const LoadedModel model = load(kLif + "network.net");
  const CodedInput input = code(kLif + "input.npy", {3, 66, 200});
  ASSERT_EQ(input.steps, 24);
  RunRequest request = declared_request(model, GetParam());
  request.options = {{"reset-every", kSampleSteps}};
  for (const Layer& layer : kLayers) request.record.emplace_back(layer.node, Variable::kSpikes);
  const auto result = run_network(model.network, input, request);
  ASSERT_TRUE(result.ok()) << error_of(result);
  for (std::size_t l = 0; l < kLayers.size(); ++l) {
    SCOPED_TRACE(kLayers[l].node);
    const auto recorded = result->events.find(kLayers[l].node);
    ASSERT_NE(recorded, result->events.end());
    EXPECT_EQ(recorded->second.size(), kSpikes[l]);
    const Tensor expected = read_array(kLif + kLayers[l].file + ".npy");
    const std::int64_t neurons = expected.size() / expected.dim(0);
    std::size_t wrong = 0;
    std::vector<double> left = expected.to_doubles();
    for (const Recorded& spike : recorded->second) {
      double& there = left[static_cast<std::size_t>(spike.step * neurons + spike.index)];
      wrong += there == 1.0 ? 0 : 1;
      there = 0.0;
    }
    for (const double missing : left) wrong += missing == 0.0 ? 0 : 1;
    EXPECT_EQ(wrong, 0U);
  }
}

TEST_P(LavaNetworks, PilotNetCurrentsAndMembranes) {
  REQUIRE_SHARED(kLif);
  const LoadedModel model = load(kLif + "network.net");
  const CodedInput input = code(kLif + "input.npy", {3, 66, 200});
  RunRequest request = declared_request(model, GetParam());
  request.options = {{"reset-every", kSampleSteps}};
  const std::array<Layer, 4> traced = {kLayers[4], kLayers[5], kLayers[6], kLayers[7]};
  for (const Layer& layer : traced) {
    request.record.emplace_back(layer.node, Variable::kCurrent);
    request.record.emplace_back(layer.node, Variable::kMembrane);
    request.record.emplace_back(layer.node, Variable::kSpikes);
  }
  const auto result = run_network(model.network, input, request);
  ASSERT_TRUE(result.ok()) << error_of(result);
  for (const Layer& layer : traced) {
    SCOPED_TRACE(layer.node);
    const std::string node = layer.node;
    const std::vector<double> u = read_array(kLif + layer.file + "-u.npy").to_doubles();
    const std::vector<double> v = read_array(kLif + layer.file + "-v.npy").to_doubles();
    const auto& currents = result->state.at(node + ":u");
    const auto& membranes = result->state.at(node + ":v");
    std::vector<double> our_u, our_v;
    for (std::size_t t = 0; t < currents.size(); ++t) {
      our_u.insert(our_u.end(), currents[t].begin(), currents[t].end());
      our_v.insert(our_v.end(), membranes[t].begin(), membranes[t].end());
    }
    const std::size_t neurons = currents.at(0).size();
    for (const Recorded& spike : result->events.at(node)) {
      our_v[static_cast<std::size_t>(spike.step) * neurons + spike.index] = kSpikeMarker;
    }
    EXPECT_EQ(our_u, u);
    EXPECT_EQ(our_v, v);
  }
}

/// Lava's source repeats its one frame and its sink holds one value a layer.
TEST_P(LavaNetworks, SigmaDeltaPilotNetOutput) {
  REQUIRE_SHARED(kSdnn);
  const LoadedModel model = load(kSdnn + "network.net");
  const Tensor frame = read_array(kSdnn + "input.npy");
  const auto input =
      code_static(frame, {3, 33, 100}, 9, InputCoding{.coding = Coding::kCurrent}, 0);
  ASSERT_TRUE(input.ok()) << error_of(input);
  RunRequest request = declared_request(model, GetParam());
  request.record = {{"dense9", Variable::kOutput}};
  const auto result = run_network(model.network, *input, request);
  ASSERT_TRUE(result.ok()) << error_of(result);
  const std::vector<double> expected = read_array(kSdnn + "output.npy").to_doubles();
  std::vector<double> output(expected.size(), 0.0);
  for (const Recorded& value : result->events.at("dense9")) {
    output.at(static_cast<std::size_t>(value.step)) = value.value;
  }
  EXPECT_EQ(output, expected);
}

/// Trained on images that its input layer turns into spikes; here pixels spike with probability
/// value / 255 in every step (counter-based generator, seed = image number), 16 steps and 3 for the
/// delays. A sanity bar, far above chance: the coding is another, and only a part of the images is
/// run.
TEST_P(LavaNetworks, MnistBootstrapOnRateCodedImages) {
  REQUIRE_SHARED(kMnist);
  REQUIRE_SHARED("data/mnist");
  constexpr std::int64_t kImages = 12;
  const LoadedModel model = load(kMnist + "network.net");
  const auto images = read_idx("t10k-images-idx3-ubyte.gz");
  const auto labels = read_idx("t10k-labels-idx1-ubyte.gz");
  const std::vector<double> pixels = images.to_doubles();
  int right = 0;
  for (std::int64_t i = 0; i < kImages; ++i) {
    std::vector<double> image(pixels.begin() + 784 * i, pixels.begin() + 784 * (i + 1));
    for (double& value : image) value /= 255.0;
    const auto input =
        code_static(Tensor::of<double>({784}, image), {784}, 16,
                    InputCoding{.coding = Coding::kRate}, static_cast<std::uint64_t>(i));
    ASSERT_TRUE(input.ok()) << error_of(input);
    RunRequest request = declared_request(model, GetParam());
    request.steps = 19;
    const auto result = run_network(model.network, *input, request);
    ASSERT_TRUE(result.ok()) << error_of(result);
    const std::vector<double> sums = result->sums("output", 10);
    right += std::max_element(sums.begin(), sums.end()) - sums.begin() == labels.at(i) ? 1 : 0;
  }
  EXPECT_GE(right, 10) << "of 12";
}

INSTANTIATE_TEST_SUITE_P(Backends, LavaNetworks, testing::ValuesIn(integer_backends()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace spikeloom::test
