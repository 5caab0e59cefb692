/// Prophesee's RAW and DAT: the header says which of them a file is.

#include "tests/fuzz/events_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  spikeloom::fuzz_events("evt2", bytes);
  spikeloom::fuzz_events("evt21", bytes);
  spikeloom::fuzz_events("evt3", bytes);
  spikeloom::fuzz_events("dat", bytes);
  return 0;
}
