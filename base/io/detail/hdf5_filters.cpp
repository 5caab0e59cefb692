#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <zlib.h>

#include "base/io/detail/hdf5_storage.hpp"

namespace spikeloom::io::detail {
namespace {

constexpr int kDeflate = 1, kShuffle = 2, kFletcher32 = 3;

/// A chunk is below 4 GiB in every HDF5 version that wrote such files, so one call is enough.
Result<Bytes> inflate_chunk(const Bytes& data, std::size_t most) {
  Bytes out(most);
  auto size = static_cast<uLongf>(out.size());
  auto used = static_cast<uLong>(data.size());
  const int state = uncompress2(reinterpret_cast<Bytef*>(out.data()), &size,
                                reinterpret_cast<const Bytef*>(data.data()), &used);
  if (state != Z_OK) return hdf5_damaged("compressed data cannot be unpacked");
  out.resize(size);
  return out;
}

/// Bytes were grouped by their place in the element; what does not fill one comes last, as it is.
Bytes unshuffle(const Bytes& data, std::size_t element) {
  if (element <= 1) return data;
  const std::size_t count = data.size() / element;
  Bytes out(data.size());
  for (std::size_t place = 0; place < element; ++place) {
    for (std::size_t i = 0; i < count; ++i) out[i * element + place] = data[place * count + i];
  }
  std::copy(data.begin() + static_cast<std::ptrdiff_t>(count * element), data.end(),
            out.begin() + static_cast<std::ptrdiff_t>(count * element));
  return out;
}

/// Fletcher's checksum over big-endian 16-bit words, as the library computes it.
std::uint32_t fletcher32(std::span<const std::byte> data) {
  std::uint32_t low = 0, high = 0;
  const auto add = [&](std::uint32_t word) {
    low = (low + word) % 65535;
    high = (high + low) % 65535;
  };
  std::size_t at = 0;
  for (; at + 1 < data.size(); at += 2) {
    add(std::to_integer<std::uint32_t>(data[at]) << 8 |
        std::to_integer<std::uint32_t>(data[at + 1]));
  }
  if (at < data.size()) add(std::to_integer<std::uint32_t>(data[at]) << 8);
  return high << 16 | low;
}

Status strip_checksum(Bytes& data) {
  if (data.size() < 4) return hdf5_damaged("a chunk's checksum is cut off");
  Cursor cursor(std::span<const std::byte>(data).last(4));
  const std::uint32_t stored = cursor.u32();
  data.resize(data.size() - 4);
  // The library keeps 65535 where this sum, modulo 65535, has 0.
  const auto same = [](std::uint32_t a, std::uint32_t b) { return a % 65535 == b % 65535; };
  const std::uint32_t computed = fletcher32(data);
  // Files of HDF5 1.6.2 and before have the bytes of each half swapped.
  const std::uint32_t old = (stored & 0x00ff00ff) << 8 | (stored >> 8 & 0x00ff00ff);
  for (const std::uint32_t candidate : {stored, old}) {
    if (same(candidate & 0xffff, computed & 0xffff) && same(candidate >> 16, computed >> 16)) {
      return {};
    }
  }
  return hdf5_damaged("a chunk's checksum does not match");
}

}  // namespace

std::string filter_name(int id) {
  static constexpr std::array<std::pair<int, const char*>, 14> kNames = {
      {{kDeflate, "deflate"},
       {kShuffle, "shuffle"},
       {kFletcher32, "fletcher32"},
       {4, "szip"},
       {5, "nbit"},
       {6, "scaleoffset"},
       {307, "bzip2"},
       {32000, "lzf"},
       {32001, "blosc"},
       {32004, "lz4"},
       {32008, "bitshuffle"},
       {32013, "zfp"},
       {32015, "zstd"},
       {32026, "blosc2"}}};
  for (const auto& [number, name] : kNames) {
    if (number == id) return name;
  }
  return fmt::format("filter {}", id);
}

Result<Bytes> undo_filters(const std::vector<Hdf5Filter>& filters, std::uint32_t mask, Bytes data,
                           std::size_t size) {
  for (std::size_t i = filters.size(); i-- > 0;) {
    if (i < 32 && (mask >> i & 1) != 0) continue;
    const Hdf5Filter& filter = filters[i];
    // Checksums of filters further in may make the unpacked chunk a little larger.
    const std::size_t most = size + 4 * filters.size();
    if (filter.id == kDeflate) {
      SPIKELOOM_TRY(data, inflate_chunk(data, most));
    } else if (filter.id == kShuffle) {
      data = unshuffle(data, filter.values.empty() ? 1 : filter.values[0]);
    } else {
      SPIKELOOM_CHECK(strip_checksum(data));
    }
  }
  if (data.size() != size) {
    return hdf5_damaged(fmt::format("a chunk has {} bytes instead of {}", data.size(), size));
  }
  return data;
}

}  // namespace spikeloom::io::detail
