#pragma once
/// Numbers out of bytes and back, in a stated order of bytes.

#include <bit>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace spikeloom::detail {

static_assert(std::endian::native == std::endian::little, "the loads below copy little endian");

template <std::unsigned_integral T>
T byte_swapped(T value) {
  if constexpr (sizeof(T) == 1) return value;
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}

template <typename T>
T load_little(const std::byte* bytes) {
  T value;
  std::memcpy(&value, bytes, sizeof(T));
  return value;
}

template <std::unsigned_integral T>
T load_big(const std::byte* bytes) {
  return byte_swapped(load_little<T>(bytes));
}

template <typename T>
void put_little(std::vector<std::byte>& out, T value) {
  const auto* bytes = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), bytes, bytes + sizeof(T));
}

template <std::unsigned_integral T>
void put_big(std::vector<std::byte>& out, T value) {
  put_little(out, byte_swapped(value));
}

}  // namespace spikeloom::detail
