/// The gesture network that SLAYER trained for Loihi, on seven recordings of DVS128 Gesture: layer
/// totals and output spikes of an independent integer simulation (acceptance/gesture).

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "models/slayer/slayer_reader.hpp"
#include "sensors/recording_io.hpp"
#include "tests/support/integer_backends.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

const std::string kFolder = "acceptance/gesture/";
constexpr const char* kLayers = "2x128x128 4a 16c5z 2a 32c3z 2a 512 11";

/// A comma-separated table; the first row names the columns.
std::vector<std::map<std::string, std::int64_t>> read_csv(const std::string& name) {
  std::ifstream file(shared_path(kFolder + name));
  std::vector<std::string> names;
  std::vector<std::map<std::string, std::int64_t>> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    std::map<std::string, std::int64_t> row;
    std::size_t column = 0;
    for (std::string cell; std::getline(cells, cell, ','); ++column) {
      if (rows.empty() && names.size() == column) {
        names.push_back(cell);
      } else {
        row[names.at(column)] = std::stoll(cell);
      }
    }
    if (!row.empty()) rows.push_back(std::move(row));
  }
  return rows;
}

struct Gesture {
  Network network;
  Discretisation discretisation;
  InputCoding coding;
};

/// What `run network.yaml --weights DIR` makes of the files.
Gesture load_gesture() {
  Gesture gesture;
  SlayerReadOptions options;
  options.weights = shared_path(kFolder + "network").string();
  options.layers = kLayers;
  const auto model = read_slayer(shared_path(kFolder + "network.yaml").string(), options);
  EXPECT_TRUE(model.ok()) << error_of(model);
  if (!model.ok()) return gesture;
  gesture.network = model->network;
  gesture.discretisation = *discretisation_from_value(*model->run_settings.find("discretisation"));
  gesture.coding = *input_coding_from_value(*model->run_settings.find("input_coding"));
  return gesture;
}

Result<CodedInput> code_clip(const Gesture& gesture, std::int64_t clip) {
  const auto path = shared_path(kFolder + "clips/" + std::to_string(clip) + ".bs2").string();
  SPIKELOOM_TRY(const ReadRecording read, read_recording(path, {}));
  const EventPacket& e = read.recording.events;
  return code_recording({e.time, e.x, e.y, e.polarity}, {2, 128, 128},
                        gesture.discretisation.step_time(), gesture.coding);
}

using Spike = std::pair<std::int64_t, std::int64_t>;  // step, neuron

std::map<std::int64_t, std::multiset<Spike>> expected_output_spikes() {
  std::map<std::int64_t, std::multiset<Spike>> spikes;
  for (auto& row : read_csv("expected_output_spikes.csv")) {
    spikes[row["clip"]].insert({row["step"], row["neuron"]});
  }
  return spikes;
}

std::uint64_t events_out(const RunResult& result, const std::string& name) {
  const auto& nodes = result.stats.nodes;
  const auto found =
      std::find_if(nodes.begin(), nodes.end(), [&](const auto& n) { return n.name == name; });
  return found == nodes.end() ? 0 : found->events_out;
}

class GestureNetwork : public testing::TestWithParam<std::string> {};

TEST_P(GestureNetwork, EveryClipGivesTheExpectedSpikes) {
  REQUIRE_SHARED(kFolder);
  const Gesture gesture = load_gesture();
  auto expected = expected_output_spikes();
  auto rows = read_csv("expected_counts.csv");
  ASSERT_EQ(rows.size(), 7U);
  for (auto& row : rows) {
    SCOPED_TRACE("clip " + std::to_string(row["clip"]));
    const auto input = code_clip(gesture, row["clip"]);
    ASSERT_TRUE(input.ok()) << error_of(input);
    EXPECT_EQ(input->steps, 1450);
    RunRequest request;
    request.declared = gesture.discretisation;
    request.arithmetic = Arithmetic::kInteger;
    request.backend = GetParam();
    const auto result = run_network(gesture.network, *input, request);
    ASSERT_TRUE(result.ok()) << error_of(result);
    for (const char* layer : {"pool1", "conv1", "pool2", "conv2", "pool3", "fc1", "fc2"}) {
      EXPECT_EQ(events_out(*result, layer), static_cast<std::uint64_t>(row[layer])) << layer;
    }
    std::multiset<Spike> spikes;
    for (const Recorded& spike : result->events.at("output")) {
      spikes.insert({spike.step, spike.index});
    }
    EXPECT_EQ(spikes, expected[row["clip"]]);
    const std::vector<double> counts = result->sums("output", 11);
    for (std::size_t k = 0; k < counts.size(); ++k) {
      EXPECT_EQ(counts[k], static_cast<double>(row["out" + std::to_string(k)])) << k;
    }
    EXPECT_EQ(std::max_element(counts.begin(), counts.end()) - counts.begin(), row["label"]);
  }
}

INSTANTIATE_TEST_SUITE_P(Backends, GestureNetwork, testing::ValuesIn(integer_backends()),
                         [](const auto& info) { return info.param; });

TEST(GestureInput, BinsRoundToTheNearestMillisecond) {
  REQUIRE_SHARED(kFolder);
  const Gesture gesture = load_gesture();
  InputCoding all_bins = gesture.coding;
  all_bins.ignored_steps = 0;
  Gesture every_bin = gesture;
  every_bin.coding = all_bins;
  for (auto& row : read_csv("expected_counts.csv")) {
    const auto input = code_clip(every_bin, row["clip"]);
    ASSERT_TRUE(input.ok()) << error_of(input);
    EXPECT_EQ(static_cast<std::int64_t>(input->index.size()), row["input_bins"]);
  }
}

TEST(GestureNetworkFiles, LayersAreInferredFromTheFiles) {
  REQUIRE_SHARED(kFolder);
  SlayerReadOptions options;
  options.weights = shared_path(kFolder + "network").string();
  options.input = Shape{2, 128, 128};
  const auto model = read_slayer(shared_path(kFolder + "network.yaml").string(), options);
  ASSERT_TRUE(model.ok()) << error_of(model);
  ASSERT_FALSE(model->report.warnings.empty());
  EXPECT_NE(model->report.warnings[0].find(kLayers), std::string::npos)
      << model->report.warnings[0];
}

/// The preset says everything but the step: the same network without its own settings.
TEST(GestureNetworkFiles, ThePresetIsTheRecipe) {
  REQUIRE_SHARED(kFolder);
  Gesture gesture = load_gesture();
  gesture.discretisation = *make_preset("slayer");
  gesture.discretisation.dt = 1.0;
  gesture.discretisation.time_unit = TimeUnit::kMilliseconds;
  gesture.coding = *preset_input_coding("slayer");
  gesture.coding.steps = 200;
  const auto input = code_clip(gesture, 1);
  ASSERT_TRUE(input.ok()) << error_of(input);
  RunRequest request;
  request.declared = gesture.discretisation;
  request.arithmetic = Arithmetic::kInteger;
  request.backend = "cpu";
  const auto result = run_network(gesture.network, *input, request);
  ASSERT_TRUE(result.ok()) << error_of(result);
  std::multiset<Spike> spikes;
  for (const Recorded& spike : result->events.at("output")) {
    spikes.insert({spike.step, spike.index});
  }
  std::multiset<Spike> expected;
  const auto all_clips = expected_output_spikes();
  for (const Spike& spike : all_clips.at(1)) {
    if (spike.first < 200) expected.insert(spike);
  }
  EXPECT_EQ(spikes, expected);
}

}  // namespace
}  // namespace spikeloom::test
