#include "models/gesture/gesture_models.hpp"

#include <cstddef>
#include <span>
#include <string>

#include <fmt/format.h>

#include "models/detail/embed.hpp"
#include "models/model_file/model_file.hpp"

SPIKELOOM_EMBED("spikeloom_gesture_lif", SPIKELOOM_GESTURE_LIF);
SPIKELOOM_EMBED("spikeloom_gesture_egru", SPIKELOOM_GESTURE_EGRU);

extern "C" {
extern const char spikeloom_gesture_lif[], spikeloom_gesture_lif_end[];
extern const char spikeloom_gesture_egru[], spikeloom_gesture_egru_end[];
}

namespace spikeloom {

Result<LoadedModel> gesture_model(std::string_view name) {
  const auto read = [&](const char* begin, const char* end) {
    const std::span<const char> bytes(begin, static_cast<std::size_t>(end - begin));
    return read_model_file_bytes(std::as_bytes(bytes), fmt::format("the gesture network {}", name));
  };
  if (name == kGestureModels[0]) return read(spikeloom_gesture_lif, spikeloom_gesture_lif_end);
  if (name == kGestureModels[1]) return read(spikeloom_gesture_egru, spikeloom_gesture_egru_end);
  return Error{.code = ErrorCode::kNotFound,
               .what = "there is no such gesture network",
               .expected = "lif or egru",
               .got = std::string(name)};
}

}  // namespace spikeloom
