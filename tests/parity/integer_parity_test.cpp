/// Every backend in integer arithmetic, and in ring16 where nothing saturates, against the
/// reference in double: all values stay far below 2^53, so double is exact.

#include <gtest/gtest.h>

#include "tests/support/integer_cases.hpp"
#include "tests/support/parity_runs.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

constexpr std::int64_t kSteps = 40;

std::vector<Runner> runners() {
  std::vector<Runner> all;
  for (const BackendInfo& info : backends()) {
    for (const Arithmetic arithmetic : info.arithmetics) {
      const bool whole = arithmetic == Arithmetic::kInteger || arithmetic == Arithmetic::kRing16;
      if (info.available && whole) all.push_back({info.name, arithmetic});
    }
  }
  for (const std::string& name : unlisted_cuda()) all.push_back({name, Arithmetic::kInteger});
  return all;
}

class IntegerParity : public testing::TestWithParam<std::tuple<ParityCase, Runner>> {};

TEST_P(IntegerParity, EqualsTheReferenceInDouble) {
  const auto& [parity, runner] = GetParam();
  expect_the_references(parity, runner, kSteps, 2);
}

INSTANTIATE_TEST_SUITE_P(Cases, IntegerParity,
                         testing::Combine(testing::ValuesIn(integer_cases()),
                                          testing::ValuesIn(runners())),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" +
                                  to_string(std::get<1>(info.param));
                         });

/// docs/integer.md: a neuron gives at most 255 spikes a step and keeps the rest of its membrane.
TEST(IntegerParity, ABurstStopsAt255SpikesAStep) {
  NetworkBuilder builder;
  builder.add("in", input({1}));
  builder.add("w", linear(1, 1, {1000}));
  builder.add("n", relay(2.0F, 1));
  builder.add("out", output({1}));
  builder.connect("in", "w");
  builder.connect("w", "n");
  builder.connect("n", "out");
  const auto network = std::move(builder).build();
  ASSERT_TRUE(network.ok()) << error_of(network);
  for (const Runner& runner : runners()) {
    if (runner.arithmetic != Arithmetic::kInteger) continue;
    RunRequest request{.preset = "nir",
                       .options = {{"dt", "1"}, {"spike-rule", "multi"}, {"reset", "subtract"}},
                       .arithmetic = runner.arithmetic,
                       .backend = runner.backend,
                       .steps = 4};
    const auto run = run_network(*network, one_per_step({1}), request);
    ASSERT_TRUE(run.ok()) << error_of(run);
    // 1000 = 2 (255 + 245): the second step pays the rest.
    EXPECT_EQ(run->events.at("out"), (std::vector<Recorded>{{0, 0, 255}, {1, 0, 245}}))
        << runner.backend;
  }
}

}  // namespace
}  // namespace spikeloom::test
