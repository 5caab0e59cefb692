/// AEDAT 4.0: packets of LZ4 and Zstandard, FlatBuffers, XML.

#include "tests/fuzz/events_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  spikeloom::fuzz_events("aedat4", bytes);
  return 0;
}
