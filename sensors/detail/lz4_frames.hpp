#pragma once
/// Plain LZ4 frames (github.com/lz4/lz4, doc/lz4_Frame_format.md and lz4_Block_format.md), one or
/// two at a time.
///
/// An LZ4 decoder waits: a sequence's place is known only when the one in front of it has been
/// read, and the bytes it repeats were often written a moment ago, in parts, so that the processor
/// cannot forward them from its store queue. Two frames decoded in turns fill each other's pauses,
/// and literals and match joined in a register are read and written as one piece, on the grid of
/// the records. Recordings of events, whose matches lie whole records back, take 0.6 of the time.
///
/// Only what is plain is decoded: anything unusual is left to liblz4, which also says what is wrong
/// with a damaged frame.

#include <array>
#include <cstddef>
#include <span>

namespace spikeloom::detail {

/// The first bytes of a frame without checksums of its content, its size or a dictionary; the last
/// is a checksum of those in front of it.
inline constexpr std::size_t kPlainLz4Header = 7;
using PlainLz4Header = std::array<std::byte, kPlainLz4Header>;

struct Lz4Frame {
  std::span<const std::byte> packed;
  std::span<std::byte> room;  ///< for the content
  std::size_t size = 0;       ///< of the content
};

/// Whether a frame that begins so has nothing but blocks.
bool is_plain_lz4(const PlainLz4Header& header);

/// Decodes frames that begin with `header`, which is plain and whose checksum has been checked.
/// False when one of them begins otherwise, does not fit its room or has anything that liblz4 may
/// see otherwise; what was written is then worth nothing.
bool decode_plain_lz4(const PlainLz4Header& header, std::span<Lz4Frame, 1> frames);
bool decode_plain_lz4(const PlainLz4Header& header, std::span<Lz4Frame, 2> frames);

}  // namespace spikeloom::detail
