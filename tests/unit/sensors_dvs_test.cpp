/// The DVS pixel array against closed forms. A frame in v2e's words: docs of sensors/dvs.hpp.

#include <algorithm>
#include <cmath>
#include <numbers>

#include <gtest/gtest.h>

#include "sensors/dvs.hpp"
#include "sensors/luminance_frames.hpp"

namespace spikeloom {
namespace {

DvsOptions ideal(double threshold = 0.2) {
  DvsOptions options = *dvs_preset("ideal");
  options.threshold_on = options.threshold_off = threshold;
  return options;
}

DvsPixelArray make(std::uint32_t width, std::uint32_t height, const DvsOptions& options) {
  auto made = DvsPixelArray::create(width, height, options);
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message());
  return *std::move(made);
}

struct Outcome {
  EventPacket events;
  DvsCounts counts;
};

Outcome run(const LuminanceScene& scene, const DvsOptions& options) {
  auto frames = scene_frames(scene);
  EXPECT_TRUE(frames.ok()) << (frames.ok() ? "" : frames.error().message());
  DvsPixelArray array = make(scene.width, scene.height, options);
  Outcome result;
  LuminanceFrame frame;
  while (*(*frames)->next(frame)) {
    EXPECT_TRUE(array.step(frame.time, frame.pixels, result.events).ok());
  }
  result.counts = array.counts();
  return result;
}

LuminanceScene one_pixel(SceneKind kind) {
  LuminanceScene scene;
  scene.kind = kind;
  scene.width = scene.height = 1;
  return scene;
}

/// The lin-log curve of 4.1.
double curve(double x) { return x > 20 ? std::log(x) : x * std::log(20.0) / 20.0; }

TEST(SensorsDvs, AStepGivesTheWholeThresholdsOfItsLogarithm) {
  struct Case {
    double from, to;
  };
  for (const Case& c : {Case{50, 200}, Case{200, 50}, Case{5, 15}, Case{10, 100}, Case{0, 255}}) {
    LuminanceScene scene = one_pixel(SceneKind::kStep);
    scene.from = c.from;
    scene.to = c.to;
    scene.duration = 20 * kMillisecond;
    const Outcome result = run(scene, ideal());
    const double change = curve(c.to) - curve(c.from);
    const auto expected = static_cast<std::size_t>(std::floor(std::abs(change) / 0.2));
    ASSERT_GT(expected, 2U);
    ASSERT_EQ(result.events.size(), expected) << c.from << " to " << c.to;
    for (std::size_t i = 0; i < expected; ++i) {
      // The step is in the frame at 10 ms; its events are spread evenly over the 1 ms before.
      const double at = 9e6 + 1e6 * static_cast<double>(i + 1) / static_cast<double>(expected);
      EXPECT_NEAR(static_cast<double>(result.events.time[i]), at, 0.51);
      EXPECT_EQ(result.events.polarity[i], change > 0 ? 1 : 0);
    }
  }
}

TEST(SensorsDvs, TheBusiestPixelSetsTheTimesOfAll) {
  // ln 2 = 0.693: 3 events; ln 1.5 = 0.405: 2; the array's largest count is 3.
  DvsPixelArray array = make(3, 1, ideal());
  EventPacket events;
  ASSERT_TRUE(array.step(0, std::vector<float>{50, 50, 50}, events).ok());
  ASSERT_TRUE(array.step(3 * kMillisecond, std::vector<float>{100, 75, 50}, events).ok());
  EXPECT_EQ(events.time, (std::vector<Time>{kMillisecond, kMillisecond, 2 * kMillisecond,
                                            2 * kMillisecond, 3 * kMillisecond}));
  EXPECT_EQ(events.x, (std::vector<std::uint16_t>{0, 1, 0, 1, 0}));
}

TEST(SensorsDvs, ARampCrossesAtEvenTimes) {
  // ln x grows by ln 4 in 100 ms, straight: crossing k is at 10 ms + k theta / (ln 4 / 100 ms).
  for (const bool falls : {false, true}) {
    LuminanceScene scene = one_pixel(SceneKind::kRamp);
    scene.from = falls ? 200 : 50;
    scene.to = falls ? 50 : 200;
    DvsOptions options = ideal(0.03);
    const std::size_t expected = 46;  // ln 4 / 0.03 = 46.2
    const auto crossing = [](std::size_t i) {
      return 10e6 + 100e6 * 0.03 * static_cast<double>(i + 1) / std::log(4.0);
    };
    const Outcome stepped = run(scene, options);
    ASSERT_EQ(stepped.events.size(), expected);
    for (std::size_t i = 0; i < expected; ++i) {
      // Not more than one event a frame, so it comes with the first frame behind the crossing.
      const double frame = std::ceil(crossing(i) / 1e6) * 1e6;
      EXPECT_EQ(static_cast<double>(stepped.events.time[i]), frame) << i;
      EXPECT_EQ(stepped.events.polarity[i], falls ? 0 : 1);
    }
    options.interpolate = true;
    const Outcome exact = run(scene, options);
    ASSERT_EQ(exact.events.size(), expected);
    for (std::size_t i = 0; i < expected; ++i) {
      // Frames are float32, whose luminance is off by 6e-8: 4 ns at this slope.
      EXPECT_NEAR(static_cast<double>(exact.events.time[i]), crossing(i), 20.0) << i;
    }
  }
}

TEST(SensorsDvs, ASinusoidCrossesEveryLevelWithHysteresis) {
  LuminanceScene scene = one_pixel(SceneKind::kSinusoid);
  scene.mean = 100;
  scene.contrast = 0.9;
  scene.frequency = 5;
  scene.frame_rate = 10000;
  scene.duration = 400 * kMillisecond;  // two periods
  DvsOptions options = ideal(0.25);
  // ln x - ln mean swings between -0.9 and 0.9. From 0: ON at 0.25, 0.5, 0.75. Down from a memory
  // of 0.75: OFF at 0.5, 0.25, 0, ..., -0.75. Up from -0.75: ON at -0.5, ..., 0.75, and so on.
  struct Event {
    double level;
    int quarter;  ///< of a period, counted from 0, in which the level is crossed
    int polarity;
  };
  std::vector<Event> expected;
  const auto rise = [&](double from, int quarter) {
    for (double level = from; level <= 0.75; level += 0.25) {
      expected.push_back({level, level > 0 || from > 0 ? quarter : quarter - 1, 1});
    }
  };
  rise(0.25, 0);
  for (int period = 0; period < 2; ++period) {
    for (int k = 2; k >= -3; --k) {
      expected.push_back({0.25 * k, 4 * period + (k >= 0 ? 1 : 2), 0});
    }
    for (int k = -2; k <= 3; ++k) {
      // The last quarter that the scene has is the 8th.
      if (period == 1 && k > 0) break;
      expected.push_back({0.25 * k, 4 * period + (k <= 0 ? 3 : 4), 1});
    }
  }
  const double period = 0.2;
  const auto crossing = [&](const Event& event) {
    const double phase = std::asin(event.level / 0.9) / (2 * std::numbers::pi) * period;
    const int half = (event.quarter + 1) / 2;  // the sine's branch
    return (half % 2 == 0 ? phase : -phase) + period / 2 * half;
  };
  for (const bool interpolate : {false, true}) {
    options.interpolate = interpolate;
    const Outcome result = run(scene, options);
    // Levels of 0 are met at the very end too, where rounding decides; leave the last one out.
    ASSERT_GE(result.events.size(), expected.size() - 1);
    ASSERT_LE(result.events.size(), expected.size());
    for (std::size_t i = 0; i + 1 < expected.size(); ++i) {
      const double at = static_cast<double>(result.events.time[i]) * 1e-9;
      const double exact = crossing(expected[i]);
      EXPECT_EQ(result.events.polarity[i], expected[i].polarity) << i;
      if (interpolate) {
        // A chord of the sine lies up to y'' dt^2 / 8 from it.
        const double omega = 2 * std::numbers::pi * 5;
        const double slope = 0.9 * omega * std::sqrt(1 - std::pow(expected[i].level / 0.9, 2));
        const double bend = 0.9 * omega * omega * 1e-8 / 8;
        EXPECT_NEAR(at, exact, bend / slope + 1e-8) << i;
      } else {
        EXPECT_GE(at, exact - 1e-8) << i;
        EXPECT_LE(at, exact + 1e-4 + 1e-8) << i;
      }
    }
  }
}

TEST(SensorsDvs, BandwidthIsOnePoleThatLightMakesFaster) {
  LuminanceScene scene = one_pixel(SceneKind::kStep);
  scene.from = 100;
  scene.to = 235;
  scene.at = kMillisecond;
  scene.duration = 50 * kMillisecond;
  DvsOptions options = ideal(0.1);
  options.cutoff_hz = 20;
  const Outcome result = run(scene, options);
  // a = (235 + 20) / 275 dt 2 pi cutoff; behind n frames of the new light 1 - (1 - a)^n is done.
  const double a = 255.0 / 275.0 * 1e-3 * 2 * std::numbers::pi * 20;
  EXPECT_NEAR(result.counts.largest_filter_step, a, 1e-12);
  std::size_t at = 0;
  double memory = 0.0;
  for (int n = 1; n <= 50; ++n) {
    const double done = std::log(2.35) * (1 - std::pow(1 - a, n));
    while (done - memory >= 0.1) {
      memory += 0.1;
      ASSERT_LT(at, result.events.size());
      EXPECT_GT(result.events.time[at], (n - 1) * kMillisecond);
      EXPECT_LE(result.events.time[at], n * kMillisecond);
      ++at;
    }
  }
  EXPECT_EQ(at, result.events.size());
  EXPECT_EQ(at, 8U);  // ln 2.35 = 0.854
}

TEST(SensorsDvs, RefractoryPeriodDropsAndKeepsTheMemory) {
  // 3 thresholds in one frame of 3 ms, one event a ms; 1.5 ms refractory: the first and the third.
  DvsOptions options = ideal();
  options.refractory = 1500 * kMicrosecond;
  DvsPixelArray array = make(1, 1, options);
  EventPacket events;
  ASSERT_TRUE(array.step(0, std::vector<float>{50}, events).ok());
  ASSERT_TRUE(array.step(3 * kMillisecond, std::vector<float>{100}, events).ok());
  EXPECT_EQ(events.time, (std::vector<Time>{kMillisecond, 3 * kMillisecond}));
  EXPECT_EQ(array.counts().refractory, 1U);
  // The memory moved by two thresholds: ln 2 - 0.4 = 0.29 is left, which the next frame gives.
  ASSERT_TRUE(array.step(6 * kMillisecond, std::vector<float>{100}, events).ok());
  EXPECT_EQ(events.time.size(), 3U);
  EXPECT_EQ(events.time.back(), 6 * kMillisecond);
  // v2e asks only when the period is longer than the distance of events: 2 ms here.
  options.refractory = 1000 * kMicrosecond;
  DvsPixelArray shorter = make(1, 1, options);
  events = {};
  ASSERT_TRUE(shorter.step(0, std::vector<float>{50}, events).ok());
  ASSERT_TRUE(shorter.step(3 * kMillisecond, std::vector<float>{100}, events).ok());
  EXPECT_EQ(events.size(), 3U);
}

constexpr std::uint32_t kSide = 1000;
constexpr double kPixels = 1e6;

std::vector<float> grey(double x) {
  return std::vector<float>(kSide * kSide, static_cast<float>(x));
}

TEST(SensorsDvs, ThresholdsSpreadAsAsked) {
  DvsOptions options = ideal();
  options.threshold_sigma = 0.03;
  options.threads = 0;
  const DvsPixelArray array = make(kSide, kSide, options);
  for (const auto thresholds : {array.thresholds_on(), array.thresholds_off()}) {
    double sum = 0, squares = 0, fourth = 0;
    for (const double theta : thresholds) {
      const double z = (theta - 0.2) / 0.03;
      sum += z;
      squares += z * z;
      fourth += z * z * z * z;
    }
    // Four standard errors of a mean, a variance (2 / n) and a fourth moment (96 / n).
    EXPECT_NEAR(sum / kPixels, 0.0, 4.0 / 1000);
    EXPECT_NEAR(squares / kPixels, 1.0, 4.0 * std::sqrt(2.0) / 1000);
    EXPECT_NEAR(fourth / kPixels, 3.0, 4.0 * std::sqrt(96.0) / 1000);
  }
  double together = 0;
  for (std::size_t i = 0; i < kSide * kSide; ++i) {
    together += (array.thresholds_on()[i] - 0.2) * (array.thresholds_off()[i] - 0.2) / 9e-4;
  }
  EXPECT_NEAR(together / kPixels, 0.0, 4.0 / 1000) << "ON and OFF are drawn apart";
}

TEST(SensorsDvs, LeakGivesOnEventsAtItsRate) {
  DvsOptions options = ideal();
  options.threads = 0;
  options.leak_hz = 2.75;
  DvsPixelArray plain = make(kSide, kSide, options);
  EventPacket events;
  // 2.75 Hz for 1 s, the same everywhere: two events a pixel, the first by frame 4.
  for (int frame = 0; frame <= 10; ++frame) {
    ASSERT_TRUE(plain.step(frame * 100 * kMillisecond, grey(100), events).ok());
  }
  EXPECT_EQ(plain.counts().on, 2000000U);
  EXPECT_EQ(plain.counts().off, 0U);
  EXPECT_EQ(std::count(events.time.begin(), events.time.end(), 400 * kMillisecond), 1000000);

  // With a spread of 0.1 decades a pixel has floor(2.75 eta) events, so on average sum over k of
  // P(2.75 eta >= k), eta lognormal; the jitter of 10 frames adds a normal of relative width
  // 0.2 / sqrt(10) to each pixel's sum (a frame that runs back needs a draw of 5 sigma).
  for (const double jitter : {0.0, 0.2}) {
    options.leak_spread = 0.1;
    options.leak_jitter = jitter;
    DvsPixelArray spread = make(kSide, kSide, options);
    events = {};
    for (int frame = 0; frame <= 10; ++frame) {
      ASSERT_TRUE(spread.step(frame * 100 * kMillisecond, grey(100), events).ok());
    }
    double mean = 0, square = 0;
    const double width = jitter / std::sqrt(10.0);
    // The mean over the jitter by the midpoint rule (10 standard deviations, 2000 points).
    for (int i = 0; i < (jitter > 0 ? 2000 : 1); ++i) {
      const double z = jitter > 0 ? -10 + (i + 0.5) * 0.01 : 0.0;
      const double weight =
          jitter > 0 ? std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi) * 0.01 : 1.0;
      const double scale = 2.75 * (1 + width * z);
      if (scale <= 0) continue;
      for (int k = 1; k < 50; ++k) {
        const double normal = std::log10(k / scale) / 0.1;
        const double over = 0.5 * std::erfc(normal / std::numbers::sqrt2);
        mean += weight * over;
        square += weight * over * (2 * k - 1);
      }
    }
    const double error = std::sqrt((square - mean * mean) / kPixels);
    EXPECT_NEAR(static_cast<double>(spread.counts().on) / kPixels, mean, 4 * error);
  }
}

TEST(SensorsDvs, ShotNoiseHasItsRateAtEveryLight) {
  DvsOptions options = ideal();
  options.threads = 0;
  options.shot_hz = 5;
  for (const double x : {0.0, 100.0, 255.0}) {
    for (const double sigma : {0.0, 0.05}) {
      options.threshold_sigma = sigma;
      DvsPixelArray array = make(kSide, kSide, options);
      EventPacket events;
      for (int frame = 0; frame <= 20; ++frame) {
        ASSERT_TRUE(array.step(frame * kMillisecond, grey(x), events).ok());
      }
      double on = 0, off = 0;  // the mean of theta / on over the array's own thresholds
      for (const double theta : array.thresholds_on()) on += 0.2 / theta / kPixels;
      for (const double theta : array.thresholds_off()) off += 0.2 / theta / kPixels;
      const double chance = 2.5e-3 * (1 - 0.75 * (x + 20) / 275);
      const double n = 20 * kPixels;
      const auto near = [&](std::uint64_t count, double p) {
        EXPECT_NEAR(static_cast<double>(count), n * p, 4 * std::sqrt(n * p)) << x << " " << sigma;
      };
      near(array.counts().shot_on, chance * on);
      near(array.counts().shot_off, chance * off);
      EXPECT_EQ(array.counts().on, array.counts().shot_on);
    }
  }
}

TEST(SensorsDvs, ShotNoiseMakesThePixelForget) {
  // With a chance of over one every pixel fires ON and OFF, and remembers the light of the frame.
  DvsOptions options = ideal();
  options.shot_hz = 1e4;
  DvsPixelArray array = make(1, 1, options);
  EventPacket events;
  ASSERT_TRUE(array.step(0, std::vector<float>{50}, events).ok());
  ASSERT_TRUE(array.step(kMillisecond, std::vector<float>{55}, events).ok());
  ASSERT_EQ(array.counts().shot_on, 1U);
  ASSERT_EQ(array.counts().shot_off, 1U);
  // ln 1.1 = 0.095 was forgotten: ln(66 / 55) = 0.18 is not enough for an event of its own.
  ASSERT_TRUE(array.step(2 * kMillisecond, std::vector<float>{66}, events).ok());
  EXPECT_EQ(array.counts().on, array.counts().shot_on);
}

TEST(SensorsDvs, ThreadsDoNotChangeTheEvents) {
  LuminanceScene scene;
  scene.width = 211;
  scene.height = 173;
  scene.duration = 60 * kMillisecond;
  scene.direction = 30;
  DvsOptions options = *dvs_preset("noisy");
  options.refractory = 500 * kMicrosecond;
  for (const bool interpolate : {false, true}) {
    options.interpolate = interpolate;
    options.threads = 1;
    const Outcome one = run(scene, options);
    EXPECT_GT(one.counts.shot_on, 100U);
    EXPECT_GT(one.events.size(), 10000U);
    EXPECT_TRUE(std::is_sorted(one.events.time.begin(), one.events.time.end()));
    for (const unsigned threads : {2U, 3U}) {
      options.threads = threads;
      EXPECT_TRUE(run(scene, options).events == one.events) << threads;
    }
  }
  options.seed = 1;
  EXPECT_FALSE(run(scene, options).events == run(scene, *dvs_preset("noisy")).events);
}

TEST(SensorsDvs, RefusesWhatItCannotSee) {
  EXPECT_FALSE(DvsPixelArray::create(0, 4, {}).ok());
  EXPECT_FALSE(DvsPixelArray::create(65537, 4, {}).ok());
  EXPECT_FALSE(DvsPixelArray::create(4, 4, {.threshold_on = 0.001}).ok());
  EXPECT_FALSE(DvsPixelArray::create(4, 4, {.cutoff_hz = -1}).ok());
  EXPECT_FALSE(DvsPixelArray::create(4, 4, {.leak_hz = std::nan("")}).ok());
  EXPECT_FALSE(dvs_preset("noise").ok());
  DvsPixelArray array = make(2, 1, ideal());
  EventPacket events;
  EXPECT_EQ(array.step(0, std::vector<float>{1}, events).error().code, ErrorCode::kShape);
  for (const float bad : {-1.0F, 256.0F, std::nanf("")}) {
    EXPECT_EQ(array.step(0, std::vector<float>{1, bad}, events).error().code,
              ErrorCode::kInvalidArgument);
  }
  ASSERT_TRUE(array.step(5, std::vector<float>{1, 1}, events).ok());
  EXPECT_FALSE(array.step(5, std::vector<float>{1, 1}, events).ok()) << "time has to go on";
}

}  // namespace
}  // namespace spikeloom
