#include "sensors/detail/decompress.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <lz4frame.h>
#include <zstd.h>

#include "sensors/detail/lz4_frames.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::size_t kFirstBytes = std::size_t{1} << 16;

Error damaged(const char* format, const char* reason) {
  return {
      .code = ErrorCode::kFormat, .what = fmt::format("a damaged {} frame", format), .got = reason};
}

}  // namespace

struct Decompressor::State {
  Compression compression;
  LZ4F_dctx* lz4 = nullptr;
  ZSTD_DCtx* zstd = nullptr;
  std::vector<std::byte> content;  ///< never shrinks, so that it is cleared once only
  std::vector<std::byte> content_of_second;
  /// How the last plain frame that liblz4 found right began; frames that begin so need no more
  /// checks of their headers.
  std::optional<PlainLz4Header> plain_header;

  explicit State(Compression kind) : compression(kind) {
    if (kind == Compression::kLz4) LZ4F_createDecompressionContext(&lz4, LZ4F_VERSION);
    if (kind == Compression::kZstd) zstd = ZSTD_createDCtx();
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    LZ4F_freeDecompressionContext(lz4);
    ZSTD_freeDCtx(zstd);
  }

  /// One call of the library: how much it read and wrote; true when the frame is whole.
  Result<bool> step(std::span<const std::byte> packed, std::size_t& read, std::size_t at,
                    std::size_t& written) {
    if (compression == Compression::kLz4) {
      std::size_t out = content.size() - at;
      std::size_t in = packed.size();
      // The content stays where it is written, so the library need not keep a copy of its window.
      LZ4F_decompressOptions_t options{};
      options.stableDst = 1;
      const std::size_t hint =
          LZ4F_decompress(lz4, content.data() + at, &out, packed.data(), &in, &options);
      if (LZ4F_isError(hint) != 0) return damaged("LZ4", LZ4F_getErrorName(hint));
      read = in;
      written = out;
      return hint == 0;
    }
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    ZSTD_outBuffer out{content.data() + at, content.size() - at, 0};
    const std::size_t hint = ZSTD_decompressStream(zstd, &out, &in);
    if (ZSTD_isError(hint) != 0) return damaged("Zstandard", ZSTD_getErrorName(hint));
    read = in.pos;
    written = out.pos;
    return hint == 0;
  }

  void remember_header(std::span<const std::byte> frame) {
    PlainLz4Header header;
    if (compression != Compression::kLz4 || frame.size() < header.size()) return;
    std::copy_n(frame.begin(), header.size(), header.begin());
    if (is_plain_lz4(header)) plain_header = header;
  }

  void restart() {
    if (lz4 != nullptr) LZ4F_resetDecompressionContext(lz4);
    if (zstd != nullptr) ZSTD_DCtx_reset(zstd, ZSTD_reset_session_only);
  }
};

Decompressor::Decompressor(Compression compression)
    : state_(std::make_unique<State>(compression)) {}
Decompressor::~Decompressor() = default;
Decompressor::Decompressor(Decompressor&&) noexcept = default;
Decompressor& Decompressor::operator=(Decompressor&&) noexcept = default;

Result<std::span<const std::byte>> Decompressor::unpack(std::span<const std::byte> packed,
                                                        std::size_t most_bytes) {
  if (state_->compression == Compression::kNone) return packed;
  State& state = *state_;
  if (state.lz4 == nullptr && state.zstd == nullptr) {
    return Error{.code = ErrorCode::kResource, .what = "no memory for decompression"};
  }
  if (state.plain_header) {
    std::array<Lz4Frame, 1> frame = {Lz4Frame{packed, state.content}};
    if (decode_plain_lz4(*state.plain_header, frame)) {
      return std::span<const std::byte>(state.content).first(frame[0].size);
    }
  }
  state.restart();
  if (state.content.empty()) state.content.resize(kFirstBytes);
  const char* name = state.compression == Compression::kLz4 ? "LZ4" : "Zstandard";
  const std::span<const std::byte> frame = packed;
  std::size_t size = 0;
  while (true) {
    if (size == state.content.size()) {
      if (size >= most_bytes) {
        return Error{.code = ErrorCode::kResource,
                     .what = fmt::format("the content of a {} frame is too large", name),
                     .expected = fmt::format("at most {} bytes", most_bytes)};
      }
      // What was written must not move under the library: once more, with more room.
      state.content.resize(std::min(most_bytes, 4 * size));
      state.restart();
      packed = frame;
      size = 0;
    }
    std::size_t read = 0;
    std::size_t written = 0;
    SPIKELOOM_TRY(const bool whole, state.step(packed, read, size, written));
    packed = packed.subspan(read);
    size += written;
    if (whole) {
      if (!packed.empty()) return damaged(name, "bytes behind its end");
      state.remember_header(frame);
      return std::span<const std::byte>(state.content).first(size);
    }
    if (read == 0 && written == 0 && size < state.content.size()) {
      return damaged(name, "cut short");
    }
  }
}

std::optional<std::array<std::span<const std::byte>, 2>> Decompressor::unpack_two(
    std::span<const std::byte> first, std::span<const std::byte> second) {
  State& state = *state_;
  if (!state.plain_header) return {};
  state.content_of_second.resize(state.content.size());
  std::array<Lz4Frame, 2> frames = {Lz4Frame{first, state.content},
                                    Lz4Frame{second, state.content_of_second}};
  if (!decode_plain_lz4(*state.plain_header, frames)) return {};
  return std::array{std::span<const std::byte>(state.content).first(frames[0].size),
                    std::span<const std::byte>(state.content_of_second).first(frames[1].size)};
}

Result<std::vector<std::byte>> compress(Compression compression, std::span<const std::byte> bytes) {
  std::vector<std::byte> out;
  std::size_t size = bytes.size();
  switch (compression) {
    case Compression::kNone:
      out.assign(bytes.begin(), bytes.end());
      return out;
    case Compression::kLz4: {
      LZ4F_preferences_t preferences{};
      preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
      preferences.frameInfo.blockSizeID = LZ4F_max4MB;
      out.resize(LZ4F_compressFrameBound(size, &preferences));
      size = LZ4F_compressFrame(out.data(), out.size(), bytes.data(), size, &preferences);
      if (LZ4F_isError(size) != 0) return damaged("LZ4", LZ4F_getErrorName(size));
      break;
    }
    case Compression::kZstd:
      out.resize(ZSTD_compressBound(size));
      size = ZSTD_compress(out.data(), out.size(), bytes.data(), size, 1);
      if (ZSTD_isError(size) != 0) return damaged("Zstandard", ZSTD_getErrorName(size));
      break;
  }
  out.resize(size);
  return out;
}

}  // namespace spikeloom::detail
