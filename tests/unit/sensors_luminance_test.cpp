/// Scenes as their formulas say, and frames from images.

#include <cmath>
#include <filesystem>
#include <fstream>
#include <numbers>

#include <gtest/gtest.h>

#include "sensors/luminance_frames.hpp"

namespace spikeloom {
namespace {

std::vector<float> rendered(const LuminanceScene& scene, Time time) {
  std::vector<float> out(std::size_t{scene.width} * scene.height);
  render(scene, time, out);
  return out;
}

TEST(SensorsLuminance, StepAndRamps) {
  LuminanceScene scene{.kind = SceneKind::kStep, .width = 2, .height = 1};
  EXPECT_EQ(rendered(scene, 10 * kMillisecond - 1), (std::vector<float>{50, 50}));
  EXPECT_EQ(rendered(scene, 10 * kMillisecond), (std::vector<float>{200, 200}));
  scene.kind = SceneKind::kRamp;
  // Half of the way in ln x is the geometric mean, in x the arithmetic one.
  EXPECT_FLOAT_EQ(rendered(scene, 60 * kMillisecond)[0], 100.0F);
  EXPECT_FLOAT_EQ(rendered(scene, kSecond)[0], 200.0F);
  scene.linear = true;
  EXPECT_FLOAT_EQ(rendered(scene, 60 * kMillisecond)[0], 125.0F);
}

TEST(SensorsLuminance, ASinusoidMovesByItsWavelengthInAPeriod) {
  LuminanceScene scene{.kind = SceneKind::kSinusoid, .width = 16, .height = 2};
  scene.wavelength = 8;
  const auto still = rendered(scene, 0);
  EXPECT_FLOAT_EQ(still[0], 100.0F);
  EXPECT_FLOAT_EQ(still[2], static_cast<float>(100 * std::exp(-0.5)));
  EXPECT_FLOAT_EQ(still[6], static_cast<float>(100 * std::exp(0.5)));
  const auto later = rendered(scene, 25 * kMillisecond);  // a quarter of a period: 2 px
  for (std::size_t x = 2; x < 16; ++x) EXPECT_NEAR(later[x], still[x - 2], 1e-4) << x;
}

TEST(SensorsLuminance, TheBarIsAsBrightAsItIsWide) {
  // A bar of 8 px over 50 DN: the row's light above 50 is 8 x 150, wherever the bar is.
  LuminanceScene scene{.kind = SceneKind::kBar, .width = 64, .height = 3};
  for (const double direction : {0.0, 180.0}) {
    scene.direction = direction;
    for (int ms = 60; ms < 250; ms += 7) {
      const auto frame = rendered(scene, ms * kMillisecond);
      double light = 0;
      for (std::size_t x = 0; x < 64; ++x) light += frame[64 + x] - 50.0;
      EXPECT_NEAR(light, 8 * 150.0, 0.01) << ms;
    }
  }
  scene.direction = 0;
  // The leading edge is half a pixel before column 0 at first; 100 ms later 20 px further on.
  const auto frame = rendered(scene, 100 * kMillisecond);
  EXPECT_FLOAT_EQ(frame[19], 200.0F);
  EXPECT_FLOAT_EQ(frame[20], 50.0F);
  EXPECT_FLOAT_EQ(frame[12], 200.0F);
  EXPECT_FLOAT_EQ(frame[11], 50.0F);
}

TEST(SensorsLuminance, TheDiscHasItsArea) {
  LuminanceScene scene{.kind = SceneKind::kDisc};
  scene.size = 20;
  scene.direction = 30;
  const auto frame = rendered(scene, 240 * kMillisecond);
  double light = 0;
  for (const float x : frame) light += (x - 50.0) / 150.0;
  EXPECT_NEAR(light, std::numbers::pi * 100, 0.01 * std::numbers::pi * 100);
}

TEST(SensorsLuminance, SceneFiles) {
  const auto scene = parse_luminance_scene(
      "kind = 'disc'\nwidth = 32\nheight = 16\nspeed = 50\nduration_ms = 12.5\nlinear = true\n",
      "s.toml");
  ASSERT_TRUE(scene.ok()) << scene.error().message();
  EXPECT_EQ(scene->kind, SceneKind::kDisc);
  EXPECT_EQ(scene->width, 32U);
  EXPECT_EQ(scene->duration, 12500 * kMicrosecond);
  EXPECT_EQ(scene->frames(), 13U);
  EXPECT_EQ(scene->time_of(12), 12 * kMillisecond);
  for (const char* bad :
       {"", "kind = 'cube'", "kind = 1", "kind = 'bar'\ncolour = 1", "kind = 'bar'\nwidth = 0",
        "kind = 'bar'\nwidth = 1.5", "kind = 'bar'\nfrom = 'x'", "kind = 'bar'\nfrom = 256",
        "kind = 'bar'\nto = nan", "kind = 'bar'\nduration_ms = -1", "kind = 'bar'\nsize = 0",
        "kind = 'bar'\nframe_rate = 0", "kind = 'bar'\nduration_ms = 1e9\nframe_rate = 1e9",
        "kind = 'bar'\nspeed = 1e300", "kind = 'sinusoid'\nwavelength = 1e-300",
        "kind = 'ramp'\nfrom = 0", "kind = 'sinusoid'\ncontrast = 2", "kind = "}) {
    const auto refused = parse_luminance_scene(bad, "s.toml");
    ASSERT_FALSE(refused.ok()) << bad;
    EXPECT_NE(refused.error().message().find("s.toml"), std::string::npos) << bad;
  }
}

TEST(SensorsLuminance, ImagesAreFramesAndHaveOneSize) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / "spikeloom-luminance-test";
  fs::create_directories(folder);
  const auto write = [&](const char* name, const std::string& bytes) {
    std::ofstream(folder / name, std::ios::binary) << bytes;
    return (folder / name).string();
  };
  const std::string a = write("a.pgm", "P2 2 1 255 0 255");
  const std::string b = write("b.ppm", "P3 2 1 51  51 0 0  0 51 51");
  const std::string c = write("c.pgm", "P2 1 2 255 0 255");
  write("notes.txt", "no image");
  EXPECT_EQ(*images_of_folder(folder.string()), (std::vector<std::string>{a, b, c}));
  auto frames = image_frames({a, b, c}, 500);
  ASSERT_TRUE(frames.ok());
  LuminanceFrame frame;
  ASSERT_TRUE(*(*frames)->next(frame));
  EXPECT_EQ(frame.pixels, (std::vector<float>{0, 255}));
  ASSERT_TRUE(*(*frames)->next(frame));
  EXPECT_EQ(frame.time, 2 * kMillisecond);
  EXPECT_NEAR(frame.pixels[0], 0.299 * 255, 1e-4);
  EXPECT_NEAR(frame.pixels[1], (0.587 + 0.114) * 255, 1e-4);
  EXPECT_EQ((*frames)->next(frame).error().code, ErrorCode::kShape);
  EXPECT_FALSE(image_frames({a}, 0).ok());
  EXPECT_FALSE(image_frames({}, 1).ok());
  EXPECT_EQ(images_of_folder((folder / "none").string()).error().code, ErrorCode::kIo);
  fs::remove_all(folder);
}

}  // namespace
}  // namespace spikeloom
