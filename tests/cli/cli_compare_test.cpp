/// `compare`, `plot`, `devices`, `doctor` and `demo motion` as processes.

#include <algorithm>
#include <cmath>

#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliCompare : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    save(two_if_network(), path("net.nir"));
    save_array(path("ones.npy"), {8, 2}, std::vector<float>(16, 1.0F));
  }
};

TEST_F(CliCompare, EqualRunsAreEqual) {
  const auto result = run({"compare", "net.nir", "--input", "ones.npy", "--left",
                           "--arithmetic double", "--right", "--arithmetic float32", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(at(document, {"equal"}), Value(true));
  EXPECT_EQ(number_at(named(document, "nodes", "neurons"), {"cosine"}), 1.0);
  EXPECT_TRUE(at(named(document, "nodes", "neurons"), {"first_difference"}).is_null());
  EXPECT_EQ(text_at(document, {"left", "arithmetic"}), "double");
  EXPECT_EQ(text_at(document, {"right", "arithmetic"}), "float32");
}

TEST_F(CliCompare, TheFirstDifferenceHasItsDistanceFromThreshold) {
  // Threshold 1.5, strictly above. Neuron 1 gets 2 at every step and always fires. Neuron 0 gets 1:
  //   zero:      v before reset 1, 2*, 1, 2*, 1, 2*, 1, 2*             fires at 1, 3, 5, 7
  //   subtract:  v before reset 1, 2*, 1.5, 2.5*, 2*, 1.5, 2.5*, 2*    fires at 1, 3, 4, 6, 7
  const auto result = run({"compare", "net.nir", "--input", "ones.npy", "--left", "--reset zero",
                           "--right", "--reset subtract", "--json"});
  ASSERT_EQ(result.code, 1) << result.err;
  const Value document = result.json();
  EXPECT_EQ(at(document, {"equal"}), Value(false));
  const Value& node = named(document, "nodes", "neurons");
  EXPECT_EQ(number_at(node, {"left_sum"}), 4 + 8);
  EXPECT_EQ(number_at(node, {"right_sum"}), 5 + 8);
  EXPECT_EQ(number_at(node, {"first_difference", "step"}), 4);
  EXPECT_EQ(number_at(node, {"first_difference", "index"}), 0);
  EXPECT_EQ(number_at(node, {"first_difference", "left"}), 0);
  EXPECT_EQ(number_at(node, {"first_difference", "right"}), 1);
  EXPECT_EQ(number_at(node, {"first_difference", "left_membrane", "v"}), 1.0);
  EXPECT_EQ(number_at(node, {"first_difference", "left_membrane", "distance"}), -0.5);
  EXPECT_EQ(number_at(node, {"first_difference", "right_membrane", "v"}), 2.0);
  EXPECT_EQ(number_at(node, {"first_difference", "right_membrane", "threshold"}), 1.5);
  // Sums (4, 8) against (5, 8).
  EXPECT_NEAR(number_at(node, {"cosine"}), 84.0 / std::sqrt(80.0 * 89.0), 1e-12);

  const auto text = run({"compare", "net.nir", "--input", "ones.npy", "--left", "--reset zero",
                         "--right", "--reset subtract"});
  EXPECT_EQ(text.code, 1);
  EXPECT_TRUE(contains(text.out, "neurons, step 4, element 0")) << text.out;
  EXPECT_TRUE(contains(text.out, "different")) << text.out;
}

TEST_F(CliCompare, WrongFlagsSayWhichSide) {
  const auto result =
      run({"compare", "net.nir", "--input", "ones.npy", "--left", "--reset maybe", "--right", ""});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "--left")) << result.err;
}

TEST_F(CliCompare, RastersShowEverySpike) {
  const auto json =
      run({"plot", "raster", "net.nir", "--input", "ones.npy", "--node", "neurons", "--json"});
  ASSERT_EQ(json.code, 0) << json.err;
  const Value document = json.json();
  const auto& nodes = list_at(document, {"nodes"});
  ASSERT_EQ(nodes.size(), 1U);
  EXPECT_EQ(list_at(nodes[0], {"step"}).size(), 12U);
  const auto text =
      run({"plot", "raster", "net.nir", "--input", "ones.npy", "--node", "neurons", "--ascii"});
  ASSERT_EQ(text.code, 0) << text.err;
  EXPECT_TRUE(contains(text.out, "0 | . . . .|")) << text.out;
  EXPECT_TRUE(contains(text.out, "1 |........|")) << text.out;
  const auto missing = run({"plot", "raster", "net.nir", "--input", "ones.npy", "--node", "x"});
  EXPECT_EQ(missing.code, 3);
}

TEST_F(CliCompare, DevicesAndDoctorKnowEveryBackend) {
  for (const std::string command : {"devices", "doctor"}) {
    const auto result = run({command, "--json"});
    ASSERT_EQ(result.code, 0) << result.err;
    const Value document = result.json();
    EXPECT_EQ(at(named(document, "backends", "reference"), {"available"}), Value(true));
    const Value& cuda = named(document, "backends", "cuda");
    if (at(cuda, {"available"}) == Value(false)) {
      EXPECT_NE(text_at(cuda, {"reason"}), "");
    }
    EXPECT_GE(number_at(document, {"host", "threads"}), 1);
    const auto text = run({command});
    EXPECT_EQ(text.code, 0);
    EXPECT_TRUE(contains(text.out, "reference")) << text.out;
  }
  const Value doctor = run({"doctor", "--json"}).json();
  EXPECT_EQ(at(doctor, {"self_test", "passed"}), Value(true));
  EXPECT_NE(text_at(doctor, {"hdf5"}), "");
  EXPECT_NE(at(doctor, {"mpi", "built"}).as_bool(), nullptr);
}

TEST_F(CliCompare, TheMotionDemoTellsADirection) {
  const auto result = run({"demo", "motion", "--direction", "180", "--speed", "400", "--noise",
                           "0.1", "--seed", "7", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(number_at(document, {"expected"}), 4);
  const auto& decisions = list_at(document, {"decisions"});
  ASSERT_EQ(decisions.size(), 4U) << "800 ms in windows of 200 ms";
  for (const Value& decision : decisions) EXPECT_EQ(number_at(decision, {"direction"}), 4);
  EXPECT_GT(number_at(document, {"events"}), 1000);
  EXPECT_GT(number_at(document, {"synaptic_operations"}), 0);
  EXPECT_GT(number_at(document, {"dense_macs"}), number_at(document, {"synaptic_operations"}));
  EXPECT_GT(number_at(document, {"s_per_decision"}), 0.0);

  const auto text = run({"demo", "motion", "--ascii"});
  ASSERT_EQ(text.code, 0) << text.err;
  for (const std::string part : {"45 degrees, right", "events", "synaptic operations", "dense",
                                 "per decision", "directions: 8 neurons"}) {
    EXPECT_TRUE(contains(text.out, part)) << part << "\n" << text.out;
  }
  EXPECT_TRUE(std::all_of(text.out.begin(), text.out.end(), [](char c) { return c > 0; }));
}

TEST_F(CliCompare, TheMotionDemoWritesFilesThatRun) {
  const auto written = run({"demo", "motion", "--out", ".", "--speed", "400"});
  ASSERT_EQ(written.code, 0) << written.err;
  const auto result = run({"run", "motion.nir", "--dt", "1e-3", "--input", "right.bs2", "up.bs2",
                           "left.bs2", "down.bs2", "--labels", "directions.txt", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(number_at(result.json(), {"accuracy"}), 1);
  EXPECT_NE(run({"demo", "motion", "--out", "no/such/folder"}).code, 0);
  EXPECT_EQ(run({"demo", "motion", "--out", ".", "--all"}).code, 2);
}

TEST_F(CliCompare, TheMotionDemoIsRightInAllDirections) {
  const auto result = run({"demo", "motion", "--all", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const Value document = result.json();
  EXPECT_EQ(list_at(document, {"runs"}).size(), 8U * 3U * 2U);
  EXPECT_EQ(number_at(document, {"decisions"}), 8 * 3 * 2 * 4);
  EXPECT_EQ(number_at(document, {"right"}), number_at(document, {"decisions"}));
}

}  // namespace
}  // namespace spikeloom::test
