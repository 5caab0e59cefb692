#include "sensors/spike_map.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include <fmt/format.h>

namespace spikeloom {
namespace {

/// Bits of an index below `count`.
unsigned index_bits(std::size_t count) {
  return count < 2 ? 1U : static_cast<unsigned>(std::bit_width(count - 1));
}

class BitWriter {
 public:
  explicit BitWriter(std::vector<std::byte>& out) : out_(out) {}
  void put(std::uint64_t value, unsigned bits) {
    for (unsigned bit = bits; bit-- > 0;) {
      if (used_ % 8 == 0) out_.push_back(std::byte{0});
      out_.back() |= static_cast<std::byte>((value >> bit & 1U) << (7 - used_++ % 8));
    }
  }

 private:
  std::vector<std::byte>& out_;
  std::uint64_t used_ = 0;
};

std::uint64_t bits_at(std::span<const std::byte> bytes, std::uint64_t first, unsigned bits) {
  std::uint64_t value = 0;
  for (std::uint64_t at = first; at < first + bits; ++at) {
    value = value << 1 | (std::to_integer<unsigned>(bytes[at / 8]) >> (7 - at % 8) & 1U);
  }
  return value;
}

Error damaged(std::string what, std::string expected, std::uint64_t got) {
  return Error{.code = ErrorCode::kFormat,
               .what = std::move(what),
               .where = "spike map",
               .expected = std::move(expected),
               .got = fmt::format("{}", got)};
}

Status check_bytes(std::span<const std::byte> bytes, std::uint64_t expected) {
  if (bytes.size() == expected) return {};
  return damaged("the frame has another size", fmt::format("{} bytes", expected), bytes.size());
}

}  // namespace

std::uint64_t SpikeMap::count() const {
  return std::accumulate(spikes.begin(), spikes.end(), std::uint64_t{0});
}

double SpikeMap::activity() const {
  return spikes.empty() ? 0.0 : static_cast<double>(count()) / static_cast<double>(spikes.size());
}

std::vector<std::byte> encode_bitmap(const SpikeMap& map) {
  std::vector<std::byte> out;
  BitWriter bits(out);
  for (const std::uint8_t spike : map.spikes) bits.put(spike, 1);
  return out;
}

std::vector<std::byte> encode_addresses(const SpikeMap& map) {
  const std::uint64_t count = map.count();
  std::vector<std::byte> out;
  for (unsigned shift = 0; shift < 32; shift += 8) {
    out.push_back(static_cast<std::byte>(count >> shift & 0xFFU));
  }
  BitWriter bits(out);
  for (std::size_t i = 0; i < map.spikes.size(); ++i) {
    if (map.spikes[i] != 0) bits.put(i, index_bits(map.size()));
  }
  return out;
}

Result<SpikeMap> decode_bitmap(std::span<const std::byte> bytes, std::uint32_t channels,
                               std::uint32_t height, std::uint32_t width) {
  SpikeMap map{.channels = channels, .height = height, .width = width};
  SPIKELOOM_CHECK(check_bytes(bytes, (map.size() + 7) / 8));
  map.spikes.resize(map.size());
  for (std::size_t i = 0; i < map.size(); ++i) {
    map.spikes[i] = static_cast<std::uint8_t>(bits_at(bytes, i, 1));
  }
  return map;
}

Result<SpikeMap> decode_addresses(std::span<const std::byte> bytes, std::uint32_t channels,
                                  std::uint32_t height, std::uint32_t width) {
  SpikeMap map{.channels = channels, .height = height, .width = width};
  if (bytes.size() < 4) return damaged("the frame is truncated", "4 bytes or more", bytes.size());
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < 4; ++i) count |= std::to_integer<std::uint64_t>(bytes[i]) << (8 * i);
  const unsigned bits = index_bits(map.size());
  SPIKELOOM_CHECK(check_bytes(bytes, 4 + (count * bits + 7) / 8));
  if (count > map.size()) return damaged("too many spikes", "at most one an output", count);
  map.spikes.assign(map.size(), 0);
  std::uint64_t next = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    const std::uint64_t index = bits_at(bytes.subspan(4), i * bits, bits);
    if (index < next || index >= map.size()) {
      return damaged("an address out of order or outside the map",
                     fmt::format("{} to {}", next, map.size() - 1), index);
    }
    map.spikes[index] = 1;
    next = index + 1;
  }
  return map;
}

std::vector<std::byte> encode_raw(std::span<const float> rgb) {
  std::vector<std::byte> out;
  BitWriter bits(out);
  for (std::size_t i = 0; i + 2 < rgb.size(); i += 3) {
    for (const std::size_t colour : std::array<std::size_t, 4>{0, 1, 1, 2}) {
      const float light = std::clamp(rgb[i + colour], 0.0F, 1.0F);
      bits.put(static_cast<std::uint64_t>(std::lround(light * 4095.0F)), 12);
    }
  }
  return out;
}

}  // namespace spikeloom
