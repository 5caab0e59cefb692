#include "base/io/image.hpp"

#include <fmt/format.h>

#include "base/io/detail/image_formats.hpp"
#include "base/io/file.hpp"

namespace spikeloom::io {

Status detail::check_image_size(std::uint64_t width, std::uint64_t height, const std::string& name,
                                std::uint64_t max_pixels) {
  if (width == 0 || height == 0) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "an image without pixels",
                 .where = name,
                 .got = fmt::format("{}x{}", width, height)};
  }
  if (width > max_pixels || height > max_pixels / width) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the image is too large",
                 .where = name,
                 .expected = fmt::format("at most {} pixels", max_pixels),
                 .got = fmt::format("{}x{}", width, height)};
  }
  return {};
}

Result<Image> parse_image(std::span<const std::byte> bytes, const std::string& name,
                          std::uint64_t max_pixels) {
  if (detail::looks_like_png(bytes)) return detail::parse_png(bytes, name, max_pixels);
  if (detail::looks_like_netpbm(bytes)) return detail::parse_netpbm(bytes, name, max_pixels);
  return Error{.code = ErrorCode::kFormat,
               .what = "not an image of a known format",
               .where = name,
               .expected = "PGM or PPM (P2, P3, P5, P6) or PNG"};
}

Result<Image> read_image(const std::string& path, std::uint64_t max_pixels) {
  SPIKELOOM_TRY(const auto bytes, read_file(path));
  return parse_image(bytes, path, max_pixels);
}

}  // namespace spikeloom::io
