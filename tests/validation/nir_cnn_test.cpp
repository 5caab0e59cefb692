/// The N-MNIST spiking CNN of the NIR paper on 100 recordings: acceptance/nir/02_cnn.

#include <algorithm>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include <gtest/gtest.h>

#include "base/io/npy.hpp"
#include "snn/lowering.hpp"
#include "snn/read_out.hpp"
#include "tests/support/acceptance_networks.hpp"

namespace spikeloom::test {
namespace {

constexpr std::int64_t kLongestRecording = 313;  // steps; README: sub and delay were padded to it

using Row = std::vector<double>;

/// A CSV with a header line: rows of numbers.
std::vector<Row> read_table(const std::string& name) {
  std::ifstream file(shared_path(kNirCnn + name));
  std::string line;
  std::getline(file, line);
  std::vector<Row> rows;
  while (std::getline(file, line)) {
    std::replace(line.begin(), line.end(), ',', ' ');
    std::istringstream text(line);
    Row row;
    for (double value = 0; text >> value;) row.push_back(value);
    rows.push_back(row);
  }
  return rows;
}

const Network& network() {
  static const Network loaded = read_network(kNirCnn + "cnn_sinabs.nir");
  return loaded;
}

struct Rule {
  std::string name, preset;
  std::vector<std::pair<std::string, std::string>> options;
  bool padded;
  int right;  ///< README: right answers of 100
};

class NirCnn : public testing::TestWithParam<std::tuple<Rule, Runner>> {};

/// The "multi" file was made in float32: trunc(v / threshold) turns a difference of one unit in the
/// last place into a spike, and three recordings differ in float64. These are their counts by
/// PyTorch in float64 (conv2d, floor, clamp; same rule), which the double run has to equal.
const std::map<int, Row>& multi_in_float64() {
  static const std::map<int, Row> counts = {
      {60033, {0, 131, 26, 1580, 6, 209, 0, 22, 3, 7}},
      {60087, {2, 213, 45, 14, 6, 1, 0, 1429, 7, 108}},
      {60091, {13, 18, 27, 1327, 3, 227, 5, 0, 48, 14}},
  };
  return counts;
}

TEST_P(NirCnn, OutputCountsEqualTheIndependentSimulation) {
  const auto& [rule, runner] = GetParam();
  const std::string csv = "expected_test100_out_counts_" + rule.name + ".csv";
  REQUIRE_SHARED(kNirCnn + csv);
  const auto table = read_table(csv);
  ASSERT_EQ(table.size(), 100U);
  int right = 0;
  int run_count = 0;
  for (std::size_t sample = 0; sample < table.size(); ++sample) {
    if (!runs_sample(runner.backend, sample)) continue;
    ++run_count;
    const Row& row = table[sample];
    RunRequest request{.preset = rule.preset,
                       .options = rule.options,
                       .arithmetic = runner.arithmetic,
                       .backend = runner.backend};
    if (rule.padded) request.steps = kLongestRecording;
    const auto run = run_network(network(), nmnist_recording(static_cast<int>(row[0])), request);
    ASSERT_TRUE(run.ok()) << error_of(run);
    const std::vector<double> counts = run->sums("output", 10);
    Row expected(row.begin() + 2, row.end());
    const auto in_double = multi_in_float64().find(static_cast<int>(row[0]));
    if (rule.name == "multi" && runner.arithmetic == Arithmetic::kDouble &&
        in_double != multi_in_float64().end()) {
      expected = in_double->second;
    }
    EXPECT_EQ(counts, expected) << "sample " << row[0];
    const auto prediction = std::max_element(counts.begin(), counts.end()) - counts.begin();
    right += prediction == static_cast<std::ptrdiff_t>(row[1]) ? 1 : 0;
  }
  if (run_count == 100) {
    EXPECT_EQ(right, rule.right);
  }
}

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all = {
      {"zero", "nir", {{"dt", "1e-3"}}, false, 100},
      {"sub", "nir", {{"dt", "1e-3"}, {"reset", "subtract"}}, true, 97},
      {"delay", "nir", {{"dt", "1e-3"}, {"reset", "subtract"}, {"reset-timing", "next"}}, true, 97},
      {"multi", "sinabs", {{"dt", "1e-3"}}, false, 96},
  };
  return all;
}

INSTANTIATE_TEST_SUITE_P(
    Rules, NirCnn, testing::Combine(testing::ValuesIn(rules()), testing::ValuesIn(real_runners())),
    [](const auto& info) {
      return std::get<0>(info.param).name + "_" + to_string(std::get<1>(info.param));
    });

class NirCnnOperations : public testing::TestWithParam<Runner> {};

TEST_P(NirCnnOperations, EqualTheIndependentCountPerRecordingAndLayer) {
  REQUIRE_SHARED(kNirCnn + "expected_test100_ops.csv");
  const std::vector<std::string> layers = {"0", "2", "5", "9", "11"};
  const auto table = read_table("expected_test100_ops.csv");
  for (std::size_t sample = 0; sample < table.size(); ++sample) {
    if (!runs_sample(GetParam().backend, sample)) continue;
    const Row& row = table[sample];
    const auto run = run_network(network(), nmnist_recording(static_cast<int>(row[0])),
                                 {.preset = "nir",
                                  .options = {{"dt", "1e-3"}},
                                  .arithmetic = GetParam().arithmetic,
                                  .backend = GetParam().backend});
    ASSERT_TRUE(run.ok()) << error_of(run);
    EXPECT_EQ(static_cast<double>(run->steps), row[1]);
    std::map<std::string, const NodeStats*> by_name;
    for (const NodeStats& node : run->stats.nodes) by_name[node.name] = &node;
    for (std::size_t i = 0; i < layers.size(); ++i) {
      const NodeStats& node = *by_name.at(layers[i]);
      EXPECT_EQ(static_cast<double>(node.events_in), row[2 + 3 * i]);
      EXPECT_EQ(node.value_sum, row[3 + 3 * i]);
      EXPECT_EQ(static_cast<double>(node.ac + node.mac), row[4 + 3 * i]);
    }
    EXPECT_EQ(run->stats.total(&NodeStats::dense_macs), row.back() * row[1]);
  }
}

INSTANTIATE_TEST_SUITE_P(Runners, NirCnnOperations, testing::ValuesIn(real_runners()),
                         [](const auto& info) { return to_string(info.param); });

TEST(NirCnnActivity, FirstLayerEqualsThePublishedCountsAndCosineToTheChip) {
  REQUIRE_SHARED(kNirCnn + "speck_activity.npy");
  const auto expected =
      io::read_npy(shared_path(kNirCnn + "expected_l1_counts_zero_reset_10x16x16x16.npy").string());
  const auto chip = io::read_npy(shared_path(kNirCnn + "speck_activity.npy").string());
  ASSERT_TRUE(expected.ok() && chip.ok());
  // One recording of each digit, 0 to 9, in the order of the published activity.
  const std::vector<int> samples = {60004, 60003, 60002, 60019, 60005,
                                    60009, 60012, 60001, 60062, 60008};
  for (const Runner& runner : real_runners()) {
    std::vector<double> counts;
    for (const int sample : samples) {
      const auto run = run_network(network(), first_steps(nmnist_recording(sample), 300),
                                   {.preset = "nir",
                                    .options = {{"dt", "1e-3"}},
                                    .arithmetic = runner.arithmetic,
                                    .backend = runner.backend,
                                    .record = {{"1", Variable::kSpikes}}});
      ASSERT_TRUE(run.ok()) << error_of(run);
      const auto sums = run->sums("1", 16 * 16 * 16);
      counts.insert(counts.end(), sums.begin(), sums.end());
    }
    double total = 0, dot = 0, square = 0, chip_square = 0;
    ASSERT_EQ(static_cast<std::int64_t>(counts.size()), expected->size());
    ASSERT_EQ(chip->size(), expected->size());
    for (std::size_t i = 0; i < counts.size(); ++i) {
      const auto at = static_cast<std::int64_t>(i);
      EXPECT_EQ(counts[i], expected->at(at)) << "element " << i;
      total += counts[i];
      dot += counts[i] * chip->at(at);
      square += counts[i] * counts[i];
      chip_square += chip->at(at) * chip->at(at);
    }
    EXPECT_EQ(total, 49711.0);
    EXPECT_NEAR(dot / std::sqrt(square * chip_square), 0.830536, 5e-7);
  }
}

}  // namespace
}  // namespace spikeloom::test
