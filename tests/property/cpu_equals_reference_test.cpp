/// The cpu backend against the reference, over random networks, options and inputs.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "tests/property/random_network.hpp"
#include "tests/property/session_runs.hpp"

namespace spikeloom::test {
namespace {

struct Both {
  Trace trace;
  RunStats stats;
};

Both run(const Program& program, const std::vector<InputEvent>& events, std::int64_t steps,
         const Setup& setup) {
  RecordedRun run(program, setup);
  run.push(events);
  run.advance(steps);
  return {run.traces()[0], run.stats()};
}

void expect_equal(const Both& expected, const Both& got, double slack = 0.0) {
  RC_ASSERT(difference(expected.trace, got.trace) == "");
  RC_ASSERT(difference(expected.stats, got.stats, slack) == "");
}

std::int64_t events_of(const RunStats& stats) {
  return static_cast<std::int64_t>(stats.total(&NodeStats::events_out));
}

/// In dyadic numbers nothing rounds, so that float32 has to equal double; but cpu may round when it
/// adds up values for the statistics.
RC_GTEST_PROP(CpuEqualsReference, InDoubleWhereNothingRounds, ()) {
  constexpr std::int64_t kSteps = 9;
  const Program program = random_program({Numbers::kDyadic});
  RC_LOG() << describe(program);
  const auto events = random_input(program, Numbers::kDyadic, kSteps);
  const Both exact =
      run(program, events, kSteps, {"reference", Arithmetic::kDouble, Watch::kStates});
  const Both single =
      run(program, events, kSteps, {"reference", Arithmetic::kFloat32, Watch::kStates});
  // A chain may still have too many bits; the sum that a Threshold reads shows in no trace, but in
  // the statistics.
  const double slack = rounding(exact.trace);
  RC_PRE(difference(exact.trace, single.trace) == "");
  RC_PRE(difference(exact.stats, single.stats, slack) == "");
  RC_CLASSIFY(events_of(exact.stats) > 20, "busy");
  for (const Watch watch : kWatches) {
    expect_equal({seen_by(watch, program, exact.trace), exact.stats},
                 run(program, events, kSteps, {"cpu", Arithmetic::kFloat32, watch}), slack);
  }
}

/// Any numbers: added up by rows, every product and every sum rounds alike (bitmasks and dense
/// products round otherwise, docs/concepts.md).
RC_GTEST_PROP(CpuEqualsReference, InFloat32BitForBit, ()) {
  constexpr std::int64_t kSteps = 24;
  const Program program = random_program({Numbers::kReal});
  RC_LOG() << describe(program);
  const auto events = random_input(program, Numbers::kReal, kSteps);
  const Both expected =
      run(program, events, kSteps, {"reference", Arithmetic::kFloat32, Watch::kStates});
  RC_CLASSIFY(events_of(expected.stats) > 20, "busy");
  for (const Watch watch : kWatches) {
    expect_equal(
        {seen_by(watch, program, expected.trace), expected.stats},
        run(program, events, kSteps, {"cpu", Arithmetic::kFloat32, watch, 1, Schedule::kRows}),
        rounding(expected.trace));
  }
}

RC_GTEST_PROP(CpuEqualsReference, InInteger, ()) {
  constexpr std::int64_t kSteps = 40;
  const Program program = random_program({Numbers::kInteger});
  RC_LOG() << describe(program);
  const auto events = random_input(program, Numbers::kInteger, kSteps);
  const Both expected =
      run(program, events, kSteps, {"reference", Arithmetic::kInteger, Watch::kStates});
  RC_CLASSIFY(events_of(expected.stats) > 20, "busy");
  for (const Watch watch : kWatches) {
    expect_equal({seen_by(watch, program, expected.trace), expected.stats},
                 run(program, events, kSteps, {"cpu", Arithmetic::kInteger, watch}));
  }
}

}  // namespace
}  // namespace spikeloom::test
