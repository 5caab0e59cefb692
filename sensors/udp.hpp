#pragma once
/// Events over UDP: records of 8 bytes, little endian, in datagrams that are numbered, so that a
/// receiver knows what was lost.
///
/// A datagram is a record that says what it is, and then events:
///
///     0x31454C53 ("SLE1") (32) | number of the first event, modulo 2^32 (32)
///     microseconds modulo 2^32 (32) | x (16) | y (15) | polarity (1, highest)
///
/// A datagram without events is the end of the stream; its number is that of all events sent. Time
/// is unwrapped from event to event: a step of more than half the counter's range (35.8 minutes) is
/// one backwards.
///
/// Under load the socket's queue drops the newest datagrams, and so does every hop on the way. The
/// receiver counts every event that is missing, however it was lost.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/time.hpp"
#include "event/events.hpp"

namespace spikeloom {

inline constexpr std::uint32_t kUdpMagic = 0x31454C53;
inline constexpr std::size_t kUdpRecordBytes = 8;
inline constexpr std::size_t kUdpLongestDatagram = 65504;  ///< whole records within IPv4's limit
inline constexpr std::size_t kUdpDatagram = 1472;          ///< fits a frame of Ethernet

struct UdpStats {
  std::uint64_t datagrams = 0;
  std::uint64_t events = 0;
  std::uint64_t lost = 0;       ///< events that never came
  std::uint64_t late = 0;       ///< datagrams behind a later one: not taken, their events are lost
  std::uint64_t malformed = 0;  ///< datagrams that are none of this kind
  std::size_t queue_bytes = 0;  ///< of the socket, as the system granted it
};

/// Takes datagrams apart; the receiver without its socket.
class UdpEventDecoder {
 public:
  /// Appends the events of one datagram. False at the end of the stream.
  bool take(std::span<const std::byte> datagram, EventPacket& out);
  UdpStats stats;

 private:
  std::optional<std::uint32_t> next_;  ///< number of the event that should come
  std::uint32_t ticks_ = 0;
  std::int64_t time_us_ = 0;
  bool has_time_ = false;
};

/// Puts datagrams together; the sender without its socket.
class UdpEventEncoder {
 public:
  explicit UdpEventEncoder(std::size_t datagram_bytes = kUdpDatagram);
  std::size_t events_per_datagram() const { return most_; }
  /// One datagram of the events [begin, end) of `events`, at most events_per_datagram(), into
  /// `out`. kUnsupported: y over 32767, or a polarity over 1.
  Status put(const EventPacket& events, std::size_t begin, std::size_t end,
             std::vector<std::byte>& out);
  /// The datagram that ends the stream.
  void put_end(std::vector<std::byte>& out) const;

 private:
  std::size_t most_;
  std::uint32_t number_ = 0;
};

/// Listens on a port of the loopback interface.
class UdpEventReceiver {
 public:
  /// Port 0: any free one. `queue_bytes`: how much the system should hold for us; it may grant less
  /// (Linux: net.core.rmem_max, unless privileged). kIo: the port is taken, or not allowed.
  static Result<UdpEventReceiver> open(std::uint16_t port,
                                       std::size_t queue_bytes = std::size_t{64} << 20);
  ~UdpEventReceiver();
  UdpEventReceiver(UdpEventReceiver&&) noexcept;
  UdpEventReceiver& operator=(UdpEventReceiver&&) noexcept;

  std::uint16_t port() const;
  /// Replaces `out` by the events that are there, waiting up to `wait` for the first datagram;
  /// none when none came. False at the end of the stream. kIo.
  Result<bool> receive(EventPacket& out, Time wait);
  const UdpStats& stats() const;

 private:
  struct State;
  explicit UdpEventReceiver(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Sends to a port of the loopback interface.
class UdpEventSender {
 public:
  static Result<UdpEventSender> open(std::uint16_t port, std::size_t datagram_bytes = kUdpDatagram);
  ~UdpEventSender();
  UdpEventSender(UdpEventSender&&) noexcept;
  UdpEventSender& operator=(UdpEventSender&&) noexcept;

  /// kIo, kUnsupported. Blocks while the system cannot take more.
  Status send(const EventPacket& events);
  /// Sends the end of the stream: every 50 ms until nobody listens any more, at most ten times, as
  /// any of them may be lost. kIo.
  Status finish();

 private:
  struct State;
  explicit UdpEventSender(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace spikeloom
