#pragma once
/// Small scenes whose luminance is a formula: x(column, row, t) in digital numbers, 0 to 255.
///
/// `from` and `to` are luminances, t seconds, s pixels along the direction of motion (degrees
/// counterclockwise as one looks at the image: 0 right, 90 up), d the speed in px/s.
///
///     step      from until `at`, then to
///     ramp      from until `at`, then to `to` within `rise`; straight in ln x, or in x if `linear`
///     sinusoid  mean exp(contrast sin(2 pi (frequency t - s / wavelength))): straight in ln x;
///               without a wavelength the whole array flickers
///     bar       `to` between a leading and a trailing edge `size` apart, else from; endless across
///               its motion, it enters again when it has left (the scene of sensors/scene.hpp)
///     disc      `to` within `size` / 2 of a point that crosses the array's centre; enters again
///
/// The edge of bar and disc is one pixel wide: a pixel shows as much of `to` as its distance to the
/// edge says, so that luminance changes steadily.
///
/// As a file (TOML; every key but `kind` has the default of LuminanceScene):
///
///     kind = "bar"
///     width = 64
///     height = 64
///     frame_rate = 1000      # Hz
///     duration_ms = 200
///     from = 50              # DN; and to, mean
///     direction = 45         # and speed, size, at_ms, rise_ms, contrast, frequency, wavelength

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/time.hpp"

namespace spikeloom {

enum class SceneKind : std::uint8_t { kStep, kRamp, kSinusoid, kBar, kDisc };

struct LuminanceScene {
  SceneKind kind = SceneKind::kBar;
  std::uint32_t width = 64, height = 64;
  double frame_rate = 1000.0;  ///< Hz
  Time duration = 200 * kMillisecond;
  double from = 50.0, to = 200.0, mean = 100.0;  ///< DN
  double direction = 0.0;                        ///< degrees
  double speed = 200.0;                          ///< px/s
  double size = 8.0;                             ///< px
  Time at = 10 * kMillisecond, rise = 100 * kMillisecond;
  bool linear = false;
  double contrast = 0.5;    ///< of ln x
  double frequency = 10.0;  ///< Hz
  double wavelength = 0.0;  ///< px; 0: none

  /// Frames of the scene, the first at 0.
  std::uint64_t frames() const;
  Time time_of(std::uint64_t frame) const;
};

/// kInvalidArgument: a value out of range, or luminance that leaves 0 to 255.
Status check(const LuminanceScene& scene);

/// kFormat: no TOML, an unknown key, a value of another kind; and check()'s. `name` is the path.
Result<LuminanceScene> parse_luminance_scene(std::string_view toml, const std::string& name);

/// Luminance of every pixel at `time`, row-major; `out` has width x height entries.
void render(const LuminanceScene& scene, Time time, std::span<float> out);

}  // namespace spikeloom
