/// Reads bytes as an IDX array, in gzip or not.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/io/idx.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto array =
      spikeloom::io::parse_idx(std::as_bytes(std::span(data, size)), "fuzz", 16 << 20);
  static_cast<void>(array.ok() ? array->size() : 0);
  return 0;
}
