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

RC_GTEST_PROP(ResidentSchedules, ShareWarps, ()) {
  const std::uint32_t warps = 1 + *rc::gen::inRange(0U, 32U);
  std::vector<WarpLoad> loads;
  for (std::uint32_t i = *rc::gen::inRange(1U, 12U); i > 0; --i) {
    loads.push_back({static_cast<double>(*rc::gen::inRange(0, 1000)), *rc::gen::inRange(1U, 20U)});
  }
  const std::vector<WarpShare> shares = share_warps(loads, warps);
  std::vector<double> busy(warps, 0.0);
  double total = 0.0, largest = 0.0;
  for (std::size_t i = 0; i < loads.size(); ++i) {
    RC_ASSERT(shares[i].count >= 1U);
    RC_ASSERT(shares[i].count <= loads[i].most);
    RC_ASSERT(shares[i].first + shares[i].count <= warps);
    for (std::uint32_t w = 0; w < shares[i].count; ++w) {
      busy[shares[i].first + w] += loads[i].cost / shares[i].count;
    }
    total += loads[i].cost;
    largest = std::max(largest, loads[i].cost / std::min(loads[i].most, warps));
  }
  // As a list of whole jobs could be divided: no more than twice what cannot be helped, and the
  // tenth by which limits are tried.
  const double least = std::max(total / warps, largest);
  RC_ASSERT(*std::max_element(busy.begin(), busy.end()) <= 2.3 * least + 1e-6);
}

}  // namespace
}  // namespace spikeloom::cuda
