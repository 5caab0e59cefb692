/// HDF5 as events, in both layouts.

#include "tests/fuzz/events_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom;
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const EventTimeUnit unit : {EventTimeUnit::kAuto, EventTimeUnit::kSeconds}) {
    static_cast<void>(
        read_recording_bytes(
            bytes, "fuzz",
            {.format = "hdf5", .lenient = true, .unsorted = true, .time_unit = unit, .sample = 0})
            .ok());
  }
  return 0;
}
