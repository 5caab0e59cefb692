#pragma once
/// What writers share: which events a format can hold, and times on their way into its counter.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "event/events.hpp"
#include "sensors/codec.hpp"

namespace spikeloom::detail {

inline constexpr std::int64_t kLatestUs = std::numeric_limits<Time>::max() / kMicrosecond;

/// What a format holds of pixels and of time in microseconds.
struct FormatLimits {
  std::string_view format;
  std::uint32_t most_x, most_y;
  int counter_bits;                  ///< the first time is kept modulo this where it is too large
  std::int64_t most_first_us;        ///< a first time up to this is kept as it is
  std::int64_t most_step_us;         ///< the longest pause between two events
  bool sorted = true;                ///< whether events have to come in order of time
  std::int64_t most_us = kLatestUs;  ///< the last time there can be
  std::int64_t least_us = 0;         ///< an earlier first time becomes this
};

/// Of a format with 64-bit microseconds in any order.
constexpr FormatLimits any_time_limits(std::string_view format, std::uint32_t most_side = 65535) {
  return {format, most_side, most_side, 62, kLatestUs, std::numeric_limits<std::int64_t>::max(),
          false,  kLatestUs, -kLatestUs};
}

/// Checks events one after the other. Copyable, so that an encoder can go back to before a packet
/// that it cannot hold.
class WriteRules {
 public:
  WriteRules(const FormatLimits& limits, const WriteOptions& options)
      : limits_(limits), options_(options) {}

  /// The time of event `i` in microseconds, as the file will have it; kUnsupported when the format
  /// cannot hold the event.
  Result<std::int64_t> take(const EventPacket& events, std::size_t i);
  /// What is taken away from every time.
  std::int64_t shift_us() const { return shift_us_; }
  /// What was lost so far: parts of a microsecond, the origin, the size unless `holds_size`.
  std::vector<std::string> losses(bool holds_size) const;

 private:
  FormatLimits limits_;
  WriteOptions options_;
  bool has_begun_ = false;
  std::int64_t last_us_ = 0;
  std::int64_t shift_us_ = 0;  ///< taken away from every time
  std::uint64_t cut_times_ = 0;
};

/// The values a wrapping counter of `bits` bits has to show so that a reader, who takes a step of
/// up to half its range for forward, follows from `shown` to `target`; calls `emit(value)` for
/// each.
template <typename Emit>
void show_counter(std::optional<std::int64_t>& shown, std::int64_t target, int bits, Emit emit) {
  const std::int64_t range = std::int64_t{1} << bits;
  const std::int64_t stride = range / 2 - 1;
  if (!shown && target >= range) {
    shown = 0;
    emit(std::int64_t{0});
  }
  while (shown && target - *shown > stride) {
    *shown += stride;
    emit(*shown % range);
  }
  if (shown != target) {
    shown = target;
    emit(target % range);
  }
}

}  // namespace spikeloom::detail
