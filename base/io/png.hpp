#pragma once
/// Pictures as PNG (W3C PNG specification, third edition): 8-bit RGB, one image.

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::io {

struct Picture {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::vector<std::uint8_t> rgb = {};  ///< row-major from the upper left corner, 3 bytes a pixel
};

/// kInvalidArgument: no pixels, or not 3 bytes for each; kIo.
Status write_png(const Picture& picture, const std::string& path);

}  // namespace spikeloom::io
