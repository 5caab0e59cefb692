/// PNG: chunks and checksums by the specification, pixels through zlib.

#include <cstring>

#include <gtest/gtest.h>
#include <zlib.h>

#include "base/io/png.hpp"
#include "tests/formats/bytes_support.hpp"

namespace spikeloom {
namespace {

std::uint32_t big(const std::vector<std::byte>& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value = value << 8 | std::to_integer<std::uint32_t>(bytes[at + i]);
  return value;
}

TEST(Png, ChunksHoldThePicture) {
  const test::TemporaryFolder folder;
  const std::string path = folder / "a.png";
  const io::Picture picture{2, 2, {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30}};
  ASSERT_TRUE(io::write_png(picture, path).ok());
  const auto bytes = test::slurp(path);
  ASSERT_GT(bytes.size(), 57U);
  EXPECT_EQ(std::memcmp(bytes.data(), "\x89PNG\r\n\x1a\n", 8), 0);
  std::vector<std::string> types;
  std::vector<std::uint8_t> packed;
  for (std::size_t at = 8; at < bytes.size();) {
    const std::size_t size = big(bytes, at);
    types.emplace_back(reinterpret_cast<const char*>(bytes.data()) + at + 4, 4);
    const auto* checked = reinterpret_cast<const Bytef*>(bytes.data() + at + 4);
    EXPECT_EQ(crc32(0, checked, static_cast<uInt>(size + 4)), big(bytes, at + 8 + size));
    if (types.back() == "IDAT") packed.assign(checked + 4, checked + 4 + size);
    at += size + 12;
  }
  EXPECT_EQ(types, (std::vector<std::string>{"IHDR", "IDAT", "IEND"}));
  EXPECT_EQ(big(bytes, 16), 2U);
  EXPECT_EQ(big(bytes, 20), 2U);
  std::vector<std::uint8_t> lines(14);
  uLongf size = lines.size();
  ASSERT_EQ(uncompress(lines.data(), &size, packed.data(), packed.size()), Z_OK);
  ASSERT_EQ(size, 14U);
  // Filter 1: each byte is the difference to the pixel on its left.
  EXPECT_EQ(lines, (std::vector<std::uint8_t>{1, 255, 0, 0, 1, 255, 0, 1, 0, 0, 255, 10, 20, 31}));
}

TEST(Png, NeedsPixels) {
  EXPECT_EQ(io::write_png({0, 4, {}}, "x.png").error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(io::write_png({2, 1, {0, 0, 0}}, "x.png").error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace spikeloom
