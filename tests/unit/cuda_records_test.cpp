/// What the CUDA backend gives of what it recorded, in every way that it has, beside cpu.

#include <algorithm>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include "backends/backend.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

constexpr std::int64_t kInputs = 8, kNeurons = 40;

struct Log : Sink {
  using Entry = std::tuple<std::int64_t, std::uint32_t, std::uint32_t, Variable,
                           std::vector<std::uint32_t>, std::vector<double>>;
  void events(std::uint32_t node, Variable variable, std::uint32_t element, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    all.push_back({step,
                   element,
                   node,
                   variable,
                   {index.begin(), index.end()},
                   {value.begin(), value.end()}});
  }
  void state(std::uint32_t node, Variable variable, std::uint32_t element, std::int64_t step,
             std::span<const double> value) override {
    all.push_back({step, element, node, variable, {}, {value.begin(), value.end()}});
  }
  double most() const {
    double most = 0.0;
    for (const Entry& entry : all) {
      for (const double value : std::get<5>(entry)) most = std::max(most, value);
    }
    return most;
  }
  std::vector<Entry> all;
};

struct Case {
  bool neurons = true;  ///< else the Output gives a Linear's sums
  SpikeRule rule = SpikeRule::kGreater;
  bool membranes = false;
  std::uint32_t batch = 1;
  std::vector<std::int64_t> reads;  ///< after so many steps, each in two advances
};

Log record(const std::string& backend, const Case& one) {
  std::mt19937 random(7);
  const auto below = [&](std::uint32_t end) { return static_cast<std::uint32_t>(random() % end); };
  std::vector<float> weights(kInputs * kNeurons);
  for (float& w : weights) w = (static_cast<float>(below(16)) - 7.0F) / 8.0F;
  std::vector<NodeKind> layers = {linear(kNeurons, kInputs, weights)};
  if (one.neurons) layers.push_back(relay(0.5F, kNeurons));
  Discretisation d;
  d.dt = 1.0;
  d.spike_rule = one.rule;
  if (one.rule == SpikeRule::kMultiple) d.reset = Reset::kSubtract;
  Log log;
  const auto program = lower(chain({kInputs}, layers, {kNeurons}), d);
  EXPECT_TRUE(program.ok()) << error_of(program);
  if (!program.ok()) return log;
  RunOptions options;
  for (std::uint32_t n = 0; n < program->nodes.size(); ++n) {
    if (!std::holds_alternative<op::Neuron>(program->nodes[n].operation)) continue;
    // In the order in which a team gives them.
    options.record.push_back({n, Variable::kSpikes});
    options.record.push_back({n, Variable::kOutput});
    if (one.membranes) options.record.push_back({n, Variable::kMembrane});
  }
  const auto executable = compile(backend, *program, options);
  EXPECT_TRUE(executable.ok()) << error_of(executable);
  if (!executable.ok()) return log;
  const auto session = (*executable)->open(one.batch);
  EXPECT_TRUE(session.ok()) << error_of(session);
  if (!session.ok()) return log;
  const Time step = (*session)->step_time();
  for (std::uint32_t e = 0; e < one.batch; ++e) {
    std::vector<Time> time;
    std::vector<std::uint32_t> index;
    for (std::int64_t s = 0; s < one.reads.back(); ++s) {
      if (below(3) != 0) continue;  // silence is most of it
      time.push_back(s * step);
      index.push_back(below(kInputs));
    }
    EXPECT_TRUE((*session)->push(e, 0, {time, index, {}}).ok());
  }
  std::int64_t done = 0;
  for (const std::int64_t until : one.reads) {
    for (const std::int64_t s : {(done + until) / 2, until}) {
      const Status advanced = (*session)->advance(s * step);
      EXPECT_TRUE(advanced.ok()) << advanced.error().message();
    }
    EXPECT_TRUE((*session)->read(log).ok());
    const std::size_t before = log.all.size();
    EXPECT_TRUE((*session)->read(log).ok());
    EXPECT_EQ(log.all.size(), before) << "nothing is given twice";
    done = until;
  }
  return log;
}

class CudaRecords : public testing::TestWithParam<const char*> {
 protected:
  /// What was given.
  Log expect_what_cpu_gives(const Case& one) {
    const Log expected = record("cpu", one);
    Log got = record(GetParam(), one);
    EXPECT_GT(expected.all.size(), 100U);
    EXPECT_EQ(got.all.size(), expected.all.size());
    for (std::size_t i = 0; i < std::min(got.all.size(), expected.all.size()); ++i) {
      if (got.all[i] == expected.all[i]) continue;
      ADD_FAILURE() << "the first difference: entry " << i << ", step "
                    << std::get<0>(expected.all[i]);
      break;
    }
    return got;
  }
};
INSTANTIATE_TEST_SUITE_P(Ways, CudaRecords,
                         testing::Values("cuda-host", "cuda-host-nodes", "cuda-host:2"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) c = c == '-' || c == ':' ? '_' : c;
                           return name;
                         });

/// Both so much that it is packed, and less.
TEST_P(CudaRecords, AreThoseOfCpu) {
  EXPECT_EQ(expect_what_cpu_gives({.batch = 16, .reads = {3, 160, 177, 330, 331}}).most(), 1.0);
}

TEST_P(CudaRecords, OfStatesAndSpikesAreInOrder) {
  expect_what_cpu_gives({.membranes = true, .batch = 16, .reads = {150, 155, 260}});
}

TEST_P(CudaRecords, OfSpikesThatCountForSeveralKeepTheirValues) {
  const Log log =
      expect_what_cpu_gives({.rule = SpikeRule::kMultiple, .batch = 16, .reads = {150, 155, 260}});
  EXPECT_GT(log.most(), 1.0);
}

TEST_P(CudaRecords, OfSumsKeepTheirValues) {
  expect_what_cpu_gives({.neurons = false, .batch = 16, .reads = {150, 155, 260}});
}

/// More steps than the logs have room for.
TEST_P(CudaRecords, AreWholeWhereTheLogsAreFullBetween) {
  expect_what_cpu_gives({.batch = 2, .reads = {20, 9500}});
}

}  // namespace
}  // namespace spikeloom::test
