#pragma once
/// The classes of DVS128 Gesture (Amir et al., CVPR 2017), in the order of its labels.
///
/// Right and left are the person's, who faces the camera: the right hand is on the left of the
/// image. Clockwise is as the person sees the hand: up, to the person's right, down.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace spikeloom {

enum class Gesture : std::uint8_t {
  kHandClap,
  kRightHandWave,
  kLeftHandWave,
  kRightArmClockwise,
  kRightArmCounterClockwise,
  kLeftArmClockwise,
  kLeftArmCounterClockwise,
  kArmRoll,
  kAirDrums,
  kAirGuitar,
  kOther,
};

inline constexpr std::size_t kGestures = 11;
inline constexpr std::array<std::string_view, kGestures> kGestureNames = {"hand clap",
                                                                          "right hand wave",
                                                                          "left hand wave",
                                                                          "right arm clockwise",
                                                                          "right arm counter",
                                                                          "left arm clockwise",
                                                                          "left arm counter",
                                                                          "arm roll",
                                                                          "air drums",
                                                                          "air guitar",
                                                                          "other"};

constexpr std::string_view gesture_name(Gesture gesture) {
  return kGestureNames[static_cast<std::size_t>(gesture)];
}

/// By name, or by the number of its label; nothing for another text.
std::optional<Gesture> find_gesture(std::string_view text);

}  // namespace spikeloom
