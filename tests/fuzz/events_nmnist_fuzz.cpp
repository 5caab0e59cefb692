/// Reads bytes as N-MNIST; what was read has to survive writing and reading again.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "sensors/recording_io.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace spikeloom;
  const auto bytes = std::as_bytes(std::span(data, size));
  const auto read = read_recording_bytes(bytes, "fuzz", {.format = "nmnist", .lenient = true});
  if (!read.ok()) std::abort();
  const auto codec = find_event_codec("nmnist");
  auto encoder = (*codec)->make_encoder({});
  std::vector<std::byte> written;
  if (!(*encoder)->encode(read->recording.events, written).ok()) std::abort();
  const auto good = bytes.first(read->report.facts.valid_bytes);
  if (!std::equal(written.begin(), written.end(), good.begin(), good.end())) std::abort();
  return 0;
}
