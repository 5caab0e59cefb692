/// `run` of a network that is mapped to a chip: `--backend emulator`.

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "cli/exit_codes.hpp"
#include "tests/cli/cli_models.hpp"
#include "tests/cli/cli_process.hpp"
#include "tests/support/mapped_example.hpp"

namespace spikeloom::test {
namespace {

class CliEmulator : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    write_whole(path("chip.yaml"), example_chip());
    // Two sources that fire in turns onto one neuron in another tile.
    write_whole(path("net.yaml"),
                example_network("  - {name: s, attributes: {soma_hw_name: loihi, threshold: 1, "
                                "log_spikes: true}, neurons: [{0: {bias: 2}}, {1: {bias: 1}}]}\n"
                                "  - {name: t, attributes: {soma_hw_name: loihi, threshold: 4}, "
                                "neurons: [{0: {}}]}\n",
                                "  - s -> t: {type: dense, weight: [2, 3]}\n",
                                "- s: {core: '0.0'}\n- t: {core: '1.0'}\n"));
  }
  std::vector<std::string> command(std::vector<std::string> more) const {
    std::vector<std::string> words = {"run", "net.yaml", "--target", "chip.yaml"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
};

TEST_F(CliEmulator, CountsTimeAndEnergyAsJson) {
  const auto done = run(command({"--backend", "emulator", "--steps", "4", "--json"}));
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  const Value value = done.json();
  // s.0 fires in every step (2 > 1), s.1 in 2 and 4 (1, 2 > 1); t gets 2 in step 2, 2 + 3 in 3 and
  // fires then (7 > 4), and 2 in step 4.
  EXPECT_EQ(number_at(value, {"spikes"}), 7);
  EXPECT_EQ(number_at(value, {"messages"}), 6);
  EXPECT_EQ(number_at(value, {"synaptic_events"}), 6);
  EXPECT_EQ(number_at(value, {"neuron_updates"}), 4 + 4 + 3);
  EXPECT_EQ(number_at(value, {"hops"}), 6);
  EXPECT_EQ(number_at(value, {"energy_j", "synapse"}), 12);
  EXPECT_EQ(number_at(value, {"energy_j", "soma"}), 12 * 1 + 11 * 100 + 7 * 10000);
  EXPECT_EQ(number_at(value, {"energy_j", "network"}), 6 * (200000 + 30000 + 1));
  EXPECT_EQ(number_at(value, {"energy_j", "total"}), 12 + 6 * 0.5 + 71112 + 6 * 230001);
  EXPECT_GT(number_at(value, {"sim_time_s"}), 4 * 2e-6);
  EXPECT_EQ(text_at(value, {"backend"}), "emulator");
  EXPECT_EQ(number_at(named(value, "groups", "s"), {"spikes"}), 6);
  EXPECT_EQ(list_at(value, {"cores"}).size(), 2U);
}

TEST_F(CliEmulator, TheFolderHasSpikesAndSteps) {
  const auto done = run(command({"--steps", "4", "--out", "folder"}));
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  EXPECT_EQ(read_whole(path("folder/spikes.csv")),
            "neuron,timestep\ns.0,1\ns.0,2\ns.1,2\ns.0,3\ns.0,4\ns.1,4\n");
  const std::string steps = read_whole(path("folder/steps.csv"));
  EXPECT_TRUE(contains(steps, "timestep,fired,updated,packets,hops,spikes,sim_time")) << steps;
  EXPECT_TRUE(contains(steps, "\n3,2,3,1,1,1,")) << steps;
  EXPECT_TRUE(contains(read_whole(path("folder/run.json")), "\"synaptic_events\": 6"));
  EXPECT_TRUE(contains(done.out, "simulated time")) << done.out;
  const auto energy = run({"energy", "folder"});
  EXPECT_EQ(energy.code, cli::kExitUnsupported) << energy.err;
  EXPECT_TRUE(contains(energy.err, "energy_j")) << energy.err;
  EXPECT_EQ(run(command({"--steps", "4", "--out", "folder"})).code, cli::kExitUsage);
  // Said before the files are read.
  const auto early =
      run({"run", "net.yaml", "--target", "nowhere.yaml", "--steps", "4", "--out", "folder"});
  EXPECT_EQ(early.code, cli::kExitUsage) << early.err;
}

TEST_F(CliEmulator, BothTimingsGiveTheSameSpikes) {
  const auto events = run(command({"--steps", "9", "--json"})).json();
  const auto analytic = run(command({"--steps", "9", "--json", "--timing", "analytic"})).json();
  EXPECT_EQ(number_at(events, {"spikes"}), number_at(analytic, {"spikes"}));
  EXPECT_NE(number_at(events, {"sim_time_s"}), number_at(analytic, {"sim_time_s"}));
  EXPECT_EQ(run(command({"--steps", "9", "--timing", "guess"})).code, cli::kExitUsage);
}

TEST_F(CliEmulator, OneFileMayHoldBoth) {
  write_whole(path("both.yaml"), example_chip() + read_whole(path("net.yaml")));
  EXPECT_EQ(run({"run", "both.yaml", "--steps", "2"}).code, cli::kExitOk);
}

TEST_F(CliEmulator, FlagsOfNetworksThatAreMappedHereAreRefused) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"--real-time"},
                                                {"--cores", "4"},
                                                {"--performance", "fast"},
                                                {"--record", "s"},
                                                {"--live"}}) {
    std::vector<std::string> more = {"--steps", "4"};
    more.insert(more.end(), flags.begin(), flags.end());
    const auto refused = run(command(more));
    EXPECT_EQ(refused.code, cli::kExitUnsupported) << flags[0];
    EXPECT_TRUE(contains(refused.err, flags[0])) << refused.err;
  }
}

TEST_F(CliEmulator, QuestionsAndRefusals) {
  const auto no_chip = run({"run", "net.yaml", "--steps", "2"});
  EXPECT_EQ(no_chip.code, cli::kExitAmbiguous) << no_chip.err;
  EXPECT_TRUE(contains(no_chip.err, "--target")) << no_chip.err;
  const auto no_steps = run(command({}));
  EXPECT_EQ(no_steps.code, cli::kExitAmbiguous) << no_steps.err;
  EXPECT_TRUE(contains(no_steps.err, "--steps")) << no_steps.err;
  const auto cpu = run(command({"--steps", "2", "--backend", "cpu"}));
  EXPECT_EQ(cpu.code, cli::kExitUnsupported) << cpu.err;
  const auto input = run(command({"--steps", "2", "--input", "chip.yaml"}));
  EXPECT_EQ(input.code, cli::kExitUnsupported) << input.err;
  const auto missing = run({"run", "net.yaml", "--target", "no.yaml", "--steps", "2"});
  EXPECT_EQ(missing.code, cli::kExitFile) << missing.err;
  write_whole(path("mixed.yaml"),
              "simulation:\n  Ts: 1\nneuron:\n  type: LOIHI\n" + read_whole(path("net.yaml")));
  const auto mixed = run({"run", "mixed.yaml", "--target", "chip.yaml", "--steps", "2"});
  EXPECT_EQ(mixed.code, cli::kExitAmbiguous) << mixed.err;
  write_whole(path("other.yaml"), "populations: [E, I]\n");
  const auto other = run({"run", "other.yaml", "--target", "chip.yaml", "--steps", "2"});
  EXPECT_EQ(other.code, cli::kExitUnsupported) << other.err;
}

class CliPlanRun : public CliTest {
 protected:
  void SetUp() override {
    CliTest::SetUp();
    ASSERT_TRUE(write_nir(two_if_network(), (folder() / "two.nir").string()).ok());
    ASSERT_TRUE(
        io::write_npy((folder() / "x.npy").string(), floats({4, 2}, {1, 1, 1, 1, 1, 1, 1, 1}))
            .ok());
    ASSERT_EQ(run({"quantize", "two.nir", "-o", "two.sloom"}).code, cli::kExitOk);
  }
};

TEST_F(CliPlanRun, CountsWhatCpuCountsWhereverItIsMapped) {
  const auto cpu =
      run({"run", "two.sloom", "--link-delay", "1", "--input", "x.npy", "--steps", "8", "--json"});
  ASSERT_EQ(cpu.code, cli::kExitOk) << cpu.err;
  for (const std::string target : {"spinnaker2", "spinnaker1:board"}) {
    const auto chip = run({"run", "two.sloom", "--backend", "emulator", "--target", target,
                           "--input", "x.npy", "--steps", "8", "--json"});
    ASSERT_EQ(chip.code, cli::kExitOk) << chip.err;
    const Value value = chip.json();
    const Value& recording = list_at(value, {"recordings"})[0];
    EXPECT_EQ(numbers_at(recording, {"output_counts"}), numbers_at(cpu.json(), {"output_counts"}));
    EXPECT_EQ(number_at(value, {"machine", "dropped"}), 0);
    EXPECT_GT(number_at(value, {"machine", "synaptic_events"}), 0);
  }
}

TEST_F(CliPlanRun, TheFolderHasTicksCoresAndLinksThatAddUpToTheRun) {
  const auto chip =
      run({"run", "two.sloom", "--backend", "emulator", "--target", "spinnaker1:board", "--input",
           "x.npy", "--steps", "8", "--out", "kept", "--json"});
  ASSERT_EQ(chip.code, cli::kExitOk) << chip.err;
  const Value value = chip.json();
  /// Sum of a column, found by its name.
  const auto sum = [&](const std::string& file, const std::string& column) {
    std::istringstream lines(read_whole(folder() / "kept" / file));
    std::string line;
    std::getline(lines, line);
    const auto cells = [](const std::string& text) {
      std::vector<std::string> found;
      std::istringstream parts(text);
      for (std::string part; std::getline(parts, part, ',');) found.push_back(part);
      return found;
    };
    const std::vector<std::string> names = cells(line);
    const auto at = std::find(names.begin(), names.end(), column) - names.begin();
    EXPECT_LT(static_cast<std::size_t>(at), names.size()) << column;
    double total = 0.0;
    while (std::getline(lines, line))
      total += std::stod(cells(line).at(static_cast<std::size_t>(at)));
    return total;
  };
  for (const char* name : {"packets", "synaptic_events", "deliveries", "hops"}) {
    EXPECT_EQ(sum("ticks.csv", name), number_at(value, {"machine", name})) << name;
  }
  EXPECT_NEAR(sum("ticks.csv", "seconds"), number_at(value, {"machine", "sim_time_s"}), 1e-9);
  EXPECT_NEAR(sum("ticks.csv", "energy_j"), number_at(value, {"machine", "energy_j", "total"}),
              1e-9);
  EXPECT_EQ(sum("cores.csv", "packets"), number_at(value, {"machine", "deliveries"}));
  EXPECT_EQ(sum("cores.csv", "synaptic_events"), number_at(value, {"machine", "synaptic_events"}));
  EXPECT_EQ(sum("links.csv", "packets"), number_at(value, {"machine", "hops"}));
  const auto again = run({"run", "two.sloom", "--backend", "emulator", "--target", "spinnaker2",
                          "--input", "x.npy", "--out", "kept"});
  EXPECT_EQ(again.code, cli::kExitUsage) << again.err;
}

TEST_F(CliPlanRun, TheFolderNamesWhatWasSentAndHowLinksWereUsed) {
  const auto chip =
      run({"run", "two.sloom", "--backend", "emulator", "--target", "spinnaker2", "--timing",
           "events", "--input", "x.npy", "--steps", "8", "--out", "kept", "--json"});
  ASSERT_EQ(chip.code, cli::kExitOk) << chip.err;
  const Value value = chip.json();
  EXPECT_EQ(text_at(value, {"timing"}), "events");
  const double asleep = number_at(value, {"machine", "core_s", "asleep"});
  const double slow = number_at(value, {"machine", "core_s", "slow"});
  EXPECT_NEAR(asleep + slow,
              number_at(value, {"cores"}) * number_at(value, {"machine", "sim_time_s"}), 1e-12);
  double events = 0.0;
  for (const Value& population : list_at(value, {"populations"})) {
    events += number_at(population, {"events"});
  }
  EXPECT_GT(events, 0.0);
  const std::string spikes = read_whole(path("kept/spikes.csv"));
  EXPECT_TRUE(spikes.starts_with("recording,step,node,neuron,value\n")) << spikes;
  EXPECT_GT(std::count(spikes.begin(), spikes.end(), '\n'), 1);
  EXPECT_EQ(read_whole(path("kept/losses.csv")), "recording,kind,step,sent,node,neuron,x,y,core\n");
  // The Plan that was run is there, and runs again.
  const auto again = run(
      {"run", "two.sloom", "--plan", "kept/plan.h5", "--input", "x.npy", "--steps", "8", "--json"});
  ASSERT_EQ(again.code, cli::kExitOk) << again.err;
  EXPECT_EQ(number_at(again.json(), {"machine", "packets"}),
            number_at(value, {"machine", "packets"}));
}

/// `count` inputs, and as many neurons that each hear all of them and fire for more than one.
Network all_to_all(std::int64_t count) {
  return if_network(Tensor::full({count, count}, 1.0F), 1.0F);
}

/// A chip so slow that ticks overrun, one neuron a core or all on one.
constexpr const char* kSlowChip =
    "name = 'slow'\ntitle = 'slow'\ntopology = 'mesh'\nsynapses = 'packed'\nsize = 'chip'\n"
    "[sizes.chip]\nwidth = 1\nheight = 1\n[core.count]\nvalue = 40\nsource = 'x'\n"
    "[core.clock]\nvalue = 1000\nsource = 'x'\n[tick.seconds]\nvalue = 0.05\nsource = 'x'\n"
    "[cycles.neuron]\nvalue = 1\nsource = 'x'\n[cycles.synapse]\nvalue = 1\nsource = 'x'\n";

TEST_F(CliPlanRun, LateRunsAreNamedAndMapTakesThemIntoAccount) {
  write_whole(path("slow.toml"), kSlowChip);
  // 24 inputs in every step, 24 neurons that hear them all: 24 + 24 x 24 cycles of 50.
  ASSERT_TRUE(write_nir(all_to_all(24), path("wide.nir")).ok());
  ASSERT_EQ(run({"quantize", "wide.nir", "-o", "wide.sloom"}).code, cli::kExitOk);
  ASSERT_TRUE(
      io::write_npy(path("on.npy"), floats({6, 24}, std::vector<float>(6 * 24, 1.0F))).ok());
  const std::vector<std::string> base = {"run",     "wide.sloom", "--backend", "emulator",
                                         "--input", "on.npy",     "--json"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> words = base;
    words.insert(words.end(), more.begin(), more.end());
    return run(words);
  };
  const auto waits = with({"--target", "./slow.toml", "--out", "waits"});
  EXPECT_EQ(waits.code, cli::kExitOk) << waits.err;
  EXPECT_TRUE(contains(waits.err, "longer than its tick")) << waits.err;
  const auto late = with({"--target", "./slow.toml", "--real-time", "--out", "late"});
  EXPECT_EQ(late.code, cli::kExitNo) << late.err;
  EXPECT_GT(number_at(late.json(), {"machine", "late"}), 0);
  EXPECT_TRUE(contains(read_whole(path("late/losses.csv")), ",late,"));
  EXPECT_GT(read_whole(path("late/overruns.csv")).size(), 40U);

  const auto mapped = run({"map", "wide.sloom", "--target", "./slow.toml", "--from-run", "waits",
                           "-o", "better.h5", "--json"});
  ASSERT_EQ(mapped.code, cli::kExitOk) << mapped.err;
  EXPECT_TRUE(contains(mapped.err, "neurons a core")) << mapped.err;
  // 600 cycles on one core: a core holds 24 x 0.9 x 50 / 600 neurons of 25 cycles each.
  const auto better = with({"--plan", "better.h5", "--real-time"});
  EXPECT_EQ(better.code, cli::kExitOk) << better.err;
  EXPECT_EQ(number_at(better.json(), {"machine", "late"}), 0);
  const auto other = run({"map", "two.sloom", "--target", "spinnaker2", "--from-run", "nowhere"});
  EXPECT_EQ(other.code, cli::kExitFile) << other.err;
}

TEST_F(CliPlanRun, TheReportShowsTheMachine) {
  ASSERT_EQ(run({"run", "two.sloom", "--backend", "emulator", "--target", "spinnaker1:board",
                 "--cores", "3", "--input", "x.npy", "--steps", "8", "--out", "kept"})
                .code,
            cli::kExitOk);
  const auto done = run({"report", "kept", "-o", "page.html"});
  ASSERT_EQ(done.code, cli::kExitOk) << done.err;
  const std::string page = read_whole(path("page.html"));
  for (const char* part : {"Placement", "Links", "Packets per tick", "Load of cores over time",
                           "Energy by component", "Losses and missed deadlines"}) {
    EXPECT_TRUE(contains(page, part)) << part;
  }
  const std::string said = check_page("page.html", "kept/run.json");
  if (!contains(said, "No module named 'html5lib'") || running_in_ci()) {
    EXPECT_TRUE(contains(said, "numbers equal")) << said;
  }
  const auto wrong = run({"report", "kept", "-o", "page.html", "--number", "7"});
  EXPECT_EQ(wrong.code, cli::kExitUsage) << wrong.err;
  // A chip far beyond the machine, on each axis.
  const std::string ticks = read_whole(path("kept/ticks.csv"));
  const std::size_t row = ticks.find('\n') + 1;
  const std::string name = ticks.substr(row, ticks.find(',', row) - row);
  for (const char* chip : {"0,1000000", "1000000,0"}) {
    write_whole(path("kept/links.csv"),
                "recording,x,y,direction,packets,most_in_a_tick,timed_out,busy_seconds\n" + name +
                    "," + chip + ",E,1,1,0,0\n");
    const auto outside = run({"report", "kept", "-o", "page.html"});
    EXPECT_EQ(outside.code, cli::kExitFormat) << chip << outside.err;
    EXPECT_TRUE(contains(outside.err, "links.csv")) << outside.err;
  }
}

/// What reads runs of cpu says what to do with a run on the machine.
TEST_F(CliPlanRun, OtherReadersOfRunsSayWhereTheMachinesNumbersAre) {
  ASSERT_EQ(
      run({"run", "two.sloom", "--backend", "emulator", "--input", "x.npy", "--out", "kept"}).code,
      cli::kExitOk);
  const auto refused = [&](const std::vector<std::string>& words,
                           const std::vector<std::string>& parts) {
    const auto done = run(words);
    EXPECT_EQ(done.code, cli::kExitUnsupported) << done.err;
    for (const std::string& part : parts) EXPECT_TRUE(contains(done.err, part)) << done.err;
  };
  refused({"energy", "kept"}, {"an emulated machine", "energy_j", "report"});
  refused({"energy", "kept/run.json"}, {"an emulated machine"});
  refused({"map", "two.sloom", "--target", "spinnaker2", "--rates", "kept"}, {"--from-run"});
  refused({"plot", "raster", "kept"}, {"an emulated machine", "report", "spikes.csv"});
  refused({"plot", "rate", "kept"}, {"an emulated machine", "report", "spikes.csv"});
  refused({"report", "kept", "-o", "page.html", "--table", "45nm"}, {"--table"});
  refused({"info", "kept/run.json"}, {"a run, as `spikeloom run` writes it"});
}

/// Work that could not be kept is not begun.
TEST_F(CliPlanRun, AFolderThatIsThereIsSaidBeforeTheRun) {
  std::filesystem::create_directory(path("kept"));
  write_whole(path("kept/mine.txt"), "mine");
  const auto done =
      run({"run", "two.sloom", "--backend", "emulator", "--steps", "4", "--out", "kept"});
  EXPECT_EQ(done.code, cli::kExitUsage) << done.err;
  EXPECT_TRUE(contains(done.err, "kept: the output folder is there already")) << done.err;
  EXPECT_FALSE(contains(done.err, "mapped onto")) << done.err;
}

TEST_F(CliPlanRun, SaysHowFarItIs) {
  const std::vector<std::string> words = {"run",     "two.sloom", "--backend", "emulator",
                                          "--steps", "40",        "--progress"};
  const auto one = run(words);
  ASSERT_EQ(one.code, cli::kExitOk) << one.err;
  EXPECT_TRUE(contains(one.err, "ticks 1/40")) << one.err;
  const auto three = run({"run", "two.sloom", "--backend", "emulator", "--input", "x.npy", "x.npy",
                          "x.npy", "--progress"});
  ASSERT_EQ(three.code, cli::kExitOk) << three.err;
  EXPECT_TRUE(contains(three.err, "recordings 1/3")) << three.err;
}

/// It would pass over them, and decide about silence or keep nothing.
TEST_F(CliPlanRun, LiveInputAndRecordsOfNodesAreRefused) {
  const std::vector<std::vector<std::string>> flags = {{"--live"}, {"--record", "1:v"}};
  for (const std::vector<std::string>& more : flags) {
    std::vector<std::string> words = {"run", "two.sloom", "--backend", "emulator", "--steps", "4"};
    words.insert(words.end(), more.begin(), more.end());
    const auto done = run(words);
    EXPECT_EQ(done.code, cli::kExitUnsupported) << done.err;
    EXPECT_TRUE(contains(done.err, more.front())) << done.err;
  }
}

TEST_F(CliPlanRun, RunsAPlanThatMapHasWritten) {
  ASSERT_EQ(run({"map", "two.sloom", "--target", "spinnaker2", "-o", "plan.h5"}).code,
            cli::kExitOk);
  const auto chip = run({"run", "two.sloom", "--plan", "plan.h5", "--input", "x.npy"});
  ASSERT_EQ(chip.code, cli::kExitOk) << chip.err;
  EXPECT_TRUE(contains(chip.out, "synaptic events")) << chip.out;
  EXPECT_TRUE(contains(chip.out, "busiest: chip (0, 0)")) << chip.out;
  const auto real =
      run({"run", "two.sloom", "--plan", "plan.h5", "--input", "x.npy", "--arithmetic", "double"});
  EXPECT_EQ(real.code, cli::kExitUnsupported) << real.err;
}

TEST_F(CliPlanRun, CoresAreLoadedFromImagesAndWrongOnesAreRefused) {
  ASSERT_EQ(
      run({"map", "two.sloom", "--target", "spinnaker2", "-o", "two.h5", "--images", "memory"})
          .code,
      cli::kExitOk);
  const std::vector<std::string> base = {"run",      "two.sloom", "--plan",  "two.h5",
                                         "--images", "memory",    "--input", "x.npy",
                                         "--steps",  "8",         "--json"};
  const auto right = run(base);
  ASSERT_EQ(right.code, cli::kExitOk) << right.err;
  EXPECT_GT(number_at(right.json(), {"machine", "synaptic_events"}), 0);
  std::size_t refused = 0;
  for (const auto& file : std::filesystem::directory_iterator(path("memory"))) {
    const std::string whole = read_whole(file.path().string());
    std::string spoilt = whole;
    for (char& byte : spoilt) byte = static_cast<char>(byte ^ 5);
    write_whole(file.path().string(), spoilt);
    const auto wrong = run(base);
    EXPECT_EQ(wrong.code, cli::kExitShape) << wrong.err;
    EXPECT_NE(wrong.err.find("core"), std::string::npos) << wrong.err;
    write_whole(file.path().string(), whole);
    ++refused;
  }
  EXPECT_GT(refused, 0U);
  EXPECT_NE(run({"run", "two.sloom", "--plan", "two.h5", "--images", "nowhere", "--input", "x.npy",
                 "--steps", "8"})
                .code,
            cli::kExitOk);
}

TEST_F(CliPlanRun, ImagesAreMadeWithTheWidthThatMapWasGiven) {
  // 300 takes two bytes.
  ASSERT_TRUE(write_nir(if_network(Tensor::full({2, 2}, 300.0F), 450.0F), path("big.nir")).ok());
  for (const char* bits : {"32", "16"}) {
    ASSERT_EQ(
        run({"map", "big.nir", "--target", "spinnaker2", "--weight-bits", bits, "-o", "big.h5"})
            .code,
        cli::kExitOk);
    const auto chip = run({"run", "big.nir", "--plan", "big.h5", "--input", "x.npy"});
    ASSERT_EQ(chip.code, cli::kExitOk) << chip.err;
    EXPECT_FALSE(contains(chip.err, "no memory images")) << bits << chip.err;
    std::filesystem::remove(path("big.h5"));
  }
  ASSERT_EQ(run({"map", "two.sloom", "--target", "spinnaker2", "-o", "two.h5"}).code, cli::kExitOk);
  const auto nowhere = run({"run", "two.sloom", "--plan", "two.h5", "--images",
                            std::string(5000, 'x'), "--input", "x.npy"});
  EXPECT_EQ(nowhere.code, cli::kExitFile) << nowhere.err;
}

TEST_F(CliPlanRun, CountsTheSameInEveryArithmeticOfAMachine) {
  const auto counts = [this](const std::string& arithmetic) {
    const auto chip = run({"run", "two.sloom", "--backend", "emulator", "--target", "spinnaker1",
                           "--input", "x.npy", "--arithmetic", arithmetic, "--json"});
    EXPECT_EQ(chip.code, cli::kExitOk) << chip.err;
    const Value value = chip.json();
    EXPECT_EQ(text_at(value, {"arithmetic"}), arithmetic);
    EXPECT_EQ(number_at(value, {"machine", "saturated"}), 0);
    return numbers_at(list_at(value, {"recordings"})[0], {"output_counts"});
  };
  // Whole numbers below 2^24: float32 has them all.
  EXPECT_EQ(counts("ring16"), counts("integer"));
  EXPECT_EQ(counts("float32"), counts("integer"));
}

TEST_F(CliPlanRun, MapsAtMostSoManyNeuronsOntoACoreInTicksOfAnyLength) {
  const auto cores = [this](const std::string& neurons) {
    const auto chip =
        run({"run", "two.sloom", "--backend", "emulator", "--neurons-per-core", neurons, "--tick",
             "2e-3", "--input", "x.npy", "--steps", "8", "--json"});
    EXPECT_EQ(chip.code, cli::kExitOk) << chip.err;
    EXPECT_EQ(number_at(chip.json(), {"tick_cycles"}), 2e-3 * 150e6);
    EXPECT_NEAR(number_at(chip.json(), {"machine", "sim_time_s"}), 8 * 2e-3, 1e-12);
    return number_at(chip.json(), {"cores"});
  };
  EXPECT_GT(cores("1"), cores("100"));
  const auto hurried = run({"run", "two.sloom", "--backend", "emulator", "--tick", "1e-9",
                            "--input", "x.npy", "--steps", "8"});
  EXPECT_EQ(hurried.code, cli::kExitOk) << hurried.err;
  EXPECT_TRUE(contains(hurried.err, "--neurons-per-core spread the work")) << hurried.err;
}

TEST_F(CliPlanRun, FlagsThatExcludeEachOtherAreRefused) {
  for (const std::vector<std::string>& flags :
       {std::vector<std::string>{"--real-time", "--free-running"},
        {"--cores", "4", "--neurons-per-core", "4"},
        {"--plan", "plan.h5", "--target", "spinnaker2"},
        {"--plan", "plan.h5", "--cores", "4"},
        {"--plan", "plan.h5", "--neurons-per-core", "4"}}) {
    std::vector<std::string> words = {"run",      "two.sloom", "--backend",
                                      "emulator", "--input",   "x.npy"};
    words.insert(words.end(), flags.begin(), flags.end());
    const auto refused = run(words);
    EXPECT_EQ(refused.code, cli::kExitUsage) << flags[0];
    EXPECT_TRUE(contains(refused.err, "excludes")) << refused.err;
  }
}

TEST_F(CliPlanRun, FlagsOfAMachineMeanNothingElsewhere) {
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"--real-time"},
                                                {"--performance", "fast"},
                                                {"--tick", "1e-3"},
                                                {"--timing", "events"},
                                                {"--cores", "4"}}) {
    std::vector<std::string> words = {"run",     "two.sloom", "--backend", "cpu",
                                      "--input", "x.npy",     "--steps",   "8"};
    words.insert(words.end(), flags.begin(), flags.end());
    const auto refused = run(words);
    EXPECT_NE(refused.code, cli::kExitOk) << flags[0];
    EXPECT_TRUE(contains(refused.err, flags[0])) << refused.err;
  }
}

}  // namespace
}  // namespace spikeloom::test
