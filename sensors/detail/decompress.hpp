#pragma once
/// LZ4 and Zstandard frames, with a limit on what comes out.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::detail {

enum class Compression : std::uint8_t { kNone, kLz4, kZstd };

/// Keeps its memory from one frame to the next.
class Decompressor {
 public:
  explicit Decompressor(Compression compression);
  ~Decompressor();
  Decompressor(Decompressor&&) noexcept;
  Decompressor& operator=(Decompressor&&) noexcept;

  /// The content of the one frame that `packed` is, valid until the next call. kFormat: damaged,
  /// cut short, or more behind it; kResource: more than `most_bytes`.
  Result<std::span<const std::byte>> unpack(std::span<const std::byte> packed,
                                            std::size_t most_bytes);

  /// unpack() of two frames at once, which takes less time than one after the other. Nothing when
  /// they are not of a kind for that, or damaged: unpack() then says more.
  std::optional<std::array<std::span<const std::byte>, 2>> unpack_two(
      std::span<const std::byte> first, std::span<const std::byte> second);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// One frame; for kNone the bytes themselves.
Result<std::vector<std::byte>> compress(Compression compression, std::span<const std::byte> bytes);

}  // namespace spikeloom::detail
