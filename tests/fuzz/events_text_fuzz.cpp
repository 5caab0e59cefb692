/// Reads bytes as text events; what was read has to survive writing and reading again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "sensors/recording_io.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom;
  const auto bytes = std::as_bytes(std::span(data, size));
  static_cast<void>(detect_event_codec(bytes.first(std::min(size, kDetectBytes)), "fuzz").ok());
  const auto read = read_recording_bytes(bytes, "fuzz", {.format = "text", .lenient = true});
  if (!read.ok()) std::abort();
  const Recording& recording = read->recording;
  for (const char* format : {"text", "csv"}) {
    auto encoder = (*find_event_codec(format))
                       ->make_encoder({.width = recording.width, .height = recording.height});
    std::vector<std::byte> written;
    if (!(*encoder)->encode(recording.events, written).ok()) std::abort();
    if (!(*encoder)->finish(written).ok()) std::abort();
    const auto again = read_recording_bytes(written, "again", {.format = format});
    if (!again.ok() || again->recording.events != recording.events) std::abort();
  }
  return 0;
}
