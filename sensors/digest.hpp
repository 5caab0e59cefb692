#pragma once
/// What a recording is, in a few numbers, and a digest that is equal exactly when the events are.
///
/// The digest is SHA-256 (FIPS 180-4) over the events in their order, 13 bytes each, little endian:
///
///     t (int64, microseconds, rounded towards minus infinity) | x (uint16) | y (uint16) | p
///     (uint8)
///
/// so it is the same for every format that holds whole microseconds. In NumPy, of an array with
/// dtype [('t','<i8'),('x','<u2'),('y','<u2'),('p','u1')]: hashlib.sha256(a.tobytes()).hexdigest().

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/time.hpp"
#include "event/events.hpp"

namespace spikeloom {

/// SHA-256 of bytes that come in pieces.
class Sha256 {
 public:
  void update(std::span<const std::byte> bytes);
  /// 64 hexadecimal digits of everything so far; update() may go on afterwards.
  std::string hex() const;

 private:
  void block(const std::byte* bytes);
  std::array<std::uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                         0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> held_{};
  std::uint64_t length_ = 0;
};

/// A recording in numbers.
struct RecordingInfo {
  std::uint64_t events = 0;
  std::uint64_t on = 0;       ///< events with polarity 1; the others are OFF
  std::optional<Time> first;  ///< time of the first event in the file, ns; none without events
  std::optional<Time> last;   ///< of the last one
  std::uint32_t width = 0;    ///< 0 x 0: nobody knows
  std::uint32_t height = 0;
  std::uint32_t max_x = 0;  ///< largest coordinates seen
  std::uint32_t max_y = 0;
  std::string digest;

  /// Share of ON events, 0 to 1; 0 without events.
  double on_fraction() const;
  /// Events per second between first and last event; 0 when that is no time.
  double rate() const;
};

/// Gathers a RecordingInfo from packets, in constant memory.
class RecordingSurvey {
 public:
  void add(const EventPacket& events);
  RecordingInfo info(std::uint32_t width, std::uint32_t height) const;

 private:
  RecordingInfo info_;
  Sha256 digest_;
};

RecordingInfo recording_info(const Recording& recording);

}  // namespace spikeloom
