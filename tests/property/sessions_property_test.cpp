/// Sessions of the cpu backend: however a run is fed, cut into pieces, saved or batched, it is the
/// same run.

#include <algorithm>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/random.hpp"
#include "tests/property/random_layers.hpp"
#include "tests/property/random_network.hpp"
#include "tests/property/session_runs.hpp"

namespace spikeloom::test {
namespace {

/// A program with input, and how cpu runs it.
struct Case {
  Numbers numbers;
  std::int64_t steps;
  Program program;
  Setup setup;
};

/// Dyadic or integer numbers: the order in which values are added up makes no difference.
Case random_case() {
  const Numbers numbers = one_in(2) ? Numbers::kInteger : Numbers::kDyadic;
  Program program = random_program({numbers});
  RC_LOG() << describe(program);
  const Watch watch = kWatches[between(0, 2)];
  return {numbers, between(4, 20), std::move(program), {"cpu", cpu_arithmetic(numbers), watch}};
}

RecordedRun whole_run(const Case& c, const Setup& setup, const std::vector<InputEvent>& events) {
  RecordedRun run(c.program, setup);
  run.push(events);
  run.advance(c.steps);
  run.collect();
  return run;
}

/// A whole run, and what its sums of values may differ by.
struct Expected {
  RecordedRun run;
  double slack;

  const Trace& trace() { return run.traces()[0]; }
};

/// The slack comes from every node's output: between nodes there may be values far larger than
/// those that a case which watches the ends alone records.
Expected expected_run(const Case& c, const std::vector<InputEvent>& events) {
  const Setup all{"cpu", c.setup.arithmetic, Watch::kOutputs};
  return {whole_run(c, c.setup, events), rounding(whole_run(c, all, events).traces()[0])};
}

void expect_same(Expected& expected, RecordedRun& got) {
  RC_ASSERT(difference(expected.trace(), got.traces()[0]) == "");
  RC_ASSERT(difference(expected.run.stats(), got.stats(), expected.slack) == "");
}

RC_GTEST_PROP(Sessions, OnePushEqualsManyInAnyOrder, ()) {
  const Case c = random_case();
  std::vector<InputEvent> events = random_input(c.program, c.numbers, c.steps);
  Expected expected = expected_run(c, events);
  Values values(random_seed());
  for (std::size_t i = events.size(); i > 1; --i) {
    std::swap(events[i - 1],
              events[static_cast<std::size_t>(values.between(0, static_cast<int>(i) - 1))]);
  }
  RecordedRun got(c.program, c.setup);
  const int largest = between(1, 40);
  for (std::size_t first = 0; first < events.size();) {
    const auto count = std::min<std::size_t>(static_cast<std::size_t>(values.between(1, largest)),
                                             events.size() - first);
    got.push(std::span(events).subspan(first, count));
    first += count;
  }
  got.advance(c.steps);
  expect_same(expected, got);
}

/// Events are pushed in any order while the run goes on, some just before their step.
RC_GTEST_PROP(Sessions, OneAdvanceEqualsMany, ()) {
  const Case c = random_case();
  const std::vector<InputEvent> events = random_input(c.program, c.numbers, c.steps);
  Expected expected = expected_run(c, events);
  RecordedRun got(c.program, c.setup);
  std::vector<InputEvent> left = events;
  for (std::int64_t done = 0; done < c.steps;) {
    const std::int64_t next = std::min<std::int64_t>(done + between(1, 3), c.steps);
    std::vector<InputEvent> now, later;
    for (const InputEvent& event : left) {
      // Every fifth is pushed as soon as there is a session, the others when they are due.
      const bool early = event.index % 5 == 0 && done > 0;
      (event.step < next || early ? now : later).push_back(event);
    }
    left = std::move(later);
    std::reverse(now.begin(), now.end());
    got.push(now);
    got.advance(next - done);
    if (one_in(2)) got.collect();
    done = next;
  }
  expect_same(expected, got);
}

/// After any number of steps the session is saved and another one, of either backend, goes on; so
/// does the saved one.
RC_GTEST_PROP(Sessions, SavingAndLoadingChangesNothing, ()) {
  const Case c = random_case();
  const std::vector<InputEvent> events = random_input(c.program, c.numbers, c.steps);
  Expected expected = expected_run(c, events);
  const auto fresh = [&] {
    Setup setup = c.setup;
    if (one_in(2)) setup.backend = "reference";
    return std::make_unique<RecordedRun>(c.program, setup);
  };
  struct Part {
    std::unique_ptr<RecordedRun> run;
    std::int64_t first;
  };
  std::vector<Part> parts;
  parts.push_back({fresh(), 0});
  parts[0].run->push(events);
  const int saves = between(1, 4);
  for (int i = 0; i < saves; ++i) {
    RecordedRun& past = *parts.back().run;
    past.advance(std::min<std::int64_t>(between(0, 5), c.steps - past.steps_done()));
    parts.push_back({fresh(), past.steps_done()});
    if (one_in(3)) {  // loading forgets what was
      parts.back().run->push(events);
      parts.back().run->advance(3);
    }
    parts.back().run->load(past.save());
    RC_ASSERT(parts.back().run->steps_done() == past.steps_done());
  }
  for (const Part& part : parts) {
    part.run->advance(c.steps - part.run->steps_done());
    RC_ASSERT(difference(from_step(expected.trace(), part.first), part.run->traces()[0]) == "");
    RC_ASSERT(difference(expected.run.stats(), part.run->stats(), expected.slack) == "");
  }
}

/// A session that has run, stopped anywhere and was reset is as good as new.
RC_GTEST_PROP(Sessions, ResetForgetsEverything, ()) {
  const Case c = random_case();
  RecordedRun got(c.program, c.setup);
  const int before = between(1, 3);
  for (int i = 0; i < before; ++i) {
    got.push(random_input(c.program, c.numbers, c.steps));
    got.advance(between(0, static_cast<int>(c.steps)));
    if (one_in(2)) got.collect();
    got.reset();
    RC_ASSERT(got.steps_done() == 0);
  }
  const std::vector<InputEvent> events = random_input(c.program, c.numbers, c.steps);
  Expected expected = expected_run(c, events);
  got.push(events);
  got.advance(c.steps);
  expect_same(expected, got);
}

RC_GTEST_PROP(Sessions, BatchElementsEqualSingleRuns, ()) {
  Case c = random_case();
  static constexpr int kBatches[] = {1, 3, 16};
  const auto batch = static_cast<std::uint32_t>(kBatches[between(0, 2)]);
  std::vector<Expected> singles;
  double slack = 0.0;
  RunStats total;
  std::vector<std::vector<InputEvent>> events;
  for (std::uint32_t e = 0; e < batch; ++e) {
    events.push_back(random_input(c.program, c.numbers, c.steps));
    singles.push_back(expected_run(c, events.back()));
    slack += singles.back().slack;
    const RunStats stats = singles.back().run.stats();
    e == 0 ? void(total = stats) : total.add(stats);
  }
  for (const int threads : {1, 2}) {
    c.setup.threads = threads;
    RecordedRun together(c.program, c.setup, batch);
    for (std::uint32_t e = 0; e < batch; ++e) together.push(events[e], e);
    const std::int64_t first = between(0, static_cast<int>(c.steps));
    together.advance(first);
    if (one_in(3)) {
      const Checkpoint saved = together.save();
      together.advance(2);
      together.collect();
      together.load(saved);
      together.forget(first);
    }
    together.advance(c.steps - first);
    for (std::uint32_t e = 0; e < batch; ++e) {
      RC_ASSERT(difference(singles[e].trace(), together.traces()[e]) == "");
    }
    RunStats stats = together.stats();
    RC_ASSERT(stats.steps == static_cast<std::uint64_t>(c.steps));
    stats.steps = total.steps;  // of one element, against the sum over runs
    RC_ASSERT(difference(total, stats, slack) == "");
  }
}

}  // namespace
}  // namespace spikeloom::test
