/// SLAYER's records without a header.

#include "tests/fuzz/events_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  spikeloom::fuzz_events("bs1", bytes);
  spikeloom::fuzz_events("bs3", bytes);
  return 0;
}
