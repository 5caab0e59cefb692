#pragma once
/// The readers behind base/io/image.hpp, one for each family of formats.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/io/image.hpp"

namespace spikeloom::io::detail {

bool looks_like_png(std::span<const std::byte> bytes);
Result<Image> parse_png(std::span<const std::byte> bytes, const std::string& name,
                        std::uint64_t max_pixels);

bool looks_like_netpbm(std::span<const std::byte> bytes);
Result<Image> parse_netpbm(std::span<const std::byte> bytes, const std::string& name,
                           std::uint64_t max_pixels);

/// kFormat without pixels, kResource with more than `max_pixels`.
Status check_image_size(std::uint64_t width, std::uint64_t height, const std::string& name,
                        std::uint64_t max_pixels);

}  // namespace spikeloom::io::detail
