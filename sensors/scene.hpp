#pragma once
/// Synthetic scenes: what an ideal event sensor says about a moving bar.
///
/// A bright bar, endless across its direction of motion, crosses the sensor at constant speed; when
/// it has left, it enters again on the other side. Pixel (x, y) emits one ON event at the instant
/// its leading edge passes the pixel's centre and one OFF event when the trailing edge does:
///
///     t_on  = n P + (s - s_min) / v,   t_off = t_on + b / v,   s = x cos(d) - y sin(d)
///
/// s pixels along the direction d of motion, s_min and s_max its range over the pixels, v speed in
/// px/s, b the bar's width in px, n = 0, 1, ... passes of period P = (s_max - s_min + b) / v. So
/// the first event is at t = 0 and time is exact to the nanosecond; there is no jitter, no
/// refractory time and no missed event.
///
/// Direction: degrees counterclockwise as one looks at the image, whose y axis points down:
/// 0 right (+x), 90 up (-y), 180 left, 270 down (+y). Pixels that a bar at a multiple of 45 degrees
/// reaches together get equal times.
///
/// Noise: round(noise_fraction x events of the bar) more events, uniform over pixels, polarity and
/// [0, duration).

#include <cstdint>

#include "base/result.hpp"
#include "base/time.hpp"
#include "event/events.hpp"

namespace spikeloom {

struct MovingBarOptions {
  std::uint32_t width = 32;  ///< sensor, pixels
  std::uint32_t height = 32;
  double direction_degrees = 0.0;
  double speed = 200.0;    ///< px/s
  double bar_width = 4.0;  ///< px along the direction of motion
  Time duration = 800 * kMillisecond;
  double noise_fraction = 0.0;
  std::uint64_t seed = 0;  ///< of the noise
};

/// Events in order of time (of one instant: by pass, edge and pixel; noise last). The same options
/// give the same events. kInvalidArgument: a size of 0 or over 65536, a speed, bar width or
/// duration that is not positive, a negative noise fraction, or more than 2^28 events.
Result<Recording> moving_bar(const MovingBarOptions& options);

}  // namespace spikeloom
