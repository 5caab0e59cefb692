/// Reads bytes as a scene file, and renders a frame of a small one.

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "sensors/luminance_scene.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scene = spikeloom::parse_luminance_scene(text, "fuzz");
  if (!scene.ok()) return 0;
  const std::uint64_t pixels = std::uint64_t{scene->width} * scene->height;
  if (pixels > 4096) return 0;
  std::vector<float> frame(pixels);
  spikeloom::render(*scene, scene->time_of(scene->frames() - 1), frame);
  for (const float x : frame) {
    if (!(x >= 0.0F && x <= 255.0F)) __builtin_trap();
  }
  return 0;
}
