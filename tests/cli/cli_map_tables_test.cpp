#include "cli/exit_codes.hpp"
#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliMapTables : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    std::string csv;
    for (int key = 0; key < 64; ++key) {
      csv += std::to_string(key) + ",0xFFFFFFFF," + (key % 16 == 3 ? "2" : "1") + "\n";
    }
    write_whole(path("raw.csv"), csv);
  }
};

TEST_F(CliMapTables, CompressesProvesAndWrites) {
  const auto done = run({"map", "tables", "raw.csv", "--json", "--out", "small.csv"});
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  const Value value = done.json();
  EXPECT_EQ(*value.find("tables")->as_integer(), 1);
  EXPECT_EQ(*value.find("raw_max")->as_integer(), 64);
  EXPECT_EQ(*value.find("raw_sum")->as_integer(), 64);
  EXPECT_EQ(*value.find("max")->as_integer(), 2);  // keys ending in 3, and the rest
  EXPECT_EQ(*value.find("sum")->as_integer(), 2);
  EXPECT_EQ(*value.find("proven")->as_bool(), true);
  EXPECT_GE(value.find("seconds")->number(), 0.0);

  const auto same = run({"map", "tables", "raw.csv", "--against", "small.csv"});
  EXPECT_EQ(same.code, cli::kExitOk) << same.err;
  EXPECT_NE(same.out.find("proven"), std::string::npos) << same.out;
}

TEST_F(CliMapTables, APlantedErrorIsNamedAndTheAnswerIsNo) {
  write_whole(path("wrong.csv"), "3,15,2\n0x2A,0xFFFFFFFF,2\n0,0,1\n");
  const auto done = run({"map", "tables", "raw.csv", "--against", "wrong.csv"});
  EXPECT_EQ(done.code, cli::kExitNo) << done.err;
  EXPECT_NE(done.out.find("key 0x0000002A"), std::string::npos) << done.out;
}

TEST_F(CliMapTables, ATableOverTheLimitIsAnError) {
  const auto done = run({"map", "tables", "raw.csv", "--limit", "1"});
  EXPECT_EQ(done.code, cli::kExitResource);
  EXPECT_NE(done.err.find("chip (0, 0)"), std::string::npos) << done.err;
  EXPECT_NE(done.err.find("at most 1"), std::string::npos) << done.err;
}

TEST_F(CliMapTables, WrongFilesAreRefused) {
  write_whole(path("bad.csv"), "1,2\n");
  EXPECT_EQ(run({"map", "tables", "bad.csv"}).code, cli::kExitFormat);
  EXPECT_EQ(run({"map", "tables", "missing.csv"}).code, cli::kExitFile);
  EXPECT_EQ(run({"map", "tables"}).code, cli::kExitUsage);
}

}  // namespace
}  // namespace spikeloom::test
