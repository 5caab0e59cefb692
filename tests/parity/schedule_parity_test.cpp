/// Whatever way a projection is added up, and by however many threads: the same spikes and counts.

#include <cmath>

#include <gtest/gtest.h>

#include "base/random.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

constexpr std::int64_t kInputs = 1500, kNeurons = 2500, kSteps = 12;

std::vector<float> small_integers(std::int64_t count, std::uint64_t stream, double largest) {
  const RandomStream random{11, stream};
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const double draw = random.uniform(static_cast<std::uint64_t>(i));
    values.push_back(static_cast<float>(std::floor((2.0 * largest + 1.0) * draw) - largest));
  }
  return values;
}

/// in -> dense -> first -> random connections of one weight -> second -> out. Large enough that
/// threads share a step.
Network network(bool repeats = false) {
  NetworkBuilder builder;
  builder.add("in", input({kInputs}));
  builder.add("dense", linear(kNeurons, kInputs, small_integers(kNeurons * kInputs, 1, 9.0)));
  builder.add("first", relay(60.0F, kNeurons));
  node::RandomSparse random;
  random.shape = integers({kNeurons, kNeurons});
  random.source_start = integers({0});
  random.source_count = integers({kNeurons});
  random.degree = integers({200});
  random.weight = floats({1}, {2});
  random.repeats = integers({repeats ? 1 : 0});
  random.seed = integers({5});
  builder.add("random", random);
  builder.add("second", relay(100.0F, kNeurons));
  builder.add("out", output({kNeurons}));
  for (const auto& [from, to] :
       std::vector<std::pair<const char*, const char*>>{{"in", "dense"},
                                                        {"dense", "first"},
                                                        {"first", "random"},
                                                        {"random", "second"},
                                                        {"second", "out"}}) {
    builder.connect(from, to);
  }
  auto made = std::move(builder).build();
  EXPECT_TRUE(made.ok()) << error_of(made);
  return *std::move(made);
}

/// Half of the inputs active.
CodedInput busy_input() {
  const RandomStream random{12, 3};
  CodedInput coded;
  coded.steps = kSteps;
  for (std::int64_t s = 0; s < kSteps; ++s) {
    for (std::uint32_t i = 0; i < kInputs; ++i) {
      if (random.uniform(static_cast<std::uint64_t>(s) * kInputs + i) >= 0.5) continue;
      coded.index.push_back(i);
      coded.value.push_back(1.0);
    }
    coded.step_start.push_back(coded.index.size());
  }
  return coded;
}

struct Parity {
  bool repeats = false;
  /// Sums that nobody sees are made range by range, where the neurons read them.
  bool sums_recorded = false;
};

RunRequest request(Arithmetic arithmetic, const Parity& parity) {
  RunRequest made{.preset = "nir",
                  .options = {{"dt", "1"}},
                  .arithmetic = arithmetic,
                  .record = {{"first", Variable::kSpikes}, {"second", Variable::kSpikes}}};
  if (parity.sums_recorded) made.record.emplace_back("random", Variable::kOutput);
  return made;
}

class ScheduleParity : public ::testing::TestWithParam<Parity> {};
INSTANTIATE_TEST_SUITE_P(networks, ScheduleParity,
                         ::testing::Values(Parity{false, false}, Parity{false, true},
                                           Parity{true, false}, Parity{true, true}),
                         [](const auto& info) {
                           return std::string(info.param.repeats ? "repeats" : "once") +
                                  (info.param.sums_recorded ? "_recorded" : "_fused");
                         });

TEST_P(ScheduleParity, EveryWayAndThreadCountEqualsTheReference) {
  const Network net = network(GetParam().repeats);
  const CodedInput in = busy_input();
  const auto expected = run_network(net, in, request(Arithmetic::kDouble, GetParam()));
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  ASSERT_GT(expected->events.at("out").size(), 1000U) << "the case is nearly silent";
  ASSERT_LT(expected->events.at("out").size(), static_cast<std::size_t>(kNeurons * kSteps));
  for (const Arithmetic arithmetic : {Arithmetic::kFloat32, Arithmetic::kInteger}) {
    for (const Schedule schedule :
         {Schedule::kAuto, Schedule::kRows, Schedule::kBitmask, Schedule::kDense}) {
      for (const int threads : {1, 2, 3}) {
        RunRequest wanted = request(arithmetic, GetParam());
        wanted.backend = "cpu";
        wanted.schedule = schedule;
        wanted.threads = threads;
        const auto run = run_network(net, in, wanted);
        ASSERT_TRUE(run.ok()) << error_of(run);
        const std::string what = std::string(to_string(arithmetic)) + " " + to_string(schedule) +
                                 " " + std::to_string(threads);
        EXPECT_TRUE(run->events == expected->events) << what;
        for (std::size_t n = 0; n < run->stats.nodes.size(); ++n) {
          const NodeStats& mine = run->stats.nodes[n];
          const NodeStats& theirs = expected->stats.nodes[n];
          EXPECT_EQ(mine.events_in, theirs.events_in) << what << " " << mine.name;
          EXPECT_EQ(mine.events_out, theirs.events_out) << what << " " << mine.name;
          EXPECT_EQ(mine.ac + mine.mac, theirs.ac + theirs.mac) << what << " " << mine.name;
          const bool taken = (mine.name == "dense" && schedule == Schedule::kDense &&
                              mine.steps_dense == kSteps) ||
                             (mine.name == "random" && schedule == Schedule::kBitmask &&
                              mine.steps_bitmask == kSteps);
          const bool forced = (mine.name == "dense" && schedule == Schedule::kDense) ||
                              (mine.name == "random" && schedule == Schedule::kBitmask);
          EXPECT_EQ(taken, forced) << what << " " << mine.name;
        }
      }
    }
  }
}

/// The random connections are a tenth dense and busy: bitmasks win, and auto finds them.
TEST_P(ScheduleParity, AutoPicksBitmasksWhereTheyAreCheaper) {
  RunRequest wanted = request(Arithmetic::kInteger, GetParam());
  wanted.backend = "cpu";
  const auto run = run_network(network(GetParam().repeats), busy_input(), wanted);
  ASSERT_TRUE(run.ok()) << error_of(run);
  for (const NodeStats& node : run->stats.nodes) {
    if (node.name == "random") {
      EXPECT_GT(node.steps_bitmask, 0U);
    }
    if (node.name == "dense") {
      EXPECT_EQ(node.steps_rows, static_cast<std::uint64_t>(kSteps));
    }
  }
}

/// A session that goes on from a checkpoint adds up in the ways of one that never stopped: another
/// way is another order of the sums, which float32 shows.
TEST_P(ScheduleParity, ACheckpointCarriesTheWay) {
  RunRequest wanted = request(Arithmetic::kFloat32, GetParam());
  wanted.backend = "cpu";
  const auto executable = compile_network(network(GetParam().repeats), wanted);
  ASSERT_TRUE(executable.ok()) << error_of(executable);
  const auto open = [&executable] { return *(*executable)->open(1); };
  const auto run_to = [](Session& session, std::int64_t step) {
    EXPECT_TRUE(session.advance(step * session.step_time()).ok());
  };
  const auto whole = open();
  ASSERT_TRUE(push_coded(*whole, 0, busy_input()).ok());
  run_to(*whole, kSteps);
  const RunStats expected = whole->stats();
  EXPECT_GT(expected.total(&NodeStats::steps_bitmask), 0U);
  for (const std::int64_t middle : {1, 6, 11}) {
    const auto first = open(), second = open();
    ASSERT_TRUE(push_coded(*first, 0, busy_input()).ok());
    run_to(*first, middle);
    const auto saved = first->save();
    ASSERT_TRUE(saved.ok()) << error_of(saved);
    ASSERT_TRUE(second->load(*saved).ok());
    run_to(*second, kSteps);
    const RunStats got = second->stats();
    for (std::size_t n = 0; n < expected.nodes.size(); ++n) {
      SCOPED_TRACE(expected.nodes[n].name + ", saved after step " + std::to_string(middle));
      EXPECT_EQ(got.nodes[n].steps_rows, expected.nodes[n].steps_rows);
      EXPECT_EQ(got.nodes[n].steps_bitmask, expected.nodes[n].steps_bitmask);
      EXPECT_EQ(got.nodes[n].steps_dense, expected.nodes[n].steps_dense);
      EXPECT_EQ(got.nodes[n].bytes.weights, expected.nodes[n].bytes.weights);
    }
  }
}

}  // namespace
}  // namespace spikeloom::test
