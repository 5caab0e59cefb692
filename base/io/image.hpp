#pragma once
/// Still images, reading: Netpbm's PGM and PPM (P2, P3, P5, P6) and PNG.
///
/// PNG: grey, RGB or palette with or without alpha (which is dropped), 1 to 16 bits, not
/// interlaced. Every chunk's CRC is checked. Errors: kFormat (damaged, truncated, bytes that are
/// none of these formats), kUnsupported (interlaced PNG), kResource (more than `max_pixels`).
/// Nothing is allocated beyond what the file's own bytes can fill.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::io {

struct Image {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
  std::uint32_t channels = 1;               ///< 1 grey, 3 red, green, blue
  std::uint32_t largest = 255;              ///< what white is: 2^bits - 1, or as a Netpbm file says
  std::vector<std::uint16_t> samples = {};  ///< row-major, channels together, 0 to `largest`
};

inline constexpr std::uint64_t kMaxImagePixels = std::uint64_t{1} << 28;

/// `name` is what errors call the bytes: a path.
Result<Image> parse_image(std::span<const std::byte> bytes, const std::string& name,
                          std::uint64_t max_pixels = kMaxImagePixels);

Result<Image> read_image(const std::string& path, std::uint64_t max_pixels = kMaxImagePixels);

}  // namespace spikeloom::io
