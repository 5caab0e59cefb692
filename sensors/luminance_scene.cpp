#include "sensors/luminance_scene.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "base/io/toml.hpp"
#include "base/value.hpp"

namespace spikeloom {
namespace {

constexpr double kMostFrames = 1e8;
constexpr double kLargest = 1e9;        ///< of any number, so that no product is infinite
constexpr double kShortestWave = 1e-3;  ///< px
constexpr std::array<std::string_view, 5> kKinds = {"step", "ramp", "sinusoid", "bar", "disc"};

/// A number of the file and where it goes.
struct Field {
  std::string_view key;
  double LuminanceScene::*place;
};
constexpr std::array<Field, 10> kNumbers = {{{"frame_rate", &LuminanceScene::frame_rate},
                                             {"from", &LuminanceScene::from},
                                             {"to", &LuminanceScene::to},
                                             {"mean", &LuminanceScene::mean},
                                             {"direction", &LuminanceScene::direction},
                                             {"speed", &LuminanceScene::speed},
                                             {"size", &LuminanceScene::size},
                                             {"contrast", &LuminanceScene::contrast},
                                             {"frequency", &LuminanceScene::frequency},
                                             {"wavelength", &LuminanceScene::wavelength}}};
struct TimeField {
  std::string_view key;
  Time LuminanceScene::*place;
};
constexpr std::array<TimeField, 3> kTimes = {{{"duration_ms", &LuminanceScene::duration},
                                              {"at_ms", &LuminanceScene::at},
                                              {"rise_ms", &LuminanceScene::rise}}};

Error refused(std::string what, std::string expected, double got) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = std::move(what),
          .where = "scene",
          .expected = std::move(expected),
          .got = fmt::format("{}", got)};
}

Error wrong(std::string_view key, std::string expected) {
  return {.code = ErrorCode::kFormat,
          .what = fmt::format("'{}' is not what a scene needs", key),
          .expected = std::move(expected)};
}

/// One key of the file.
Status take(LuminanceScene& scene, std::string_view key, const Value& value) {
  if (key == "kind") {
    const std::string* name = value.as_string();
    const auto* found =
        name == nullptr ? kKinds.end() : std::find(kKinds.begin(), kKinds.end(), *name);
    if (found == kKinds.end()) return wrong(key, "step, ramp, sinusoid, bar or disc");
    scene.kind = static_cast<SceneKind>(found - kKinds.begin());
    return {};
  }
  if (key == "linear") {
    if (value.as_bool() == nullptr) return wrong(key, "true or false");
    scene.linear = *value.as_bool();
    return {};
  }
  if (key == "width" || key == "height") {
    const std::int64_t* side = value.as_integer();
    if (side == nullptr || *side < 1 || *side > 65536) return wrong(key, "1 to 65536");
    (key == "width" ? scene.width : scene.height) = static_cast<std::uint32_t>(*side);
    return {};
  }
  for (const Field& field : kNumbers) {
    if (field.key != key) continue;
    if (!value.is_number()) return wrong(key, "a number");
    scene.*field.place = value.number();
    return {};
  }
  for (const TimeField& field : kTimes) {
    if (field.key != key) continue;
    const double ms = value.number();
    if (!value.is_number() || !(ms >= 0.0 && ms <= 1e9)) return wrong(key, "0 to 1e9 ms");
    scene.*field.place = static_cast<Time>(std::llround(ms * 1e6));
    return {};
  }
  return Error{.code = ErrorCode::kFormat,
               .what = fmt::format("a scene has no key '{}'", key),
               .next = "sensors/luminance_scene.hpp lists the keys"};
}

/// The direction of motion, y down.
struct Direction {
  double x, y;
  explicit Direction(double degrees)
      : x(std::cos(degrees * std::numbers::pi / 180.0)),
        y(-std::sin(degrees * std::numbers::pi / 180.0)) {}
};

/// How much of an edge's inside a pixel shows that lies so far inside it.
double coverage(double inside) { return std::clamp(inside + 0.5, 0.0, 1.0); }

double uniform_luminance(const LuminanceScene& scene, Time time) {
  if (scene.kind == SceneKind::kStep) return time < scene.at ? scene.from : scene.to;
  const double way =
      scene.rise > 0
          ? std::clamp(static_cast<double>(time - scene.at) / static_cast<double>(scene.rise), 0.0,
                       1.0)
          : static_cast<double>(time >= scene.at);
  if (scene.linear) return scene.from + way * (scene.to - scene.from);
  return scene.from * std::exp(way * std::log(scene.to / scene.from));
}

void render_sinusoid(const LuminanceScene& scene, double seconds, std::span<float> out) {
  const Direction motion(scene.direction);
  const double wave = scene.wavelength > 0 ? 1.0 / scene.wavelength : 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double along = motion.x * static_cast<double>(i % scene.width) +
                         motion.y * static_cast<double>(i / scene.width);
    const double phase = scene.frequency * seconds - along * wave;
    out[i] = static_cast<float>(scene.mean *
                                std::exp(scene.contrast * std::sin(2 * std::numbers::pi * phase)));
  }
}

/// Along the motion the array reaches from -extent / 2 to extent / 2 around its centre.
void render_moving(const LuminanceScene& scene, double seconds, std::span<float> out) {
  const Direction motion(scene.direction);
  const double centre_x = (scene.width - 1.0) / 2.0, centre_y = (scene.height - 1.0) / 2.0;
  const double extent =
      std::abs(motion.x) * (scene.width - 1.0) + std::abs(motion.y) * (scene.height - 1.0);
  // One pixel more than the shape, so that its soft edges have left before it enters again.
  const double path = extent + scene.size + 1.0;
  const double front = std::fmod(scene.speed * seconds, path) - extent / 2.0 - 0.5;
  const double middle = front - scene.size / 2.0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const double x = static_cast<double>(i % scene.width) - centre_x;
    const double y = static_cast<double>(i / scene.width) - centre_y;
    const double along = motion.x * x + motion.y * y - middle;
    const double across = scene.kind == SceneKind::kDisc ? motion.x * y - motion.y * x : 0.0;
    const double inside = scene.size / 2.0 - std::hypot(along, across);
    out[i] = static_cast<float>(scene.from + coverage(inside) * (scene.to - scene.from));
  }
}

}  // namespace

std::uint64_t LuminanceScene::frames() const {
  return static_cast<std::uint64_t>(std::floor(to_seconds(duration) * frame_rate + 1e-9)) + 1;
}

Time LuminanceScene::time_of(std::uint64_t frame) const {
  return std::llround(static_cast<double>(frame) / frame_rate * 1e9);
}

Status check(const LuminanceScene& scene) {
  for (const std::uint32_t side : {scene.width, scene.height}) {
    if (side < 1 || side > 65536) return refused("width and height", "1 to 65536", side);
  }
  for (const Field& field : kNumbers) {
    const double value = scene.*field.place;
    if (!(std::abs(value) <= kLargest)) {
      return refused(std::string(field.key), fmt::format("up to {}", kLargest), value);
    }
  }
  if (!(scene.frame_rate > 0.0 && scene.frame_rate <= 1e9)) {
    return refused("frame_rate", "more than 0, up to 1e9 Hz", scene.frame_rate);
  }
  if (scene.duration < 0 || to_seconds(scene.duration) * scene.frame_rate > kMostFrames) {
    return refused("frames", "at most 1e8", to_seconds(scene.duration) * scene.frame_rate);
  }
  const double most =
      scene.kind == SceneKind::kSinusoid ? scene.mean * std::exp(std::abs(scene.contrast)) : 0.0;
  for (const double luminance : {scene.from, scene.to, scene.mean, most}) {
    if (!(luminance >= 0.0 && luminance <= 255.0)) {
      return refused("luminance", "0 to 255 DN", luminance);
    }
  }
  if (scene.kind == SceneKind::kRamp && !scene.linear && !(scene.from > 0 && scene.to > 0)) {
    return refused("ramp", "from and to over 0, or linear = true", std::min(scene.from, scene.to));
  }
  if (scene.speed < 0 || scene.size <= 0) {
    return refused("speed or size", "0 or more, a size over 0", std::min(scene.speed, scene.size));
  }
  if (scene.wavelength != 0 && scene.wavelength < kShortestWave) {
    return refused("wavelength", fmt::format("0 or at least {} px", kShortestWave),
                   scene.wavelength);
  }
  return {};
}

Result<LuminanceScene> parse_luminance_scene(std::string_view toml, const std::string& name) {
  SPIKELOOM_TRY(const Value file, io::parse_toml(toml, name));
  LuminanceScene scene;
  if (file.find("kind") == nullptr) return wrong("kind", "one of step, ramp, ...").in(name);
  for (const auto& [key, value] : *file.as_map()) {
    if (auto taken = take(scene, key, value); !taken.ok()) {
      return std::move(taken).error().in(name);
    }
  }
  if (auto checked = check(scene); !checked.ok()) return std::move(checked).error().in(name);
  return scene;
}

void render(const LuminanceScene& scene, Time time, std::span<float> out) {
  switch (scene.kind) {
    case SceneKind::kStep:
    case SceneKind::kRamp:
      std::fill(out.begin(), out.end(), static_cast<float>(uniform_luminance(scene, time)));
      return;
    case SceneKind::kSinusoid:
      return render_sinusoid(scene, to_seconds(time), out);
    case SceneKind::kBar:
    case SceneKind::kDisc:
      return render_moving(scene, to_seconds(time), out);
  }
}

}  // namespace spikeloom
