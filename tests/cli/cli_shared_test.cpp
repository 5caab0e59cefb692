/// The published networks and recordings through the command line: acceptance/nir.

#include <set>

#include "base/io/npy.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

class CliShared : public CliTest {
 protected:
  static std::string shared(const std::string& name) {
    return shared_path("acceptance/nir/" + name).string();
  }
};

TEST_F(CliShared, NMnistRecordingsGiveTheExpectedCounts) {
  REQUIRE_SHARED("acceptance/nir/02_cnn/cnn_sinabs.nir");
  const auto result =
      run({"run", shared("02_cnn/cnn_sinabs.nir"), "--dt", "1e-3", "--input",
           shared("02_cnn/nmnist_test100/60001.bs2"), shared("02_cnn/nmnist_test100/60002.bs2"),
           "--labels", shared("02_cnn/nmnist_test100/test100.txt"), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(number_at(document, {"accuracy"}), 1.0);
  const Value& first = list_at(document, {"recordings"})[0];
  // The first line of expected_test100_out_counts_zero.csv and of expected_test100_ops.csv.
  EXPECT_EQ(numbers_at(first, {"output_counts"}),
            (std::vector<double>{0, 3, 1, 0, 0, 0, 0, 110, 0, 0}));
  EXPECT_EQ(number_at(first, {"steps"}), 302);
  EXPECT_EQ(number_at(first, {"label"}), 7);
  const Value& layer = named(first, "layers", "5");
  EXPECT_EQ(number_at(layer, {"events_in"}), 5529);
  EXPECT_EQ(number_at(layer, {"value_sum"}), 6812);
  EXPECT_EQ(number_at(layer, {"ac"}) + number_at(layer, {"mac"}), 383848);
  double dense = 0.0;
  for (const Value& node : list_at(first, {"layers"})) dense += number_at(node, {"dense_macs"});
  EXPECT_EQ(dense, 302.0 * 838688.0);
}

TEST_F(CliShared, BrailleSpikesEqualSnnTorch) {
  REQUIRE_SHARED("acceptance/nir/03_rnn/snntorch_activity_noDelay_bias_zero.npy");
  const auto expected = io::read_npy(shared("03_rnn/snntorch_activity_noDelay_bias_zero.npy"));
  ASSERT_TRUE(expected.ok());
  const std::int64_t neurons = expected->dim(expected->rank() - 1);
  std::set<std::pair<double, double>> spikes;
  for (std::int64_t i = 0; i < expected->size(); ++i) {
    if (expected->at(i) != 0.0) {
      spikes.emplace(static_cast<double>(i / neurons), static_cast<double>(i % neurons));
    }
  }
  // The table of values, once as .npy and once as .csv.
  for (const std::string ending : {".npy", ".csv"}) {
    const auto result = run({"run", shared("03_rnn/braille_noDelay_bias_zero.nir"), "--input",
                             shared("03_rnn/braille_ds_test0_input_256x12" + ending), "--record",
                             "lif1.lif", "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    const Value document = result.json();
    EXPECT_EQ(numbers_at(document, {"output_counts"}),
              (std::vector<double>{10, 160, 112, 113, 103, 68, 121}));
    EXPECT_EQ(number_at(document, {"prediction"}), 1);
    EXPECT_EQ(text_at(document, {"discretisation", "preset"}), "snntorch");
    const Value& record = list_at(document, {"records"})[1];
    const auto step = numbers_at(record, {"step"});
    const auto index = numbers_at(record, {"index"});
    std::set<std::pair<double, double>> found;
    for (std::size_t i = 0; i < step.size(); ++i) found.emplace(step[i], index[i]);
    EXPECT_EQ(found, spikes);
  }
}

TEST_F(CliShared, ValidationSetOfAPyTorchFileGivesAnAccuracy) {
  REQUIRE_SHARED("acceptance/nir/03_rnn/ds_val_0.pt");
  const auto result = run({"run", shared("03_rnn/braille_noDelay_bias_zero.nir"), "--input",
                           shared("03_rnn/ds_val_0.pt"), "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(list_at(document, {"recordings"}).size(), 280U);
  EXPECT_EQ(number_at(document, {"labelled"}), 280);
  EXPECT_GT(number_at(document, {"accuracy"}), 0.5) << "chance is 1/7";
  RecordProperty("accuracy", std::to_string(number_at(document, {"accuracy"})));
}

TEST_F(CliShared, TextModelsOfOtherToolsAreNamed) {
  REQUIRE_SHARED("acceptance/emulator/loihi.yaml");
  const auto chip = run({"run", shared_path("acceptance/emulator/loihi.yaml").string()});
  EXPECT_EQ(chip.code, 7);
  EXPECT_TRUE(contains(chip.err, "chip description")) << chip.err;
  const auto mapped = run({"info", shared_path("acceptance/emulator/dvs.yaml").string()});
  EXPECT_EQ(mapped.code, 7);
  EXPECT_TRUE(contains(mapped.err, "mapped to a chip")) << mapped.err;
}

TEST_F(CliShared, EdgeFilesAreRefusedWithACodeOrLoaded) {
  REQUIRE_SHARED("acceptance/nir/05_edge_files");
  const std::set<int> documented = {0, 2, 3, 4, 5, 6, 7, 8};
  for (const std::string part : {"05_edge_files", "06_reference_writer"}) {
    for (const auto& entry : std::filesystem::directory_iterator(shared(part))) {
      const auto info = run({"info", entry.path().string()});
      EXPECT_TRUE(documented.contains(info.code)) << entry.path() << ": " << info.code;
      const auto result =
          run({"run", entry.path().string(), "--dt", "1e-4", "--steps", "3", "--out", "r"});
      EXPECT_TRUE(documented.contains(result.code)) << entry.path() << ": " << result.code;
      const std::string name = entry.path().filename().string();
      if (result.code != 0) {
        EXPECT_TRUE(contains(result.err, name)) << name << ": " << result.err;
        EXPECT_TRUE(entries().empty()) << name;
      }
      std::filesystem::remove_all(folder() / "r");
    }
  }
}

}  // namespace
}  // namespace spikeloom::test
