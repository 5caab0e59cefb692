/// Reads bytes as an event array and as a spike tensor.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/io/npy.hpp"
#include "sensors/recording_io.hpp"
#include "sensors/spike_tensor.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom;
  const auto bytes = std::as_bytes(std::span(data, size));
  for (const EventTimeUnit unit : {EventTimeUnit::kAuto, EventTimeUnit::kSeconds}) {
    static_cast<void>(
        read_recording_bytes(bytes, "fuzz", {.format = "npy", .lenient = true, .time_unit = unit})
            .ok());
  }
  const auto tensor = io::parse_npy(bytes, "fuzz");
  if (!tensor.ok()) return 0;
  for (const char* axes : {"t", "ct", "ntc", "xyct"}) {
    static_cast<void>(arrange_spike_tensor(*tensor, {.axes = axes, .sample = 0}).ok());
  }
  return 0;
}
