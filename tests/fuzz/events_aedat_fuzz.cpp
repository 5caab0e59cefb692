/// AEDAT 2.0 and 3.1.

#include "tests/fuzz/events_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  spikeloom::fuzz_events("aedat2", bytes);
  spikeloom::fuzz_events("aedat3", bytes);
  return 0;
}
