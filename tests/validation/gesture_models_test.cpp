/// The gesture networks that ship: what PyTorch says about held-out simulated clips
/// (models/gesture/weights/NAME.predictions.txt), and the real clips of acceptance/gesture.

#include "models/gesture/gesture_models.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models/gesture/gesture_frames.hpp"
#include "models/gesture/gesture_scene.hpp"
#include "sensors/recording_io.hpp"
#include "snn/input_coding.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

constexpr std::uint64_t kFirstHeldOut = 560000;
constexpr std::size_t kClips = 11;

/// A network, run as its file says.
struct Recogniser {
  LoadedModel model;
  RunRequest request;
  InputCoding coding;

  explicit Recogniser(const std::string& name) {
    auto loaded = gesture_model(name);
    EXPECT_TRUE(loaded.ok()) << error_of(loaded);
    model = *std::move(loaded);
    request.declared = *discretisation_from_value(*model.run_settings.find("discretisation"));
    request.arithmetic = Arithmetic::kFloat32;
    request.backend = "cpu";
    coding = *input_coding_from_value(*model.run_settings.find("input_coding"));
  }

  RunResult run(const EventPacket& events) const {
    const auto input = code_recording({events.time, events.x, events.y, events.polarity},
                                      {2, kGestureSide, kGestureSide}, kGestureStep, coding);
    EXPECT_TRUE(input.ok()) << error_of(input);
    auto result = run_network(model.network, *input, request);
    EXPECT_TRUE(result.ok()) << error_of(result);
    return *std::move(result);
  }
};

/// The mean decides, so the sum does.
std::int64_t decision(const RunResult& result) {
  const auto sums = result.sums("classes", kGestures);
  return std::max_element(sums.begin(), sums.end()) - sums.begin();
}

class GestureModels : public testing::TestWithParam<std::string> {};

TEST_P(GestureModels, HeldOutClipsAreToldAsByPyTorch) {
  const Recogniser recogniser(GetParam());
  std::ifstream file(source_dir() /
                     ("models/gesture/weights/gesture-" + GetParam() + ".predictions.txt"));
  std::size_t equal = 0, right = 0;
  for (std::uint64_t k = 0; k < kClips; ++k) {
    GestureClip clip;
    clip.seed = kFirstHeldOut + k;
    clip.gesture = static_cast<Gesture>(clip.seed % kGestures);
    const auto recording = gesture_clip(clip);
    ASSERT_TRUE(recording.ok()) << error_of(recording);
    const std::int64_t said = decision(recogniser.run(recording->events));
    std::int64_t expected = -1;
    ASSERT_TRUE(file >> expected);
    equal += said == expected ? 1 : 0;
    right += said == static_cast<std::int64_t>(clip.gesture) ? 1 : 0;
  }
  // Another instruction set may round the last bit of a luminance and so lose or win an event.
  EXPECT_GE(equal, kClips - 1);
  EXPECT_GE(right, kClips - 1);
}

TEST_P(GestureModels, RealClipsAreTold) {
  REQUIRE_SHARED("acceptance/gesture/clips");
  const Recogniser recogniser(GetParam());
  constexpr std::array<int, 7> kNumbers = {1, 2, 3, 4, 6, 8, 9};
  int right = 0;
  for (const int number : kNumbers) {
    const auto path =
        shared_path("acceptance/gesture/clips/" + std::to_string(number) + ".bs2").string();
    const auto read = read_recording(path, {});
    ASSERT_TRUE(read.ok()) << error_of(read);
    const std::int64_t said = decision(recogniser.run(read->recording.events));
    printf("clip %d: %s\n", number, kGestureNames[static_cast<std::size_t>(said)].data());
    right += said == number - 1 ? 1 : 0;
  }
  EXPECT_GE(right, GetParam() == "egru" ? 7 : 6);
}

INSTANTIATE_TEST_SUITE_P(Networks, GestureModels, testing::Values("lif", "egru"),
                         [](const auto& info) { return info.param; });

TEST(GestureModelNames, AnotherIsRefused) { EXPECT_FALSE(gesture_model("lstm").ok()); }

}  // namespace
}  // namespace spikeloom::test
