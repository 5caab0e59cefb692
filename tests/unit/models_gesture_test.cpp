/// Gesture scenes: how joints move, what a clip is, how frames are counted.

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "models/gesture/detail/pose.hpp"
#include "models/gesture/gesture_frames.hpp"
#include "models/gesture/gesture_scene.hpp"
#include "models/gesture/gestures.hpp"
#include "snn/input_coding.hpp"

namespace spikeloom {
namespace {

using detail::Arm;
using detail::Body;
using detail::Draws;
using detail::Performance;
using detail::Point;

double distance(Point a, Point b) {
  const Point d = a - b;
  return std::sqrt(d.x * d.x + d.y * d.y + d.z * d.z);
}

Performance performance(Gesture gesture, std::uint64_t seed, const Body& body = {}) {
  Draws draws{{seed, 1}};
  return Performance(gesture, body, draws);
}

/// Twice the area that the wrist encloses in the image in a second; y points down, so that it is
/// positive for clockwise as the camera sees it.
double enclosed(const Performance& who, int side) {
  constexpr int kSteps = 200;
  double area = 0.0;
  Point before = who.at(0).arms[side][2];
  Point middle;
  for (int k = 0; k < kSteps; ++k) {
    middle = middle + (1.0 / kSteps) * who.at(k * 2.0 / kSteps).arms[side][2];
  }
  before = before - middle;
  for (int k = 1; k <= kSteps; ++k) {
    const Point now = who.at(k * 2.0 / kSteps).arms[side][2] - middle;
    area += before.x * now.y - before.y * now.x;
    before = now;
  }
  return area;
}

TEST(ModelsGesture, ClassesHaveNamesAndNumbers) {
  EXPECT_EQ(find_gesture("arm roll"), Gesture::kArmRoll);
  EXPECT_EQ(find_gesture("10"), Gesture::kOther);
  EXPECT_FALSE(find_gesture("11"));
  EXPECT_FALSE(find_gesture("-1"));
  EXPECT_FALSE(find_gesture("1x"));
  EXPECT_FALSE(find_gesture(""));
}

TEST(ModelsGesture, BonesKeepTheirLengths) {
  const Body body;
  for (std::size_t k = 0; k < kGestures; ++k) {
    for (std::uint64_t seed = 0; seed < 30; ++seed) {
      const Performance who = performance(static_cast<Gesture>(k), seed, body);
      for (int step = 0; step < 20; ++step) {
        const auto pose = who.at(0.07 * step);
        for (const Arm& arm : pose.arms) {
          EXPECT_NEAR(distance(arm[0], arm[1]), body.upper_arm, 1e-9) << k << " " << seed;
          EXPECT_NEAR(distance(arm[1], arm[2]), body.forearm, 1e-9) << k << " " << seed;
          EXPECT_NEAR(distance(arm[2], arm[3]), body.hand, 1e-9) << k << " " << seed;
        }
      }
    }
  }
}

/// Clockwise for the person is counterclockwise for the camera.
TEST(ModelsGesture, ArmsTurnAsTheirClassSays) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_LT(enclosed(performance(Gesture::kRightArmClockwise, seed), 0), 0) << seed;
    EXPECT_GT(enclosed(performance(Gesture::kRightArmCounterClockwise, seed), 0), 0) << seed;
    EXPECT_LT(enclosed(performance(Gesture::kLeftArmClockwise, seed), 1), 0) << seed;
    EXPECT_GT(enclosed(performance(Gesture::kLeftArmCounterClockwise, seed), 1), 0) << seed;
  }
}

TEST(ModelsGesture, TheArmOfTheClassMoves) {
  const auto way = [](const Performance& who, int side) {
    double sum = 0.0;
    for (int k = 0; k < 100; ++k) {
      sum += distance(who.at(0.01 * k).arms[side][3], who.at(0.01 * (k + 1)).arms[side][3]);
    }
    return sum;
  };
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Performance right = performance(Gesture::kRightHandWave, seed);
    const Performance left = performance(Gesture::kLeftHandWave, seed);
    EXPECT_LT(way(right, 1), 1e-9);
    EXPECT_GT(way(right, 0), 0.1);
    EXPECT_LT(way(left, 0), 1e-9);
    EXPECT_GT(way(left, 1), 0.1);
  }
}

TEST(ModelsGesture, LuminanceStaysWithinDigitalNumbers) {
  std::vector<float> frame(std::size_t{kGestureSide} * kGestureSide);
  for (std::uint64_t seed = 0; seed < 44; ++seed) {
    const GestureScene scene(static_cast<Gesture>(seed % kGestures), seed);
    scene.render(static_cast<Time>(seed) * 30 * kMillisecond, frame);
    const auto [low, high] = std::minmax_element(frame.begin(), frame.end());
    EXPECT_GE(*low, 0.0F);
    EXPECT_LE(*high, 255.0F);
    EXPECT_GT(*high - *low, 10.0F) << "an empty picture, seed " << seed;
  }
}

TEST(ModelsGesture, AClipIsDrawnBySeed) {
  GestureClip clip;
  clip.gesture = Gesture::kAirDrums;
  clip.seed = 5;
  clip.duration = 200 * kMillisecond;
  const auto first = gesture_clip(clip), again = gesture_clip(clip);
  clip.seed = 6;
  const auto other = gesture_clip(clip);
  ASSERT_TRUE(first.ok() && again.ok() && other.ok());
  EXPECT_GT(first->events.size(), 1000U);
  EXPECT_EQ(first->events, again->events);
  EXPECT_NE(first->events, other->events);
  EXPECT_TRUE(std::is_sorted(first->events.time.begin(), first->events.time.end()));
  clip.duration = 0;
  EXPECT_FALSE(gesture_clip(clip).ok());
  clip.duration = kSecond;
  clip.frame_rate = 1e9;
  EXPECT_FALSE(gesture_clip(clip).ok());
}

/// What training sees is what input coding and a sum over 4 x 4 pixels make of the same events.
TEST(ModelsGesture, FramesAreBinaryBinsAddedUp) {
  GestureClip clip;
  clip.seed = 3;
  clip.duration = 400 * kMillisecond;
  const auto recording = gesture_clip(clip);
  ASSERT_TRUE(recording.ok());
  const EventPacket& events = recording->events;
  std::vector<std::uint8_t> frames(kGestureFrames * kGestureFrameSize);
  gesture_frames(events, frames);

  InputCoding coding;
  coding.coding = Coding::kBinary;
  coding.origin = BinOrigin::kZero;
  coding.steps = static_cast<std::int64_t>(kGestureFrames);
  const auto coded = code_recording({events.time, events.x, events.y, events.polarity},
                                    {2, kGestureSide, kGestureSide}, kGestureStep, coding);
  ASSERT_TRUE(coded.ok());
  std::vector<std::uint8_t> expected(frames.size());
  for (std::size_t step = 0; step < kGestureFrames; ++step) {
    for (std::size_t e = coded->step_start[step]; e < coded->step_start[step + 1]; ++e) {
      const std::size_t pixel = coded->index[e] % (kGestureSide * kGestureSide);
      const std::size_t polarity = coded->index[e] / (kGestureSide * kGestureSide);
      const std::size_t row = pixel / kGestureSide / 4, column = pixel % kGestureSide / 4;
      ++expected[((step * 2 + polarity) * 32 + row) * 32 + column];
    }
  }
  EXPECT_EQ(frames, expected);
}

}  // namespace
}  // namespace spikeloom
