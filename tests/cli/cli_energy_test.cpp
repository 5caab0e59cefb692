/// `energy`, `report` and `bench` from the outside.

#include <array>

#include "models/model_file/model_file.hpp"
#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/energy_example.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

class CliEnergy : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    // NIR would give the convolution a bias.
    const Status written = write_model_file(energy_example_network(), path("example.sloom"));
    ASSERT_TRUE(written.ok()) << written.error().message();
    // Two steps: the middle pixel with 1, the corner (0, 0) with 2.
    std::vector<float> values(18, 0.0F);
    values[4] = 1.0F;
    values[9] = 2.0F;
    save_array(path("input.npy"), {2, 1, 3, 3}, values);
  }

  std::vector<std::string> example(std::vector<std::string> more) {
    std::vector<std::string> words = {"energy",  "example.sloom", "--dt",       "1e-3",
                                      "--input", "input.npy",     "--schedule", "rows"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(CliEnergy, SaysTheLossFirstAndGivesTheFiguresOfTheManual) {
  const auto text = run(example({"--carbon", "400"}));
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(text.out.starts_with("The spiking network LOSES")) << text.out;
  EXPECT_TRUE(contains(text.out, "g CO2"));
  EXPECT_TRUE(contains(text.out, "Horowitz"));

  const auto result = run(example({"--json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Value report = list_at(result.json(), {"reports"})[0];
  const auto& accountings = list_at(report, {"accountings"});
  ASSERT_EQ(accountings.size(), 3U);
  // docs/energy.md, the sums of the example.
  const std::vector<std::pair<double, double>> sums = {
      {38.0, 285.2}, {2743.6043648, 2102.3033184}, {1113.2, 669.6}};
  for (std::size_t i = 0; i < sums.size(); ++i) {
    EXPECT_NEAR(number_at(accountings[i], {"spiking", "total_j"}) * 1e12, sums[i].first, 1e-9);
    EXPECT_NEAR(number_at(accountings[i], {"dense", "total_j"}) * 1e12, sums[i].second, 1e-9);
  }
}

TEST_F(CliEnergy, ARunFolderGivesWhatItsModelGives) {
  ASSERT_EQ(run({"run", "example.sloom", "--dt", "1e-3", "--input", "input.npy", "--schedule",
                 "rows", "--out", "folder"})
                .code,
            0);
  std::filesystem::remove(path("example.sloom"));
  const auto folder = run({"energy", "folder", "--json"});
  ASSERT_EQ(folder.code, 0) << folder.err;
  const Value report = list_at(folder.json(), {"reports"})[0];
  EXPECT_NEAR(number_at(list_at(report, {"accountings"})[2], {"spiking", "total_j"}) * 1e12, 1113.2,
              1e-9);
  EXPECT_EQ(run({"energy", "folder/run.json"}).code, 0);
  EXPECT_EQ(run({"energy", "nothing.json"}).code, 3);
  write_whole(path("old.json"), "{\"model\": \"x\", \"steps\": 1, \"layers\": []}");
  const auto old = run({"energy", "old.json"});
  EXPECT_EQ(old.code, 4);
  EXPECT_TRUE(contains(old.err, "'network'")) << old.err;
  EXPECT_EQ(run({"energy", "folder", "--neurobench"}).code, 2);
}

TEST_F(CliEnergy, TablesAreReadStrictly) {
  write_whole(path("bad.toml"),
              "name = \"b\"\ntitle = \"B\"\nprices = []\n[hop]\nvalue = -1\nunit = \"pJ\"\n"
              "status = \"published\"\nsource = \"a paper\"\n");
  const auto bad = run(example({"--table", "bad.toml"}));
  EXPECT_EQ(bad.code, 4);
  EXPECT_TRUE(contains(bad.err, "bad.toml: line 5, column 1: 'hop.value' is negative")) << bad.err;
  EXPECT_EQ(run(example({"--table", "7nm"})).code, 3);
  // A table that cannot price what the run did says what.
  write_whole(
      path("small.toml"),
      "name = \"s\"\ntitle = \"S\"\nprices = [\"compute\"]\n"
      "[ac.fp32]\nvalue = 1\nunit = \"pJ\"\nstatus = \"measured\"\nsource = \"our board\"\n"
      "[mac.int8]\nvalue = 1\nunit = \"pJ\"\nstatus = \"measured\"\nsource = \"our board\"\n");
  const auto small = run(example({"--table", "small.toml"}));
  EXPECT_EQ(small.code, 7);
  EXPECT_TRUE(contains(small.err, "mac.fp32 for 2 of multiply-accumulates in layer 'conv'"))
      << small.err;
  const auto tables = run({"energy", "--tables"});
  EXPECT_EQ(tables.code, 0);
  EXPECT_TRUE(contains(tables.out, "spinnaker2"));
}

TEST_F(CliEnergy, MetersThatAreNotThereAreNamed) {
  const auto result = run(example({"--measure", "--meter", "csv:none.csv", "--json"}));
  ASSERT_EQ(result.code, 0) << result.err;
  const Value reading = list_at(result.json(), {"measured"})[0];
  EXPECT_TRUE(at(reading, {"measurement"}).is_null());
  EXPECT_TRUE(contains(text_at(reading, {"why_not"}), "none.csv"));
  EXPECT_EQ(run(example({"--measure", "--meter", "abacus"})).code, 2);
}

TEST_F(CliEnergy, TheInSensorStudyGivesARangeAndNoHeadlineRatio) {
  const auto result = run({"energy", "--in-sensor"});
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string first = result.out.substr(0, result.out.find("\n\n"));
  EXPECT_TRUE(contains(first, "unverified")) << first;
  EXPECT_EQ(first.find('x'), first.find("pixel") + 2) << "no ratio in the headline: " << first;
  const auto json = run({"energy", "--in-sensor", "--json"});
  EXPECT_EQ(json.json().as_list()->size(), 4U);

  ASSERT_EQ(run({"energy", "--in-sensor", "--page", "study.html"}).code, 0);
  const std::string page = read_whole(path("study.html"));
  EXPECT_TRUE(contains(page, "class=\"published\"")) << "2.32 is marked";
  const std::string said = check_page("study.html");
  EXPECT_TRUE(said == "valid\n" || contains(said, "No module named 'html5lib'")) << said;
  EXPECT_EQ(run({"energy", "x.nir", "--page", "study.html"}).code, 2);
}

TEST_F(CliEnergy, BenchRunsTheTasksThatAreHere) {
  const auto result = run({"bench", "--json", "--csv", "b.csv", "--page", "b.html"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  const auto& tasks = list_at(document, {"tasks"});
  EXPECT_EQ(text_at(tasks[0], {"task"}), "motion");
  EXPECT_EQ(number_at(tasks[0], {"accuracy"}), 1.0);
  EXPECT_GT(number_at(tasks[0], {"counts", "synaptic_operations"}), 1000.0);
  for (const Value& task : tasks) {
    const Value* ran = task.find("ran");
    EXPECT_TRUE(*ran->as_bool() || !text_at(task, {"why_not"}).empty());
  }
  EXPECT_TRUE(contains(read_whole(path("b.csv")), "\nmotion,1,,"));
  EXPECT_TRUE(contains(read_whole(path("b.html")), "motion, embedded"));
  EXPECT_EQ(run({"bench", "--task", "chess"}).code, 2);
}

/// No layer of a language model is free: embedding, gated units, decoder.
TEST_F(CliEnergy, BenchPricesEveryLayerOfTheLanguageModel) {
  const auto result = run({"bench", "--task", "language", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  const Value& task = list_at(document, {"tasks"})[0];
  EXPECT_EQ(number_at(task, {"counts", "steps"}), 1.0) << "one step a token";
  EXPECT_TRUE(contains(text_at(task, {"note"}), "dense LSTM")) << text_at(task, {"note"});
  const Value& energy = at(task, {"energy"});
  EXPECT_EQ(number_at(energy, {"dense_passes"}), 1.0);
  for (const Value& accounting : list_at(energy, {"accountings"})) {
    const std::string name = text_at(accounting, {"accounting"});
    for (const char* side : {"spiking", "dense"}) {
      const auto& layers = list_at(accounting, {side, "layers"});
      // Three recurrent layers and the decoder; the embedding where memory is counted.
      EXPECT_GE(layers.size(), name == "compute" ? 4U : 5U) << name << ", " << side;
      for (const Value& layer : layers) {
        EXPECT_GT(number_at(layer, {"j"}), 0.0) << name << ", " << text_at(layer, {"name"});
      }
    }
  }
}

TEST_F(CliEnergy, BenchRunsTheGesturesThatAreThere) {
  REQUIRE_SHARED("acceptance/gesture/expected_counts.csv");
  const auto result =
      run({"bench", "--task", "gesture", "--json", "--data", shared_path("acceptance").string()});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  const Value& task = list_at(document, {"tasks"})[0];
  EXPECT_EQ(number_at(task, {"accuracy"}), 1.0) << "the README of the clips: all right";
  EXPECT_EQ(number_at(task, {"counts", "steps"}), 1450.0);
  for (const Value& accounting : list_at(task, {"energy", "accountings"})) {
    EXPECT_GT(number_at(accounting, {"spiking", "total_j"}), 0.0);
  }
}

/// The numbers of the page are those of run.json, and the page is valid HTML: tests/cli/page.py
/// reads both with html5lib (Debian: python3-html5lib).
TEST_F(CliEnergy, ThePageIsValidAndItsNumbersAreThoseOfTheRun) {
  ASSERT_EQ(run({"run", "example.sloom", "--dt", "1e-3", "--input", "input.npy", "--record", "if1",
                 "lif2", "--out", "folder"})
                .code,
            0);
  const auto written = run({"report", "folder", "-o", "page.html", "--json"});
  ASSERT_EQ(written.code, 0) << written.err;
  EXPECT_LT(number_at(written.json(), {"bytes"}), 2e6);
  const auto energy = run({"energy", "folder", "--json"});
  write_whole(path("energy.json"), energy.out);
  const std::string said = check_page("page.html", "folder/run.json energy.json");
  if (contains(said, "No module named 'html5lib'") && !running_in_ci()) {
    GTEST_SKIP() << said << "(Debian: python3-html5lib)";
  }
  EXPECT_TRUE(contains(said, "numbers equal")) << said;
}

/// One row of expected_test100_ops.csv: name, steps, then events, sum and operations of five weight
/// layers, and the dense multiply-accumulates of a step.
struct ExpectedDigit {
  std::string name;
  std::vector<double> cells;
  double dense_per_step() const { return cells[17]; }
};
constexpr std::array<const char*, 5> kDigitLayers = {"0", "2", "5", "9", "11"};

std::vector<ExpectedDigit> expected_digits(const std::string& folder) {
  std::vector<ExpectedDigit> expected;
  std::istringstream rows(read_whole(folder + "/expected_test100_ops.csv"));
  std::string line;
  std::getline(rows, line);
  while (std::getline(rows, line)) {
    ExpectedDigit digit;
    digit.name = line.substr(0, line.find(','));
    std::istringstream cut(line);
    for (std::string cell; std::getline(cut, cell, ',');) digit.cells.push_back(std::stod(cell));
    expected.push_back(std::move(digit));
  }
  return expected;
}

TEST_F(CliEnergy, ThreeAccountingsOfTheDigitNetworkOnTheExpectedOperations) {
  REQUIRE_SHARED("acceptance/nir/02_cnn/expected_test100_ops.csv");
  const std::string folder = shared_path("acceptance/nir/02_cnn").string();
  const auto expected = expected_digits(folder);
  ASSERT_EQ(expected.size(), 100U);
  std::vector<std::string> words = {
      "run", folder + "/cnn_sinabs.nir", "--dt", "1e-3", "--out", "digits", "--input"};
  for (const ExpectedDigit& digit : expected) {
    words.push_back(folder + "/nmnist_test100/" + digit.name + ".bs2");
  }
  ASSERT_EQ(run(words).code, 0);
  const auto document = io::parse_json(read_whole(path("digits/run.json")));
  ASSERT_TRUE(document.ok());
  const auto& recordings = list_at(*document, {"recordings"});
  ASSERT_EQ(recordings.size(), expected.size());
  double operations = 0.0;
  for (std::size_t i = 0; i < recordings.size(); ++i) {
    SCOPED_TRACE(expected[i].name);
    ASSERT_EQ(expected[i].cells.size(), 18U);
    for (std::size_t k = 0; k < kDigitLayers.size(); ++k) {
      for (const Value& layer : list_at(recordings[i], {"layers"})) {
        if (text_at(layer, {"name"}) != kDigitLayers[k]) continue;
        EXPECT_EQ(number_at(layer, {"events_in"}), expected[i].cells[2 + 3 * k]);
        EXPECT_EQ(number_at(layer, {"value_sum"}), expected[i].cells[3 + 3 * k]);
        EXPECT_EQ(number_at(layer, {"ac"}) + number_at(layer, {"mac"}),
                  expected[i].cells[4 + 3 * k]);
      }
      operations += expected[i].cells[4 + 3 * k];
    }
  }

  const auto said = run({"energy", "digits"});
  ASSERT_EQ(said.code, 0) << said.err;
  const std::string first = said.out.substr(0, said.out.find('\n'));
  EXPECT_TRUE(first.starts_with("The spiking network LOSES to the same layers dense")) << first;
  const auto result = run({"energy", "digits", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value report = list_at(result.json(), {"reports"})[0];
  EXPECT_EQ(number_at(report, {"inferences"}), 100.0);
  EXPECT_EQ(number_at(report, {"dense_passes"}), 1.0);
  for (const Value& accounting : list_at(report, {"accountings"})) {
    const std::string name = text_at(accounting, {"accounting"});
    EXPECT_GT(number_at(accounting, {"spiking", "total_j"}), 0.0);
    EXPECT_GT(number_at(accounting, {"dense", "total_j"}), 0.0);
    EXPECT_EQ(list_at(accounting, {"break_even"}).size(), kDigitLayers.size());
    EXPECT_TRUE(contains(first, name + ": ")) << "who wins by " << name << "? " << first;
  }
  const Value& compute = list_at(report, {"accountings"})[0];
  const double ac = number_at(compute, {"spiking", "components", "accumulates"}) / 0.9e-12;
  const double mac =
      number_at(compute, {"spiking", "components", "multiply-accumulates"}) / 4.6e-12;
  EXPECT_NEAR(ac + mac, operations / 100.0, 1e-3);
  EXPECT_NEAR(number_at(compute, {"dense", "total_j"}), expected[0].dense_per_step() * 4.6e-12,
              1e-15);
  // The last layer sees spikes of value 1 alone: E_MAC / E_AC spikes an input.
  EXPECT_NEAR(number_at(list_at(compute, {"break_even"})[4], {"break_even_rate"}), 4.6 / 0.9, 1e-9);
}

}  // namespace
}  // namespace spikeloom::test
