#pragma once
/// Events of a moment as a picture in text.

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "event/events.hpp"

namespace spikeloom::cli {

struct PictureOptions {
  int columns = 32;  ///< of text
  int rows = 16;
  bool ascii = false;
  /// Events of a dot, a square of pixels, from which it is drawn.
  std::uint32_t least = 2;
};

/// The lines of a picture of the events in [begin, end). A cell of text is 2 x 4 dots (Unicode's
/// Braille patterns), or one character with `ascii`.
std::vector<std::string> draw_events(const EventPacket& events, Time begin, Time end,
                                     std::uint32_t width, std::uint32_t height,
                                     const PictureOptions& options);

}  // namespace spikeloom::cli
