#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>

#include <fmt/format.h>
#include <zlib.h>

#include "base/io/detail/image_formats.hpp"

namespace spikeloom::io::detail {
namespace {

constexpr std::array<std::uint8_t, 8> kSignature = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
/// DEFLATE expands by less than this.
constexpr std::uint64_t kMostExpansion = 1040;

using Bytes = std::span<const std::uint8_t>;

struct Header {
  std::uint32_t width = 0, height = 0;
  std::uint32_t bits = 0, colour = 0;

  std::uint32_t samples() const {  ///< a pixel, as stored
    constexpr std::array<std::uint32_t, 7> kSamples = {1, 0, 3, 1, 2, 0, 4};
    return kSamples[colour];
  }
  std::uint64_t row_bytes() const { return (std::uint64_t{width} * samples() * bits + 7) / 8; }
  std::size_t pixel_bytes() const { return std::max<std::size_t>(1, samples() * bits / 8); }
};

std::uint32_t big(Bytes bytes) {
  return std::uint32_t{bytes[0]} << 24 | std::uint32_t{bytes[1]} << 16 |
         std::uint32_t{bytes[2]} << 8 | bytes[3];
}

Error damaged(const std::string& name, std::string what) {
  return Error{.code = ErrorCode::kFormat,
               .what = "the PNG is damaged: " + std::move(what),
               .where = name,
               .next = "get the file again"};
}

Result<Header> parse_header(Bytes chunk, const std::string& name, std::uint64_t max_pixels) {
  if (chunk.size() != 13) return damaged(name, "its header is not 13 bytes");
  Header header{.width = big(chunk), .height = big(chunk.subspan(4)), .bits = chunk[8]};
  header.colour = chunk[9];
  SPIKELOOM_CHECK(check_image_size(header.width, header.height, name, max_pixels));
  const std::uint32_t bits = header.bits;
  const bool whole = bits == 8 || bits == 16;
  const bool small = bits == 1 || bits == 2 || bits == 4;
  const bool known = (header.colour == 0 && (whole || small)) ||
                     (header.colour == 3 && (bits == 8 || small)) ||
                     ((header.colour == 2 || header.colour == 4 || header.colour == 6) && whole);
  if (!known || chunk[10] != 0 || chunk[11] != 0 || chunk[12] > 1) {
    return damaged(name, fmt::format("colour type {} with {} bits", header.colour, bits));
  }
  if (chunk[12] == 1) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "an interlaced PNG is not read",
                 .where = name,
                 .next = "save it without interlacing"};
  }
  return header;
}

struct Chunks {
  Header header;
  std::vector<std::uint8_t> palette = {};
  std::vector<std::uint8_t> packed = {};  ///< the contents of every IDAT
};

/// Walks the chunks to IEND; others than the four critical ones are checked and skipped.
Result<Chunks> parse_chunks(Bytes bytes, const std::string& name, std::uint64_t max_pixels) {
  Chunks chunks;
  bool first = true;
  for (bytes = bytes.subspan(kSignature.size()); bytes.size() >= 12;) {
    const std::uint64_t length = big(bytes);
    if (length > bytes.size() - 12) return damaged(name, "a chunk is cut short");
    const Bytes named = bytes.subspan(4, length + 4);
    if (crc32_z(crc32_z(0, nullptr, 0), named.data(), named.size()) !=
        big(bytes.subspan(8 + length))) {
      return damaged(name, "a chunk's checksum does not fit");
    }
    const std::string_view type(reinterpret_cast<const char*>(named.data()), 4);
    const Bytes content = named.subspan(4);
    bytes = bytes.subspan(12 + length);
    if (first != (type == "IHDR")) return damaged(name, "its header is not the first chunk");
    first = false;
    if (type == "IHDR") {
      SPIKELOOM_TRY(chunks.header, parse_header(content, name, max_pixels));
    } else if (type == "PLTE") {
      if (content.size() % 3 != 0 || content.size() > 768) return damaged(name, "its palette");
      chunks.palette.assign(content.begin(), content.end());
    } else if (type == "IDAT") {
      chunks.packed.insert(chunks.packed.end(), content.begin(), content.end());
    } else if (type == "IEND") {
      return chunks;
    } else if ((named[0] & 0x20U) == 0) {
      return damaged(name, "it has a critical chunk of an unknown kind");
    }
  }
  return damaged(name, "it ends before its last chunk");
}

std::uint8_t paeth(int left, int up, int corner) {
  const int guess = left + up - corner;
  const int a = std::abs(guess - left), b = std::abs(guess - up), c = std::abs(guess - corner);
  return static_cast<std::uint8_t>(a <= b && a <= c ? left : b <= c ? up : corner);
}

/// Takes a row's filter back, in place; false for a filter there is none of.
bool unfilter(std::uint8_t filter, std::span<std::uint8_t> row, Bytes above, std::size_t pixel) {
  if (filter > 4) return false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const std::uint8_t left = i < pixel ? std::uint8_t{0} : row[i - pixel];
    const std::uint8_t corner = i < pixel ? std::uint8_t{0} : above[i - pixel];
    const std::array<std::uint8_t, 5> guesses = {0, left, above[i],
                                                 static_cast<std::uint8_t>((left + above[i]) / 2),
                                                 paeth(left, above[i], corner)};
    row[i] = static_cast<std::uint8_t>(row[i] + guesses[filter]);
  }
  return true;
}

std::uint16_t sample_at(Bytes row, std::size_t index, std::uint32_t bits) {
  if (bits == 8) return row[index];
  if (bits == 16) {
    return static_cast<std::uint16_t>(std::uint32_t{row[2 * index]} << 8 | row[2 * index + 1]);
  }
  const std::size_t bit = index * bits;
  const std::uint32_t shift = 8 - bits - static_cast<std::uint32_t>(bit % 8);
  return static_cast<std::uint16_t>(row[bit / 8] >> shift & ((1U << bits) - 1));
}

/// Appends the row's pixels; false for an index outside the palette.
bool append_row(const Chunks& chunks, Bytes row, Image& image) {
  const Header& header = chunks.header;
  const std::uint32_t stored = header.samples();
  for (std::size_t x = 0; x < header.width; ++x) {
    if (header.colour == 3) {
      const std::size_t entry = std::size_t{3} * sample_at(row, x, header.bits);
      if (entry >= chunks.palette.size()) return false;
      for (std::size_t c = 0; c < 3; ++c) image.samples.push_back(chunks.palette[entry + c]);
      continue;
    }
    for (std::size_t c = 0; c < image.channels; ++c) {
      image.samples.push_back(sample_at(row, x * stored + c, header.bits));
    }
  }
  return true;
}

}  // namespace

bool looks_like_png(std::span<const std::byte> bytes) {
  return bytes.size() >= kSignature.size() &&
         std::equal(kSignature.begin(), kSignature.end(), bytes.begin(),
                    [](std::uint8_t a, std::byte b) { return std::byte{a} == b; });
}

Result<Image> parse_png(std::span<const std::byte> bytes, const std::string& name,
                        std::uint64_t max_pixels) {
  const Bytes all(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  SPIKELOOM_TRY(const Chunks chunks, parse_chunks(all, name, max_pixels));
  const Header& header = chunks.header;
  const std::uint64_t row = header.row_bytes() + 1;
  const std::uint64_t size = row * header.height;
  if (size / kMostExpansion > chunks.packed.size()) return damaged(name, "pixels are missing");
  std::vector<std::uint8_t> lines(size);
  uLongf made = lines.size();
  const int status = uncompress(lines.data(), &made, chunks.packed.data(), chunks.packed.size());
  if (status != Z_OK || made != lines.size()) return damaged(name, "its pixels do not unpack");
  Image image{.width = header.width, .height = header.height};
  image.channels = header.colour == 0 || header.colour == 4 ? 1 : 3;
  image.largest = header.colour == 3 ? 255 : (1U << header.bits) - 1;
  image.samples.reserve(std::size_t{header.width} * header.height * image.channels);
  std::vector<std::uint8_t> nothing(header.row_bytes(), 0);
  Bytes above = nothing;
  for (std::size_t y = 0; y < header.height; ++y) {
    const std::span<std::uint8_t> line(lines.data() + y * row, row);
    if (!unfilter(line[0], line.subspan(1), above, header.pixel_bytes())) {
      return damaged(name, fmt::format("row {} has a filter of an unknown kind", y));
    }
    above = line.subspan(1);
    if (!append_row(chunks, above, image)) {
      return damaged(name, fmt::format("row {} has a colour outside the palette", y));
    }
  }
  return image;
}

}  // namespace spikeloom::io::detail
