#include <filesystem>

#include <fmt/format.h>

#include "cli/exit_codes.hpp"
#include "mapping/plan_file.hpp"
#include "models/motion/motion_network.hpp"
#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"

namespace spikeloom::test {
namespace {

class CliMap : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    const auto network = make_motion_network();
    ASSERT_TRUE(network.ok());
    save(*network, path("motion.nir"));
    // Two populations of 1,000 in a ring: 4 cores each at 256 neurons a core.
    write_whole(path("ring.json"), R"({"name": "ring",
        "populations": [{"name": "a", "neurons": 1000}, {"name": "b", "neurons": 1000}],
        "projections": [{"source": 0, "target": 1}, {"source": 1, "target": 0}]})");
  }
};

TEST_F(CliMap, WritesPlansThatInfoReads) {
  for (const std::string out : {"plan.h5", "plan.json"}) {
    const auto done = run({"map", "ring.json", "--target", "spinnaker1", "-o", out, "--json"});
    ASSERT_EQ(done.code, cli::kExitOk) << done.err;
    const Value value = done.json();
    EXPECT_EQ(*value.find("cores")->as_integer(), 8);
    EXPECT_EQ(*value.find("proven")->as_bool(), true);
    // 0.05 events a neuron and tick, each to the other population's four cores.
    EXPECT_NEAR(value.find("packets")->number(), 2000 * 0.05 * 4, 1e-9);
    EXPECT_GT(value.find("seconds")->find("total")->number(), 0.0);
    const auto info = run({"info", out, "--json"});
    ASSERT_EQ(info.code, cli::kExitOk) << info.err;
    EXPECT_EQ(*info.json().find("kind")->as_string(), "plan");
    EXPECT_EQ(*info.json().find("cores")->as_integer(), 8);
  }
  EXPECT_NE(run({"info", "plan.h5"}).out.find("ring on spinnaker1:board: 8 cores"),
            std::string::npos);
}

TEST_F(CliMap, OneSeedGivesOnePlan) {
  // Twelve populations that send to three others each, on a torus.
  std::string graph = R"({"name": "web", "populations": [)";
  std::string projections;
  for (int i = 0; i < 12; ++i) {
    graph += fmt::format(R"({}{{"name": "p{}", "neurons": 400}})", i > 0 ? ", " : "", i);
    for (const int step : {1, 3, 7}) {
      projections += fmt::format(R"({}{{"source": {}, "target": {}}})",
                                 projections.empty() ? "" : ", ", i, (i + step) % 12);
    }
  }
  write_whole(path("web.json"), graph + R"(], "projections": [)" + projections + "]}");
  const auto plan = [&](const std::string& seed, const std::string& out) {
    const auto done = run({"map", "web.json", "--target", "spinnaker1:4x4", "--neurons-per-core",
                           "20", "--seed", seed, "-o", out});
    EXPECT_EQ(done.code, cli::kExitOk) << done.err;
    return read_whole(path(out));
  };
  const std::string first = plan("1", "a.json");
  EXPECT_EQ(plan("1", "b.json"), first);
  EXPECT_NE(plan("2", "c.json"), first);
  EXPECT_EQ(run({"map", "--diff", "a.json", "b.json"}).code, cli::kExitOk);
  const auto other = run({"map", "--diff", "a.json", "c.json"});
  EXPECT_EQ(other.code, cli::kExitNo);
  EXPECT_NE(other.out.find("moved"), std::string::npos) << other.out;
}

TEST_F(CliMap, FlatChipsWithAClockTakeATickOnTheirLinks) {
  write_whole(path("flat.toml"), R"(name = "flat"
title = "forty cores with a clock"
topology = "flat"
synapses = "packed"
size = "all"
[sizes.all]
width = 1
height = 1
[core.count]
value = 40
source = "a test"
[core.clock]
value = 1e8
source = "a test"
[tick.seconds]
value = 1e-3
source = "a test"
)");
  const auto projections = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"map",      "motion.nir",  "--dt", "1e-3",
                                      "--target", "./flat.toml", "-o",   "flat.h5"};
    words.insert(words.end(), more.begin(), more.end());
    EXPECT_EQ(run(words).code, cli::kExitOk);
    const auto plan = mapping::read_plan(path("flat.h5"));
    EXPECT_TRUE(plan.ok());
    return plan->projections;
  };
  // As a run on the emulator has them.
  const auto by_itself = projections({});
  EXPECT_EQ(by_itself, projections({"--link-delay", "1"}));
  EXPECT_NE(by_itself, projections({"--link-delay", "0"}));
}

TEST_F(CliMap, TakesModelsFaultsAndLimits) {
  write_whole(path("faults.toml"), "chips = [[0, 0]]\nlinks = [[1, 1, \"E\"]]\n");
  const auto done = run({"map", "motion.nir", "--dt", "1e-3", "--target", "spinnaker2:4x4",
                         "--faults", "faults.toml", "--neurons-per-core", "100"});
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  EXPECT_NE(done.out.find("proven"), std::string::npos) << done.out;
}

/// A Plan for another machine has no places and keys for the one that is asked for.
TEST_F(CliMap, MapsAnewWhereTheEarlierPlanIsForAnotherMachine) {
  ASSERT_EQ(run({"map", "ring.json", "--target", "spinnaker1:2x2", "-o", "a.json"}).code, 0);
  const auto from = [&](const std::string& target) {
    auto done = run({"map", "ring.json", "--target", target, "--from", "a.json", "-o", "b.h5"});
    EXPECT_EQ(done.code, cli::kExitOk) << done.err;
    return done;
  };
  const auto other = from("spinnaker2:board");
  EXPECT_TRUE(contains(other.out, " on spinnaker2:board")) << other.out;
  EXPECT_TRUE(contains(other.err, "mapped anew: the earlier Plan is for spinnaker1:2x2"))
      << other.err;
  const auto plan = mapping::read_plan(path("b.h5"));
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->target.name, "spinnaker2");
  EXPECT_TRUE(contains(from("spinnaker1:3x3").out, " on spinnaker1:3x3"));
  EXPECT_TRUE(contains(from("spinnaker1:2x2").err, "kept a.json"));
}

TEST_F(CliMap, MapsAnewWhereAMachineOfTheSameNameHasOtherConstants) {
  const auto with_neurons = [&](int neurons) {
    write_whole(path("small.toml"),
                fmt::format("name = 'small'\ntitle = 'small'\ntopology = 'mesh'\n"
                            "synapses = 'packed'\nsize = 'chip'\n"
                            "[sizes.chip]\nwidth = 1\nheight = 1\n"
                            "[core.count]\nvalue = 48\nsource = 'x'\n"
                            "[core.neurons]\nvalue = {}\nsource = 'x'\n",
                            neurons));
  };
  with_neurons(250);
  write_whole(path("dead.toml"), "cores = [[0, 0, 1]]\n");
  const auto first = run(
      {"map", "ring.json", "--target", "./small.toml", "-o", "a.json", "--faults", "dead.toml"});
  ASSERT_EQ(first.code, cli::kExitOk) << first.err;
  with_neurons(50);
  const auto done =
      run({"map", "ring.json", "--target", "./small.toml", "--from", "a.json", "-o", "b.json"});
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  EXPECT_TRUE(contains(done.err, "with other constants")) << done.err;
  const auto plan = mapping::read_plan(path("b.json"));
  ASSERT_TRUE(plan.ok());
  for (const mapping::PlanSlice& slice : plan->slices) EXPECT_LE(slice.count, 50U);
  // It is the same machine: its dead core stays dead.
  ASSERT_EQ(plan->faults.cores.size(), 1U);
  for (const mapping::PlanCore& core : plan->cores) EXPECT_NE(core.core, 1U);
  // Another machine's cores are others.
  const auto other =
      run({"map", "ring.json", "--target", "spinnaker1:2x2", "--from", "b.json", "-o", "c.json"});
  ASSERT_EQ(other.code, cli::kExitOk) << other.err;
  EXPECT_TRUE(contains(other.err, "its faults are left out")) << other.err;
}

TEST_F(CliMap, MendsComparesAndDrawsPlans) {
  const std::vector<std::string> base = {"map", "ring.json", "--target", "spinnaker1:2x2", "-o"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> words = base;
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  ASSERT_EQ(with({"a.json"}).code, cli::kExitOk);
  write_whole(path("dead.toml"), "cores = [[0, 0, 1]]\n");
  const auto mended = with({"b.json", "--from", "a.json", "--faults", "dead.toml"});
  ASSERT_EQ(mended.code, cli::kExitOk) << mended.err;
  EXPECT_NE(mended.err.find("1 slices moved"), std::string::npos) << mended.err;
  const auto same = run({"map", "--diff", "a.json", "a.json"});
  EXPECT_EQ(same.code, cli::kExitOk) << same.err;
  const auto differ = run({"map", "--diff", "a.json", "b.json", "--json"});
  EXPECT_EQ(differ.code, cli::kExitNo) << differ.err;
  EXPECT_EQ(*differ.json().find("slices_moved")->as_integer(), 1);
  EXPECT_EQ(*differ.json().find("keys_changed")->as_integer(), 0);

  const auto drawn = run({"plot", "map", "a.json", "--ascii"});
  ASSERT_EQ(drawn.code, cli::kExitOk) << drawn.err;
  EXPECT_NE(drawn.out.find("A"), std::string::npos);
  // 250 of 256 neurons a core.
  EXPECT_NE(drawn.out.find(" 98 %  a"), std::string::npos) << drawn.out;
  const auto told = run({"plot", "map", "a.json", "--json"});
  EXPECT_EQ(number_at(told.json(), {"cores"}), 8);
  const auto with_picture = run({"plot", "map", "a.json", "-o", "b.svg", "--json"});
  EXPECT_EQ(text_at(with_picture.json(), {"picture"}), "b.svg");
  EXPECT_TRUE(std::filesystem::exists(path("b.svg")));
  ASSERT_EQ(run({"plot", "map", "a.json", "-o", "a.svg"}).code, cli::kExitOk);
  const std::string svg = read_whole(path("a.svg"));
  EXPECT_TRUE(svg.starts_with("<svg")) << svg.substr(0, 100);
  EXPECT_NE(svg.find("</svg>"), std::string::npos);

  const auto sweep =
      run({"map", "ring.json", "--target", "spinnaker1:board", "--sweep", "100,250", "--json"});
  ASSERT_EQ(sweep.code, cli::kExitOk) << sweep.err;
  const Value points = sweep.json();
  ASSERT_EQ(points.as_list()->size(), 4U);
  EXPECT_EQ(*(*points.as_list())[0].find("cores")->as_integer(), 20);
  EXPECT_EQ(*(*points.as_list())[2].find("cores")->as_integer(), 8);
  EXPECT_GT((*points.as_list())[2].find("latency_s")->number(), 0.0);
  EXPECT_GT((*points.as_list())[2].find("energy_j")->number(), 0.0);

  const auto faults = run({"map", "ring.json", "--target", "spinnaker1:board", "--fault-sweep",
                           "0,0.999", "--trials", "3", "--json"});
  ASSERT_EQ(faults.code, cli::kExitOk) << faults.err;
  const Value shares = faults.json();
  ASSERT_EQ(shares.as_list()->size(), 2U);
  EXPECT_EQ((*shares.as_list())[0].find("yield")->number(), 1.0);
  EXPECT_EQ((*shares.as_list())[1].find("yield")->number(), 0.0);
  EXPECT_EQ(run({"map", "ring.json", "--target", "spinnaker1", "--fault-sweep", "2"}).code,
            cli::kExitUsage);
}

TEST_F(CliMap, RatesOfARunWeighPackets) {
  save(two_if_network(), path("net.nir"));
  save_array(path("ones.npy"), {8, 2}, std::vector<float>(16, 1.0F));
  const auto packets = [&](std::vector<std::string> more) {
    std::vector<std::string> words = {"map", "net.nir", "--target", "spinnaker2", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const auto done = run(words);
    EXPECT_EQ(done.code, cli::kExitOk) << done.err;
    return done.code == cli::kExitOk ? done.json().find("packets")->number() : -1.0;
  };
  ASSERT_EQ(run({"run", "net.nir", "--input", "ones.npy", "--out", "ones"}).code, cli::kExitOk);
  // Two sources reach one core: with 0.05 events a tick each, or with the 1 that the run counted.
  EXPECT_NEAR(packets({}), 2 * 0.05, 1e-9);
  EXPECT_NEAR(packets({"--rate", "0.5"}), 2 * 0.5, 1e-9);
  EXPECT_NEAR(packets({"--rates", "ones"}), 2 * 1.0, 1e-9);
  EXPECT_NEAR(packets({"--rates", "ones/run.json"}), 2 * 1.0, 1e-9);
  const auto other =
      run({"map", "motion.nir", "--dt", "1e-3", "--target", "spinnaker2", "--rates", "ones"});
  EXPECT_NE(other.code, cli::kExitOk) << other.out;
  EXPECT_NE(run({"map", "net.nir", "--target", "spinnaker2", "--rates", "nowhere"}).code,
            cli::kExitOk);
}

TEST_F(CliMap, CpuRunsWhatItsPlanGivesTheThreads) {
  save(two_if_network(), path("net.nir"));
  save_array(path("ones.npy"), {8, 2}, std::vector<float>(16, 1.0F));
  ASSERT_EQ(run({"map", "net.nir", "--target", "cpu:2", "-o", "plan.json"}).code, cli::kExitOk);
  for (const std::vector<std::string>& how :
       {std::vector<std::string>{"--plan", "plan.json"}, {"--target", "cpu", "--threads", "2"}}) {
    std::vector<std::string> words = {"run", "net.nir", "--input", "ones.npy", "--json"};
    words.insert(words.end(), how.begin(), how.end());
    const auto done = run(words);
    ASSERT_EQ(done.code, cli::kExitOk) << done.err;
    // Worked out in cli_models.hpp.
    EXPECT_EQ(numbers_at(done.json(), {"output_counts"}), (std::vector<double>{4, 8}));
    EXPECT_NE(done.out.find("2 threads own"), std::string::npos) << done.out;
  }
  const auto live = run({"run", "net.nir", "--live", "--plan", "plan.json"});
  EXPECT_NE(live.code, cli::kExitOk);
  const auto chip =
      run({"run", "net.nir", "--input", "ones.npy", "--backend", "cpu", "--target", "spinnaker2"});
  EXPECT_EQ(chip.code, cli::kExitUnsupported) << "no Plan is left out silently";
}

/// On the processor, where cuda's kernels are loops.
TEST_F(CliMap, CudaRunsWhatItsPlanGivesTheBlocksAndOnSeveralDevices) {
  save(two_if_network(), path("net.nir"));
  save_array(path("ones.npy"), {8, 2}, std::vector<float>(16, 1.0F));
  ASSERT_EQ(run({"map", "net.nir", "--target", "gpu:2", "-o", "plan.json"}).code, cli::kExitOk);
  for (const std::vector<std::string>& how : {std::vector<std::string>{"--plan", "plan.json"},
                                              {"--target", "gpu"},
                                              {"--devices", "2"},
                                              {"--devices", "2", "--plan", "plan.json"}}) {
    std::vector<std::string> words = {"run",       "net.nir",   "--input", "ones.npy",
                                      "--backend", "cuda-host", "--json"};
    words.insert(words.end(), how.begin(), how.end());
    const auto done = run(words);
    ASSERT_EQ(done.code, cli::kExitOk) << done.err;
    EXPECT_EQ(numbers_at(done.json(), {"output_counts"}), (std::vector<double>{4, 8}));
    if (how.front() != "--devices") {
      EXPECT_NE(done.out.find("thread blocks own"), std::string::npos) << done.out;
    }
  }
  ASSERT_EQ(run({"map", "net.nir", "--target", "cpu:2", "-o", "threads.json"}).code, cli::kExitOk);
  for (const std::vector<std::string>& how :
       {std::vector<std::string>{"--backend", "cuda-host", "--plan", "threads.json"},
        {"--backend", "cpu", "--devices", "2"}}) {
    std::vector<std::string> words = {"run", "net.nir", "--input", "ones.npy"};
    words.insert(words.end(), how.begin(), how.end());
    EXPECT_EQ(run(words).code, cli::kExitUnsupported) << how.back();
  }
}

TEST_F(CliMap, WritesTheMemoryOfEveryCore) {
  save(two_if_network(), path("net.nir"));
  const auto done = run({"map", "net.nir", "--target", "spinnaker2", "--images", "memory", "-o",
                         "plan.json", "--json"});
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  const auto plan = mapping::read_plan(path("plan.json"));
  ASSERT_TRUE(plan.ok());
  std::size_t files = 0;
  for (const mapping::PlanBlock& block : plan->blocks) {
    if (block.bytes == 0) continue;
    const mapping::PlanCore& core = plan->cores[plan->slices[block.slice].core];
    const auto name = path("memory/core-0-0-" + std::to_string(core.core) + ".bin");
    EXPECT_EQ(read_whole(name).size(), block.address + block.bytes) << name;
    ++files;
  }
  EXPECT_GE(files, 1U);
  const auto ring = run({"map", "ring.json", "--target", "spinnaker1", "--images", "memory"});
  EXPECT_EQ(ring.code, cli::kExitUsage) << ring.err;
  EXPECT_NE(ring.err.find("no weights"), std::string::npos) << ring.err;
}

TEST_F(CliMap, WhatDoesNotFitIsSaid) {
  const auto small =
      run({"map", "ring.json", "--target", "spinnaker1:chip", "--neurons-per-core", "20"});
  EXPECT_EQ(small.code, cli::kExitResource);
  EXPECT_NE(small.err.find("17 working cores"), std::string::npos) << small.err;
  EXPECT_NE(small.err.find("100 slices"), std::string::npos) << small.err;
  const auto fit =
      run({"fit", "ring.json", "--target", "spinnaker1:chip", "--neurons-per-core", "20"});
  EXPECT_EQ(fit.code, cli::kExitNo);
  EXPECT_NE(fit.out.find("spinnaker1:board"), std::string::npos) << fit.out;
  const auto fits = run({"fit", "ring.json", "--target", "spinnaker1:board", "--json"});
  EXPECT_EQ(fits.code, cli::kExitOk) << fits.err;
  EXPECT_EQ(*fits.json().find("fits")->as_bool(), true);
  EXPECT_EQ(run({"map", "ring.json"}).code, cli::kExitUsage);
  EXPECT_EQ(run({"map", "ring.json", "--target", "abacus"}).code, cli::kExitFile);
  write_whole(path("split.toml"), "chips = [[1, 0], [3, 0]]\n");
  write_whole(path("line.toml"), R"(name = "line"
title = "four chips in a row"
topology = "hex"
synapses = "packed"
size = "row"
[sizes.row]
width = 4
height = 1
[core.count]
value = 1
source = "a test"
[core.neurons]
value = 1000
source = "a test"
[router.entries]
value = 10
source = "a test"
[router.key_bits]
value = 32
source = "a test"
)");
  const auto lost = run({"map", "ring.json", "--target", "./line.toml", "--faults", "split.toml"});
  EXPECT_EQ(lost.code, cli::kExitResource);
  EXPECT_NE(lost.err.find("no way from chip (0, 0) to chip (2, 0)"), std::string::npos) << lost.err;
  EXPECT_NE(lost.err.find("1 cores of the largest piece, of 2 that work"), std::string::npos);
}

}  // namespace
}  // namespace spikeloom::test
