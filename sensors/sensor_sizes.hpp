#pragma once
/// Sizes of common event sensors, for recordings whose format does not hold one.

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

namespace spikeloom {

struct SensorSize {
  std::string_view name;
  std::uint32_t width = 0, height = 0;
};

/// By number of pixels. N-MNIST: Orchard et al. 2015; DVS128, DAVIS240, DAVIS346: iniVation's
/// specifications; ATIS, Gen3, Gen4 (IMX636): Prophesee's.
inline constexpr std::array<SensorSize, 7> kSensorSizes = {{{"N-MNIST", 34, 34},
                                                            {"DVS128", 128, 128},
                                                            {"DAVIS240", 240, 180},
                                                            {"ATIS", 304, 240},
                                                            {"DAVIS346", 346, 260},
                                                            {"Gen3", 640, 480},
                                                            {"Gen4", 1280, 720}}};

/// The smallest of them that holds a pixel (x, y).
constexpr std::optional<SensorSize> smallest_sensor(std::uint32_t x, std::uint32_t y) {
  for (const SensorSize& size : kSensorSizes) {
    if (x < size.width && y < size.height) return size;
  }
  return std::nullopt;
}

}  // namespace spikeloom
