#include "base/io/png.hpp"

#include <array>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include <fmt/format.h>
#include <zlib.h>

#include "base/io/file.hpp"

namespace spikeloom::io {
namespace {

void put_big(std::vector<std::byte>& out, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::byte>(value >> shift));
}

void put_chunk(std::vector<std::byte>& out, std::string_view type,
               std::span<const std::uint8_t> data) {
  put_big(out, static_cast<std::uint32_t>(data.size()));
  const std::size_t start = out.size();
  for (const char c : type) out.push_back(static_cast<std::byte>(c));
  const auto bytes = std::as_bytes(data);
  out.insert(out.end(), bytes.begin(), bytes.end());
  const auto* checked = reinterpret_cast<const Bytef*>(out.data() + start);
  put_big(out,
          static_cast<std::uint32_t>(crc32_z(crc32_z(0, nullptr, 0), checked, out.size() - start)));
}

}  // namespace

Status write_png(const Picture& picture, const std::string& path) {
  const std::size_t row = std::size_t{3} * picture.width;
  if (row == 0 || picture.height == 0 || picture.rgb.size() != row * picture.height) {
    return Error{.what = "a picture needs pixels, 3 bytes each",
                 .where = path,
                 .expected = fmt::format("{}x{}x3 bytes", picture.width, picture.height),
                 .got = fmt::format("{}", picture.rgb.size())};
  }
  // Every row begins with its filter: 1, the difference to the pixel on the left.
  std::vector<std::uint8_t> lines;
  lines.reserve((row + 1) * picture.height);
  for (std::size_t y = 0; y < picture.height; ++y) {
    const std::uint8_t* pixels = picture.rgb.data() + y * row;
    lines.push_back(1);
    for (std::size_t i = 0; i < row; ++i) {
      lines.push_back(static_cast<std::uint8_t>(pixels[i] - (i < 3 ? 0 : pixels[i - 3])));
    }
  }
  uLongf size = compressBound(lines.size());
  std::vector<std::uint8_t> packed(size);
  if (compress2(packed.data(), &size, lines.data(), lines.size(), 6) != Z_OK) {
    return Error{
        .code = ErrorCode::kResource, .what = "no memory to pack the picture", .where = path};
  }
  std::vector<std::byte> file;
  constexpr std::array<std::uint8_t, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  for (const std::uint8_t byte : kSignature) file.push_back(static_cast<std::byte>(byte));
  std::vector<std::byte> sides;
  put_big(sides, picture.width);
  put_big(sides, picture.height);
  std::array<std::uint8_t, 13> header{};
  std::memcpy(header.data(), sides.data(), sides.size());
  header[8] = 8;  // bits
  header[9] = 2;  // RGB
  put_chunk(file, "IHDR", header);
  put_chunk(file, "IDAT", std::span(packed).first(size));
  put_chunk(file, "IEND", {});
  return write_file_atomic(path, file);
}

}  // namespace spikeloom::io
