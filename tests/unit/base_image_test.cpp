/// Images against bytes written by hand after the formats' specifications, and by our PNG writer.

#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <zlib.h>

#include "base/io/file.hpp"
#include "base/io/image.hpp"
#include "base/io/png.hpp"

namespace spikeloom::io {
namespace {

Result<Image> parse(const std::string& bytes, std::uint64_t max_pixels = kMaxImagePixels) {
  return parse_image(std::as_bytes(std::span(bytes.data(), bytes.size())), "x", max_pixels);
}

ErrorCode refusal(const std::string& bytes) {
  const auto image = parse(bytes);
  EXPECT_FALSE(image.ok());
  return image.ok() ? ErrorCode::kCancelled : image.error().code;
}

std::string big(std::uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 0xFFU);
  return text;
}

std::string chunk(const std::string& type, const std::string& content) {
  const std::string named = type + content;
  const auto* bytes = reinterpret_cast<const Bytef*>(named.data());
  return big(static_cast<std::uint32_t>(content.size())) + named +
         big(static_cast<std::uint32_t>(crc32_z(0, bytes, named.size())));
}

std::string packed(const std::string& lines) {
  std::string out(compressBound(lines.size()), '\0');
  uLongf size = out.size();
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(out.data()), &size,
                     reinterpret_cast<const Bytef*>(lines.data()), lines.size()),
            Z_OK);
  return out.substr(0, size);
}

const std::string kSignature = "\x89PNG\r\n\x1A\n";

std::string header(std::uint32_t width, std::uint32_t height, int bits, int colour,
                   int interlace = 0) {
  return chunk("IHDR", big(width) + big(height) + static_cast<char>(bits) +
                           static_cast<char>(colour) + std::string(2, '\0') +
                           static_cast<char>(interlace));
}

std::string png(std::uint32_t width, std::uint32_t height, int bits, int colour,
                const std::string& lines, const std::string& before = "") {
  return kSignature + header(width, height, bits, colour) + before + chunk("IDAT", packed(lines)) +
         chunk("IEND", "");
}

using Samples = std::vector<std::uint16_t>;

TEST(BaseImage, NetpbmInTextAndRaw) {
  const auto text = parse("P2 # grey\n#size\n3 2\n9\n0 1 2\n7 8 9");
  ASSERT_TRUE(text.ok()) << text.error().message();
  EXPECT_EQ(text->width, 3U);
  EXPECT_EQ(text->height, 2U);
  EXPECT_EQ(text->largest, 9U);
  EXPECT_EQ(text->samples, (Samples{0, 1, 2, 7, 8, 9}));
  const auto raw = parse("P5 2 1 255\n\x05\xFF");
  ASSERT_TRUE(raw.ok());
  EXPECT_EQ(raw->samples, (Samples{5, 255}));
  const auto wide = parse("P5 2 1 1023\n" + std::string("\x01\x02\x03\xFF", 4));
  ASSERT_TRUE(wide.ok());
  EXPECT_EQ(wide->samples, (Samples{258, 1023}));
  const auto colour = parse("P6 1 1 255\n" + std::string("\x01\x02\x03", 3));
  ASSERT_TRUE(colour.ok());
  EXPECT_EQ(colour->channels, 3U);
  EXPECT_EQ(colour->samples, (Samples{1, 2, 3}));
  EXPECT_EQ(parse("P3 1 1 5 1 2 5")->samples, (Samples{1, 2, 5}));
}

TEST(BaseImage, PngFiltersGiveBackTheRows) {
  // Five rows of three grey pixels, each by another filter; W3C PNG, section 9.
  // Pixels: 10 20 30 | 11 22 33 | 13 21 40 | 5 6 7 | 9 9 9.
  const std::string lines{0, 10, 20, 30,   // none
                          1, 11, 11, 11,   // minus the left
                          2, 2,  -1, 7,    // minus the one above
                          3, -1, -7, -16,  // minus the mean: 6, (5+21)/2 = 13, (6+40)/2 = 23
                          4, 4,  0,  0};   // Paeth: 5 (above), then 9 and 9 (left)
  const auto image = parse(png(3, 5, 8, 0, lines));
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_EQ(image->samples, (Samples{10, 20, 30, 11, 22, 33, 13, 21, 40, 5, 6, 7, 9, 9, 9}));
}

TEST(BaseImage, PngOfEveryKind) {
  // 1 bit: 1010 0000; 2 bits: 00 01 10 11; 4 bits: 0xA 0x5.
  EXPECT_EQ(parse(png(3, 1, 1, 0, std::string("\0\xA0", 2)))->samples, (Samples{1, 0, 1}));
  const auto two = parse(png(4, 1, 2, 0, std::string("\0\x1B", 2)));
  EXPECT_EQ(two->samples, (Samples{0, 1, 2, 3}));
  EXPECT_EQ(two->largest, 3U);
  EXPECT_EQ(parse(png(2, 1, 4, 0, std::string("\0\xA5", 2)))->samples, (Samples{10, 5}));
  EXPECT_EQ(parse(png(1, 1, 16, 0, std::string("\0\x01\x02", 3)))->samples, (Samples{258}));
  EXPECT_EQ(parse(png(1, 1, 8, 2, std::string("\0\x01\x02\x03", 4)))->samples, (Samples{1, 2, 3}));
  EXPECT_EQ(parse(png(1, 1, 8, 4, std::string("\0\x09\x80", 3)))->samples, (Samples{9}));
  EXPECT_EQ(parse(png(1, 1, 8, 6, std::string("\0\x01\x02\x03\x80", 5)))->samples,
            (Samples{1, 2, 3}));
  const std::string palette = chunk("PLTE", std::string("\x0A\x0B\x0C\x14\x15\x16", 6));
  EXPECT_EQ(parse(png(2, 1, 8, 3, std::string("\0\x01\x00", 3), palette))->samples,
            (Samples{20, 21, 22, 10, 11, 12}));
}

TEST(BaseImage, ReadsWhatOurWriterWrites) {
  Picture picture{.width = 5, .height = 4};
  for (int i = 0; i < 60; ++i) picture.rgb.push_back(static_cast<std::uint8_t>(37 * i));
  const auto path = std::filesystem::temp_directory_path() / "spikeloom-base-image-test.png";
  ASSERT_TRUE(write_png(picture, path.string()).ok());
  const auto image = read_image(path.string());
  std::filesystem::remove(path);
  ASSERT_TRUE(image.ok()) << image.error().message();
  EXPECT_EQ(image->channels, 3U);
  EXPECT_EQ(image->samples, Samples(picture.rgb.begin(), picture.rgb.end()));
}

TEST(BaseImage, DamagedImagesAreRefused) {
  const std::vector<std::string> netpbm = {
      "P5",           "P7 1 1 255\nx",  "P5 1 1 255",       "P5 2 2 255\nabc", "P5 0 4 255\n",
      "P5 1 1 0\nx",  "P5 1 1 65536\n", "P2 2 1 9 1",       "P2 2 1 9 1 10",   "P2 2 1 9 1 x",
      "P5 a 1 255\n", "P5 1 1 7\n\x08", "P2 1 1 9 \xFF\xFF"};
  for (const std::string& bytes : netpbm) EXPECT_EQ(refusal(bytes), ErrorCode::kFormat) << bytes;
  EXPECT_EQ(refusal("P5 100000 100000 255\n"), ErrorCode::kResource);
  EXPECT_EQ(refusal("P5 4294967295 4294967295 255\n"), ErrorCode::kFormat);

  const std::string good = png(3, 1, 8, 0, std::string("\0abc", 4));
  ASSERT_TRUE(parse(good).ok());
  for (std::size_t size = 8; size < good.size(); ++size) {
    EXPECT_EQ(refusal(good.substr(0, size)), ErrorCode::kFormat) << size;
  }
  for (std::size_t i = 8; i < good.size(); ++i) {
    std::string flipped = good;
    flipped[i] = static_cast<char>(flipped[i] ^ 0x10);
    EXPECT_FALSE(parse(flipped).ok()) << i;
  }
  EXPECT_EQ(refusal(png(3, 2, 8, 0, std::string("\0abc", 4))), ErrorCode::kFormat) << "rows miss";
  EXPECT_EQ(refusal(png(2, 1, 8, 0, std::string("\0abc", 4))), ErrorCode::kFormat) << "too many";
  EXPECT_EQ(refusal(png(3, 1, 8, 0, std::string("\5abc", 4))), ErrorCode::kFormat) << "filter";
  EXPECT_EQ(refusal(png(1, 1, 8, 3, std::string("\0\x02", 2))), ErrorCode::kFormat) << "palette";
  EXPECT_EQ(refusal(png(1, 1, 3, 0, std::string("\0\x02", 2))), ErrorCode::kFormat) << "bits";
  EXPECT_EQ(refusal(png(1, 1, 8, 7, std::string("\0\x02", 2))), ErrorCode::kFormat) << "colour";
  EXPECT_EQ(refusal(kSignature + header(1, 1, 8, 0, 1)), ErrorCode::kUnsupported);
  EXPECT_EQ(refusal(png(1 << 30, 1 << 30, 8, 0, "")), ErrorCode::kResource);
  // 2^28 pixels of which no byte is there: refused before anything is allocated for them.
  EXPECT_EQ(refusal(png(1 << 14, 1 << 14, 8, 0, "")), ErrorCode::kFormat);
  EXPECT_EQ(parse(good, 2).error().code, ErrorCode::kResource);
  EXPECT_EQ(read_image("no/such/file.png").error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace spikeloom::io
