#include <algorithm>

#include <fmt/format.h>

#include "base/io/detail/image_formats.hpp"

namespace spikeloom::io::detail {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/// Numbers and raw samples of a Netpbm file, in order.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  void skip(std::size_t count) { at_ += count; }
  std::size_t left() const { return bytes_.size() - at_; }

  Error damaged(const char* what, std::string expected) const {
    return Error{.code = ErrorCode::kFormat,
                 .what = what,
                 .where = fmt::format("{}: byte {}", name_, at_),
                 .expected = std::move(expected)};
  }

  /// The next decimal number, behind white space and comments.
  Result<std::uint32_t> number(std::uint32_t most) {
    while (at_ < bytes_.size() && (is_space(letter()) || letter() == '#')) {
      if (letter() != '#') {
        ++at_;
        continue;
      }
      while (at_ < bytes_.size() && letter() != '\n') ++at_;
    }
    std::uint64_t value = 0;
    const std::size_t start = at_;
    for (; at_ < bytes_.size() && letter() >= '0' && letter() <= '9'; ++at_) {
      value = 10 * value + static_cast<std::uint64_t>(letter() - '0');
      if (value > most) return damaged("the number is too large", fmt::format("0 to {}", most));
    }
    if (at_ == start) return damaged("no number where one belongs", fmt::format("0 to {}", most));
    return static_cast<std::uint32_t>(value);
  }

  /// One white space stands between the header and raw samples.
  Status end_of_header() {
    if (at_ < bytes_.size() && is_space(letter())) return ++at_, Status();
    return damaged("the header does not end", "white space before the samples");
  }

  std::uint16_t raw(bool wide) {
    const auto byte = [&] { return std::to_integer<unsigned>(bytes_[at_++]); };
    const unsigned first = byte();
    return static_cast<std::uint16_t>(wide ? first << 8 | byte() : first);
  }

 private:
  char letter() const { return static_cast<char>(bytes_[at_]); }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  std::size_t at_ = 0;
};

}  // namespace

bool looks_like_netpbm(std::span<const std::byte> bytes) {
  if (bytes.size() < 3 || bytes[0] != std::byte{'P'}) return false;
  const char kind = static_cast<char>(bytes[1]);
  return (kind == '2' || kind == '3' || kind == '5' || kind == '6') &&
         (is_space(static_cast<char>(bytes[2])) || bytes[2] == std::byte{'#'});
}

Result<Image> parse_netpbm(std::span<const std::byte> bytes, const std::string& name,
                           std::uint64_t max_pixels) {
  const char kind = static_cast<char>(bytes[1]);
  Reader reader(bytes, name);
  reader.skip(2);
  Image image;
  SPIKELOOM_TRY(image.width, reader.number(0x7FFFFFFF));
  SPIKELOOM_TRY(image.height, reader.number(0x7FFFFFFF));
  SPIKELOOM_CHECK(check_image_size(image.width, image.height, name, max_pixels));
  SPIKELOOM_TRY(image.largest, reader.number(65535));
  if (image.largest == 0) return reader.damaged("white is 0", "1 to 65535");
  image.channels = kind == '3' || kind == '6' ? 3 : 1;
  const std::uint64_t count = std::uint64_t{image.width} * image.height * image.channels;
  const bool text = kind == '2' || kind == '3';
  const bool wide = image.largest > 255;
  if (!text) SPIKELOOM_CHECK(reader.end_of_header());
  // A number in text takes a digit and a space.
  const std::uint64_t needs = text ? 2 * count - 1 : count * (wide ? 2 : 1);
  if (reader.left() < needs) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the image is truncated",
                 .where = name,
                 .expected = fmt::format("{} bytes of samples", needs),
                 .got = fmt::format("{}", reader.left())};
  }
  image.samples.resize(count);
  for (std::uint16_t& sample : image.samples) {
    if (text) {
      SPIKELOOM_TRY(const std::uint32_t value, reader.number(image.largest));
      sample = static_cast<std::uint16_t>(value);
    } else {
      sample = reader.raw(wide);
      if (sample > image.largest) {
        return reader.damaged("a sample is brighter than white",
                              fmt::format("0 to {}", image.largest));
      }
    }
  }
  return image;
}

}  // namespace spikeloom::io::detail
