#pragma once
/// What the gesture networks see: events in frames of 25 ms, each pixel and polarity at most once,
/// added up over squares of 4 x 4 pixels. In a network that is input coding `binary` with dt 25 ms
/// and a SumPool2d; here it is the same for training.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/time.hpp"
#include "models/gesture/gesture_scene.hpp"

namespace spikeloom {

inline constexpr Time kGestureStep = 25 * kMillisecond;
inline constexpr std::size_t kGestureFrames = 58;  ///< 1.45 s
inline constexpr std::uint32_t kGesturePool = 4;
/// 2 polarities (OFF, ON) of 32 x 32 sums.
inline constexpr std::size_t kGestureFrameSize =
    std::size_t{2} * (kGestureSide / kGesturePool) * (kGestureSide / kGesturePool);

/// Bins start at time 0; events later than the last frame are left out. `out` has kGestureFrames x
/// kGestureFrameSize entries.
void gesture_frames(const EventPacket& events, std::span<std::uint8_t> out);

}  // namespace spikeloom
