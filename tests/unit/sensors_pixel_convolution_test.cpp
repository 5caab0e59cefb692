/// The in-pixel convolution: its curves' published values, the equation tap by tap, and the bytes
/// that leave the sensor.

#include <algorithm>
#include <array>
#include <cmath>
#include <random>

#include <gtest/gtest.h>

#include "energy/cost_table.hpp"
#include "energy/in_sensor.hpp"
#include "sensors/pixel_convolution.hpp"

namespace spikeloom {
namespace {

std::vector<float> picture(std::size_t pixels, unsigned seed) {
  std::mt19937 draw(seed);
  std::uniform_real_distribution<float> light(0.0F, 1.0F);
  std::vector<float> rgb(3 * pixels);
  for (float& x : rgb) x = light(draw);
  return rgb;
}

std::vector<float> kernels(std::size_t channels, std::size_t k, unsigned seed) {
  std::mt19937 draw(seed);
  std::normal_distribution<float> weight(0.0F, 0.8F);
  std::vector<float> weights(channels * 3 * k * k);
  for (float& w : weights) w = weight(draw);
  return weights;
}

PixelConvolution make(std::uint32_t width, std::uint32_t height,
                      const PixelConvolutionOptions& options, const std::vector<float>& weights) {
  auto made = PixelConvolution::create(width, height, options, weights);
  EXPECT_TRUE(made.ok()) << (made.ok() ? "" : made.error().message());
  return *std::move(made);
}

TEST(SensorsPixelConvolution, CurvesHaveTheirPublishedValues) {
  const std::array<double, 4> light = {0.25, 0.5, 0.75, 1.0};
  const std::array<double, 4> in_sensor = {0.0594, 0.1053, 0.1375, 0.1560};
  for (std::size_t i = 0; i < light.size(); ++i) {
    EXPECT_NEAR(kInSensorCurve(light[i], 1.0), in_sensor[i], 5e-5) << light[i];
    EXPECT_EQ(kIdealCurve(light[i], -2.0), -2.0 * light[i]);
  }
  EXPECT_NEAR(kP2mCurve(0.0, 1.0), 0.384, 5e-4);
  EXPECT_NEAR(kP2mCurve(0.5, 1.0), 0.592, 5e-4);
  EXPECT_NEAR(kP2mCurve(1.0, 1.0), 0.689, 5e-4);
  EXPECT_NEAR(kP2mCurve(0.0, 0.0), 0.009, 5e-4);
  EXPECT_NEAR(kP2mCurve(1.0, 0.0), 0.241, 5e-4);
}

TEST(SensorsPixelConvolution, AddsTheEquationTapByTap) {
  constexpr std::int64_t kWidth = 11, kHeight = 8;
  const auto rgb = picture(kWidth * kHeight, 1);
  struct Case {
    PixelWindow kernel;
    TransferCurve curve;
    std::int64_t width, height;  ///< of the result: (side + 2 padding - size) / stride + 1
  };
  const std::vector<Case> cases = {{{3, 1, 1}, kInSensorCurve, 11, 8},
                                   {{5, 2, 2}, kP2mCurve, 6, 4},
                                   {{7, 2, 3}, kIdealCurve, 6, 4},
                                   {{2, 3, 0}, kP2mCurve, 4, 3}};
  for (const Case& c : cases) {
    const std::int64_t k = c.kernel.size;
    const auto weights = kernels(2, c.kernel.size, 2);
    const auto made =
        make(kWidth, kHeight, {.geometry = {c.kernel, {}}, .curve = c.curve}, weights);
    ASSERT_EQ(made.out_width(), c.width);
    ASSERT_EQ(made.out_height(), c.height);
    const auto sums = made.sums(rgb);
    ASSERT_TRUE(sums.ok());
    for (std::int64_t channel = 0; channel < 2; ++channel) {
      for (std::int64_t y = 0; y < c.height; ++y) {
        for (std::int64_t x = 0; x < c.width; ++x) {
          double expected = 0.0;
          for (std::int64_t tap = 0; tap < 3 * k * k; ++tap) {
            const std::int64_t colour = tap / (k * k);
            const std::int64_t py = y * c.kernel.stride - c.kernel.padding + tap / k % k;
            const std::int64_t px = x * c.kernel.stride - c.kernel.padding + tap % k;
            if (py < 0 || px < 0 || py >= kHeight || px >= kWidth) continue;
            expected += c.curve(rgb[static_cast<std::size_t>((py * kWidth + px) * 3 + colour)],
                                weights[static_cast<std::size_t>(channel * 3 * k * k + tap)]);
          }
          if (c.curve.averages) expected /= static_cast<double>(3 * k * k);
          const auto at = static_cast<std::size_t>((channel * c.height + y) * c.width + x);
          EXPECT_NEAR((*sums)[at], expected, 1e-4 * std::max(1.0, std::abs(expected)));
        }
      }
    }
  }
}

TEST(SensorsPixelConvolution, PoolingComesBeforeTheThreshold) {
  const auto rgb = picture(64, 3);
  const auto weights = kernels(2, 3, 4);
  const auto plain = make(8, 8, {}, weights);
  const auto pooled = make(8, 8, {.geometry = {{3, 1, 1}, {2, 2, 0}}}, weights);
  const auto sums = *plain.sums(rgb);
  // A positive threshold fires where any of its four sums would; a negative one where all would.
  const std::vector<SignedThreshold> thresholds = {{0.01, 1}, {0.01, -1}};
  const SpikeMap all = *plain.spikes(sums, thresholds);
  const SpikeMap map = *pooled.spikes(*pooled.sums(rgb), thresholds);
  ASSERT_EQ(map.size(), 32U);
  EXPECT_GT(map.count(), 0U);
  EXPECT_LT(map.count(), 32U);
  for (std::size_t i = 0; i < 32; ++i) {
    const std::size_t first = i / 16 * 64 + i / 4 % 4 * 16 + i % 4 * 2;
    const int fired =
        all.spikes[first] + all.spikes[first + 1] + all.spikes[first + 8] + all.spikes[first + 9];
    EXPECT_EQ(map.spikes[i], i < 16 ? fired > 0 : fired == 4) << i;
  }
}

TEST(SensorsPixelConvolution, OneSignedThresholdIsNormalisationAndHoyerSpike) {
  std::mt19937 draw(5);
  std::normal_distribution<double> normal;
  int fired = 0;
  for (int i = 0; i < 2000; ++i) {
    const HoyerChannel c{.mean = normal(draw),
                         .variance = std::exp(normal(draw)),
                         .gamma = i % 10 == 0 ? 0.0 : normal(draw),
                         .beta = normal(draw),
                         .threshold = normal(draw),
                         .extremum = std::abs(normal(draw))};
    const double u = 3 * normal(draw);
    const double y = c.gamma * (u - c.mean) / std::sqrt(c.variance + c.epsilon) + c.beta;
    const bool spikes = y / std::abs(c.threshold) >= c.extremum;
    const SignedThreshold folded = fold(c);
    EXPECT_EQ(folded.sign * (u - folded.value) >= 0.0, spikes) << i;
    fired += spikes;
  }
  EXPECT_GT(fired, 500);
  EXPECT_LT(fired, 1500);
}

TEST(SensorsPixelConvolution, TheHoyerExtremum) {
  // Clamped: 0, 0.5, 1, 1: (0.25 + 2) / 2.5.
  EXPECT_DOUBLE_EQ(hoyer_extremum(std::vector<double>{-3, 0.5, 1, 7}), 0.9);
  EXPECT_DOUBLE_EQ(hoyer_extremum(std::vector<double>{-1, 0}), 1.0);
  // Sums 0..3: mean 1.5, variance 1.25; z = 0.447 and (clamped) 1 for the two above the mean.
  const std::vector<std::vector<float>> pictures = {{0, 1}, {2, 3}};
  const double z = 0.5 / std::sqrt(1.25 + 1e-5);
  const auto thresholds = hoyer_thresholds(1, pictures);
  ASSERT_TRUE(thresholds.ok());
  EXPECT_NEAR((*thresholds)[0].value, 1.5 + std::sqrt(1.25 + 1e-5) * (z * z + 1) / (z + 1), 1e-12);
  EXPECT_EQ((*thresholds)[0].sign, 1);
  EXPECT_FALSE(hoyer_thresholds(2, std::vector<std::vector<float>>{{1, 2}, {1}}).ok());
}

TEST(SensorsPixelConvolution, WeightsTakeTheirBits) {
  std::vector<float> weights(27, 0.0F);
  weights[0] = -2.0F;
  weights[1] = 1.0F;
  weights[2] = 0.3F;
  // 2 bits: levels 0, 1, 2, 3 of 2 / 3: 1 is level 1.5, so 2; 0.3 is 0.45, so 0.
  const auto two = make(4, 4, {.weight_bits = 2}, weights);
  EXPECT_FLOAT_EQ(two.weights()[0], -2.0F);
  EXPECT_FLOAT_EQ(two.weights()[1], 4.0F / 3.0F);
  EXPECT_FLOAT_EQ(two.weights()[2], 0.0F);
  const auto six = make(4, 4, {.weight_bits = 6}, weights);
  EXPECT_NEAR(six.weights()[2], std::round(63 * 0.15) * 2 / 63, 1e-6);
  EXPECT_EQ(make(4, 4, {}, weights).weights()[2], 0.3F);
}

TEST(SensorsPixelConvolution, MismatchIsFixedAndReadNoiseIsNot) {
  constexpr std::uint32_t kSide = 300;
  // One tap on red: u = I / 3, so that the sums show every pixel's own gain.
  const PixelGeometry one{{1, 1, 0}, {}};
  const std::vector<float> grey(std::size_t{3} * kSide * kSide, 0.5F);
  const std::vector<float> red = {1.0F, 0.0F, 0.0F};
  const auto spread = [&](const std::vector<float>& u, double mean) {
    double square = 0;
    for (const float x : u) square += (x - mean) * (x - mean);
    return std::sqrt(square / static_cast<double>(u.size()));
  };
  const double n = kSide * kSide;
  const auto mismatched =
      make(kSide, kSide, {.geometry = one, .curve = kIdealCurve, .mismatch = 0.1}, red);
  const auto a = *mismatched.sums(grey, 0);
  EXPECT_EQ(a, *mismatched.sums(grey, 1)) << "a fixed pattern";
  EXPECT_NEAR(spread(a, 0.5 / 3), 0.05 / 3, 4 * 0.05 / 3 / std::sqrt(2 * n));
  const auto noisy =
      make(kSide, kSide, {.geometry = one, .curve = kIdealCurve, .read_noise = 0.02}, red);
  const auto b = *noisy.sums(grey, 0), c = *noisy.sums(grey, 1);
  EXPECT_NEAR(spread(b, 0.5 / 3), 0.02, 4 * 0.02 / std::sqrt(2 * n));
  std::vector<float> difference(b.size());
  for (std::size_t i = 0; i < b.size(); ++i) difference[i] = b[i] - c[i];
  EXPECT_NEAR(spread(difference, 0.0), 0.02 * std::sqrt(2.0), 4 * 0.0283 / std::sqrt(2 * n));
  EXPECT_EQ(b, *noisy.sums(grey, 0));
}

struct Sent {
  double bitmap, addresses, formula, activity;
};

/// Ratios of the raw frame's bytes to those that the front end emitted.
Sent sent(std::uint32_t side, const PixelGeometry& geometry, std::uint32_t channels) {
  const auto rgb = picture(std::size_t{side} * side, 6);
  const auto made =
      make(side, side, {.geometry = geometry}, kernels(channels, geometry.kernel.size, 7));
  const auto sums = *made.sums(rgb);
  const SpikeMap map =
      *made.spikes(sums, *hoyer_thresholds(channels, std::vector<std::vector<float>>{sums}));
  const auto raw = static_cast<double>(encode_raw(rgb).size());
  return {raw / static_cast<double>(encode_bitmap(map).size()),
          raw / static_cast<double>(encode_addresses(map).size()),
          bandwidth_formula(side, side, map.size()), map.activity()};
}

TEST(SensorsPixelConvolution, EmittedBytesGiveThePublishedBandwidth) {
  const auto tables = load_cost_table("sensor22");
  ASSERT_TRUE(tables.ok()) << tables.error().message();
  const std::vector<std::pair<std::uint32_t, double>> image_net = {{64, 12}, {16, 48}, {8, 96}};
  for (const auto& [channels, ratio] : image_net) {
    const Sent s = sent(224, kImageNetStem, channels);
    EXPECT_DOUBLE_EQ(s.bitmap, ratio);
    EXPECT_DOUBLE_EQ(s.formula, ratio);
    const auto study = in_sensor_study(*tables, {.channels = static_cast<int>(channels)});
    ASSERT_TRUE(study.ok());
    EXPECT_DOUBLE_EQ(study->bandwidth_reduction, s.bitmap) << "the energy study's geometry";
  }
  const std::vector<std::pair<std::uint32_t, double>> cifar = {
      {64, 0.75}, {32, 1.5}, {16, 3}, {8, 6}, {4, 12}};
  for (const auto& [channels, ratio] : cifar) {
    const Sent s = sent(32, kCifarStem, channels);
    EXPECT_DOUBLE_EQ(s.bitmap, ratio);
    EXPECT_DOUBLE_EQ(s.formula, ratio);
    // An address has log2 N bits, so addresses are a times that many bits an output.
    const double bits = std::log2(1024.0 * channels);
    EXPECT_NEAR(s.addresses, ratio / (s.activity * bits), 0.02 * s.addresses);
  }
}

TEST(SensorsPixelConvolution, MapsComeBackFromTheirBytes) {
  std::mt19937 draw(8);
  for (const std::uint32_t width : {1U, 3U, 8U, 13U}) {
    for (const double activity : {0.0, 0.01, 0.3, 1.0}) {
      SpikeMap map{.channels = 3, .height = 5, .width = width};
      std::bernoulli_distribution fires(activity);
      for (std::size_t i = 0; i < map.size(); ++i) map.spikes.push_back(fires(draw));
      const auto bitmap = encode_bitmap(map);
      const auto addresses = encode_addresses(map);
      EXPECT_EQ(bitmap.size(), (map.size() + 7) / 8);
      const auto bits = static_cast<std::uint64_t>(std::ceil(std::log2(map.size())));
      EXPECT_EQ(addresses.size(), 4 + (map.count() * bits + 7) / 8);
      EXPECT_EQ(*decode_bitmap(bitmap, 3, 5, width), map);
      EXPECT_EQ(*decode_addresses(addresses, 3, 5, width), map);
      EXPECT_FALSE(decode_bitmap(std::span(bitmap).first(bitmap.size() - 1), 3, 5, width).ok());
      EXPECT_FALSE(
          decode_addresses(std::span(addresses).first(addresses.size() - 1), 3, 5, width).ok());
    }
  }
  // Two spikes of four outputs, addresses 01 and 00: they have to rise.
  const std::vector<std::byte> falling = {std::byte{2}, {}, {}, {}, std::byte{0x40}};
  EXPECT_FALSE(decode_addresses(falling, 1, 1, 4).ok());
  const std::vector<std::byte> rising = {std::byte{2}, {}, {}, {}, std::byte{0x10}};
  EXPECT_EQ(decode_addresses(rising, 1, 1, 4)->spikes, (std::vector<std::uint8_t>{1, 1, 0, 0}));
  const std::vector<std::byte> endless(4, std::byte{0xFF});
  EXPECT_FALSE(decode_addresses(endless, 1, 1, 4).ok());
  // R 1, G 0, B 0.5 of 4095, G twice: FFF 000 000 800.
  const auto raw = encode_raw(std::vector<float>{1.0F, 0.0F, 0.5F});
  EXPECT_EQ(
      raw, (std::vector<std::byte>{std::byte{0xFF}, std::byte{0xF0}, {}, {}, std::byte{0x08}, {}}));
}

TEST(SensorsPixelConvolution, ImagesAsLight) {
  const io::Image grey{.width = 2, .height = 1, .channels = 1, .largest = 4, .samples = {1, 4}};
  EXPECT_EQ(unit_rgb(grey), (std::vector<float>{0.25F, 0.25F, 0.25F, 1, 1, 1}));
  const io::Image colour{.width = 1, .height = 1, .channels = 3, .samples = {0, 51, 255}};
  EXPECT_EQ(unit_rgb(colour), (std::vector<float>{0, 0.2F, 1}));
}

TEST(SensorsPixelConvolution, RefusesWhatDoesNotFit) {
  const auto weights = kernels(1, 3, 9);
  EXPECT_FALSE(PixelConvolution::create(0, 4, {}, weights).ok());
  EXPECT_FALSE(PixelConvolution::create(4, 4, {}, std::vector<float>(26)).ok());
  EXPECT_FALSE(PixelConvolution::create(4, 4, {}, std::vector<float>{}).ok());
  EXPECT_FALSE(PixelConvolution::create(4, 4, {.weight_bits = 17}, weights).ok());
  EXPECT_FALSE(PixelConvolution::create(4, 4, {.read_noise = -1}, weights).ok());
  EXPECT_FALSE(
      PixelConvolution::create(2, 2, {.geometry = {{5, 1, 0}, {}}}, kernels(1, 5, 1)).ok());
  EXPECT_FALSE(PixelConvolution::create(4, 4, {.geometry = {{3, 0, 1}, {}}}, weights).ok());
  const auto made = make(4, 4, {}, weights);
  EXPECT_FALSE(made.sums(std::vector<float>(47)).ok());
  EXPECT_FALSE(made.sums(std::vector<float>(48, 1.5F)).ok());
  EXPECT_FALSE(made.spikes(*made.sums(std::vector<float>(48)), {}).ok());
}

}  // namespace
}  // namespace spikeloom
