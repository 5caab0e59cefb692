#pragma once
/// Time as 64-bit nanoseconds, enough for 292 years; no wrap within a recording.

#include <cstdint>

namespace spikeloom {

/// Nanoseconds; an instant counts from the recording's own origin unless stated otherwise.
using Time = std::int64_t;

inline constexpr Time kNanosecond = 1;
inline constexpr Time kMicrosecond = 1000;
inline constexpr Time kMillisecond = 1000 * kMicrosecond;
inline constexpr Time kSecond = 1000 * kMillisecond;

/// Seconds as a real number, for equations and reports.
constexpr double to_seconds(Time time) { return static_cast<double>(time) * 1e-9; }

/// Quotient rounded towards minus infinity: the bin of `time` in bins of `width` > 0.
constexpr std::int64_t floor_div(Time time, Time width) {
  const Time quotient = time / width;
  return quotient - (time % width != 0 && time < 0 ? 1 : 0);
}

}  // namespace spikeloom
