#pragma once
/// Address events of a sensor, as a structure of arrays.
///
/// One event: at time t (ns, 64 bit, origin as the file has it) pixel (x, y) changed with a
/// polarity: 0 OFF, 1 ON. One-dimensional sensors (cochlea, SHD) use x as the channel and y = 0.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/time.hpp"

namespace spikeloom {

/// Events in the order of the file. The four arrays have one length.
struct EventPacket {
  std::vector<Time> time;
  std::vector<std::uint16_t> x;
  std::vector<std::uint16_t> y;
  std::vector<std::uint8_t> polarity;

  std::size_t size() const { return time.size(); }
  bool empty() const { return time.empty(); }
  void reserve(std::size_t count);
  void push_back(Time t, std::uint16_t px, std::uint16_t py, std::uint8_t p);
  friend bool operator==(const EventPacket&, const EventPacket&) = default;
};

/// A whole recording and the size of its sensor (0 x 0 when neither file nor caller knows it).
struct Recording {
  EventPacket events;
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};

/// Events on their way into a network: flat indices into one Input node, values, times.
///
/// `index` is row-major over the input's shape (without batch and time). An empty `value` means
/// that every event counts 1. Times need not be sorted within a span.
struct EventSpan {
  std::span<const Time> time;
  std::span<const std::uint32_t> index;
  std::span<const double> value;

  std::size_t size() const { return time.size(); }
};

}  // namespace spikeloom
