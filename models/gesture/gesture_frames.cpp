#include "models/gesture/gesture_frames.hpp"

#include <algorithm>
#include <cassert>
#include <vector>

namespace spikeloom {

void gesture_frames(const EventPacket& events, std::span<std::uint8_t> out) {
  assert(out.size() == kGestureFrames * kGestureFrameSize);
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  constexpr std::size_t kPixels = std::size_t{kGestureSide} * kGestureSide;
  constexpr std::size_t kRow = kGestureSide / kGesturePool;
  std::vector<std::int64_t> last(2 * kPixels, -1);  // frame of a pixel's latest event
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::int64_t frame = events.time[i] / kGestureStep;
    if (frame < 0 || frame >= static_cast<std::int64_t>(kGestureFrames)) continue;
    if (events.x[i] >= kGestureSide || events.y[i] >= kGestureSide) continue;
    std::int64_t& seen =
        last[events.polarity[i] * kPixels + std::size_t{events.y[i]} * kGestureSide + events.x[i]];
    if (seen == frame) continue;
    seen = frame;
    ++out[static_cast<std::size_t>(frame) * kGestureFrameSize +
          events.polarity[i] * kGestureFrameSize / 2 + events.y[i] / kGesturePool * kRow +
          events.x[i] / kGesturePool];
  }
}

}  // namespace spikeloom
