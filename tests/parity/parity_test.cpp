/// Every backend and arithmetic against the reference in double, over one list of cases.

#include <gtest/gtest.h>

#include "tests/support/parity_cases.hpp"
#include "tests/support/parity_runs.hpp"

namespace spikeloom::test {
namespace {

/// A decay of 1/2 adds a bit a step: inputs of 1/8 stay exact in float32 for this long.
constexpr std::int64_t kSteps = 14;

/// All but the measure.
std::vector<Runner> runners() {
  std::vector<Runner> all = real_runners();
  std::erase_if(all, [](const Runner& runner) {
    return runner.backend == "reference" && runner.arithmetic == Arithmetic::kDouble;
  });
  return all;
}

class Parity : public testing::TestWithParam<std::tuple<ParityCase, Runner>> {};

TEST_P(Parity, EqualsTheReferenceInDouble) {
  const auto& [parity, runner] = GetParam();
  expect_the_references(parity, runner, kSteps, 1);
}

INSTANTIATE_TEST_SUITE_P(Cases, Parity,
                         testing::Combine(testing::ValuesIn(parity_cases()),
                                          testing::ValuesIn(runners())),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "_" +
                                  to_string(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace spikeloom::test
