#include "sensors/detail/lz4_frames.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "sensors/detail/load.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::uint32_t kMagic = 0x184D'2204;
constexpr std::uint32_t kStored = 0x8000'0000;  ///< in a block's size: it is not compressed
constexpr std::uint32_t kLong = 15;             ///< a length that goes on in the next bytes
constexpr std::uint32_t kShortestMatch = 4;
/// liblz4 takes a block of a match to have so much behind its literals, and so much room.
constexpr std::ptrdiff_t kBehindLiterals = 8;
constexpr std::ptrdiff_t kBehindMatch = 5;

/// The fast loop takes sequences whose lengths stand in the token: at most two pieces of output,
/// from so far back that the bytes a piece reads were all there before it.
constexpr std::size_t kPiece = 16;
constexpr std::ptrdiff_t kMostOutput = 2 * kPiece;
constexpr std::ptrdiff_t kMostInput = 1 + 14 + 2;
constexpr std::ptrdiff_t kInputMargin = 32;

using Piece = std::uint64_t __attribute__((vector_size(kPiece)));

/// Bytes that were mostly written as two halves, by different stores. A compiler makes one load of
/// two plain ones.
inline Piece load_halves(const std::byte* bytes) {
#if defined(__SSE2__)
  const auto* half = reinterpret_cast<const __m64*>(bytes);
  return Piece(_mm_loadh_pi(_mm_loadl_pi(_mm_setzero_ps(), half), half + 1));
#else
  return load_little<Piece>(bytes);
#endif
}

/// Of every number of literals: ones where they are.
constexpr auto kLiteralMasks = [] {
  std::array<std::array<std::uint8_t, kPiece>, kPiece> masks{};
  for (std::size_t literals = 0; literals < kPiece; ++literals) {
    for (std::size_t i = 0; i < literals; ++i) masks[literals][i] = 0xFF;
  }
  return masks;
}();

/// A frame that is being decoded.
struct Lane {
  const std::byte* in = nullptr;
  const std::byte* block_end = nullptr;
  const std::byte* frame_end = nullptr;
  std::byte* out = nullptr;
  std::byte* oldest = nullptr;  ///< what a match may refer to
  std::byte* limit = nullptr;   ///< of the block
  std::byte* room_end = nullptr;
  std::size_t most_in_block = 0;
  bool linked = false;  ///< matches may reach into earlier blocks
  enum State { kRunning, kDone, kOdd } state = kRunning;

  void next_block() {
    state = kOdd;
    while (frame_end - in >= 4) {
      const auto word = load_little<std::uint32_t>(in);
      in += 4;
      if (word == 0) {
        if (in == frame_end) state = kDone;
        return;
      }
      const std::size_t size = word & ~kStored;
      if (size > most_in_block || size > static_cast<std::size_t>(frame_end - in)) return;
      if (!linked) oldest = out;
      if ((word & kStored) == 0) {
        if (size == 0) return;
        block_end = in + size;
        limit = out + std::min<std::size_t>(most_in_block, room_end - out);
        state = kRunning;
        return;
      }
      if (size > static_cast<std::size_t>(room_end - out)) return;
      std::memcpy(out, in, size);
      out += size;
      in += size;
    }
  }

  /// The rest of a length that began as `length`; false at the end of the block.
  bool long_length(std::size_t& length) {
    if (length != kLong) return true;
    while (in < block_end) {
      const auto byte = std::to_integer<std::uint8_t>(*in++);
      length += byte;
      if (byte != 0xFF) return true;
    }
    return false;
  }

  /// Any sequence, and what follows the last of a block.
  void step() {
    state = kOdd;
    if (in >= block_end) return;
    const auto token = std::to_integer<std::uint32_t>(*in++);
    std::size_t literals = token >> 4;
    if (!long_length(literals) || literals > static_cast<std::size_t>(block_end - in) ||
        literals > static_cast<std::size_t>(limit - out)) {
      return;
    }
    std::memcpy(out, in, literals);
    out += literals;
    in += literals;
    if (in == block_end) return next_block();
    if (block_end - in < kBehindLiterals) return;
    const std::size_t back = load_little<std::uint16_t>(in);
    in += 2;
    std::size_t length = token & kLong;
    if (!long_length(length)) return;
    length += kShortestMatch;
    if (back == 0 || back > static_cast<std::size_t>(out - oldest) ||
        length + kBehindMatch > static_cast<std::size_t>(limit - out)) {
      return;
    }
    const std::byte* match = out - back;
    if (back >= length) {
      std::memcpy(out, match, length);
    } else {
      for (std::size_t i = 0; i < length; ++i) out[i] = match[i];
    }
    out += length;
    state = kRunning;
  }
};

/// Takes a sequence whose lengths stand in the token; false, and nothing changes, when the next one
/// is none, or reaches back not a piece or too far.
inline bool take_short(const std::byte*& in, std::byte*& out, const std::byte* oldest) {
  const auto token = std::to_integer<std::uint32_t>(*in);
  const std::uint32_t literals = token >> 4;
  const std::uint32_t length = token & kLong;
  const std::size_t back = load_little<std::uint16_t>(in + 1 + literals);
  if (literals == kLong || length == kLong || back < kPiece ||
      back > static_cast<std::size_t>(out - oldest)) [[unlikely]] {
    return false;
  }
  // Where the literals end is where the match begins, `back` bytes earlier: the two take the same
  // places in a piece.
  const std::byte* match = out - back;
  Piece piece = load_halves(match);
  const auto written = load_little<Piece>(in + 1);
  const auto mask =
      load_little<Piece>(reinterpret_cast<const std::byte*>(kLiteralMasks[literals].data()));
  piece ^= (piece ^ written) & mask;
  std::memcpy(out, &piece, kPiece);
  const std::uint32_t size = literals + length + kShortestMatch;
  if (size > kPiece) [[unlikely]] {
    std::memcpy(out + kPiece, match + kPiece, kPiece);
  }
  in += literals + 3;
  out += size;
  return true;
}

/// Decodes short sequences of all frames in turns, for as long as all of them have any; returns the
/// one that needs step().
template <std::size_t kLanes>
std::size_t short_sequences(std::array<Lane, kLanes>& lanes) {
  std::array<const std::byte*, kLanes> in;
  std::array<std::byte*, kLanes> out;
  std::array<const std::byte*, kLanes> oldest;
  for (std::size_t k = 0; k < kLanes; ++k) {
    in[k] = lanes[k].in;
    out[k] = lanes[k].out;
    oldest[k] = lanes[k].oldest;
  }
  std::size_t odd = kLanes;
  while (odd == kLanes) {
    std::ptrdiff_t rounds = PTRDIFF_MAX;
    for (std::size_t k = 0; k < kLanes; ++k) {
      const std::ptrdiff_t input = (lanes[k].block_end - in[k] - kInputMargin) / kMostInput;
      const std::ptrdiff_t output = (lanes[k].limit - out[k]) / kMostOutput - 1;
      const std::ptrdiff_t most = std::min(input, output);
      if (most <= 0) odd = k;
      rounds = std::min(rounds, most);
    }
    for (; rounds > 0 && odd == kLanes; --rounds) {
      for (std::size_t k = 0; k < kLanes; ++k) {
        if (!take_short(in[k], out[k], oldest[k])) {
          odd = k;
          break;
        }
      }
    }
  }
  for (std::size_t k = 0; k < kLanes; ++k) {
    lanes[k].in = in[k];
    lanes[k].out = out[k];
  }
  return odd;
}

/// False when the frame is not one that begins with `header`.
bool begin(const PlainLz4Header& header, const Lz4Frame& frame, Lane& lane) {
  if (frame.packed.size() < kPlainLz4Header ||
      !std::equal(header.begin(), header.end(), frame.packed.begin())) {
    return false;
  }
  const auto flags = std::to_integer<std::uint32_t>(header[4]);
  const auto descriptor = std::to_integer<std::uint32_t>(header[5]);
  lane.linked = (flags & 0x20U) == 0;
  lane.most_in_block = std::size_t{1} << (8 + 2 * (descriptor >> 4 & 7U));
  lane.in = frame.packed.data() + kPlainLz4Header;
  lane.frame_end = frame.packed.data() + frame.packed.size();
  lane.out = frame.room.data();
  lane.oldest = lane.out;
  lane.room_end = lane.out + frame.room.size();
  lane.next_block();
  return true;
}

template <std::size_t kLanes>
bool decode(const PlainLz4Header& header, std::span<Lz4Frame, kLanes> frames) {
  std::array<Lane, kLanes> lanes;
  for (std::size_t k = 0; k < kLanes; ++k) {
    if (!begin(header, frames[k], lanes[k])) return false;
  }
  const auto runs = [](const Lane& lane) { return lane.state == Lane::kRunning; };
  while (std::all_of(lanes.begin(), lanes.end(), runs)) lanes[short_sequences(lanes)].step();
  for (std::size_t k = 0; k < kLanes; ++k) {
    std::array<Lane, 1> one = {lanes[k]};
    while (runs(one[0])) one[short_sequences(one)].step();
    if (one[0].state == Lane::kOdd) return false;
    frames[k].size = static_cast<std::size_t>(one[0].out - frames[k].room.data());
  }
  return true;
}

}  // namespace

bool is_plain_lz4(const PlainLz4Header& header) {
  const auto flags = std::to_integer<std::uint32_t>(header[4]);
  const auto descriptor = std::to_integer<std::uint32_t>(header[5]);
  // Version 1; of its flags only "blocks are independent" is set. Blocks of 64 KiB to 4 MiB.
  return load_little<std::uint32_t>(header.data()) == kMagic && (flags & ~0x20U) == 0x40U &&
         (descriptor & 0x8FU) == 0 && descriptor >> 4 >= 4;
}

bool decode_plain_lz4(const PlainLz4Header& header, std::span<Lz4Frame, 1> frames) {
  return decode(header, frames);
}
bool decode_plain_lz4(const PlainLz4Header& header, std::span<Lz4Frame, 2> frames) {
  return decode(header, frames);
}

}  // namespace spikeloom::detail
