#pragma once
/// Events of a stretch of time as one picture.

#include <cstdint>
#include <string>
#include <vector>

#include "base/io/png.hpp"
#include "event/events.hpp"

namespace spikeloom::cli {

/// ON and OFF events per pixel.
class EventFrame {
 public:
  EventFrame(std::uint32_t width, std::uint32_t height);
  /// Counts the events from `begin` up to, not including, `end`; others are passed over.
  void add(const EventPacket& events, Time begin, Time end);

  std::uint32_t width() const { return width_; }
  std::uint32_t height() const { return height_; }
  std::uint64_t events() const { return events_; }

  /// Blue for more ON, orange for more OFF, stronger with more events, on white; each pixel `scale`
  /// wide and high.
  io::Picture picture(std::uint32_t scale) const;
  /// At most `columns` characters wide: Braille dots where there are events; with `ascii` one
  /// character for more pixels, + for more ON, - for more OFF.
  std::string text(int columns, bool ascii) const;

 private:
  std::uint32_t width_, height_;
  std::uint64_t events_ = 0;
  std::vector<std::uint32_t> on_, off_;  ///< row-major
};

}  // namespace spikeloom::cli
