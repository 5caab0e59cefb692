/// Reads bytes as the input of `run --live`, whole and in pieces: both have to give the same events
/// and the same error, and no event may lie outside the input.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "cli/live_input.hpp"

namespace {

using namespace spikeloom;

struct Heard {
  cli::LiveEvents events;
  std::string error;
};

/// `piece` bytes at a time.
Heard hear(const cli::LiveFormat& format, std::span<const std::byte> bytes, std::size_t piece) {
  Heard heard;
  const auto reader = cli::make_live_reader(format);
  if (!reader.ok()) std::abort();
  Status status;
  while (status.ok() && !bytes.empty()) {
    const std::size_t count = std::min(piece, bytes.size());
    status = (*reader)->feed(bytes.first(count), heard.events);
    bytes = bytes.subspan(count);
  }
  if (status.ok()) status = (*reader)->finish(heard.events);
  if (!status.ok()) heard.error = status.error().message();
  return heard;
}

}  // namespace

/// The first byte chooses the format, the second the size of the pieces.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  constexpr const char* kColumns[] = {"", "", "ti", "tiv", "txyp", "xytp"};
  cli::LiveFormat format;
  format.format = data[0] % 8 == 7 ? "binary" : "text";
  format.columns = kColumns[data[0] % 6];
  format.time_unit = data[0] >= 128 ? "us" : "auto";
  format.shape = {2, 34, 34};
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(2);
  const Heard whole = hear(format, bytes, bytes.size() + 1);
  const Heard pieces = hear(format, bytes, 1 + data[1] % 97);
  if (whole.error != pieces.error || whole.events.time != pieces.events.time ||
      whole.events.index != pieces.events.index || whole.events.value != pieces.events.value ||
      whole.events.number != pieces.events.number) {
    std::abort();
  }
  const std::size_t count = whole.events.size();
  if (whole.events.index.size() != count || whole.events.value.size() != count ||
      whole.events.number.size() != count) {
    std::abort();
  }
  for (const std::uint32_t index : whole.events.index) {
    if (index >= 2 * 34 * 34) std::abort();
  }
  return 0;
}
