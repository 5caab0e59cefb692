#include "event/events.hpp"

namespace spikeloom {

void EventPacket::reserve(std::size_t count) {
  time.reserve(count);
  x.reserve(count);
  y.reserve(count);
  polarity.reserve(count);
}

void EventPacket::push_back(Time t, std::uint16_t px, std::uint16_t py, std::uint8_t p) {
  time.push_back(t);
  x.push_back(px);
  y.push_back(py);
  polarity.push_back(p);
}

}  // namespace spikeloom
