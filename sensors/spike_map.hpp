#pragma once
/// One frame of one-bit outputs as a sensor would send it, and the bytes that takes.
///
///     bitmap      a bit for every output, in order of index: ceil(N / 8) bytes
///     addresses   the number of spikes (4 bytes, little-endian), then the index of each, rising,
///                 in ceil(log2 N) bits: fewer bytes than the bitmap below an activity of about
///                 1 / log2 N
///     raw         what a conventional sensor sends for the same picture: 4 Bayer samples (R, G, G,
///                 B) for each RGB pixel, 12 bits each, most significant first: 6 bytes a pixel
///
/// Bits fill bytes from the most significant one. The last byte is filled up with zeros.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.hpp"

namespace spikeloom {

/// Row-major [channel][y][x]; 0 or 1.
struct SpikeMap {
  std::uint32_t channels = 0, height = 0, width = 0;
  std::vector<std::uint8_t> spikes = {};

  std::size_t size() const { return std::size_t{channels} * height * width; }
  std::uint64_t count() const;
  double activity() const;  ///< spikes per output
  friend bool operator==(const SpikeMap&, const SpikeMap&) = default;
};

std::vector<std::byte> encode_bitmap(const SpikeMap& map);
std::vector<std::byte> encode_addresses(const SpikeMap& map);

/// Into a map of the given sides. kFormat: not as many bytes as it takes, an index out of order or
/// outside the map.
Result<SpikeMap> decode_bitmap(std::span<const std::byte> bytes, std::uint32_t channels,
                               std::uint32_t height, std::uint32_t width);
Result<SpikeMap> decode_addresses(std::span<const std::byte> bytes, std::uint32_t channels,
                                  std::uint32_t height, std::uint32_t width);

/// `rgb`: [y][x][3], 0 to 1.
std::vector<std::byte> encode_raw(std::span<const float> rgb);

}  // namespace spikeloom
