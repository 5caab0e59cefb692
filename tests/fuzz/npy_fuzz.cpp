/// Parses a .npy file; what it reads is written and read again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/io/npy.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto tensor = spikeloom::io::parse_npy(bytes, "fuzz");
  if (tensor.ok()) {
    const auto again = spikeloom::io::parse_npy(spikeloom::io::to_npy(*tensor), "again");
    if (!again.ok() || !(*again == *tensor)) std::abort();
  }
  return 0;
}
