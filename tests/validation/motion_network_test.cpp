/// The motion demo's network: eight directions, three speeds, with and without noise. The right
/// answer is the direction that the scene was made with.

#include "models/motion/motion_network.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "backends/backend.hpp"
#include "sensors/scene.hpp"
#include "snn/input_coding.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom {
namespace {

class DecoderSink : public Sink {
 public:
  void events(std::uint32_t, Variable, std::uint32_t, std::int64_t step,
              std::span<const std::uint32_t> index, std::span<const double> value) override {
    decoder.add(step, index, value);
  }
  void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
             std::span<const double>) override {}
  MotionDecoder decoder;
};

class MotionNetwork : public testing::Test {
 protected:
  void prepare(Arithmetic arithmetic, int link_delay, const char* backend = "reference") {
    const auto network = make_motion_network();
    ASSERT_TRUE(network.ok()) << test::error_of(network);
    Discretisation discretisation = motion_discretisation();
    discretisation.link_delay = link_delay;
    const auto program = lower(*network, discretisation);
    ASSERT_TRUE(program.ok()) << test::error_of(program);
    RunOptions options;
    options.arithmetic = arithmetic;
    auto executable = compile(backend, *program, options);
    ASSERT_TRUE(executable.ok()) << test::error_of(executable);
    auto session = (*executable)->open();
    ASSERT_TRUE(session.ok()) << test::error_of(session);
    executable_ = *executable;
    session_ = *std::move(session);
  }

  std::vector<MotionDecision> decide(const MovingBarOptions& options) {
    const auto scene = moving_bar(options);
    EXPECT_TRUE(scene.ok());
    const EventPacket& events = scene->events;
    InputCoding coding;
    coding.origin = BinOrigin::kZero;
    const auto coded = code_recording({events.time, events.x, events.y, events.polarity},
                                      {2, 32, 32}, kMotionStep, coding);
    EXPECT_TRUE(coded.ok()) << test::error_of(coded);
    EXPECT_TRUE(session_->reset().ok());
    EXPECT_TRUE(test::push_coded(*session_, 0, *coded).ok());
    const Status advanced = session_->advance(options.duration);
    EXPECT_TRUE(advanced.ok()) << test::error_of(advanced);
    DecoderSink sink;
    EXPECT_TRUE(session_->read(sink).ok());
    return sink.decoder.decisions(options.duration / kMotionStep);
  }

  /// Every window of every direction is right; returns the fewest spikes of a winner.
  double expect_all_right(double speed, double noise, std::uint64_t seed) {
    double fewest = 1e9;
    for (int k = 0; k < 8; ++k) {
      const auto decisions = decide(
          {.direction_degrees = 45.0 * k, .speed = speed, .noise_fraction = noise, .seed = seed});
      EXPECT_EQ(decisions.size(), 4U);
      for (std::size_t window = 0; window < decisions.size(); ++window) {
        const MotionDecision& decision = decisions[window];
        const std::string where = "direction " + std::to_string(k) + ", " + std::to_string(speed) +
                                  " px/s, noise " + std::to_string(noise) + ", seed " +
                                  std::to_string(seed) + ", window " + std::to_string(window);
        EXPECT_EQ(decision.direction, k) << where;
        EXPECT_EQ(decision.margin, 1.0) << where << ": another direction spoke too";
        fewest =
            std::min(fewest, *std::max_element(decision.counts.begin(), decision.counts.end()));
      }
    }
    return fewest;
  }

  std::shared_ptr<const Executable> executable_;
  std::unique_ptr<Session> session_;
};

TEST_F(MotionNetwork, TellsEightDirectionsAtThreeSpeeds) {
  prepare(Arithmetic::kFloat32, 0);
  for (const double speed : {100.0, 200.0, 400.0}) {
    const double fewest = expect_all_right(speed, 0.0, 0);
    EXPECT_GE(fewest, 3.0);
    RecordProperty("fewest_spikes_at_" + std::to_string(static_cast<int>(speed)),
                   static_cast<int>(fewest));
  }
}

TEST_F(MotionNetwork, TellsThemWithTenPercentNoise) {
  prepare(Arithmetic::kFloat32, 0);
  for (const double speed : {100.0, 200.0, 400.0}) {
    for (const std::uint64_t seed : {1, 2}) expect_all_right(speed, 0.1, seed);
  }
}

TEST_F(MotionNetwork, TellsThemOnCpu) {
  prepare(Arithmetic::kFloat32, 0, "cpu");
  for (const double speed : {100.0, 200.0, 400.0}) {
    expect_all_right(speed, 0.0, 0);
    for (const std::uint64_t seed : {1, 2}) expect_all_right(speed, 0.1, seed);
  }
}

TEST_F(MotionNetwork, TellsThemWhenEveryLinkTakesAStep) {
  prepare(Arithmetic::kDouble, 1);
  expect_all_right(200.0, 0.1, 4);
}

TEST_F(MotionNetwork, NoiseAloneSaysNothing) {
  prepare(Arithmetic::kFloat32, 0);
  // A bar that never gets beyond its first line of pixels, and 300 noise events in 0.8 s.
  const auto decisions = decide({.speed = 0.001, .noise_fraction = 300.0 / 32.0, .seed = 5});
  for (const MotionDecision& decision : decisions) EXPECT_FALSE(decision.direction.has_value());
}

TEST_F(MotionNetwork, ArithmeticsAndBackendsSpeakAlike) {
  const MovingBarOptions scene{.direction_degrees = 135.0, .noise_fraction = 0.1, .seed = 6};
  prepare(Arithmetic::kFloat32, 0);
  const auto single = decide(scene);
  prepare(Arithmetic::kFloat32, 0, "cpu");
  const auto fast = decide(scene);
  prepare(Arithmetic::kDouble, 0);
  const auto full = decide(scene);
  ASSERT_EQ(single.size(), full.size());
  ASSERT_EQ(fast.size(), full.size());
  for (std::size_t i = 0; i < full.size(); ++i) {
    EXPECT_EQ(single[i].counts, full[i].counts);
    EXPECT_EQ(fast[i].counts, full[i].counts);
  }
}

TEST(MotionNetworkShape, OtherSizesBuildAndSmallOnesAreRefused) {
  const auto wide = make_motion_network({.width = 41, .height = 17});
  ASSERT_TRUE(wide.ok()) << test::error_of(wide);
  EXPECT_TRUE(lower(*wide, motion_discretisation()).ok());
  const auto small = make_motion_network({.width = 8, .height = 32});
  ASSERT_FALSE(small.ok());
  EXPECT_EQ(small.error().code, ErrorCode::kInvalidArgument);
}

TEST(MotionDecide, PicksTheLargestAndNothingOnATie) {
  const auto of = [](std::vector<double> counts) { return decide_motion(counts); };
  EXPECT_EQ(of({0, 1, 5, 0, 0, 0, 0, 1}).direction, 2);
  EXPECT_DOUBLE_EQ(of({0, 1, 5, 0, 0, 0, 0, 1}).margin, 0.8);
  EXPECT_FALSE(of({0, 0, 0, 0, 0, 0, 0, 0}).direction.has_value());
  EXPECT_FALSE(of({2, 0, 2, 0, 0, 0, 0, 0}).direction.has_value());
  MotionDecoder decoder(10);
  const std::array<std::uint32_t, 1> index = {3};
  const std::array<double, 1> value = {1.0};
  for (const std::int64_t step : {0, 9, 10, 25}) decoder.add(step, index, value);
  const auto decisions = decoder.decisions(29);
  ASSERT_EQ(decisions.size(), 2U) << "the third window is not whole";
  EXPECT_EQ(decisions[0].counts[3], 2.0);
  EXPECT_EQ(decisions[1].counts[3], 1.0);
  EXPECT_EQ(MotionDecoder(10).decisions(20).size(), 2U);
}

}  // namespace
}  // namespace spikeloom
