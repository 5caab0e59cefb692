#pragma once
/// Where the joints of the person of a gesture scene are.
///
/// Metres around the middle of the shoulders: x to the right of the image, y down, z towards the
/// camera. An arm is three rods (upper arm, forearm, hand) that start at a shoulder; a gesture says
/// where they point, or where the wrist is, from which the elbow follows.

#include <array>
#include <cstdint>

#include "base/random.hpp"
#include "models/gesture/gestures.hpp"

namespace spikeloom::detail {

struct Point {
  double x = 0, y = 0, z = 0;
  friend Point operator+(Point a, Point b) { return {a.x + b.x, a.y + b.y, a.z + b.z}; }
  friend Point operator-(Point a, Point b) { return {a.x - b.x, a.y - b.y, a.z - b.z}; }
  friend Point operator*(double s, Point a) { return {s * a.x, s * a.y, s * a.z}; }
};

/// Numbers of one seed, drawn one after the other.
class Draws {
 public:
  explicit Draws(RandomStream stream) : stream_(stream) {}
  double between(double low, double high) { return low + (high - low) * stream_.uniform(index_++); }
  bool chance(double p) { return between(0.0, 1.0) < p; }

 private:
  RandomStream stream_;
  std::uint64_t index_ = 0;
};

struct Body {
  double shoulder = 0.18;  ///< from the middle to a shoulder
  double upper_arm = 0.28, forearm = 0.25, hand = 0.09;
};

/// Shoulder, elbow, wrist and tip of the fingers.
using Arm = std::array<Point, 4>;

struct Pose {
  Arm arms[2];     ///< the person's right, left
  Point shift;     ///< of the whole body
  double nod = 0;  ///< of the head, down
};

/// How one person performs one gesture: everything about it is drawn from `draws` once.
class Performance {
 public:
  Performance(Gesture gesture, const Body& body, Draws& draws);
  Pose at(double seconds) const;

 private:
  /// What an arm does; meanings of the numbers are with each motion.
  enum class Motion : std::uint8_t {
    kHang,
    kRest,
    kClap,
    kWave,
    kCircle,
    kRoll,
    kDrum,
    kNeck,
    kStrum,
    kFlap,
    kPunch,
    kWander,
    kSalute,
    kPush,
  };
  struct ArmMotion {
    Motion motion = Motion::kHang;
    double phase = 0;               ///< of this arm against the other
    double turn = 1;                ///< sense of a circle
    std::array<double, 10> n = {};  ///< uniform in [0, 1)
  };

  void choose(Gesture gesture, Draws& draws);
  void choose_other(Draws& draws);
  double angle(double seconds) const;
  Arm arm_at(int side, double seconds) const;
  Arm reach(Point shoulder, double sign, Point wrist, Point pole, Point fingers) const;
  Arm point(Point shoulder, double sign, Point upper, Point fore, Point fingers) const;

  Body body_;
  ArmMotion arms_[2];
  double frequency_ = 1, phase_ = 0;
  double unevenness_ = 0, uneven_phase_ = 0, swell_ = 0;
  double sway_x_ = 0, sway_y_ = 0, sway_hz_ = 0.4, sway_phase_ = 0;
  double follow_ = 0;  ///< how much the body follows the hands
  double nod_ = 0;
};

}  // namespace spikeloom::detail
