#pragma once
/// Where a decoder's inner loop writes: a few events in the first-level cache.
///
/// Decoding a block cannot fail half way: the loop stores without asking, the block is checked as a
/// whole, and only a block that breaks a rule is looked at event by event. What is right is copied
/// to the packet in one piece per column.

#include <array>
#include <cstddef>
#include <cstdint>

#include "event/events.hpp"

namespace spikeloom::detail {

struct EventBlock {
  static constexpr std::size_t kEvents = 1024;  ///< a loop stops once it has so many
  static constexpr std::size_t kSlack = 64;     ///< and may write so many more, also as garbage

  alignas(64) std::array<Time, kEvents + kSlack> time;
  alignas(64) std::array<std::uint16_t, kEvents + kSlack> x;
  alignas(64) std::array<std::uint16_t, kEvents + kSlack> y;
  alignas(64) std::array<std::uint8_t, kEvents + kSlack> polarity;
  std::size_t size = 0;

  bool full() const { return size >= kEvents; }
  void push(Time t, std::uint32_t px, std::uint32_t py, std::uint32_t p) {
    time[size] = t;
    x[size] = static_cast<std::uint16_t>(px);
    y[size] = static_cast<std::uint16_t>(py);
    polarity[size] = static_cast<std::uint8_t>(p);
    ++size;
  }
  /// Appends the first `count` events to `packet`.
  void append_to(EventPacket& packet, std::size_t count) const;
};

/// True when times do not decrease from `last` on (if `sorted`) and every pixel lies on a sensor of
/// `width` x `height` (if not 0). Highway kernels, chosen at run time.
bool block_obeys(const EventBlock& block, bool sorted, Time last, std::uint32_t width,
                 std::uint32_t height);

}  // namespace spikeloom::detail
