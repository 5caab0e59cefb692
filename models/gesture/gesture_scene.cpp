#include "models/gesture/gesture_scene.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "models/gesture/detail/canvas.hpp"
#include "models/gesture/detail/pose.hpp"

namespace spikeloom {
namespace {

using detail::Arm;
using detail::Backdrop;
using detail::Body;
using detail::Canvas;
using detail::Draws;
using detail::Paint;
using detail::Performance;
using detail::Point;
using detail::Pose;
using detail::Rod;

constexpr std::uint64_t kPersonStream = 0x706572736f6e0000;  // "person"
constexpr std::uint64_t kCameraStream = 0x63616d6572610000;  // "camera"
constexpr double kMostFrames = 1e6;

/// Half widths of neck, shoulders, chest, waist and hips, in units of half the shoulders.
struct Width {
  double y, half;
};
constexpr std::array<Width, 6> kTorso = {
    {{-0.10, 0.30}, {-0.055, 0.42}, {0.0, 1.0}, {0.12, 1.0}, {0.42, 0.86}, {0.75, 0.98}}};

double torso_half(double y) {
  for (std::size_t k = 1; k < kTorso.size(); ++k) {
    if (y > kTorso[k].y) continue;
    const double way = (y - kTorso[k - 1].y) / (kTorso[k].y - kTorso[k - 1].y);
    return kTorso[k - 1].half + std::max(way, 0.0) * (kTorso[k].half - kTorso[k - 1].half);
  }
  return kTorso.back().half;
}

/// Walls, furniture and shadows.
Backdrop draw_backdrop(double luminance, Draws& draws) {
  Backdrop backdrop(kGestureSide, kGestureSide);
  const std::uint32_t width = backdrop.width(), height = backdrop.height();
  const double across = draws.between(-0.25, 0.25), down = draws.between(-0.25, 0.25);
  struct Patch {
    double left, top, right, bottom, factor;
  };
  std::vector<Patch> patches(static_cast<std::size_t>(draws.between(0, 6)));
  for (Patch& patch : patches) {
    patch.left = draws.between(-30, 130);
    patch.top = draws.between(-30, 130);
    patch.right = patch.left + draws.between(8, 70);
    patch.bottom = patch.top + draws.between(8, 70);
    patch.factor = std::exp(draws.between(-0.6, 0.6));
  }
  const double grain = draws.between(0, 0.08);
  const double kx = draws.between(0.05, 0.6), ky = draws.between(0.05, 0.6);
  for (std::uint32_t y = 0; y < height; ++y) {
    for (std::uint32_t x = 0; x < width; ++x) {
      double value = luminance * (1 + across * (x - 64.0) / 64 + down * (y - 64.0) / 64);
      for (const Patch& patch : patches) {
        const bool inside =
            x >= patch.left && x < patch.right && y >= patch.top && y < patch.bottom;
        if (inside) value *= patch.factor;
      }
      value *= 1 + grain * std::sin(kx * x + 1.7 * std::sin(ky * y));
      backdrop.pixels()[std::size_t{y} * width + x] =
          static_cast<float>(std::clamp(value, 2.0, 250.0));
    }
  }
  return backdrop;
}

double contrast(double a, double b) { return std::abs(std::log(a / b)); }

}  // namespace

struct GestureScene::Person {
  Person(Gesture gesture, std::uint64_t seed) : Person(gesture, Draws{{seed, kPersonStream}}) {}
  Person(Gesture gesture, Draws draws);

  void paint(double seconds, std::span<float> out) const;
  void paint_torso(Canvas& canvas, const Pose& pose, double jx, double jy) const;
  void paint_head(Canvas& canvas, const Pose& pose, double jx, double jy) const;
  void paint_arm(Canvas& canvas, const Arm& arm, const Pose& pose, double jx, double jy) const;

  struct Seen {
    double x, y, scale;
  };
  Seen seen(Point p, const Pose& pose, double jx, double jy) const {
    const Point q = p + pose.shift;
    const double scale = pixels_per_metre * distance / (distance - q.z);
    return {centre_x + jx + scale * q.x, shoulder_y + jy + scale * q.y, scale};
  }

  Body body;
  double pixels_per_metre, distance, centre_x, shoulder_y, edge;
  double thick, head, hair_line;
  bool long_sleeves;
  Paint skin, shirt, sleeve, hair, face;
  bool band;
  Paint band_paint;
  double spread;
  double jitter, jitter_hz, jitter_phase;
  Backdrop backdrop;
  std::optional<Performance> performance;
};

GestureScene::Person::Person(Gesture gesture, Draws draws) {
  const double tall = draws.between(0.9, 1.1);
  body.shoulder = tall * draws.between(0.16, 0.205);
  body.upper_arm = tall * draws.between(0.26, 0.31);
  body.forearm = tall * draws.between(0.23, 0.28);
  body.hand = tall * draws.between(0.15, 0.19);
  pixels_per_metre = draws.between(80, 118);
  distance = draws.between(1.6, 3.0);
  centre_x = draws.between(52, 80);
  shoulder_y = draws.between(64, 90);
  edge = draws.between(1.0, 2.0);
  thick = draws.between(0.85, 1.3);
  head = draws.between(0.9, 1.1);
  hair_line = draws.between(-0.27, -0.2);
  long_sleeves = draws.chance(0.5);
  band = draws.chance(0.3);
  spread = draws.between(0.1, 0.45);
  double wall = 0;
  for (int tries = 0; tries < 100; ++tries) {
    const double light = draws.between(0.5, 1.0);
    wall = light * draws.between(25, 235);
    skin.luminance = light * draws.between(60, 215);
    shirt.luminance = light * draws.between(15, 225);
    if (contrast(skin.luminance, wall) > 0.45 && contrast(shirt.luminance, wall) > 0.25 &&
        contrast(skin.luminance, shirt.luminance) > 0.45) {
      break;
    }
  }
  skin.shade = draws.between(-0.3, 0.3);
  shirt.shade = draws.between(-0.25, 0.25);
  if (draws.chance(0.3)) shirt.stripes = draws.between(0.05, 0.3);
  shirt.period = draws.between(3, 9);
  sleeve = long_sleeves ? shirt : skin;
  hair.luminance = draws.between(8, 90);
  face.luminance = skin.luminance * draws.between(0.4, 0.8);
  band_paint.luminance = draws.between(10, 220);
  const bool shakes = draws.chance(0.3);
  jitter = shakes ? draws.between(0.05, 0.5) : 0.0;
  jitter_hz = draws.between(1, 9);
  jitter_phase = draws.between(0, 6.28);
  backdrop = draw_backdrop(wall, draws);
  performance.emplace(gesture, body, draws);
}

void GestureScene::Person::paint_torso(Canvas& canvas, const Pose& pose, double jx,
                                       double jy) const {
  const Seen top = seen({0, kTorso.front().y, 0}, pose, jx, jy);
  for (int y = std::max(0, static_cast<int>(std::floor(top.y))); y < canvas.height(); ++y) {
    const double metres = (y - top.y) / top.scale;
    Paint paint = shirt;
    if (shirt.stripes > 0) {
      const double cycles = metres * top.scale / (1.5 * shirt.period);
      paint.luminance *= 1 + shirt.stripes * (cycles - std::floor(cycles) < 0.5 ? 1 : -1);
    }
    const double half = body.shoulder * torso_half(kTorso.front().y + metres) * top.scale + 2;
    canvas.row(y, top.x, half, paint, edge, std::clamp(y - top.y + 0.5, 0.0, 1.0));
  }
}

void GestureScene::Person::paint_head(Canvas& canvas, const Pose& pose, double jx,
                                      double jy) const {
  const auto at = [&](double x, double y) {
    return seen({head * x, head * (y + 0.1) - 0.1 + pose.nod, 0.02}, pose, jx, jy);
  };
  const auto rod = [&](Seen a, Seen b, double ra, double rb, const Paint& paint) {
    canvas.rod({a.x, a.y, ra * a.scale, b.x, b.y, rb * b.scale}, paint, edge);
  };
  rod(at(0, -0.05), at(0, -0.14), 0.05, 0.05, skin);
  rod(at(0, -0.27), at(0, -0.25), 0.09 * head, 0.09 * head, hair);
  rod(at(0, hair_line), at(0, -0.165), 0.07 * head, 0.06 * head, skin);
  for (const double side : {-1.0, 1.0}) {
    rod(at(side * 0.04, -0.225), at(side * 0.02, -0.225), 0.009, 0.009, face);
  }
  rod(at(-0.025, -0.15), at(0.025, -0.15), 0.007, 0.007, face);
}

void GestureScene::Person::paint_arm(Canvas& canvas, const Arm& arm, const Pose& pose, double jx,
                                     double jy) const {
  std::array<Seen, 4> at{};
  for (std::size_t k = 0; k < 4; ++k) at[k] = seen(arm[k], pose, jx, jy);
  const auto radius = [&](std::size_t k, double metres) { return thick * metres * at[k].scale; };
  canvas.rod({at[0].x, at[0].y, radius(0, 0.052), at[1].x, at[1].y, radius(1, 0.042)}, shirt, edge);
  canvas.rod({at[1].x, at[1].y, radius(1, 0.042), at[2].x, at[2].y, radius(2, 0.03)}, sleeve, edge);
  const double hx = at[3].x - at[2].x, hy = at[3].y - at[2].y;
  const double kx = at[2].x + 0.5 * hx, ky = at[2].y + 0.5 * hy;  // knuckles
  canvas.rod({at[2].x, at[2].y, radius(2, 0.03), kx, ky, radius(3, 0.036)}, skin, edge);
  if (band) {
    const double wx = at[2].x - at[1].x, wy = at[2].y - at[1].y;
    canvas.rod({at[2].x - 0.02 * wx, at[2].y - 0.02 * wy, radius(2, 0.03), at[2].x - 0.1 * wx,
                at[2].y - 0.1 * wy, radius(2, 0.031)},
               band_paint, edge);
  }
  for (int finger = 0; finger < 5; ++finger) {
    const double fan = finger == 4 ? 2.6 : finger - 1.5;  // the last is the thumb
    const double turn = spread * fan * 0.6;
    const double reach = finger == 4 ? 0.4 : 0.5 - 0.05 * std::abs(fan);
    const double fx = hx * std::cos(turn) - hy * std::sin(turn);
    const double fy = hx * std::sin(turn) + hy * std::cos(turn);
    const double sx = kx - 0.12 * fan * hy, sy = ky + 0.12 * fan * hx;
    const double root = finger == 4 ? 0.3 : 0.0;
    canvas.rod({sx - root * hx, sy - root * hy, radius(3, 0.011), sx - root * hx + reach * fx,
                sy - root * hy + reach * fy, radius(3, 0.009)},
               skin, edge);
  }
}

void GestureScene::Person::paint(double seconds, std::span<float> out) const {
  const double turn = 2 * std::numbers::pi * jitter_hz * seconds + jitter_phase;
  const double jx = jitter * (std::sin(turn) + 0.5 * std::sin(2.7 * turn + 1));
  const double jy = jitter * (std::sin(1.3 * turn + 2) + 0.5 * std::sin(3.1 * turn));
  backdrop.copy(-jx, -jy, out);
  const Pose pose = performance->at(seconds);
  Canvas canvas(kGestureSide, kGestureSide, out);
  paint_torso(canvas, pose, jx, jy);
  paint_head(canvas, pose, jx, jy);
  const bool right_is_nearer = pose.arms[0][2].z > pose.arms[1][2].z;
  paint_arm(canvas, pose.arms[right_is_nearer ? 1 : 0], pose, jx, jy);
  paint_arm(canvas, pose.arms[right_is_nearer ? 0 : 1], pose, jx, jy);
  for (float& value : out) value = std::clamp(value, 0.0F, 255.0F);
}

GestureScene::GestureScene(Gesture gesture, std::uint64_t seed)
    : person_(std::make_unique<const Person>(gesture, seed)) {}
GestureScene::~GestureScene() = default;
GestureScene::GestureScene(GestureScene&&) noexcept = default;
GestureScene& GestureScene::operator=(GestureScene&&) noexcept = default;

void GestureScene::render(Time time, std::span<float> out) const {
  person_->paint(to_seconds(time), out);
}

DvsOptions gesture_camera(std::uint64_t seed) {
  Draws draws{{seed, kCameraStream}};
  DvsOptions camera;
  const double threshold = draws.between(0.1, 0.27);
  camera.threshold_on = threshold * draws.between(0.9, 1.1);
  camera.threshold_off = threshold * draws.between(0.9, 1.1);
  camera.threshold_sigma = threshold * draws.between(0.05, 0.18);
  camera.cutoff_hz = draws.between(60, 300);
  camera.leak_hz = draws.between(0.01, 0.15);
  camera.leak_jitter = 0;  // a draw for every pixel and frame that nobody would see
  camera.shot_hz = draws.between(0.05, 0.6);
  camera.refractory = static_cast<Time>(draws.between(0.2, 2.0) * kMillisecond);
  camera.seed = seed;
  return camera;
}

Result<Recording> gesture_clip(const GestureClip& clip) {
  const double frames = to_seconds(clip.duration) * clip.frame_rate;
  if (!(clip.duration > 0 && clip.frame_rate > 0 && frames <= kMostFrames)) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "duration or frame rate of a gesture clip",
                 .expected = fmt::format("more than 0, at most {} frames", kMostFrames),
                 .got = fmt::format("{} s at {} Hz", to_seconds(clip.duration), clip.frame_rate)};
  }
  const GestureScene scene(clip.gesture, clip.seed);
  SPIKELOOM_TRY(auto array, DvsPixelArray::create(kGestureSide, kGestureSide,
                                                  clip.camera.value_or(gesture_camera(clip.seed))));
  std::vector<float> frame(std::size_t{kGestureSide} * kGestureSide);
  Recording recording{.events = {}, .width = kGestureSide, .height = kGestureSide};
  for (std::uint64_t k = 0; k <= static_cast<std::uint64_t>(frames); ++k) {
    const Time time = std::llround(static_cast<double>(k) / clip.frame_rate * 1e9);
    scene.render(time, frame);
    SPIKELOOM_CHECK(array.step(time, frame, recording.events));
  }
  return recording;
}

}  // namespace spikeloom
