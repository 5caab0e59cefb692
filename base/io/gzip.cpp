#include "base/io/gzip.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <zlib.h>

namespace spikeloom::io {
namespace {

struct Inflater {
  z_stream stream = {};
  bool open = false;
  Inflater() { open = inflateInit2(&stream, 16 + MAX_WBITS) == Z_OK; }
  ~Inflater() {
    if (open) inflateEnd(&stream);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
};

Error damaged(const std::string& name, std::string what) {
  return Error{.code = ErrorCode::kFormat,
               .what = "the gzip file is damaged: " + std::move(what),
               .where = name,
               .next = "get the file again"};
}

}  // namespace

bool looks_like_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

Result<std::vector<std::byte>> gunzip(std::span<const std::byte> bytes, const std::string& name,
                                      std::uint64_t max_bytes) {
  const auto inflater = std::make_unique<Inflater>();
  if (!inflater->open) return Error{.code = ErrorCode::kResource, .what = "zlib does not start"};
  z_stream& stream = inflater->stream;
  std::vector<std::byte> out;
  std::vector<std::byte> block(64 << 10);
  std::span<const std::byte> rest = bytes;
  while (true) {
    const std::size_t piece = std::min<std::size_t>(rest.size(), 1U << 30);
    // zlib's interface predates const; it does not write to its input.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(rest.data()));
    stream.avail_in = static_cast<uInt>(piece);
    stream.next_out = reinterpret_cast<Bytef*>(block.data());
    stream.avail_out = static_cast<uInt>(block.size());
    const int status = inflate(&stream, Z_NO_FLUSH);
    rest = rest.subspan(piece - stream.avail_in);
    const std::size_t made = block.size() - stream.avail_out;
    if (made > max_bytes - out.size()) {
      return Error{.code = ErrorCode::kResource,
                   .what = fmt::format("it unpacks to more than {} bytes", max_bytes),
                   .where = name};
    }
    out.insert(out.end(), block.begin(), block.begin() + static_cast<std::ptrdiff_t>(made));
    if (status == Z_STREAM_END) {
      if (rest.empty()) return out;
      if (!looks_like_gzip(rest)) return damaged(name, "bytes are left over at its end");
      inflateReset(&stream);
      continue;
    }
    if (status != Z_OK && status != Z_BUF_ERROR) {
      return damaged(name, stream.msg == nullptr ? "it does not unpack" : stream.msg);
    }
    if (made == 0 && rest.empty()) return damaged(name, "it is truncated");
  }
}

}  // namespace spikeloom::io
