/// Event Stream.

#include "tests/fuzz/events_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  spikeloom::fuzz_events("es", bytes);
  return 0;
}
