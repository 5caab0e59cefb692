#include <algorithm>
#include <array>
#include <cctype>

#include <fmt/format.h>

#include "sensors/codec.hpp"
#include "sensors/detail/codecs.hpp"

namespace spikeloom {
namespace {

/// The extension of a path in lower case, without the dot; empty when there is none.
std::string extension_of(std::string_view path) {
  const auto slash = path.find_last_of('/');
  const std::string_view file = slash == std::string_view::npos ? path : path.substr(slash + 1);
  const auto dot = file.find_last_of('.');
  if (dot == std::string_view::npos) return {};
  std::string extension(file.substr(dot + 1));
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return extension;
}

std::string codec_names() {
  std::string names;
  for (const EventCodec& codec : event_codecs()) {
    if (!names.empty()) names += ", ";
    names += codec.name;
  }
  return names;
}

bool has_extension(const EventCodec& codec, std::string_view extension) {
  return std::find(codec.extensions.begin(), codec.extensions.end(), extension) !=
         codec.extensions.end();
}

}  // namespace

const char* to_string(EventTimeUnit unit) {
  switch (unit) {
    case EventTimeUnit::kAuto:
      return "auto";
    case EventTimeUnit::kSeconds:
      return "s";
    case EventTimeUnit::kMilliseconds:
      return "ms";
    case EventTimeUnit::kMicroseconds:
      return "us";
    case EventTimeUnit::kNanoseconds:
      return "ns";
  }
  return "auto";
}

Result<EventTimeUnit> parse_event_time_unit(std::string_view text) {
  for (const EventTimeUnit unit :
       {EventTimeUnit::kAuto, EventTimeUnit::kSeconds, EventTimeUnit::kMilliseconds,
        EventTimeUnit::kMicroseconds, EventTimeUnit::kNanoseconds}) {
    if (text == to_string(unit)) return unit;
  }
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = "not a unit of time",
               .expected = "s, ms, us, ns or auto",
               .got = std::string(text)};
}

std::span<const EventCodec> event_codecs() {
  static const std::array codecs = {
      detail::evt2_codec(),   detail::evt21_codec(),        detail::evt3_codec(),
      detail::dat_codec(),    detail::aedat2_codec(),       detail::aedat3_codec(),
      detail::aedat4_codec(), detail::event_stream_codec(), detail::nmnist_codec(),
      detail::bs1_codec(),    detail::bs3_codec(),          detail::text_codec(),
      detail::csv_codec(),    detail::npy_codec(),          detail::hdf5_codec()};
  return codecs;
}

Result<const EventCodec*> find_event_codec(std::string_view name) {
  for (const EventCodec& codec : event_codecs()) {
    if (codec.name == name) return &codec;
  }
  return Error{.code = ErrorCode::kNotFound,
               .what = "no such event format",
               .expected = codec_names(),
               .got = std::string(name)};
}

Result<const EventCodec*> detect_event_codec(std::span<const std::byte> head,
                                             std::string_view path) {
  const std::string extension = extension_of(path);
  const EventCodec* best = nullptr;
  Match best_match = Match::kNo;
  bool tie = false;
  for (const EventCodec& codec : event_codecs()) {
    const Match match = codec.match != nullptr ? codec.match(head) : Match::kNo;
    if (match == Match::kNo || match < best_match) continue;
    // Of two formats that read the same, the extension decides.
    const bool by_extension = has_extension(codec, extension);
    if (match > best_match || by_extension) {
      best = &codec;
      best_match = match;
      tie = false;
    } else if (!has_extension(*best, extension)) {
      tie = true;
    }
  }
  if (best != nullptr && !tie) return best;
  if (best == nullptr) {
    std::size_t fitting = 0;
    for (const EventCodec& codec : event_codecs()) {
      if (!has_extension(codec, extension)) continue;
      best = &codec;
      ++fitting;
    }
    if (fitting == 1) return best;
  }
  if (extension == "bsn") {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "a .bsn file of SLAYER holds numbers of spikes, not events",
                 .expected = "its .bs1, .bs2 or .bs3 files"};
  }
  return Error{.code = ErrorCode::kAmbiguous,
               .what = "neither the content nor the extension tells the event format",
               .got = extension.empty() ? "no extension" : fmt::format("extension .{}", extension),
               .next = fmt::format("name the format: {}", codec_names())};
}

}  // namespace spikeloom
