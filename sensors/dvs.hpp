#pragma once
/// A DVS pixel array: frames of luminance in, events out, by the equations of v2e.
///
/// Source: Hu, Liu and Delbruck, "v2e: From Video Frames to Realistic DVS Events" (arXiv
/// 2006.07722), and the program of that name as of revision cac6384. x is luminance in digital
/// numbers (DN, 0 black to 255 white), dt the time since the frame before, N(0,1) a normal draw.
///
///     logarithm    y = ln x above 20 DN, y = x ln(20) / 20 up to there; to 1e-8
///     bandwidth    tau = 1 / (2 pi cutoff),  a = min(1, (x + 20) / 275 dt / tau)
///                  lp <- (1 - a) lp + a y;  without a cutoff lp <- y
///     thresholds   on, off ~ N(theta, sigma), at least 0.01; a pixel keeps its own
///     leak         base <- base - dt leak_hz eta (1 - leak_jitter N(0,1)) on,
///                  eta = 10^(leak_spread N(0,1)), a pixel's own; N(0,1) anew with each frame
///     events       d = lp - base;  n = floor(d / on) ON events if d > 0, floor(-d / off) OFF
///     times        the largest n of the array is M; a pixel's i-th event is at
///                  t_before + (i + 1) dt / M, rounded to 1 ns
///     refractory   only where refractory > dt / M: an event is dropped unless more than
///                  `refractory` has passed since the pixel's last that was asked so
///     memory       base <- base + kept ON events on - kept OFF events off
///     shot noise   p = shot_hz / 2 dt (1 - 0.75 (x + 20) / 275), u uniform in [0, 1):
///                  ON if u > 1 - p theta_on / on, OFF if u < p theta_off / off, at the time of
///                  the frame; then base <- lp
///
/// The first frame sets lp = base = y and gives no events. v2e computes in float32, this in
/// float64. Not here: v2e's photoreceptor noise, its centre-surround and SCIDVS pixels.
///
/// `interpolate` places every event where d, a straight line between two frames, crosses its
/// threshold (the rule of ESIM, Rebecq et al., CoRL 2018; here leak is in the line too), instead of
/// on the M instants; then the refractory period is asked always. A crossing that waits from the
/// frame before, because its event was dropped, is at t_before.
///
/// Random numbers are functions of (seed, pixel, frame): the events do not depend on threads.
/// Another instruction set may round the last bit of a logarithm or a normal draw differently.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "event/events.hpp"

namespace spikeloom {

/// The defaults are those of v2e's command line.
struct DvsOptions {
  double threshold_on = 0.2;  ///< of ln x; at least 0.01
  double threshold_off = 0.2;
  double threshold_sigma = 0.03;
  double cutoff_hz = 300.0;  ///< of the photoreceptor at 255 DN; 0: no filter
  double leak_hz = 0.01;     ///< ON events a second of an idle pixel
  double leak_jitter = 0.1;  ///< from frame to frame, relative
  double leak_spread = 0.1;  ///< over pixels, decades
  double shot_hz = 0.001;    ///< noise events a second of a dark pixel, ON and OFF together
  Time refractory = 500 * kMicrosecond;
  bool interpolate = false;
  std::uint64_t seed = 0;
  unsigned threads = 1;  ///< 0: one for each processor
};

/// v2e's sets: "v2e" (its command line's defaults), "clean" (sigma 0.02, nothing else), "noisy"
/// (sigma 0.05, 30 Hz, leak 0.1 Hz, shot noise 5 Hz), and "ideal", which has no imperfection at
/// all. kNotFound lists them.
Result<DvsOptions> dvs_preset(std::string_view name);

/// What an array has done so far.
struct DvsCounts {
  std::uint64_t frames = 0;
  std::uint64_t on = 0, off = 0;            ///< events, noise included
  std::uint64_t shot_on = 0, shot_off = 0;  ///< of them shot noise
  std::uint64_t refractory = 0;             ///< dropped
  double largest_filter_step = 0.0;         ///< a; over 0.3 the frames are too far apart
};

class DvsPixelArray {
 public:
  /// kInvalidArgument: a side of 0 or over 65536, more than 2^28 pixels, or an option that is not
  /// finite or out of range.
  static Result<DvsPixelArray> create(std::uint32_t width, std::uint32_t height,
                                      const DvsOptions& options);

  /// Takes the next frame, row-major, and appends its events in order of time (of one instant: by
  /// pixel; shot noise last). kInvalidArgument: `time` is not after the frame before. kShape.
  /// kInvalidArgument: a value outside 0 to 255. kResource: more than 2^28 events; the array is of
  /// no use afterwards.
  Status step(Time time, std::span<const float> frame, EventPacket& out);

  const DvsCounts& counts() const { return counts_; }
  std::uint32_t width() const { return width_; }
  std::uint32_t height() const { return height_; }
  std::span<const double> thresholds_on() const { return std::span(on_).first(pixels_); }
  std::span<const double> thresholds_off() const { return std::span(off_).first(pixels_); }

 private:
  struct Crossing;
  struct Interval;
  DvsPixelArray() = default;
  Status load(std::span<const float> frame);
  void emit(const Interval& interval, EventPacket& out);

  DvsOptions options_;
  std::uint32_t width_ = 0, height_ = 0;
  std::size_t pixels_ = 0;
  std::optional<Time> before_;  ///< time of the last frame
  // One entry a pixel, and some more so that blocks are whole.
  std::vector<float> frame_;
  std::vector<double> lp_, base_, on_, off_, eta_;
  std::vector<Time> last_;  ///< time of the last event that the refractory period knows of
  DvsCounts counts_;
};

}  // namespace spikeloom
