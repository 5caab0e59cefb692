#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <gtest/gtest.h>

#include "sensors/scene.hpp"

namespace spikeloom {
namespace {

Recording scene(const MovingBarOptions& options) {
  auto made = moving_bar(options);
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message());
  return made.ok() ? *std::move(made) : Recording{};
}

/// Time of the first event of each pixel and polarity.
std::map<std::pair<int, int>, Time> first_times(const Recording& recording, int polarity) {
  std::map<std::pair<int, int>, Time> times;
  const EventPacket& events = recording.events;
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events.polarity[i] == polarity) {
      times.try_emplace({events.x[i], events.y[i]}, events.time[i]);
    }
  }
  return times;
}

TEST(SensorsScene, BarToTheRightReachesColumnsInTurn) {
  // 3 x 2 pixels, 100 px/s, 1.5 px wide: path 2 + 1.5 px, so a pass every 35 ms.
  const Recording recording = scene(
      {.width = 3, .height = 2, .speed = 100.0, .bar_width = 1.5, .duration = 70 * kMillisecond});
  EXPECT_EQ(recording.width, 3U);
  EXPECT_EQ(recording.height, 2U);
  const EventPacket& events = recording.events;
  // The last trailing edge would pass at 70 ms, when the scene is over.
  ASSERT_EQ(events.size(), 22U);
  const std::vector<Time> ms = {0,  0,  10, 10, 15, 15, 20, 20, 25, 25, 35,
                                35, 35, 35, 45, 45, 50, 50, 55, 55, 60, 60};
  for (std::size_t i = 0; i < ms.size(); ++i) {
    EXPECT_EQ(events.time[i], ms[i] * kMillisecond) << i;
  }
  EXPECT_EQ(events.x[2], 1);
  EXPECT_EQ(events.polarity[2], 1);
  EXPECT_EQ(events.x[4], 0) << "the trailing edge is 1.5 px behind";
  EXPECT_EQ(events.polarity[4], 0);
}

TEST(SensorsScene, EveryDirectionSweepsAsTheEquationSays) {
  for (int k = 0; k < 8; ++k) {
    const double angle = k * M_PI / 4;
    const MovingBarOptions options{.width = 9,
                                   .height = 6,
                                   .direction_degrees = 45.0 * k,
                                   .speed = 200.0,
                                   .bar_width = 2.0,
                                   .duration = 60 * kMillisecond};
    const Recording recording = scene(options);
    const auto on = first_times(recording, 1);
    const auto off = first_times(recording, 0);
    ASSERT_EQ(on.size(), 54U);
    double nearest = 1e9;
    for (const auto& [pixel, time] : on) {
      nearest = std::min(nearest, pixel.first * std::cos(angle) - pixel.second * std::sin(angle));
    }
    for (const auto& [pixel, time] : on) {
      const double along = pixel.first * std::cos(angle) - pixel.second * std::sin(angle);
      EXPECT_NEAR(static_cast<double>(time), (along - nearest) / 200.0 * 1e9, 1.0) << k;
      EXPECT_NEAR(static_cast<double>(off.at(pixel) - time), 10e6, 1.0) << k;
    }
  }
}

TEST(SensorsScene, PixelsInLineWithADiagonalBarGetEqualTimes) {
  for (const double degrees : {45.0, 135.0, 225.0, 315.0, -45.0, 405.0}) {
    const Recording recording = scene({.direction_degrees = degrees, .speed = 333.0});
    const bool rising = std::fmod(degrees + 360.0, 180.0) == 45.0;
    std::map<int, Time> time_of_line;
    for (const auto& [pixel, time] : first_times(recording, 1)) {
      const int line = rising ? pixel.first - pixel.second : pixel.first + pixel.second;
      EXPECT_EQ(time_of_line.try_emplace(line, time).first->second, time);
    }
  }
}

TEST(SensorsScene, OtherAnglesWorkToo) {
  const Recording recording = scene({.direction_degrees = 30.0});
  ASSERT_FALSE(recording.events.empty());
  EXPECT_EQ(recording.events.time.front(), 0);
  EXPECT_EQ(recording.events.x.front(), 0);
  EXPECT_EQ(recording.events.y.front(), 31) << "up and right starts in the lower left corner";
}

TEST(SensorsScene, NoiseIsTheAskedShareSortedAndBySeed) {
  MovingBarOptions options;
  const std::size_t clean = scene(options).events.size();
  options.noise_fraction = 0.1;
  options.seed = 1;
  const Recording one = scene(options);
  EXPECT_EQ(one.events.size(), clean + (clean + 5) / 10);
  EXPECT_TRUE(std::is_sorted(one.events.time.begin(), one.events.time.end()));
  EXPECT_LT(one.events.time.back(), options.duration);
  EXPECT_GE(one.events.time.front(), 0);
  EXPECT_EQ(one.events, scene(options).events);
  options.seed = 2;
  EXPECT_NE(one.events, scene(options).events);
}

TEST(SensorsScene, NoiseIsUniform) {
  // A bar so slow that one pixel line is all it reaches: nearly everything is noise.
  const MovingBarOptions options{.width = 16,
                                 .height = 16,
                                 .speed = 1e-3,
                                 .duration = kSecond,
                                 .noise_fraction = 1000.0,
                                 .seed = 7};
  const EventPacket events = scene(options).events;
  const auto noise = static_cast<double>(events.size());
  ASSERT_GT(events.size(), 15000U);
  double on = 0, left = 0, top = 0, early = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    on += events.polarity[i];
    left += events.x[i] < 8 ? 1 : 0;
    top += events.y[i] < 8 ? 1 : 0;
    early += events.time[i] < kSecond / 2 ? 1 : 0;
  }
  // Five standard deviations of a fair coin, and the 16 events of the bar.
  const double allowed = 5.0 * std::sqrt(noise) / 2.0 + 16.0;
  for (const double share : {on, left, top, early}) EXPECT_NEAR(share, noise / 2.0, allowed);
}

TEST(SensorsScene, RefusesWhatIsNoScene) {
  const auto refused = [](const MovingBarOptions& options) {
    const auto made = moving_bar(options);
    return !made.ok() && made.error().code == ErrorCode::kInvalidArgument;
  };
  EXPECT_TRUE(refused({.width = 0}));
  EXPECT_TRUE(refused({.height = 70000}));
  EXPECT_TRUE(refused({.direction_degrees = NAN}));
  EXPECT_TRUE(refused({.speed = 0.0}));
  EXPECT_TRUE(refused({.speed = INFINITY}));
  EXPECT_TRUE(refused({.bar_width = -1.0}));
  EXPECT_TRUE(refused({.duration = 0}));
  EXPECT_TRUE(refused({.noise_fraction = -0.1}));
  EXPECT_TRUE(refused({.speed = 1e15}));
  EXPECT_TRUE(refused({.noise_fraction = 1e15}));
}

}  // namespace
}  // namespace spikeloom
