#include "models/gesture/gestures.hpp"

#include <charconv>

namespace spikeloom {

std::optional<Gesture> find_gesture(std::string_view text) {
  for (std::size_t k = 0; k < kGestures; ++k) {
    if (kGestureNames[k] == text) return static_cast<Gesture>(k);
  }
  std::size_t label = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, label);
  if (error != std::errc() || stopped != end || label >= kGestures) return std::nullopt;
  return static_cast<Gesture>(label);
}

}  // namespace spikeloom
