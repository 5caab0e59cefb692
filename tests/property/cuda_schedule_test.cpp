/// When the operations of a network in one launch run, and on which warps.

#include <algorithm>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "backends/cuda/resident_schedule.hpp"

namespace spikeloom::cuda {
namespace {

/// In which phase an operation does a step, by the definition.
std::int64_t phase_of(const ResidentSchedule& s, std::uint32_t op, std::int64_t step) {
  return s.interval * step + s.lag[op];
}

TEST(ResidentSchedules, LayersRunSideBySide) {
  // Three layers one after the other: each does another step in every phase.
  const ResidentSchedule chain = schedule_phases(3, {{0, 1, 0}, {1, 2, 0}}, 1);
  EXPECT_EQ(chain.interval, 1U);
  EXPECT_EQ(chain.lag, (std::vector<std::uint32_t>{0, 1, 2}));
  EXPECT_EQ(chain.depth(), 3U);
  // Sums that are made, taken, and made anew in the same place: every other phase.
  const ResidentSchedule sums = schedule_phases(2, {{0, 1, 0}, {1, 0, 1}}, 1);
  EXPECT_EQ(sums.interval, 2U);
  // A cycle of three operations with a delay of one step, and of two.
  EXPECT_EQ(schedule_phases(4, {{0, 1, 0}, {1, 2, 0}, {2, 0, 1}}, 1).interval, 3U);
  EXPECT_EQ(schedule_phases(4, {{0, 1, 0}, {1, 2, 0}, {2, 0, 2}}, 1).interval, 2U);
  // One after the other where that is asked for.
  EXPECT_EQ(schedule_phases(3, {{0, 1, 0}, {1, 2, 0}}, 100).interval, 100U);
}

RC_GTEST_PROP(ResidentSchedules, MeetEveryDependenceAndKeepWhatIsRead, ()) {
  const auto below = [](std::uint32_t limit) { return *rc::gen::inRange(0U, limit); };
  const std::uint32_t ops = 1 + below(12);
  std::vector<Dependence> all;
  for (std::uint32_t i = below(30); i > 0; --i) {
    const std::uint32_t a = below(ops), b = below(ops), delay = below(3);
    if (delay > 0 || a < b) all.push_back({a, b, delay});
  }
  const ResidentSchedule s = schedule_phases(ops, all, 1 + below(4));
  for (const Dependence& d : all) {
    RC_ASSERT(phase_of(s, d.after, 10) > phase_of(s, d.before, 10 - std::int64_t{d.delay}));
    // The writer comes to the slot again only after the reader has read it.
    const std::uint32_t slots = ring_slots(s, d.before, d.after, d.delay);
    RC_ASSERT(phase_of(s, d.before, 10 + std::int64_t{slots}) >
              phase_of(s, d.after, 10 + std::int64_t{d.delay}));
    const bool fewer = slots > 1 && phase_of(s, d.before, 10 + std::int64_t{slots} - 1) >
                                        phase_of(s, d.after, 10 + std::int64_t{d.delay});
    RC_ASSERT(!fewer);
  }
}

RC_GTEST_PROP(ResidentSchedules, PartsAreSmallAndTheDearestComeFirst, ()) {
  std::vector<WarpLoad> loads;
  for (std::uint32_t i = *rc::gen::inRange(1U, 12U); i > 0; --i) {
    loads.push_back({static_cast<double>(*rc::gen::inRange(0, 1000)), *rc::gen::inRange(1U, 20U)});
  }
  const double grain = *rc::gen::inRange(1, 300);
  const std::vector<WarpPart> parts = cut_work(loads, grain);
  const auto cost = [&](const WarpPart& w) { return loads[w.operation].cost / w.parts; };
  std::vector<std::vector<bool>> seen(loads.size());
  for (const WarpPart& w : parts) {
    const WarpLoad& load = loads[w.operation];
    RC_ASSERT(w.parts >= 1U && w.parts <= load.most);
    RC_ASSERT(cost(w) <= grain || w.parts == load.most);
    seen[w.operation].resize(w.parts);
    RC_ASSERT(!seen[w.operation][w.part]);
    seen[w.operation][w.part] = true;
  }
  for (const std::vector<bool>& all : seen) {
    RC_ASSERT(!all.empty());
    RC_ASSERT(std::all_of(all.begin(), all.end(), [](bool there) { return there; }));
  }
  for (std::size_t i = 1; i < parts.size(); ++i) RC_ASSERT(cost(parts[i - 1]) >= cost(parts[i]));
}

}  // namespace
}  // namespace spikeloom::cuda
