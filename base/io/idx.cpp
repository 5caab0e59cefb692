#include "base/io/idx.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <zlib.h>

namespace spikeloom::io {
namespace {

/// DEFLATE expands by less than this.
constexpr std::uint64_t kMostExpansion = 1040;

Error damaged(const std::string& name, std::string what, std::uint64_t byte) {
  return Error{.code = ErrorCode::kFormat,
               .what = std::move(what),
               .where = fmt::format("{}: byte {}", name, byte),
               .expected = "an IDX array: 0 0 type rank, sizes, elements"};
}

std::optional<DType> element_type(std::byte code) {
  switch (std::to_integer<int>(code)) {
    case 0x08:
      return DType::kUInt8;
    case 0x09:
      return DType::kInt8;
    case 0x0B:
      return DType::kInt16;
    case 0x0C:
      return DType::kInt32;
    case 0x0D:
      return DType::kFloat32;
    case 0x0E:
      return DType::kFloat64;
    default:
      return std::nullopt;
  }
}

bool is_gzip(std::span<const std::byte> start) {
  return start.size() >= 2 && start[0] == std::byte{0x1F} && start[1] == std::byte{0x8B};
}

bool is_header(std::span<const std::byte> start) {
  return start.size() >= 4 && start[0] == std::byte{0} && start[1] == std::byte{0} &&
         element_type(start[2]) && start[3] != std::byte{0} && start[3] <= std::byte{8};
}

/// Hands out bytes in order, from memory or from gzip.
class Source {
 public:
  Source(std::span<const std::byte> bytes, const std::string& name)
      : bytes_(bytes), name_(name), gzip_(is_gzip(bytes)) {}
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  ~Source() {
    if (open_) inflateEnd(&stream_);
  }

  /// The most there can be to hand out.
  std::uint64_t most() const { return bytes_.size() * (gzip_ ? kMostExpansion : 1); }
  std::uint64_t taken() const { return taken_; }

  /// Fills `out`; kFormat when the data end before.
  Status take(std::span<std::byte> out) {
    if (!gzip_) {
      if (bytes_.size() - taken_ < out.size()) return ends_early();
      std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(taken_), out.size(), out.begin());
      taken_ += out.size();
      return {};
    }
    return inflate_into(out);
  }

  /// True when nothing is left.
  bool at_end() {
    std::byte more{};
    if (!gzip_) return taken_ == bytes_.size();
    return !inflate_into({&more, 1}).ok() && ended_;
  }

 private:
  Error ends_early() const { return damaged(name_, "the array is cut short", taken_); }

  Status inflate_into(std::span<std::byte> out) {
    if (!open_ && inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK) {
      return Error{.code = ErrorCode::kResource, .what = "zlib cannot start", .where = name_};
    }
    open_ = true;
    while (!out.empty()) {
      if (ended_) return ends_early();
      constexpr std::size_t kMost = std::numeric_limits<unsigned>::max();
      if (stream_.avail_in == 0) {
        const std::size_t count = std::min(bytes_.size() - read_, kMost);
        if (count == 0) return ends_early();
        // zlib does not write to its input, though its interface says so.
        stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(bytes_.data() + read_));
        stream_.avail_in = static_cast<unsigned>(count);
        read_ += count;
      }
      const std::size_t wanted = std::min(out.size(), kMost);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data());
      stream_.avail_out = static_cast<unsigned>(wanted);
      const int state = inflate(&stream_, Z_NO_FLUSH);
      const std::size_t done = wanted - stream_.avail_out;
      out = out.subspan(done);
      taken_ += done;
      ended_ = state == Z_STREAM_END;
      if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR) {
        return damaged(name_, "the gzip data are damaged", read_ - stream_.avail_in);
      }
    }
    return {};
  }

  std::span<const std::byte> bytes_;
  const std::string& name_;
  bool gzip_;
  std::uint64_t taken_ = 0;
  std::size_t read_ = 0;
  z_stream stream_ = {};
  bool open_ = false, ended_ = false;
};

}  // namespace

bool looks_like_idx(std::span<const std::byte> start) { return is_gzip(start) || is_header(start); }

Result<Tensor> parse_idx(std::span<const std::byte> bytes, const std::string& name,
                         std::uint64_t max_bytes) {
  Source source(bytes, name);
  std::vector<std::byte> header(4);
  SPIKELOOM_CHECK(source.take(header));
  if (!is_header(header)) return damaged(name, "this is no IDX array", 0);
  const DType dtype = *element_type(header[2]);
  Shape shape;
  for (int axis = 0; axis < std::to_integer<int>(header[3]); ++axis) {
    std::vector<std::byte> size(4);
    SPIKELOOM_CHECK(source.take(size));
    std::int64_t value = 0;
    for (const std::byte byte : size) value = value * 256 + std::to_integer<int>(byte);
    shape.push_back(value);
  }
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  const std::size_t width = size_of(dtype);
  const std::uint64_t total = static_cast<std::uint64_t>(count) * width;
  if (total > max_bytes || total > source.most()) {
    return Error{.code = total > max_bytes ? ErrorCode::kResource : ErrorCode::kFormat,
                 .what = "the array is larger than its file can hold, or than the limit",
                 .where = name,
                 .got = fmt::format("{} of {}", to_string(shape), to_string(dtype))};
  }
  std::vector<std::byte> data(total);
  SPIKELOOM_CHECK(source.take(data));
  if (!source.at_end()) return damaged(name, "something follows the array", source.taken());
  for (std::size_t i = 0; width > 1 && i < data.size(); i += width) {
    std::reverse(data.begin() + static_cast<std::ptrdiff_t>(i),
                 data.begin() + static_cast<std::ptrdiff_t>(i + width));
  }
  return Tensor::from_bytes(dtype, std::move(shape), std::move(data));
}

}  // namespace spikeloom::io
