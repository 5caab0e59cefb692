#pragma once
/// What holds for every event format and any bytes.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sensors/recording_io.hpp"

namespace spikeloom {

/// The events of bytes that come in two pieces.
inline EventPacket decode_in_two(const EventCodec& codec, std::span<const std::byte> bytes,
                                 std::size_t cut) {
  EventPacket events;
  auto decoder = codec.make_decoder({.unsorted = true});
  if (!decoder.ok()) std::abort();
  if (!(*decoder)->feed(bytes.first(cut), events).ok()) return events;
  if (!(*decoder)->feed(bytes.subspan(cut), events).ok()) return events;
  static_cast<void>((*decoder)->finish(events).ok());
  return events;
}

/// Reading never fails otherwise than with an error, whatever pieces the bytes come in; and what a
/// file of this format can hold is written and read again.
inline void fuzz_events(std::string_view format, std::span<const std::byte> bytes) {
  const auto codec = find_event_codec(format);
  if (!codec.ok()) std::abort();
  ReadOptions options{.format = std::string(format), .lenient = true};
  const auto sorted = read_recording_bytes(bytes, "fuzz", options);
  options.unsorted = true;
  const auto read = read_recording_bytes(bytes, "fuzz", options);
  if (!sorted.ok() || !read.ok()) std::abort();
  if (sorted->report.facts.valid_bytes > bytes.size()) std::abort();
  const std::size_t cut =
      bytes.empty() ? 0 : std::to_integer<std::size_t>(bytes.back()) % bytes.size();
  if (decode_in_two(**codec, bytes, cut) != read->recording.events) std::abort();

  const Recording& recording = sorted->recording;
  auto encoder = (*codec)->make_encoder({recording.width, recording.height});
  if (!encoder.ok()) return;
  std::vector<std::byte> file;
  if (!(*encoder)->encode(recording.events, file).ok()) return;
  if (!(*encoder)->finish(file).ok()) std::abort();
  const std::vector<std::byte> beginning = (*encoder)->beginning();
  std::copy(beginning.begin(), beginning.end(), file.begin());
  const auto again = read_recording_bytes(file, "written", {.format = std::string(format)});
  if (!again.ok()) std::abort();
  if ((*encoder)->losses().empty() && again->recording.events != recording.events) std::abort();
}

}  // namespace spikeloom
