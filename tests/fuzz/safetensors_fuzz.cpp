/// Parses a safetensors file.

#include <cstddef>
#include <cstdint>
#include <span>

#include "models/tensors/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  static_cast<void>(spikeloom::parse_safetensors(bytes, "fuzz").ok());
  return 0;
}
