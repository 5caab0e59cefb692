/// Sparse integer weights as bits on cuda, beside cpu: which networks have them, and their sums.

#include <gtest/gtest.h>

#include "tests/support/compare_runs.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

constexpr std::int64_t kSources = 700, kTargets = 2500;

/// Every target has `degree` sources of each half, with weights 3 and -2.
node::RandomSparse random(std::int64_t degree, bool repeats) {
  node::RandomSparse made;
  made.shape = integers({kTargets, kSources});
  made.source_start = integers({0, kSources / 2});
  made.source_count = integers({kSources / 2, kSources / 2});
  made.degree = integers({degree, degree});
  made.weight = floats({2}, {3.0F, -2.0F});
  made.repeats = integers({repeats ? 1 : 0, repeats ? 1 : 0});
  return made;
}

/// Neurons that send 0 or 1, then `rows`; both kinds of neurons fire often.
Network network(node::RandomSparse rows) {
  return chain({kSources}, {relay(0.0F, kSources), std::move(rows), relay(3.0F, kTargets)},
               {kTargets});
}

struct BitCase {
  std::string name;
  node::RandomSparse rows;
  Schedule schedule = Schedule::kAuto;
  bool bits = false;
};

std::vector<BitCase> bit_cases() {
  return {{"dense enough", random(20, false), Schedule::kAuto, true},
          {"too sparse", random(5, false), Schedule::kAuto, false},
          {"sparse, but asked for", random(5, false), Schedule::kBitmask, true},
          {"rows asked for", random(20, false), Schedule::kRows, false},
          {"a pair twice", random(20, true), Schedule::kBitmask, false}};
}

TEST(CudaBits, EqualCpuWhereWeightsAreDenseEnough) {
  for (const BitCase& one : bit_cases()) {
    const CodedInput input = busy_input(kSources, 40, 7);
    RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
    request.arithmetic = Arithmetic::kInteger;
    request.record = {{"layer1", Variable::kOutput}, {"layer2", Variable::kMembrane}};
    request.backend = "cpu";
    const auto expected = run_network(network(one.rows), input, request);
    ASSERT_TRUE(expected.ok()) << error_of(expected);
    ASSERT_GT(expected->stats.nodes.back().events_in, 0U);
    request.schedule = one.schedule;
    for (const char* const backend : {kCudaHost, "cuda-host:3", "cuda", "cuda-parts:2", "cuda:2"}) {
      if (!find_backend(backend).ok()) continue;
      SCOPED_TRACE(one.name + " " + backend);
      request.backend = backend;
      const auto run = run_network(network(one.rows), input, request);
      ASSERT_TRUE(run.ok()) << error_of(run);
      EXPECT_TRUE(run->events == expected->events);
      EXPECT_TRUE(run->state == expected->state);
      EXPECT_EQ(difference(expected->stats, run->stats), "");
      EXPECT_EQ(run->stats.total(&NodeStats::steps_bitmask) > 0, one.bits);
    }
  }
}

/// Events of several at once are no bits.
TEST(CudaBits, AreForSourcesThatSendZeroOrOneAlone) {
  RunRequest request{.preset = "nir", .options = {{"dt", "1"}}};
  request.arithmetic = Arithmetic::kInteger;
  request.schedule = Schedule::kBitmask;
  const Network direct = chain({kSources}, {random(20, false), relay(3.0F, kTargets)}, {kTargets});
  const CodedInput input = busy_input(kSources, 10, 8);
  request.backend = "cpu";
  const auto expected = run_network(direct, input, request);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  request.backend = kCudaHost;
  const auto run = run_network(direct, input, request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  EXPECT_TRUE(run->events == expected->events);
  EXPECT_EQ(run->stats.total(&NodeStats::steps_bitmask), 0U);
}

}  // namespace
}  // namespace spikeloom::test
