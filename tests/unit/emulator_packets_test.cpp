/// Packets between chips, event by event: every time by hand.

#include <algorithm>
#include <map>

#include <gtest/gtest.h>

#include "backends/emulator/packet_network_private.hpp"

namespace spikeloom::test {
namespace {

using emulator::PacketNetwork;
using emulator::PacketRoute;
using emulator::Picoseconds;

constexpr double kMicro = 1e-6;
constexpr Picoseconds kEver = 1'000'000'000'000'000;

/// 4 x 4 chips; every time is a number of microseconds.
mapping::Plan machine(double router, double latency, double link) {
  const auto target = mapping::parse_target(
      "name = 'hand'\ntitle = 'by hand'\ntopology = 'hex'\nsynapses = 'packed'\nsize = 'chip'\n"
      "[sizes.chip]\nwidth = 4\nheight = 4\n[core.count]\nvalue = 9\nsource = 'here'\n"
      "[router.entries]\nvalue = 9\nsource = 'here'\n",
      "hand.toml");
  EXPECT_TRUE(target.ok());
  mapping::Plan plan;
  plan.target = *target;
  plan.target.constants.router_seconds = router * kMicro;
  plan.target.constants.router_latency = latency * kMicro;
  plan.target.constants.link_seconds = link * kMicro;
  return plan;
}

constexpr std::array<std::array<int, 2>, 6> kStep = {
    {{1, 0}, {1, 1}, {0, 1}, {-1, 0}, {-1, -1}, {0, -1}}};

/// One way through links, with a core at its end.
PacketRoute way(std::uint32_t chip, const std::vector<int>& directions, std::uint32_t core) {
  PacketRoute route;
  route.starts = {0};
  int x = static_cast<int>(chip % 4), y = static_cast<int>(chip / 4);
  for (const int d : directions) {
    const auto next = static_cast<std::uint32_t>(route.steps.size() + 1);
    route.steps.push_back({.chip = static_cast<std::uint32_t>(y * 4 + x),
                           .links = static_cast<std::uint8_t>(1 << d),
                           .next = next});
    x += kStep[static_cast<std::size_t>(d)][0];
    y += kStep[static_cast<std::size_t>(d)][1];
  }
  route.steps.push_back(
      {.chip = static_cast<std::uint32_t>(y * 4 + x), .first_core = 0, .end_core = 1});
  route.delivered = route.cores = {core};
  return route;
}

class Hand {
 public:
  explicit Hand(mapping::Plan plan)
      : plan_(std::move(plan)), routes_(plan_), network(plan_.target.constants, routes_) {}

  void send(const PacketRoute& route, double at = 0.0) {
    network.send(route, emulator::picoseconds(at * kMicro));
  }
  /// Microseconds of arrival by (packet, core).
  std::map<std::pair<std::uint32_t, std::uint32_t>, double> arrivals(Picoseconds until = kEver) {
    network.run(until);
    std::map<std::pair<std::uint32_t, std::uint32_t>, double> found;
    for (const auto& a : network.arrivals()) {
      EXPECT_FALSE(found.contains({a.packet, a.core})) << "twice";
      found[{a.packet, a.core}] = 1e-6 * static_cast<double>(a.time);
    }
    return found;
  }

 private:
  mapping::Plan plan_;
  emulator::PacketRoutes routes_;

 public:
  PacketNetwork network;
};

constexpr int kEast = 0, kNorth = 2, kSouthWest = 4;

TEST(EmulatorPackets, AWayTakesItsRoutersAndLinks) {
  Hand hand(machine(1, 5, 16));
  const PacketRoute two = way(0, {kEast, kEast}, 7), none = way(0, {}, 8);
  hand.send(two, 100);
  hand.send(none, 300);
  const auto times = hand.arrivals();
  EXPECT_EQ(times.at({0, 7}), 100 + 3 * 5 + 2 * 16);
  EXPECT_EQ(times.at({1, 8}), 300 + 5);
  EXPECT_TRUE(hand.network.is_empty());
  EXPECT_EQ(hand.network.link_busy()[kEast], 16'000'000);
}

TEST(EmulatorPackets, ALinkCarriesOneAfterTheOtherAndARouterTakesTurns) {
  Hand hand(machine(1, 5, 16));
  const PacketRoute east = way(0, {kEast}, 7);
  for (int i = 0; i < 6; ++i) hand.send(east);
  const auto times = hand.arrivals();
  for (std::uint32_t i = 0; i < 6; ++i) EXPECT_EQ(times.at({i, 7}), 5 + 16 * (i + 1) + 5) << i;
  // Without links between them only the router is in the way.
  Hand local(machine(3, 5, 16));
  const PacketRoute own = way(0, {}, 7);
  for (int i = 0; i < 6; ++i) local.send(own);
  const auto own_times = local.arrivals();
  for (std::uint32_t i = 0; i < 6; ++i) EXPECT_EQ(own_times.at({i, 7}), 3.0 * i + 5) << i;
}

TEST(EmulatorPackets, AFullOutputStopsWhatIsBehindIt) {
  mapping::Plan plan = machine(1, 0, 10);
  plan.target.constants.link_output = 1;
  Hand hand(plan);
  const PacketRoute east = way(0, {kEast}, 7), own = way(0, {}, 8);
  for (int i = 0; i < 3; ++i) hand.send(east);
  hand.send(own);
  const auto times = hand.arrivals();
  // The link takes the first at 0 and the second at 10; until then the third has no place.
  EXPECT_EQ(times.at({2, 7}), 30);
  EXPECT_EQ(times.at({3, 8}), 10);
}

TEST(EmulatorPackets, AFullInputHoldsTheLink) {
  // Chip 1's router needs 100 for each of its own packets; one from the west waits behind it.
  mapping::Plan plan = machine(100, 0, 10);
  plan.target.constants.link_input = 1;
  Hand hand(plan);
  const PacketRoute east = way(0, {kEast}, 7);
  for (int i = 0; i < 4; ++i) hand.send(east);
  const auto times = hand.arrivals();
  // Taken at 0, 100, 200, 300 here; chip 1 takes them at 10, 110, 210, 310: the link never waits.
  for (std::uint32_t i = 0; i < 4; ++i) EXPECT_EQ(times.at({i, 7}), 100.0 * i + 10);
  mapping::Plan crowded = machine(100, 0, 10);
  crowded.target.constants.link_input = 1;
  Hand both(crowded);
  const PacketRoute west = way(2, {3}, 7);
  both.send(east);
  both.send(west);
  const auto turns = both.arrivals();
  // Both are there at 10: chip 1 takes one, and the other 100 later.
  EXPECT_EQ(turns.at({0, 7}) + turns.at({1, 7}), 10 + 110);
}

TEST(EmulatorPackets, ARouterTakesItsTimeAlsoWhenLinksWait) {
  // Three from each side: both links are full when chip 1 takes its first.
  mapping::Plan plan = machine(100, 0, 10);
  plan.target.constants.link_input = 1;
  Hand hand(plan);
  const PacketRoute east = way(0, {kEast}, 7), west = way(2, {3}, 7);
  for (int i = 0; i < 3; ++i) {
    hand.send(east);
    hand.send(west);
  }
  std::vector<double> times;
  for (const auto& [packet, time] : hand.arrivals()) times.push_back(time);
  std::sort(times.begin(), times.end());
  EXPECT_EQ(times, (std::vector<double>{10, 110, 210, 310, 410, 510}));
}

TEST(EmulatorPackets, AWaitThatIsOverDoesNotDelayWhatIsSentLater) {
  mapping::Plan plan = machine(1, 0, 10);
  plan.target.constants.link_output = 1;
  plan.target.constants.router_timeout = 500 * kMicro;
  Hand hand(plan);
  const PacketRoute east = way(0, {kEast}, 7);
  for (int i = 0; i < 3; ++i) hand.send(east);
  EXPECT_EQ(hand.arrivals().at({2, 7}), 30);  // it waited from 2 to 10, its time-out is at 502
  hand.send(east, 100);
  EXPECT_EQ(hand.arrivals().at({3, 7}), 110);
}

TEST(EmulatorPackets, WhatWaitsTooLongIsDroppedAndSentAgain) {
  mapping::Plan plan = machine(1, 0, 10);
  plan.target.constants.link_output = 1;
  plan.target.constants.router_timeout = 5 * kMicro;
  plan.target.constants.reinject_packets = 4;
  plan.target.constants.reinject_seconds = 20 * kMicro;
  const PacketRoute east = way(0, {kEast}, 7), own = way(0, {}, 8);
  {
    Hand hand(plan);
    for (int i = 0; i < 3; ++i) hand.send(east);
    hand.send(own);
    const auto times = hand.arrivals();
    // The third waits from 2 to 7; it enters again at 20, when the link is free.
    EXPECT_EQ(times.at({3, 8}), 7);
    EXPECT_EQ(times.at({2, 7}), 30);
    const auto counts = hand.network.take_counts();
    EXPECT_EQ(counts.timed_out, 1U);
    EXPECT_EQ(counts.reinjected, 1U);
    EXPECT_EQ(hand.network.link_timeouts()[kEast], 1U);
    EXPECT_TRUE(hand.network.lost().empty());
  }
  plan.target.constants.reinject_packets = 0;
  Hand hand(plan);
  for (int i = 0; i < 3; ++i) hand.send(east);
  const auto times = hand.arrivals();
  EXPECT_EQ(times.size(), 2U);
  ASSERT_EQ(hand.network.lost().size(), 1U);
  EXPECT_EQ(hand.network.lost()[0].packet, 2U);
  EXPECT_EQ(hand.network.lost()[0].core, 7U);
}

/// A packet for two chips, and for a core of its own.
TEST(EmulatorPackets, OnlyTheCopyThatWaitsIsDropped) {
  mapping::Plan plan = machine(1, 0, 10);
  plan.target.constants.link_output = 1;
  plan.target.constants.router_timeout = 5 * kMicro;
  Hand hand(plan);
  PacketRoute fork;
  fork.starts = {0};
  fork.steps = {{.chip = 0, .links = 1 | 1 << kNorth, .next = 1, .first_core = 0, .end_core = 1},
                {.chip = 1, .first_core = 1, .end_core = 2},
                {.chip = 4, .first_core = 2, .end_core = 3}};
  fork.delivered = {20, 21, 22};
  fork.cores = fork.delivered;
  const PacketRoute east = way(0, {kEast}, 7);
  hand.send(east);
  hand.send(east);
  hand.send(fork);
  const auto times = hand.arrivals();
  EXPECT_EQ(times.at({2, 20}), 2);
  EXPECT_EQ(times.at({2, 22}), 2 + 10);
  ASSERT_EQ(hand.network.lost().size(), 1U);
  EXPECT_EQ(hand.network.lost()[0].core, 21U);
}

/// Three chips in a ring, each full of packets for the one after the next.
void fill_ring(Hand& hand, const std::vector<PacketRoute>& routes, int packets) {
  for (int i = 0; i < packets; ++i) {
    for (const PacketRoute& route : routes) hand.send(route);
  }
}

TEST(EmulatorPackets, ARingOfFullBuffersIsNamedOrResolved) {
  mapping::Plan plan = machine(1, 2, 10);
  plan.target.constants.link_output = 1;
  plan.target.constants.link_input = 1;
  const std::vector<PacketRoute> routes = {
      way(0, {kEast, kNorth}, 5), way(1, {kNorth, kSouthWest}, 6), way(5, {kSouthWest, kEast}, 7)};
  Hand stuck(plan);
  fill_ring(stuck, routes, 40);
  const std::size_t arrived = stuck.arrivals().size();
  EXPECT_LT(arrived, 120U) << "no ring came about, and the test shows nothing";
  EXPECT_EQ(arrived + stuck.network.lost().size(), 120U);
  EXPECT_TRUE(stuck.network.is_empty());
  plan.target.constants.router_timeout = 30 * kMicro;
  plan.target.constants.reinject_packets = 100;
  plan.target.constants.reinject_seconds = 50 * kMicro;
  Hand moving(plan);
  fill_ring(moving, routes, 40);
  EXPECT_EQ(moving.arrivals().size(), 120U);
  EXPECT_TRUE(moving.network.lost().empty());
  const auto counts = moving.network.take_counts();
  EXPECT_GT(counts.timed_out, 0U);
  EXPECT_EQ(counts.timed_out, counts.reinjected);
}

TEST(EmulatorPackets, ARunStopsWhereItIsToldTo) {
  Hand hand(machine(1, 0, 10));
  const PacketRoute east = way(0, {kEast}, 7);
  for (int i = 0; i < 5; ++i) hand.send(east);
  EXPECT_EQ(hand.arrivals(emulator::picoseconds(25 * kMicro)).size(), 2U);
  EXPECT_FALSE(hand.network.is_empty());
  EXPECT_EQ(hand.arrivals().size(), 5U);
}

}  // namespace
}  // namespace spikeloom::test
