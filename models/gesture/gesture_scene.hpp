#pragma once
/// A person who gestures in front of a camera, as luminance over time.
///
/// An articulated body in 2.5 dimensions: joints in metres (detail/pose.hpp), seen in perspective,
/// drawn as rods with soft, shaded edges over a backdrop; the camera is level with the shoulders.
/// The seed draws everything: size, place and distance of the body, clothes and skin, the way, the
/// speed and the unevenness of the motion, sway of the body, backdrop, light, blur and jitter of
/// the camera. Right and left, clockwise: models/gesture/gestures.hpp.
///
/// `gesture_camera` draws the pixels that look at it; `gesture_clip` does both and gives events.
/// The same options give the same clip.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "base/time.hpp"
#include "models/gesture/gestures.hpp"
#include "sensors/dvs.hpp"

namespace spikeloom {

/// Of the camera of DVS128 Gesture.
inline constexpr std::uint32_t kGestureSide = 128;

class GestureScene {
 public:
  GestureScene(Gesture gesture, std::uint64_t seed);
  ~GestureScene();
  GestureScene(GestureScene&&) noexcept;
  GestureScene& operator=(GestureScene&&) noexcept;

  /// Luminance of every pixel in DN, 0 to 255, row-major; `out` has kGestureSide^2 entries.
  void render(Time time, std::span<float> out) const;

 private:
  struct Person;
  std::unique_ptr<const Person> person_;
};

/// Thresholds of 0.1 to 0.27 with a spread of 5 to 18 %, bandwidth of 60 to 300 Hz, shot noise,
/// leak and refractory time as they are drawn for a clip.
DvsOptions gesture_camera(std::uint64_t seed);

struct GestureClip {
  Gesture gesture = Gesture::kHandClap;
  std::uint64_t seed = 0;
  Time duration = 1450 * kMillisecond;
  double frame_rate = 200.0;              ///< Hz, of the rendered frames
  std::optional<DvsOptions> camera = {};  ///< nothing: gesture_camera(seed)
};

/// kInvalidArgument: a duration or frame rate that is not positive, more than 1e6 frames, and
/// what DvsPixelArray refuses.
Result<Recording> gesture_clip(const GestureClip& clip);

}  // namespace spikeloom
