#include "sensors/scene.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

#include <fmt/format.h>

#include "base/random.hpp"

namespace spikeloom {
namespace {

constexpr double kMaxEvents = 0x1.0p28;
constexpr std::uint64_t kNoiseStream = 0x6261726e6f697365;  // "barnoise"

struct SceneEvent {
  Time time;
  std::uint16_t x;
  std::uint16_t y;
  std::uint8_t polarity;
};

/// The direction of motion as scale x (x, y), y down. At multiples of 45 degrees x and y are
/// integers, so that pixels in line with the bar get exactly the same time.
struct Direction {
  double scale;
  double x;
  double y;
  double along(double px, double py) const { return scale * (x * px + y * py); }
};

Direction direction_of(double degrees) {
  const double eighths = degrees / 45.0;
  if (eighths == std::round(eighths)) {
    constexpr std::array<int, 8> kX = {1, 1, 0, -1, -1, -1, 0, 1};
    constexpr std::array<int, 8> kY = {0, -1, -1, -1, 0, 1, 1, 1};
    const auto k = static_cast<std::size_t>(std::fmod(std::fmod(eighths, 8.0) + 8.0, 8.0));
    return {k % 2 == 0 ? 1.0 : std::numbers::sqrt2 / 2.0, static_cast<double>(kX[k]),
            static_cast<double>(kY[k])};
  }
  const double radians = degrees * std::numbers::pi / 180.0;
  return {1.0, std::cos(radians), -std::sin(radians)};
}

Error refused(const char* what, std::string expected, double got) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = what,
          .where = "moving bar",
          .expected = std::move(expected),
          .got = fmt::format("{}", got)};
}

Status check(const MovingBarOptions& options) {
  for (const std::uint32_t side : {options.width, options.height}) {
    if (side == 0 || side > 65536) return refused("sensor size", "1 to 65536", side);
  }
  const auto positive = [](double value) { return std::isfinite(value) && value > 0.0; };
  if (!std::isfinite(options.direction_degrees)) {
    return refused("direction", "degrees", options.direction_degrees);
  }
  if (!positive(options.speed)) return refused("speed", "more than 0 px/s", options.speed);
  if (!positive(options.bar_width)) {
    return refused("bar width", "more than 0 px", options.bar_width);
  }
  if (options.duration <= 0) {
    return refused("duration", "more than 0 ns", static_cast<double>(options.duration));
  }
  if (!std::isfinite(options.noise_fraction) || options.noise_fraction < 0.0) {
    return refused("noise fraction", "0 or more", options.noise_fraction);
  }
  return {};
}

void add_noise(const MovingBarOptions& options, std::vector<SceneEvent>& events) {
  const RandomStream random{options.seed, kNoiseStream};
  const auto count = static_cast<std::uint64_t>(
      std::llround(options.noise_fraction * static_cast<double>(events.size())));
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto words = random.words(2 * i + 1);
    // Multiply-shift maps a 32-bit word onto [0, n) evenly to within n / 2^32.
    const auto below = [](std::uint32_t word, std::uint64_t n) { return word * n >> 32; };
    const double when = random.uniform(2 * i) * static_cast<double>(options.duration);
    // The product may round up to the duration itself, which lies outside.
    events.push_back({std::min(static_cast<Time>(when), options.duration - 1),
                      static_cast<std::uint16_t>(below(words[0], options.width)),
                      static_cast<std::uint16_t>(below(words[1], options.height)),
                      static_cast<std::uint8_t>(words[2] & 1U)});
  }
}

}  // namespace

Result<Recording> moving_bar(const MovingBarOptions& options) {
  SPIKELOOM_CHECK(check(options));
  const Direction motion = direction_of(options.direction_degrees);
  // A linear function has its extremes over a rectangle in the corners.
  const double far_x = options.width - 1.0;
  const double far_y = options.height - 1.0;
  const double nearest = motion.along(motion.x < 0 ? far_x : 0.0, motion.y < 0 ? far_y : 0.0);
  const double extent =
      motion.along(motion.x > 0 ? far_x : 0.0, motion.y > 0 ? far_y : 0.0) - nearest;
  const double path = extent + options.bar_width;
  const double passes = to_seconds(options.duration) * options.speed / path;
  const double pixels = static_cast<double>(options.width) * options.height;
  const double expected = 2.0 * pixels * std::ceil(passes) * (1.0 + options.noise_fraction);
  if (!(expected <= kMaxEvents)) {
    return refused("too many events", "a scene of at most 2^28", expected);
  }

  std::vector<SceneEvent> events;
  events.reserve(static_cast<std::size_t>(expected) + 1);
  const auto pass_count = static_cast<std::int64_t>(std::ceil(passes));
  for (std::int64_t pass = 0; pass < pass_count; ++pass) {
    for (const std::uint8_t polarity : {std::uint8_t{1}, std::uint8_t{0}}) {
      const double start =
          static_cast<double>(pass) * path + (polarity == 1 ? 0.0 : options.bar_width);
      for (std::uint32_t y = 0; y < options.height; ++y) {
        for (std::uint32_t x = 0; x < options.width; ++x) {
          const double seconds = (start + (motion.along(x, y) - nearest)) / options.speed;
          const double ns = std::round(seconds * 1e9);
          if (ns >= static_cast<double>(options.duration)) continue;
          events.push_back({static_cast<Time>(ns), static_cast<std::uint16_t>(x),
                            static_cast<std::uint16_t>(y), polarity});
        }
      }
    }
  }
  add_noise(options, events);
  std::stable_sort(events.begin(), events.end(),
                   [](const SceneEvent& a, const SceneEvent& b) { return a.time < b.time; });

  Recording recording;
  recording.width = options.width;
  recording.height = options.height;
  recording.events.reserve(events.size());
  for (const SceneEvent& event : events) {
    recording.events.push_back(event.time, event.x, event.y, event.polarity);
  }
  return recording;
}

}  // namespace spikeloom
