/// Networks of SLAYER and of Lava through the command line: acceptance/gesture and acceptance/lava.

#include "tests/cli/cli_process.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

const std::string kGesture = "acceptance/gesture/";
const std::string kLava = "acceptance/lava/";

class CliProducers : public CliTest {
 protected:
  static std::string shared(const std::string& name) { return shared_path(name).string(); }

  std::vector<std::string> gesture(const std::vector<std::string>& more) {
    std::vector<std::string> words = {"run", shared(kGesture + "network.yaml"), "--input",
                                      shared(kGesture + "clips/1.bs2"), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(CliProducers, GestureClipGivesTheExpectedCounts) {
  REQUIRE_SHARED(kGesture);
  const auto result = run(gesture({"--weights", shared(kGesture + "network")}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  // The first line of expected_counts.csv.
  EXPECT_EQ(numbers_at(document, {"output_counts"}),
            (std::vector<double>{213, 22, 38, 23, 44, 56, 8, 12, 12, 18, 45}));
  EXPECT_EQ(number_at(document, {"prediction"}), 0);
  EXPECT_EQ(number_at(document, {"steps"}), 1450);
  EXPECT_EQ(number_at(named(document, "layers", "conv1"), {"events_out"}), 51351);
  EXPECT_EQ(text_at(document, {"discretisation", "preset"}), "slayer");
  EXPECT_EQ(text_at(document, {"arithmetic"}), "integer");
  bool says_layers = false;
  for (const Value& note : list_at(document, {"notes"})) {
    says_layers =
        says_layers || contains(*note.as_string(), "2x128x128 4a 16c5z 2a 32c3z 2a 512 11");
  }
  EXPECT_TRUE(says_layers);
}

TEST_F(CliProducers, SlayerNetworksAreRefusedWithTheNextStep) {
  REQUIRE_SHARED(kGesture);
  const auto no_weights = run(gesture({}));
  EXPECT_EQ(no_weights.code, 6);
  EXPECT_TRUE(contains(no_weights.err, "--weights DIR")) << no_weights.err;
  const auto no_size =
      run({"info", shared(kGesture + "network.yaml"), "--weights", shared(kGesture + "network")});
  EXPECT_EQ(no_size.code, 6);
  EXPECT_TRUE(contains(no_size.err, "--layers")) << no_size.err;
  const auto wrong = run(gesture({"--weights", shared(kGesture + "network"), "--layers",
                                  "2x128x128 4a 16c5z 2a 32c3z 2a 512 12"}));
  EXPECT_EQ(wrong.code, 5);
  EXPECT_TRUE(contains(wrong.err, "fc2.txt")) << wrong.err;
}

TEST_F(CliProducers, GestureDemoShowsTheDecision) {
  REQUIRE_SHARED(kGesture);
  const auto result =
      run({"demo", "gesture", "--model", shared(kGesture + "network.yaml"), "--weights",
           shared(kGesture + "network"), "--input", shared(kGesture + "clips/9.bs2"), "--ascii"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "decision: air drums")) << result.out;
}

TEST_F(CliProducers, PilotNetSpikesAreLavas) {
  REQUIRE_SHARED(kLava);
  const auto result = run({"run", shared(kLava + "pilotnet_lif/network.net"), "--input",
                           shared(kLava + "pilotnet_lif/input.npy"), "--axes", "xyct",
                           "--reset-every", "17", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  const std::vector<std::pair<std::string, double>> spikes = {
      {"conv1", 166897}, {"conv2", 63672}, {"conv3", 23247}, {"conv4", 14567},
      {"conv5", 6770},   {"dense7", 226},  {"dense8", 49},   {"dense9", 8}};
  for (const auto& [layer, count] : spikes) {
    EXPECT_EQ(number_at(named(document, "layers", layer), {"events_out"}), count) << layer;
  }
}

TEST_F(CliProducers, MnistImagesAreRateCoded) {
  REQUIRE_SHARED(kLava);
  REQUIRE_SHARED("data/mnist");
  const auto info = run({"info", shared("data/mnist/t10k-labels-idx1-ubyte.gz"), "--json"});
  ASSERT_EQ(info.code, 0) << info.err;
  EXPECT_EQ(text_at(info.json(), {"format"}), "idx");
}

}  // namespace
}  // namespace spikeloom::test
