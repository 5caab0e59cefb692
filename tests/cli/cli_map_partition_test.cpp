#include "cli/exit_codes.hpp"
#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliMapPartition : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    // Two chains of 30 neurons that do not talk; odd and even numbers.
    std::string text = "58 60 1\n";
    for (int v = 1; v <= 58; ++v)
      text += "2 " + std::to_string(v) + " " + std::to_string(v + 2) + "\n";
    write_whole(path("chains.hgr"), text);
  }
};

TEST_F(CliMapPartition, SaysCoresAndPackets) {
  const auto done =
      run({"map", "partition", "chains.hgr", "--capacity", "32", "--json", "--out", "cores.txt"});
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  const Value value = done.json();
  EXPECT_EQ(*value.find("cores")->as_integer(), 2);  // ceil(60 x 1.05 / 32)
  EXPECT_EQ(*value.find("packets")->as_integer(), 0);
  EXPECT_EQ(*value.find("feasible")->as_bool(), true);
  EXPECT_EQ(*value.find("max_neurons")->as_integer(), 30);
  const std::string cores = read_whole(path("cores.txt"));
  EXPECT_EQ(cores.size(), 120U);
  EXPECT_NE(cores[0], cores[2]);
  EXPECT_EQ(cores[0], cores[4]);

  const auto text = run({"map", "partition", "chains.hgr", "--capacity", "32"});
  EXPECT_NE(text.out.find("60 neurons on 2 cores"), std::string::npos) << text.out;
}

TEST_F(CliMapPartition, TwoMoreLimitsAreKept) {
  const auto done = run({"map", "partition", "chains.hgr", "--capacity", "10", "--synapse-ratio",
                         "1.3", "--max-axons", "12", "--json"});
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  const Value value = done.json();
  // 58 synapses on 7 cores: at most 1.3 x 58 / 7 = 10.8.
  EXPECT_EQ(*value.find("cores")->as_integer(), 7);
  EXPECT_LE(*value.find("max_synapses")->as_integer(), 10);
  EXPECT_LE(*value.find("max_axons")->as_integer(), 12);
}

/// What doctor says is in the build divides the chains, and the other says how to get it.
TEST_F(CliMapPartition, EnginesOfOthersAreThereOrSayHow) {
  const auto doctor = run({"doctor", "--json"});
  ASSERT_EQ(doctor.code, cli::kExitOk) << doctor.err;
  for (const std::string engine : {"metis", "scotch"}) {
    const auto done =
        run({"map", "partition", "chains.hgr", "--capacity", "32", "--json", "--engine", engine});
    if (!*doctor.json().find(engine)->find("built")->as_bool()) {
      EXPECT_EQ(done.code, cli::kExitUnsupported);
      EXPECT_NE(done.err.find("lib" + engine + "-dev"), std::string::npos) << done.err;
      continue;
    }
    ASSERT_EQ(done.code, cli::kExitOk) << done.err;
    EXPECT_EQ(*done.json().find("engine")->as_string(), engine);
    EXPECT_EQ(*done.json().find("feasible")->as_bool(), true);
    EXPECT_LE(*done.json().find("packets")->as_integer(), 4);
  }
  EXPECT_EQ(run({"map", "partition", "chains.hgr", "--engine", "other"}).code, cli::kExitUsage);
}

TEST_F(CliMapPartition, WhatDoesNotFitIsAnError) {
  const auto done = run({"map", "partition", "chains.hgr", "--capacity", "10", "--cores", "5"});
  EXPECT_EQ(done.code, cli::kExitResource);
  EXPECT_NE(done.err.find("5 parts"), std::string::npos) << done.err;
  write_whole(path("bad.hgr"), "1 2\n1 3\n");
  EXPECT_EQ(run({"map", "partition", "bad.hgr"}).code, cli::kExitFormat);
}

}  // namespace
}  // namespace spikeloom::test
