#include "models/gesture/detail/pose.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace spikeloom::detail {
namespace {

constexpr double kPi = std::numbers::pi;

double radians(double degrees) { return degrees * kPi / 180.0; }
double mix(double low, double high, double n) { return low + (high - low) * n; }
double dot(Point a, Point b) { return a.x * b.x + a.y * b.y + a.z * b.z; }
double length(Point a) { return std::sqrt(dot(a, a)); }
Point unit(Point a) { return (1.0 / std::max(length(a), 1e-9)) * a; }

/// Of a point whose x counts away from the middle of the body, on the side `sign`.
Point outward(double sign, Point own) { return {sign * own.x, own.y, own.z}; }

/// On a cone around an axis that points outward, up and forward.
struct Cone {
  Point axis, out, up;
  Cone(double yaw, double elevation)
      : axis{std::sin(yaw) * std::cos(elevation), -std::sin(elevation),
             std::cos(yaw) * std::cos(elevation)},
        out{std::cos(yaw), 0, -std::sin(yaw)},
        up{-std::sin(yaw) * std::sin(elevation), -std::cos(elevation),
           -std::cos(yaw) * std::sin(elevation)} {}
  Point at(double half, double phi) const {
    return std::cos(half) * axis + std::sin(half) * (std::cos(phi) * out + std::sin(phi) * up);
  }
};

}  // namespace

Performance::Performance(Gesture gesture, const Body& body, Draws& draws) : body_(body) {
  phase_ = draws.between(0, 2 * kPi);
  unevenness_ = draws.between(0, 0.35);
  uneven_phase_ = draws.between(0, 2 * kPi);
  swell_ = draws.between(0, 0.2);
  sway_x_ = draws.between(0.003, 0.02);
  sway_y_ = draws.between(0, 0.004);
  sway_hz_ = draws.between(0.2, 0.8);
  sway_phase_ = draws.between(0, 2 * kPi);
  follow_ = draws.between(0, 0.08);
  nod_ = draws.between(0, 0.008);
  for (ArmMotion& arm : arms_) {
    for (double& n : arm.n) n = draws.between(0, 1);
    arm.motion = draws.chance(0.8) ? Motion::kHang : Motion::kRest;
  }
  choose(gesture, draws);
}

void Performance::choose(Gesture gesture, Draws& draws) {
  ArmMotion& right = arms_[0];
  ArmMotion& left = arms_[1];
  const auto both = [&](Motion motion, double slow, double fast) {
    right.motion = left.motion = motion;
    left.n = right.n;
    for (double& n : left.n) n = std::clamp(n + draws.between(-0.12, 0.12), 0.0, 1.0);
    frequency_ = draws.between(slow, fast);
  };
  const auto circle = [&](ArmMotion& arm, double turn) {
    arm.motion = Motion::kCircle;
    arm.turn = turn;
    frequency_ = draws.between(0.6, 1.7);
  };
  switch (gesture) {
    case Gesture::kHandClap:
      both(Motion::kClap, 0.9, 3.0);
      left.n = right.n;
      return;
    case Gesture::kRightHandWave:
    case Gesture::kLeftHandWave:
      (gesture == Gesture::kRightHandWave ? right : left).motion = Motion::kWave;
      frequency_ = draws.between(0.9, 3.0);
      return;
    // The angle grows from outward over up; the person's right is outward for the right arm only.
    case Gesture::kRightArmClockwise:
      return circle(right, -1);
    case Gesture::kRightArmCounterClockwise:
      return circle(right, 1);
    case Gesture::kLeftArmClockwise:
      return circle(left, 1);
    case Gesture::kLeftArmCounterClockwise:
      return circle(left, -1);
    case Gesture::kArmRoll:
      both(Motion::kRoll, 0.8, 2.6);
      left.n = right.n;
      left.phase = kPi + draws.between(-0.3, 0.3);
      right.turn = left.turn = draws.chance(0.5) ? 1 : -1;
      return;
    case Gesture::kAirDrums:
      both(Motion::kDrum, 1.0, 3.2);
      left.phase = draws.chance(0.85) ? kPi + draws.between(-0.5, 0.5) : draws.between(-0.4, 0.4);
      return;
    case Gesture::kAirGuitar: {
      const bool usual = draws.chance(0.9);
      (usual ? right : left).motion = Motion::kStrum;
      (usual ? left : right).motion = Motion::kNeck;
      frequency_ = draws.between(1.3, 4.5);
      return;
    }
    case Gesture::kOther:
      return choose_other(draws);
  }
}

void Performance::choose_other(Draws& draws) {
  ArmMotion& right = arms_[0];
  ArmMotion& left = arms_[1];
  frequency_ = draws.between(0.6, 1.8);
  const auto both = [&](Motion motion) {
    right.motion = left.motion = motion;
    left.phase = draws.chance(0.5) ? 0 : kPi;
  };
  switch (static_cast<int>(draws.between(0, 8))) {
    case 0:
      return both(Motion::kFlap);
    case 1:
      return both(Motion::kPunch);
    case 2:
      return both(Motion::kWave);
    case 3:
      both(Motion::kCircle);
      left.turn = draws.chance(0.5) ? 1 : -1;
      return;
    case 4:
      sway_x_ = draws.between(0.06, 0.16);
      sway_y_ = draws.between(0, 0.03);
      sway_hz_ = draws.between(0.4, 1.2);
      return;
    case 5:
      (draws.chance(0.5) ? right : left).motion = Motion::kSalute;
      return;
    case 6:
      return both(Motion::kPush);
    default:
      return both(Motion::kWander);
  }
}

double Performance::angle(double seconds) const {
  return phase_ + 2 * kPi * frequency_ * seconds +
         unevenness_ * std::sin(2 * kPi * 0.45 * frequency_ * seconds + uneven_phase_);
}

Arm Performance::reach(Point shoulder, double sign, Point wrist, Point pole, Point fingers) const {
  const Point target = shoulder + outward(sign, wrist);
  const Point way = target - shoulder;
  const double a = body_.upper_arm, b = body_.forearm;
  const double d = std::clamp(length(way), std::abs(a - b) + 0.02, a + b - 0.002);
  const Point along = unit(way);
  const Point aside = outward(sign, pole);
  const Point bend = unit(aside - dot(aside, along) * along);
  const double cosine = std::clamp((a * a + d * d - b * b) / (2 * a * d), -1.0, 1.0);
  const Point elbow = shoulder + (a * cosine) * along + (a * std::sqrt(1 - cosine * cosine)) * bend;
  const Point end = shoulder + d * along;
  const Point hand = unit(unit(end - elbow) + outward(sign, fingers));
  return {shoulder, elbow, end, end + body_.hand * hand};
}

Arm Performance::point(Point shoulder, double sign, Point upper, Point fore, Point fingers) const {
  const Point elbow = shoulder + body_.upper_arm * unit(outward(sign, upper));
  const Point wrist = elbow + body_.forearm * unit(outward(sign, fore));
  return {shoulder, elbow, wrist,
          wrist + body_.hand * unit(unit(outward(sign, fore)) + outward(sign, fingers))};
}

Arm Performance::arm_at(int side, double seconds) const {
  const ArmMotion& arm = arms_[side];
  const auto& n = arm.n;
  const double sign = side == 0 ? -1.0 : 1.0;
  const double theta = angle(seconds) + arm.phase;
  const double size = 1 + swell_ * std::sin(0.37 * theta + 5 * n[9]);
  const double wave = std::sin(theta);
  const Point shoulder = {sign * body_.shoulder, 0, 0};
  const Point low = {0.6, 0.9, 0};  // where an elbow falls to
  switch (arm.motion) {
    case Motion::kHang:
      return point(shoulder, sign, {mix(0.05, 0.3, n[0]), 1, mix(-0.1, 0.1, n[1])},
                   {mix(-0.05, 0.15, n[2]), 1, mix(0.05, 0.4, n[3])}, {});
    case Motion::kRest:  // a hand at the belly or the hip
      return reach(shoulder, sign,
                   {mix(-0.15, 0.1, n[0]), mix(0.3, 0.45, n[1]), mix(0.05, 0.2, n[2])},
                   {1, 0.3, -0.3}, {});
    case Motion::kClap: {  // meets the other hand in front of the chest, along a tilted line
      const double tilt = radians(mix(-45, 45, n[0]));
      const double still = n[1] < 0.3 ? (side == (n[2] < 0.5 ? 0 : 1) ? 0.15 : 1.6) : 1.0;
      const double apart =
          mix(0.012, 0.03, n[3]) + still * size * mix(0.06, 0.17, n[4]) *
                                       std::pow(0.5 - 0.5 * std::cos(theta), mix(0.6, 1.5, n[5]));
      const double up = mix(0.05, 0.3, n[6]) + sign * apart * std::sin(tilt);
      return reach(shoulder, sign,
                   {apart * std::cos(tilt) - body_.shoulder, up, mix(0.2, 0.38, n[7])}, low,
                   {-0.3 * n[8], mix(-2.0, 0.3, n[8]), 0.5});
    }
    case Motion::kWave: {  // the forearm swings around the elbow, the hand a little behind
      const double middle = radians(mix(-18, 25, n[0]));
      const double swing = radians(mix(14, 48, n[1])) * size;
      const double lean = middle + swing * wave;
      const double late = middle + swing * mix(1.0, 1.6, n[2]) * std::sin(theta - 0.6 * n[3]);
      const double forward = mix(0, 0.6, n[4]);
      return point(shoulder, sign, {mix(0.05, 0.7, n[5]), mix(-0.1, 1.0, n[6]), mix(0, 0.7, n[7])},
                   {std::sin(lean), -std::cos(lean), forward},
                   {1.5 * std::sin(late), -1.5 * std::cos(late), 0});
    }
    case Motion::kCircle: {  // the whole arm on a cone
      const Cone cone(radians(mix(5, 50, n[0])), radians(mix(-12, 28, n[1])));
      const double half = radians(mix(22, 48, n[2])) * size;
      const double phi = arm.turn * theta;
      const double bend = radians(mix(-8, 22, n[3]));
      const double lag = arm.turn * mix(0, 0.35, n[4]);
      return point(shoulder, sign, cone.at(half, phi), cone.at(half + bend, phi - lag), {});
    }
    case Motion::kRoll: {  // forearms across the chest, one around the other
      const double radius = mix(0.05, 0.13, n[0]) * size;
      const double flat = mix(0.6, 1.2, n[1]);
      const double phi = arm.turn * theta;
      return reach(
          shoulder, sign,
          {-body_.shoulder - mix(-0.04, 0.12, n[2]), mix(0.1, 0.3, n[3]) + radius * std::sin(phi),
           mix(0.2, 0.34, n[4]) + flat * radius * std::cos(phi)},
          {1, mix(0.1, 0.8, n[5]), 0}, {-0.5, 0, 0});
    }
    case Motion::kDrum: {  // up and down in front, wrist and hand a little after
      const double lift = mix(0.06, 0.2, n[0]) * size * wave;
      return reach(shoulder, sign,
                   {mix(-0.14, 0.12, n[1]), mix(0.12, 0.32, n[2]) - lift,
                    mix(0.18, 0.38, n[3]) + 0.3 * mix(-0.3, 1, n[6]) * lift},
                   low, {mix(-0.6, 0.2, n[4]), -mix(0.2, 1.2, n[5]) * std::sin(theta - 0.7), 0.3});
    }
    case Motion::kNeck:  // holds the neck of the guitar, slides along it
      return reach(shoulder, sign,
                   {mix(0.08, 0.36, n[0]) + mix(0, 0.05, n[1]) * std::sin(0.31 * theta),
                    mix(-0.02, 0.3, n[2]) - mix(0, 0.03, n[1]) * std::sin(0.31 * theta),
                    mix(0.12, 0.32, n[3])},
                   low, {0, -mix(0.3, 1.5, n[4]), 0.4 * std::sin(0.9 * theta) * n[5]});
    case Motion::kStrum: {  // down and up over the strings
      const double reach_out = mix(0.04, 0.14, n[0]) * size * wave;
      const double slant = mix(-0.3, 0.6, n[1]);
      return reach(shoulder, sign,
                   {-mix(0.02, 0.22, n[2]) - slant * reach_out, mix(0.26, 0.42, n[3]) + reach_out,
                    mix(0.14, 0.28, n[4])},
                   {1, mix(0.2, 0.8, n[5]), 0}, {-0.4, mix(0, 0.8, n[6]) * wave, 0});
    }
    case Motion::kFlap: {
      const double lift = radians(mix(50, 75, n[0]) + mix(20, 50, n[1]) * size * wave);
      return point(shoulder, sign, {std::sin(lift), std::cos(lift), mix(0, 0.4, n[2])},
                   {std::sin(lift), std::cos(lift), mix(0, 0.6, n[3])}, {});
    }
    case Motion::kPunch: {  // from the cheek up into the air
      const double way = 0.5 + 0.5 * wave;
      return reach(shoulder, sign,
                   {mix(mix(-0.08, 0.02, n[0]), mix(-0.05, 0.22, n[1]), way),
                    mix(mix(-0.12, 0.02, n[2]), mix(-0.34, -0.46, n[3]) * size, way),
                    mix(0.14, mix(0.1, 0.3, n[4]), way)},
                   low, {});
    }
    case Motion::kWander:  // beside and above the body, wide
      return reach(shoulder, sign,
                   {mix(0.16, 0.3, n[0]) + mix(0.08, 0.2, n[1]) * std::sin(theta),
                    mix(-0.3, 0.1, n[2]) +
                        mix(0.12, 0.25, n[3]) * std::sin(mix(0.4, 1.7, n[4]) * theta + 6 * n[5]),
                    mix(0.05, 0.25, n[6])},
                   low, {});
    case Motion::kSalute: {
      const double way = 0.5 - 0.5 * std::cos(theta);
      return reach(
          shoulder, sign,
          {mix(0.1, mix(-0.12, 0.02, n[0]), way), mix(0.42, -0.2, way), mix(0.1, 0.2, way)},
          {1, 0.3, 0}, {});
    }
    case Motion::kPush: {  // palms from the shoulders to above the head
      const double way = 0.5 - 0.5 * std::cos(theta);
      return reach(
          shoulder, sign,
          {mix(0.02, 0.16, n[0]) + mix(-0.06, 0.1, n[1]) * way,
           mix(mix(-0.1, 0.05, n[2]), -mix(0.36, 0.48, n[3]) * size, way), mix(0.05, 0.2, n[4])},
          {1, 0.6, 0}, {0, -0.6, 0.2});
    }
  }
  return {};
}

Pose Performance::at(double seconds) const {
  Pose pose;
  for (int side = 0; side < 2; ++side) pose.arms[side] = arm_at(side, seconds);
  const double sway = 2 * kPi * sway_hz_ * seconds + sway_phase_;
  const Point hands = pose.arms[0][2] + pose.arms[1][2];
  pose.shift = {sway_x_ * std::sin(sway) + follow_ * hands.x,
                sway_y_ * std::sin(2 * sway + 1) + 0.5 * follow_ * hands.y, 0};
  pose.nod = nod_ * std::sin(angle(seconds) + 1);
  return pose;
}

}  // namespace spikeloom::detail
