#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/io/file.hpp"
#include "base/io/hdf5.hpp"
#include "base/io/json.hpp"
#include "base/io/npy.hpp"
#include "models/simulation/brunel_dc.hpp"
#include "models/simulation/description.hpp"
#include "models/simulation/edge_list.hpp"
#include "models/simulation/microcircuit.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom {
namespace {

using namespace simulation;  // NOLINT

constexpr std::string_view kGood = R"(dt = 0.1
time = 200
warm_up = 50.0
seed = 7
[populations.E]
size = 80
model = "iaf_psc_exp"
tau_m = 12.5
V_m = { normal = [-60.0, 5.0], high = -55 }
[populations.I]
size = 20
model = "iaf_psc_delta"
V_th = { uniform = [-55.0, -50.0] }
[projections.E_to_all]
from = "E"
to = ["E", "I"]
rule = "fixed_in_degree"
degree = 8
weight = 20
delay = { lognormal = [0.4, 0.2], low = 0.5 }
[projections.I_to_E]
from = "I"
to = "E"
rule = "pairwise_bernoulli"
probability = 0.25
weight = -80.0
delay = 0.8
[stimuli.noise]
kind = "poisson"
to = ["E", "I"]
rate = 5000
weight = 20.0
[stimuli.pulse]
kind = "current"
to = "E"
amplitude = 100.0
start = 10.0
stop = 20.0
[recordings.spikes]
of = ["E", "I"]
[recordings.membrane]
of = "E"
count = 3
variable = "V_m"
interval = 1.0
)";

TEST(SimulationDescription, SaysEverythingOfANetwork) {
  const auto read = parse_simulation(kGood, "net.toml");
  ASSERT_TRUE(read.ok()) << read.error().message();
  const Network& network = read->network;
  EXPECT_EQ(read->time, 200.0);
  EXPECT_EQ(read->warm_up, 50.0);
  EXPECT_EQ(network.seed, 7U);
  ASSERT_EQ(network.populations.size(), 2U);
  EXPECT_EQ(network.populations[0].name, "E") << "in the order of the file";
  EXPECT_EQ(network.populations[0].size, 80);
  EXPECT_EQ(std::get<Constant>(network.populations[0].parameters.at("tau_m")).value, 12.5);
  const auto normal = std::get<Normal>(network.populations[0].parameters.at("V_m"));
  EXPECT_EQ(normal, (Normal{-60.0, 5.0, -INFINITY, -55.0}));
  ASSERT_EQ(network.projections.size(), 3U);
  EXPECT_EQ(network.projections[1].name, "E_to_all: E to I");
  EXPECT_EQ(network.projections[1].target, 1U);
  EXPECT_EQ(std::get<FixedInDegree>(network.projections[1].rule).degree, 8);
  EXPECT_EQ(std::get<Lognormal>(network.projections[0].delay), (Lognormal{0.4, 0.2, 0.5}));
  EXPECT_EQ(std::get<PairwiseBernoulli>(network.projections[2].rule).probability, 0.25);
  ASSERT_EQ(network.stimuli.size(), 3U);
  EXPECT_EQ(std::get<PoissonStimulus>(network.stimuli[1]).population, 1U);
  EXPECT_EQ(std::get<CurrentStimulus>(network.stimuli[2]).stop, 20.0);
  ASSERT_EQ(network.recordings.size(), 3U);
  EXPECT_EQ(network.recordings[0].count, 80);
  EXPECT_EQ(network.recordings[2].variable, "V_m");
  EXPECT_EQ(network.recordings[2].interval, 10);
}

/// kGood with one line replaced, and what the complaint has to say.
struct Bad {
  std::string line, instead, where, expected;
};

void PrintTo(const Bad& bad, std::ostream* out) { *out << bad.instead; }

class BadDescription : public testing::TestWithParam<Bad> {};

TEST_P(BadDescription, IsRefusedWithLineAndWhatWasExpected) {
  const Bad& bad = GetParam();
  std::string text(kGood);
  const std::size_t at = text.find(bad.line + "\n");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, bad.line.size(), bad.instead);
  const auto read = parse_simulation(text, "net.toml");
  ASSERT_FALSE(read.ok());
  const std::string message = read.error().message();
  EXPECT_EQ(read.error().code, ErrorCode::kFormat) << message;
  EXPECT_NE(message.find("net.toml: line " + bad.where + ","), std::string::npos) << message;
  EXPECT_NE(message.find(bad.expected), std::string::npos) << message;
}

INSTANTIATE_TEST_SUITE_P(
    Lines, BadDescription,
    testing::Values(Bad{"dt = 0.1", "dt = 0", "1", "more than 0 ms"},
                    Bad{"time = 200", "time = -1", "2", "0 ms or more"},
                    Bad{"seed = 7", "speed = 7", "4", "one of dt, time"},
                    Bad{"size = 80", "size = 0", "5", "1 to"},
                    Bad{"size = 80", "size = \"many\"", "6", "a whole number"},
                    Bad{"model = \"iaf_psc_exp\"", "model = \"lif\"", "7", "iaf_psc_delta"},
                    Bad{"model = \"iaf_psc_exp\"", "", "5", "the name of a neuron model"},
                    Bad{"tau_m = 12.5", "tau_m = 0.0", "8", "> 0"},
                    Bad{"tau_m = 12.5", "tau_mem = 12.5", "8", "tau_m"},
                    Bad{"tau_m = 12.5", "tau_m = true", "8", "a number, { uniform"},
                    Bad{"V_th = { uniform = [-55.0, -50.0] }", "V_th = { uniform = [1] }", "13",
                        "[number, number]"},
                    Bad{"V_th = { uniform = [-55.0, -50.0] }",
                        "V_th = { uniform = [-90.0, -50.0] }", "13", "below"},
                    Bad{"to = [\"E\", \"I\"]", "to = [\"E\", \"X\"]", "16", "[populations]"},
                    Bad{"rule = \"fixed_in_degree\"", "rule = \"in_degree\"", "17", "all_to_all"},
                    Bad{"degree = 8", "degree = 8\nsynapses = 3", "19", "one of from"},
                    Bad{"degree = 8", "", "14", "a whole number"},
                    Bad{"weight = 20", "", "14", "a number or a distribution"},
                    Bad{"probability = 0.25", "probability = 1.25", "25", "0 to 1"},
                    Bad{"delay = 0.8", "delay = 0.01", "27", ""},
                    Bad{"kind = \"poisson\"", "kind = \"noise\"", "29", "poisson or current"},
                    Bad{"rate = 5000", "rate = -5", "31", ""},
                    Bad{"variable = \"V_m\"", "variable = \"V\"", "44", "V_m"},
                    Bad{"count = 3", "count = 300", "41", "neurons 0 to 79"},
                    Bad{"interval = 1.0", "interval = 0.0", "45", "0.1 ms or more"},
                    Bad{"seed = 7", "seed = [", "5", ""}));

class EdgeFiles : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  void SetUp() override {
    folder_ =
        std::filesystem::temp_directory_path() /
        ("spikeloom_edges_" + std::to_string(testing::UnitTest::GetInstance()->random_seed()) +
         std::to_string(reinterpret_cast<std::uintptr_t>(this)));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::filesystem::path folder_;
};

TEST_F(EdgeFiles, EveryFormatGivesTheSameList) {
  std::ofstream(path("edges.csv")) << "# a comment\ntarget, source ,weight,delay\n"
                                      "1,0,2.5,1.5\n\n0,2,-1,0.5 # another\n";
  const std::vector<std::int64_t> source = {0, 2}, target = {1, 0};
  const std::vector<double> weight = {2.5, -1.0}, delay = {1.5, 0.5};
  ASSERT_TRUE(io::write_npz(path("edges.npz"), {{"source", Tensor::of<std::int64_t>({2}, source)},
                                                {"target", Tensor::of<std::int64_t>({2}, target)},
                                                {"weight", Tensor::of<double>({2}, weight)},
                                                {"delay", Tensor::of<double>({2}, delay)}})
                  .ok());
  {
    auto file = io::Hdf5Writer::create(path("edges.h5"));
    ASSERT_TRUE(file.ok());
    auto edges = file->root().create_group("edges");
    auto population = edges->create_group("a_to_b");
    auto group = population->create_group("0");
    ASSERT_TRUE(
        population->write_tensor("source_node_id", Tensor::of<std::int64_t>({2}, source)).ok());
    ASSERT_TRUE(
        population->write_tensor("target_node_id", Tensor::of<std::int64_t>({2}, target)).ok());
    ASSERT_TRUE(group->write_tensor("syn_weight", Tensor::of<double>({2}, weight)).ok());
    ASSERT_TRUE(group->write_tensor("delay", Tensor::of<double>({2}, delay)).ok());
    ASSERT_TRUE(file->commit().ok());
  }
  for (const char* name : {"edges.csv", "edges.npz", "edges.h5"}) {
    const auto list = read_edge_list(path(name));
    ASSERT_TRUE(list.ok()) << list.error().message();
    EXPECT_EQ(list->source, (std::vector<std::uint32_t>{0, 2})) << name;
    EXPECT_EQ(list->target, (std::vector<std::uint32_t>{1, 0})) << name;
    EXPECT_EQ(list->weight, (std::vector<float>{2.5F, -1.0F})) << name;
    EXPECT_EQ(list->delay, (std::vector<float>{1.5F, 0.5F})) << name;
  }
  EXPECT_FALSE(read_edge_list(path("edges.h5"), "other").ok());
}

TEST_F(EdgeFiles, ADescriptionNamesThem) {
  std::ofstream(path("edges.csv")) << "source,target\n0,19\n79,0\n";
  std::string text(kGood);
  text.replace(text.find("rule = \"fixed_in_degree\"\ndegree = 8"), 35,
               "rule = \"list\"\nfile = \"edges.csv\"");
  text.replace(text.find("[\"E\", \"I\"]"), 10, "\"I\"");
  std::ofstream(path("net.toml")) << text;
  const auto read = read_simulation(path("net.toml"));
  ASSERT_TRUE(read.ok()) << read.error().message();
  EXPECT_EQ(std::get<ExplicitList>(read->network.projections[0].rule).target,
            (std::vector<std::uint32_t>{19, 0}));
  std::ofstream(path("edges.csv")) << "source,target\n0,19\n79,20\n";
  const auto outside = read_simulation(path("net.toml"));
  ASSERT_FALSE(outside.ok());
  EXPECT_NE(outside.error().message().find("line 18"), std::string::npos)
      << outside.error().message();
  std::filesystem::remove(path("edges.csv"));
  const auto none = read_simulation(path("net.toml"));
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error().code, ErrorCode::kNotFound);
  EXPECT_NE(none.error().message().find("line 18"), std::string::npos) << none.error().message();
}

TEST(EdgeText, BadLinesAreNamed) {
  const auto complaint = [](std::string_view text) {
    const auto list = parse_edges_csv(text, "e.csv");
    return list.ok() ? "" : list.error().message();
  };
  EXPECT_NE(complaint("source,target\n1,2\n1\n").find("e.csv: line 3"), std::string::npos);
  EXPECT_NE(complaint("source,target\n1,-2\n").find("line 2"), std::string::npos);
  EXPECT_NE(complaint("source,target\n1,4294967296\n").find("line 2"), std::string::npos);
  EXPECT_NE(complaint("source,target,weight\n1,2,inf\n").find("line 2"), std::string::npos);
  EXPECT_NE(complaint("source,weight\n").find("source and target"), std::string::npos);
  EXPECT_NE(complaint("source,target,source\n"), "");
  EXPECT_NE(complaint(""), "");
  EXPECT_EQ(complaint("source,target\n"), "");
}

TEST(Microcircuit, HasTheNumbersOfThePackage) {
  REQUIRE_SHARED("acceptance/scale/pd14.json");
  const auto text = io::read_text_file(test::shared_path("acceptance/scale/pd14.json").string());
  ASSERT_TRUE(text.ok());
  const auto facts = io::parse_json(*text);
  ASSERT_TRUE(facts.ok()) << facts.error().message();
  const auto network = make_microcircuit();
  ASSERT_TRUE(network.ok());
  const auto list = [&](const char* key) { return *facts->find(key)->as_list(); };
  const Value& drive = *facts->find("drive");
  for (std::size_t p = 0; p < 8; ++p) {
    const Population& population = network->populations[p];
    EXPECT_EQ(population.name, *list("populations")[p].as_string());
    EXPECT_EQ(population.size, *list("sizes")[p].as_integer());
    EXPECT_NEAR(std::get<Constant>(population.parameters.at("I_e")).value,
                (*drive.find("I_pA")->as_list())[p].number(), 1e-3);
    const auto initial = std::get<Normal>(population.parameters.at("V_m"));
    EXPECT_EQ(initial.mean, (*facts->find("initial_V")->find("mean_mV")->as_list())[p].number());
    EXPECT_EQ(initial.sd, (*facts->find("initial_V")->find("sd_mV")->as_list())[p].number());
  }
  std::int64_t synapses = 0, projections = 0;
  for (const Projection& projection : network->projections) {
    const Value::List row = *list("synapse_count_target_by_source")[projection.target].as_list();
    EXPECT_EQ(std::get<FixedTotalNumber>(projection.rule).synapses,
              *row[projection.source].as_integer())
        << projection.name;
    synapses += std::get<FixedTotalNumber>(projection.rule).synapses;
    ++projections;
  }
  EXPECT_EQ(synapses, 298880968);
  EXPECT_EQ(projections, 55);
}

TEST(Microcircuit, ScalesAndRefusesWhatIsTooSmall) {
  const auto small = make_microcircuit({.scale = 0.04, .drive = MicrocircuitDrive::kPoisson});
  ASSERT_TRUE(small.ok());
  EXPECT_TRUE(check(*small).ok());
  EXPECT_EQ(small->populations[0].size, 827);
  EXPECT_EQ(small->stimuli.size(), 8U);
  const auto weight = std::get<Normal>(small->projections[0].weight);
  EXPECT_NEAR(weight.mean, 5.0 * 87.80849, 1e-9);
  EXPECT_FALSE(make_microcircuit({.scale = 0.0}).ok());
  EXPECT_FALSE(make_microcircuit({.scale = 0.0001}).ok());
  EXPECT_FALSE(make_microcircuit({.scale = 1.5}).ok());
}

TEST(BrunelDc, IsAValidNetwork) {
  const auto network = make_brunel_dc({.neurons = 4000, .degree = 400});
  ASSERT_TRUE(network.ok());
  EXPECT_TRUE(check(*network).ok());
  double synapses = 0.0;
  for (const Projection& p : network->projections) synapses += expected_synapses(*network, p);
  EXPECT_EQ(synapses, 1.6e6);
  EXPECT_FALSE(make_brunel_dc({.neurons = 4}).ok());
}

}  // namespace
}  // namespace spikeloom
