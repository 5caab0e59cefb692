/// Filters of events, each against its definition, alone and in a chain.

#include <algorithm>
#include <memory>

#include <gtest/gtest.h>

#include "sensors/filters.hpp"

namespace spikeloom {
namespace {

/// Events (t in us, x, y, p).
EventPacket packet(std::initializer_list<std::array<int, 4>> events) {
  EventPacket made;
  for (const auto& [us, x, y, p] : events) {
    made.push_back(us * kMicrosecond, static_cast<std::uint16_t>(x), static_cast<std::uint16_t>(y),
                   static_cast<std::uint8_t>(p));
  }
  return made;
}

EventPacket filtered(EventFilter& filter, EventPacket events) {
  filter.apply(events);
  return events;
}

TEST(Filters, Region) {
  const EventPacket events = packet({{0, 3, 4, 1}, {1, 4, 5, 0}, {2, 5, 7, 1}, {3, 6, 5, 1}});
  RegionFilter moved({.x = 4, .y = 5, .width = 2, .height = 3});
  EXPECT_EQ(filtered(moved, events), packet({{1, 0, 0, 0}, {2, 1, 2, 1}}));
  RegionFilter in_place({.x = 4, .y = 5, .width = 2, .height = 3}, false);
  EXPECT_EQ(filtered(in_place, events), packet({{1, 4, 5, 0}, {2, 5, 7, 1}}));
}

TEST(Filters, Polarity) {
  const EventPacket events = packet({{0, 1, 1, 1}, {1, 2, 2, 0}, {2, 3, 3, 1}});
  PolarityFilter on(1);
  EXPECT_EQ(filtered(on, events), packet({{0, 1, 1, 1}, {2, 3, 3, 1}}));
  PolarityFilter off(0);
  EXPECT_EQ(filtered(off, events), packet({{1, 2, 2, 0}}));
}

TEST(Filters, TimeWindowIsHalfOpen) {
  TimeWindowFilter window(10 * kMicrosecond, 20 * kMicrosecond);
  EXPECT_EQ(filtered(window, packet({{9, 0, 0, 0}, {10, 1, 0, 0}, {19, 2, 0, 0}, {20, 3, 0, 0}})),
            packet({{10, 1, 0, 0}, {19, 2, 0, 0}}));
}

TEST(Filters, RefractoryCountsFromTheLastKeptEvent) {
  auto filter = RefractoryFilter::make(4, 4, 10 * kMicrosecond);
  ASSERT_TRUE(filter.ok());
  // At pixel (1, 1): 0 stays, 6 and 9 go, 10 stays (10 after 0), 19 goes, 20 stays.
  EXPECT_EQ(filtered(*filter, packet({{0, 1, 1, 1}, {6, 1, 1, 0}, {7, 2, 1, 0}, {9, 1, 1, 1}})),
            packet({{0, 1, 1, 1}, {7, 2, 1, 0}}));
  EXPECT_EQ(filtered(*filter, packet({{10, 1, 1, 0}, {19, 1, 1, 1}, {20, 1, 1, 1}, {20, 4, 0, 1}})),
            packet({{10, 1, 1, 0}, {20, 1, 1, 1}}))
      << "the state lasts from packet to packet; what lies outside goes";
}

TEST(Filters, BackgroundActivityNeedsANeighbour) {
  auto filter = BackgroundActivityFilter::make(8, 8, 100 * kMicrosecond);
  ASSERT_TRUE(filter.ok());
  // The first has no neighbour; (1, 0) is beside (0, 0); a pixel does not support itself; 101 us
  // are too long; corners of the sensor have fewer neighbours.
  EXPECT_EQ(
      filtered(*filter, packet({{0, 0, 0, 1}, {100, 1, 0, 0}, {150, 5, 5, 1}, {160, 5, 5, 1}})),
      packet({{100, 1, 0, 0}}));
  EXPECT_EQ(filtered(*filter, packet({{261, 6, 6, 1}, {262, 7, 7, 0}, {263, 6, 6, 0}})),
            packet({{262, 7, 7, 0}, {263, 6, 6, 0}}));
}

TEST(Filters, DownsampleAndMirror) {
  DownsampleFilter half(2);
  EXPECT_EQ(filtered(half, packet({{0, 7, 4, 1}, {1, 0, 1, 0}})),
            packet({{0, 3, 2, 1}, {1, 0, 0, 0}}));
  const EventPacket events = packet({{0, 0, 1, 1}, {1, 9, 0, 0}});
  MirrorFilter left_right(8, 4, true, false);
  EXPECT_EQ(filtered(left_right, events), packet({{0, 7, 1, 1}}));
  MirrorFilter both(8, 4, true, true);
  EXPECT_EQ(filtered(both, filtered(both, packet({{0, 3, 2, 1}}))), packet({{0, 3, 2, 1}}));
  EXPECT_EQ(filtered(both, packet({{0, 0, 0, 1}})), packet({{0, 7, 3, 1}}));
}

TEST(Filters, HotPixelsAreFoundAndRemoved) {
  EventPacket events;
  for (int i = 0; i < 100; ++i) {
    events.push_back(i * kMicrosecond, static_cast<std::uint16_t>(i % 10), 1, 1);
    events.push_back(i * kMicrosecond, 3, 2, 0);
    events.push_back(i * kMicrosecond, 3, 2, 1);
  }
  // Ten pixels with ten events, one with 200: more than ten times the median.
  auto counts = PixelCounts::make(16, 4);
  ASSERT_TRUE(counts.ok());
  counts->add(events);
  const auto hot = counts->hot();
  EXPECT_EQ(hot, (std::vector<Pixel>{{3, 2}}));
  EXPECT_TRUE(counts->hot(20.0).empty());
  auto filter = HotPixelFilter::make(16, 4, hot);
  ASSERT_TRUE(filter.ok());
  filter->apply(events);
  EXPECT_EQ(events.size(), 100U);
  EXPECT_TRUE(std::all_of(events.y.begin(), events.y.end(), [](auto y) { return y == 1; }));
}

TEST(Filters, ChainsAreTheirPartsInOrder) {
  FilterChain chain;
  chain.add(RegionFilter({.x = 2, .y = 2, .width = 4, .height = 4}));
  chain.add(PolarityFilter(1));
  chain.add(DownsampleFilter(2));
  EXPECT_EQ(filtered(chain, packet({{0, 5, 3, 1}, {1, 5, 3, 0}, {2, 1, 1, 1}})),
            packet({{0, 1, 0, 1}}));
}

TEST(Filters, MapsHaveLimits) {
  EXPECT_EQ(RefractoryFilter::make(0, 0, 1).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(BackgroundActivityFilter::make(65536, 65536, 1).error().code, ErrorCode::kResource);
  EXPECT_EQ(HotPixelFilter::make(4, 0, {}).error().code, ErrorCode::kInvalidArgument);
}

TEST(Filters, SortKeepsTheOrderOfEqualTimes) {
  EventPacket events = packet({{5, 1, 0, 0}, {3, 2, 0, 0}, {5, 3, 0, 0}, {3, 4, 0, 0}});
  EXPECT_EQ(sort_by_time(events), 4U);
  EXPECT_EQ(events, packet({{3, 2, 0, 0}, {3, 4, 0, 0}, {5, 1, 0, 0}, {5, 3, 0, 0}}));
  EXPECT_EQ(sort_by_time(events), 0U);
}

}  // namespace
}  // namespace spikeloom
