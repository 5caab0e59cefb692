#include "sensors/recording_io.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <new>
#include <unistd.h>

#include <fmt/format.h>

#include "sensors/detail/event_rules.hpp"

namespace spikeloom {
namespace {

/// A piece and the events of its words fit the second-level cache.
constexpr std::size_t kReadBytes = std::size_t{1} << 16;
static_assert(kReadBytes >= kDetectBytes);
constexpr std::size_t kWriteEvents = std::size_t{1} << 16;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using FileHandle = std::unique_ptr<std::FILE, CloseFile>;

Error system_error(const char* what, const std::string& path) {
  const int reason = errno;
  return {.code = reason == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
          .what = fmt::format("{}: {}", what, std::strerror(reason)),
          .where = path};
}

Error no_memory(const std::string& path) {
  return {.code = ErrorCode::kResource,
          .what = "not enough memory for the events of this recording",
          .where = path,
          .next = "read it as a stream, or a part of it"};
}

}  // namespace

std::vector<std::string> ReadReport::warnings() const {
  std::vector<std::string> all = facts.warnings;
  if (dropped_for) {
    all.push_back(
        fmt::format("dropped the last {} bytes: {}", dropped_bytes, dropped_for->message()));
  }
  return all;
}

struct RecordingStream::State {
  std::string name;
  FileHandle file;                   // or, without one,
  std::span<const std::byte> bytes;  // what is left of the bytes in memory
  std::vector<std::byte> buffer;
  std::span<const std::byte> ahead;  // read for detection, not decoded yet
  std::unique_ptr<EventDecoder> decoder;
  ReadReport report;
  bool lenient = false;
  bool ended = false;

  /// The next piece of the file; empty at its end.
  Result<std::span<const std::byte>> read() {
    if (!ahead.empty()) return std::exchange(ahead, {});
    std::span<const std::byte> piece;
    if (file) {
      const std::size_t count = std::fread(buffer.data(), 1, buffer.size(), file.get());
      if (count == 0 && std::ferror(file.get()) != 0) {
        return system_error("cannot read the file", name);
      }
      piece = std::span<const std::byte>(buffer).first(count);
    } else {
      piece = bytes.first(std::min(bytes.size(), kReadBytes));
      bytes = bytes.subspan(piece.size());
    }
    report.file_bytes += piece.size();
    return piece;
  }

  Status start(const ReadOptions& options) {
    SPIKELOOM_CHECK(detail::check_size(options.width, options.height));
    SPIKELOOM_TRY(ahead, read());
    const EventCodec* codec = nullptr;
    if (options.format.empty()) {
      auto found = detect_event_codec(ahead.first(std::min(ahead.size(), kDetectBytes)), name);
      if (!found.ok()) return std::move(found).error().in(name);
      codec = *found;
    } else {
      SPIKELOOM_TRY(codec, find_event_codec(options.format));
    }
    SPIKELOOM_TRY(decoder, codec->make_decoder(options));
    report.format = std::string(codec->name);
    lenient = options.lenient;
    return {};
  }

  /// Ends a lenient read at the error: what is left of the file only counts.
  Status drop_rest(Error error) {
    report.dropped_for = std::move(error);
    while (true) {
      SPIKELOOM_TRY(const auto piece, read());
      if (piece.empty()) break;
    }
    report.dropped_bytes = report.file_bytes - decoder->facts().valid_bytes;
    return {};
  }
};

RecordingStream::RecordingStream(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordingStream::~RecordingStream() = default;
RecordingStream::RecordingStream(RecordingStream&&) noexcept = default;
RecordingStream& RecordingStream::operator=(RecordingStream&&) noexcept = default;

Result<RecordingStream> RecordingStream::open(const std::string& path, const ReadOptions& options) {
  auto state = std::make_unique<State>();
  state->name = path;
  state->file.reset(std::fopen(path.c_str(), "rb"));
  if (!state->file) return system_error("cannot open the file", path);
  state->buffer.resize(kReadBytes);
  SPIKELOOM_CHECK(state->start(options));
  return RecordingStream(std::move(state));
}

Result<RecordingStream> RecordingStream::open_bytes(std::span<const std::byte> bytes,
                                                    std::string name, const ReadOptions& options) {
  auto state = std::make_unique<State>();
  state->name = std::move(name);
  state->bytes = bytes;
  SPIKELOOM_CHECK(state->start(options));
  return RecordingStream(std::move(state));
}

Result<bool> RecordingStream::next(EventPacket& out) {
  out.time.clear();
  out.x.clear();
  out.y.clear();
  out.polarity.clear();
  return append(out);
}

Result<bool> RecordingStream::append(EventPacket& out) {
  State& state = *state_;
  const std::size_t before = out.size();
  while (!state.ended && out.size() == before) {
    SPIKELOOM_TRY(const auto piece, state.read());
    Status status;
    try {
      status = piece.empty() ? state.decoder->finish(out) : state.decoder->feed(piece, out);
    } catch (const std::bad_alloc&) {
      return no_memory(state.name);
    }
    state.ended = piece.empty() || !status.ok();
    if (!status.ok()) {
      Error error = Error(status.error()).in(state.name);
      if (!state.lenient) return error;
      SPIKELOOM_CHECK(state.drop_rest(std::move(error)));
    }
    state.report.events += out.size() - before;
    state.report.facts = state.decoder->facts();
  }
  return out.size() > before;
}

const ReadReport& RecordingStream::report() const { return state_->report; }

namespace {

/// `total_bytes` of the file: once a part is decoded, they say how many events there may be.
Result<ReadRecording> read_all(RecordingStream stream, const std::string& name,
                               std::uint64_t total_bytes) {
  constexpr std::uint64_t kEnoughBytes = kReadBytes;
  ReadRecording read;
  EventPacket& events = read.recording.events;
  bool reserved = false;
  try {
    while (true) {
      SPIKELOOM_TRY(const bool more, stream.append(events));
      if (!more) break;
      const std::uint64_t done = stream.report().file_bytes;
      if (!reserved && done >= kEnoughBytes && total_bytes > done) {
        const double expected = 1.1 * static_cast<double>(events.size()) *
                                static_cast<double>(total_bytes) / static_cast<double>(done);
        // No format has more than a byte for every event in the long run.
        events.reserve(std::min(static_cast<std::size_t>(expected), total_bytes));
        reserved = true;
      }
    }
  } catch (const std::bad_alloc&) {
    return no_memory(name);
  }
  read.report = stream.report();
  read.recording.width = read.report.facts.width;
  read.recording.height = read.report.facts.height;
  return read;
}

}  // namespace

Result<ReadRecording> read_recording(const std::string& path, const ReadOptions& options) {
  SPIKELOOM_TRY(auto stream, RecordingStream::open(path, options));
  std::error_code unknown;
  const std::uint64_t total = std::filesystem::file_size(path, unknown);
  return read_all(std::move(stream), path, unknown ? 0 : total);
}

Result<ReadRecording> read_recording_bytes(std::span<const std::byte> bytes,
                                           const std::string& name, const ReadOptions& options) {
  SPIKELOOM_TRY(auto stream, RecordingStream::open_bytes(bytes, name, options));
  return read_all(std::move(stream), name, bytes.size());
}

struct RecordingWriter::State {
  std::string path;
  std::string temporary;
  FileHandle file;
  std::unique_ptr<EventEncoder> encoder;
  std::vector<std::byte> buffer;

  ~State() {
    if (!temporary.empty()) std::remove(temporary.c_str());
  }

  Status flush() {
    if (std::fwrite(buffer.data(), 1, buffer.size(), file.get()) != buffer.size()) {
      return system_error("cannot write the file", temporary);
    }
    buffer.clear();
    return {};
  }
};

RecordingWriter::RecordingWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
RecordingWriter::~RecordingWriter() = default;
RecordingWriter::RecordingWriter(RecordingWriter&&) noexcept = default;
RecordingWriter& RecordingWriter::operator=(RecordingWriter&&) noexcept = default;

Result<RecordingWriter> RecordingWriter::create(const std::string& path, std::string_view format,
                                                const WriteOptions& options) {
  SPIKELOOM_CHECK(detail::check_size(options.width, options.height));
  auto found = format.empty() ? detect_event_codec({}, path) : find_event_codec(format);
  if (!found.ok()) return std::move(found).error().in(path);
  const EventCodec* codec = *found;
  if (codec->make_encoder == nullptr) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("the format {} is read, not written", codec->name),
                 .where = path,
                 .next = "write another format, e.g. csv"};
  }
  auto state = std::make_unique<State>();
  SPIKELOOM_TRY(state->encoder, codec->make_encoder(options));
  static std::atomic<unsigned> serial = 0;
  state->path = path;
  const std::string temporary = fmt::format("{}.part-{}-{}", path, getpid(), serial++);
  state->file.reset(std::fopen(temporary.c_str(), "wbx"));
  if (!state->file) return system_error("cannot create the file", temporary);
  state->temporary = temporary;
  return RecordingWriter(std::move(state));
}

Status RecordingWriter::write(const EventPacket& events) {
  SPIKELOOM_CHECK(state_->encoder->encode(events, state_->buffer));
  return state_->flush();
}

Result<std::vector<std::string>> RecordingWriter::commit() {
  State& state = *state_;
  SPIKELOOM_CHECK(state.encoder->finish(state.buffer));
  SPIKELOOM_CHECK(state.flush());
  state.buffer = state.encoder->beginning();
  if (!state.buffer.empty()) {
    if (std::fseek(state.file.get(), 0, SEEK_SET) != 0) {
      return system_error("cannot write the file", state.temporary);
    }
    SPIKELOOM_CHECK(state.flush());
  }
  if (std::fclose(state.file.release()) != 0) {
    return system_error("cannot write the file", state.temporary);
  }
  if (std::rename(state.temporary.c_str(), state.path.c_str()) != 0) {
    return system_error("cannot give the file its name", state.path);
  }
  state.temporary.clear();
  return state.encoder->losses();
}

Result<std::vector<std::string>> write_recording(const Recording& recording,
                                                 const std::string& path, std::string_view format) {
  SPIKELOOM_TRY(auto writer,
                RecordingWriter::create(path, format,
                                        {.width = recording.width, .height = recording.height}));
  const EventPacket& all = recording.events;
  EventPacket part;
  for (std::size_t begin = 0; begin < all.size(); begin += kWriteEvents) {
    const auto from = static_cast<std::ptrdiff_t>(begin);
    const auto to = static_cast<std::ptrdiff_t>(std::min(all.size(), begin + kWriteEvents));
    part.time.assign(all.time.begin() + from, all.time.begin() + to);
    part.x.assign(all.x.begin() + from, all.x.begin() + to);
    part.y.assign(all.y.begin() + from, all.y.begin() + to);
    part.polarity.assign(all.polarity.begin() + from, all.polarity.begin() + to);
    SPIKELOOM_CHECK(writer.write(part));
  }
  return writer.commit();
}

}  // namespace spikeloom
