#include <algorithm>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "base/io/hdf5.hpp"
#include "base/io/json.hpp"
#include "base/io/npy.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/shared_data.hpp"

/// `spikeloom simulate` as a process.
namespace spikeloom::test {
namespace {

class CliSimulate : public CliTest {
 protected:
  Value json_of(const std::vector<std::string>& arguments) {
    const ProcessResult result = run(arguments);
    EXPECT_EQ(result.code, 0) << result.err;
    auto value = io::parse_json(result.out);
    EXPECT_TRUE(value.ok()) << result.out;
    return value.ok() ? *std::move(value) : Value();
  }
  /// The example of docs/simulation.md, as example.toml.
  void write_example() {
    const std::string manual = read_whole(source_dir() / "docs" / "simulation.md");
    const std::size_t begin = manual.find("```toml\n") + 8;
    ASSERT_GT(begin, std::size_t{8});
    std::ofstream(path("example.toml")) << manual.substr(begin, manual.find("```", begin) - begin);
  }
};

TEST_F(CliSimulate, RefusesTimesThatNoCounterOfStepsHolds) {
  for (const char* flag : {"--time", "--warm-up", "--save-every"}) {
    const ProcessResult done = run({"simulate", "brunel", "--neurons", "100", "--degree", "10",
                                    "--save", "end.bin", flag, "1e300"});
    EXPECT_EQ(done.code, 2) << flag;
    EXPECT_TRUE(contains(done.err, "the simulation is too long")) << done.err;
    EXPECT_TRUE(contains(done.err, "1e+300 ms")) << done.err;
  }
}

TEST_F(CliSimulate, TheExampleOfTheManualRunsAlikeOnEngineAndReference) {
  write_example();
  const Value engine = json_of({"simulate", "example.toml", "--json", "--double"});
  const Value reference = json_of({"simulate", "example.toml", "--json", "--backend", "reference"});
  EXPECT_EQ(number_at(engine, {"neurons"}), 500);
  EXPECT_GT(number_at(engine, {"spikes"}), 100);
  const double apart = number_at(engine, {"spikes"}) / number_at(reference, {"spikes"}) - 1.0;
  EXPECT_LT(std::abs(apart), 0.05) << "weights are rounded, so spikes differ, rates do not";
  EXPECT_GT(number_at(named(engine, "populations", "E"), {"rate_hz", "mean"}), 0.5);
}

/// Where there is a device, it has the engine's spikes; else it is refused by name.
TEST_F(CliSimulate, CudaSpikesAreTheEnginesOrItSaysWhyNot) {
  const std::vector<std::string> base = {"simulate", "microcircuit", "--scale", "0.1",
                                         "--time",   "60",           "--json"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), base.begin(), base.end());
    return run(more);
  };
  const auto cuda = with({"--backend", "cuda"});
  if (cuda.code == 0) {
    const Value engine = json_of(base);
    EXPECT_EQ(number_at(cuda.json(), {"spikes"}), number_at(engine, {"spikes"}));
    EXPECT_EQ(number_at(cuda.json(), {"synaptic_events"}), number_at(engine, {"synaptic_events"}));
  } else {
    EXPECT_TRUE(contains(cuda.err, "CUDA")) << cuda.err;
  }
  const auto procedural = with({"--backend", "cuda", "--procedural"});
  EXPECT_NE(procedural.code, 0);
  EXPECT_TRUE(contains(procedural.err, "--procedural is of the engine")) << procedural.err;
  const auto saved = with({"--backend", "cuda", "--save", path("c.bin")});
  EXPECT_NE(saved.code, 0);
  EXPECT_TRUE(contains(saved.err, "without checkpoints")) << saved.err;
}

TEST_F(CliSimulate, SpikesDoNotDependOnThreadsOrOnHowSynapsesAreHeld) {
  write_example();
  const std::vector<std::string> base = {"simulate", "example.toml", "--time",
                                         "40",       "--quiet",      "--out"};
  const auto run_with = [&](const std::string& folder, std::vector<std::string> more) {
    std::vector<std::string> all = base;
    all.push_back(folder);
    all.insert(all.end(), more.begin(), more.end());
    const ProcessResult result = run(all);
    EXPECT_EQ(result.code, 0) << result.err;
    return read_whole(path(folder) + "/spikes.h5");
  };
  const std::string one = run_with("one", {"--threads", "1"});
  EXPECT_EQ(one, run_with("two", {"--threads", "2"}));
  EXPECT_EQ(one, run_with("procedural", {"--procedural"}));
  EXPECT_NE(one, run_with("seed", {"--seed", "5"}));
}

/// 0 is what it is elsewhere; one thread is what no number means here.
TEST_F(CliSimulate, NoThreadsAreAsManyAsThereAreProcessors) {
  write_example();
  const auto threads = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"simulate", "example.toml", "--time", "10", "--json"});
    return number_at(json_of(more), {"threads"});
  };
  EXPECT_EQ(threads({"--threads", "0"}), std::max(1U, std::thread::hardware_concurrency()));
  EXPECT_EQ(threads({}), 1);
  EXPECT_EQ(threads({"--threads", "3"}), 3);
  EXPECT_EQ(threads({"--threads", "1", "--backend", "reference"}), 1);
  const auto refused = run({"simulate", "example.toml", "--threads", "0", "--backend=reference"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_TRUE(contains(refused.err, "--threads is of the engine")) << refused.err;
}

TEST_F(CliSimulate, ARunFolderHoldsSpikesTracesAndStatistics) {
  write_example();
  ASSERT_EQ(run({"simulate", "example.toml", "--out", "out"}).code, 0);
  auto sonata = io::Hdf5File::open(path("out/spikes.h5"));
  ASSERT_TRUE(sonata.ok()) << sonata.error().message();
  const auto group = sonata->root().group("spikes")->group("E");
  ASSERT_TRUE(group.ok());
  const auto times = group->read_tensor("timestamps"), nodes = group->read_tensor("node_ids");
  ASSERT_TRUE(times.ok() && nodes.ok());
  ASSERT_GT(times->size(), 10);
  EXPECT_EQ(times->size(), nodes->size());
  EXPECT_GT(times->at(0), 0.0);
  EXPECT_LE(times->at(times->size() - 1), 200.0 + 1e-9);
  EXPECT_LT(nodes->at(0), 400.0);
  const auto arrays = io::read_npz(path("out/statistics.npz"));
  ASSERT_TRUE(arrays.ok());
  ASSERT_EQ(arrays->size(), 6U);
  EXPECT_EQ(arrays->front().first, "E_rate");
  EXPECT_EQ(arrays->front().second.size(), 400);
  auto recordings = io::Hdf5File::open(path("out/recordings.h5"));
  ASSERT_TRUE(recordings.ok());
  const auto layers = recordings->root().group("recordings")->group("000000")->group("layers");
  ASSERT_TRUE(layers.ok());
  const auto trace = layers->group("0002")->read_tensor("V_m");
  ASSERT_TRUE(trace.ok()) << trace.error().message();
  EXPECT_EQ(trace->shape(), (Shape{200, 3}));
  EXPECT_TRUE(contains(run({"plot", "raster", "out"}).out, "E (spikes): 400"));
  const ProcessResult rate = run({"plot", "rate", "out", "--ascii"});
  EXPECT_EQ(rate.code, 0) << rate.err;
  EXPECT_TRUE(contains(rate.out, "Hz")) << rate.out;
}

TEST_F(CliSimulate, APopulationRecordedTwiceIsKeptTwice) {
  write_example();
  const auto twice =
      run({"simulate", "example.toml", "--time", "40", "--record", "E", "--out", "twice"});
  ASSERT_EQ(twice.code, 0) << twice.err;
  auto sonata = io::Hdf5File::open(path("twice/spikes.h5"));
  ASSERT_TRUE(sonata.ok()) << sonata.error().message();
  const auto spikes = sonata->root().group("spikes");
  ASSERT_TRUE(spikes.ok());
  EXPECT_TRUE(spikes->group("E").ok());
  EXPECT_TRUE(spikes->group("E_1").ok());
}

TEST_F(CliSimulate, ARunFromACheckpointEqualsTheUninterruptedOne) {
  write_example();
  const std::vector<std::string> common = {"simulate", "example.toml", "--warm-up", "0", "--json"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = common;
    all.insert(all.end(), more.begin(), more.end());
    return json_of(all);
  };
  const double whole = number_at(with({"--time", "100"}), {"spikes"});
  const double first = number_at(with({"--time", "40", "--save", "at40.bin"}), {"spikes"});
  const double rest =
      number_at(with({"--time", "100", "--load", "at40.bin", "--threads", "2"}), {"spikes"});
  EXPECT_GT(first, 0.0);
  EXPECT_EQ(first + rest, whole);
  const ProcessResult behind =
      run({"simulate", "example.toml", "--warm-up", "0", "--time", "20", "--load", "at40.bin"});
  EXPECT_EQ(behind.code, 2) << behind.err;
}

TEST_F(CliSimulate, ComplaintsNameTheLineAndWhatWasExpected) {
  std::ofstream(path("bad.toml")) << "[populations.E]\nsize = 3\nmodel = \"lif\"\n";
  const ProcessResult bad = run({"simulate", "bad.toml"});
  EXPECT_EQ(bad.code, 4);
  EXPECT_TRUE(contains(bad.err, "bad.toml: line 3, column 1")) << bad.err;
  EXPECT_TRUE(contains(bad.err, "iaf_psc_exp")) << bad.err;
  EXPECT_EQ(run({"simulate", "none.toml"}).code, 3);
  const ProcessResult unknown = run({"simulate", "cortex"});
  EXPECT_TRUE(contains(unknown.err, "microcircuit, brunel, fly")) << unknown.err;
  const ProcessResult flag = run({"simulate", "brunel", "--scale", "0.5"});
  EXPECT_EQ(flag.code, 2) << flag.err;
  const ProcessResult first = run({"simulate", "brunel", "--record-first", "5"});
  EXPECT_EQ(first.code, 2) << first.err;
  EXPECT_TRUE(contains(first.err, "--record")) << first.err;
  for (const std::string engine_flag : {"--procedural", "--double", "--closed-form"}) {
    const ProcessResult refused =
        run({"simulate", "brunel", "--backend", "reference", engine_flag});
    EXPECT_EQ(refused.code, 2) << refused.err;
    EXPECT_TRUE(contains(refused.err, engine_flag)) << refused.err;
  }
  const ProcessResult record =
      run({"simulate", "brunel", "--record", "X", "--neurons", "100", "--degree", "10"});
  EXPECT_TRUE(contains(record.err, "all, E, I")) << record.err;
}

TEST_F(CliSimulate, ANetworkThatDoesNotFitIsRefusedWithTheNumber) {
  const ProcessResult result = run({"simulate", "microcircuit", "--memory", "100"});
  EXPECT_EQ(result.code, 8) << result.err;
  EXPECT_TRUE(contains(result.err, "100 MB, got 12")) << result.err;
}

}  // namespace
}  // namespace spikeloom::test
