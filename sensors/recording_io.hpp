#pragma once
/// Event recordings as files: read whole or as a stream of packets, and write.
///
///     SPIKELOOM_TRY(auto read, read_recording("clip.bs2", {.width = 34, .height = 34}));
///     SPIKELOOM_CHECK(write_recording(read.recording, "clip.csv"));
///
///     SPIKELOOM_TRY(auto stream, RecordingStream::open("hours.raw"));
///     for (EventPacket packet;;) {
///         SPIKELOOM_TRY(const bool more, stream.next(packet));
///         if (!more) break;
///         ...
///     }
///
/// Errors: kNotFound (no such file), kIo, kAmbiguous (format not recognised; name it), kFormat
/// (the message has the byte or the line), kInvalidArgument (an option that does not suit).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "event/events.hpp"
#include "sensors/codec.hpp"

namespace spikeloom {

/// How a read went.
struct ReadReport {
  std::string format;            ///< the codec's name
  std::uint64_t file_bytes = 0;  ///< read so far; the whole file once the stream has ended
  std::uint64_t events = 0;
  std::uint64_t dropped_bytes = 0;   ///< lenient: what lay behind the first error
  std::optional<Error> dropped_for;  ///< lenient: that error
  StreamFacts facts;                 ///< the decoder's: size, counts, warnings

  /// The decoder's warnings, and what a lenient read dropped and why.
  std::vector<std::string> warnings() const;
};

/// A recording that is read packet by packet, in constant memory.
class RecordingStream {
 public:
  static Result<RecordingStream> open(const std::string& path, const ReadOptions& options = {});
  /// The same over a file's bytes, which have to outlive the stream; `name` stands for the path.
  static Result<RecordingStream> open_bytes(std::span<const std::byte> bytes, std::string name,
                                            const ReadOptions& options = {});
  ~RecordingStream();
  RecordingStream(RecordingStream&&) noexcept;
  RecordingStream& operator=(RecordingStream&&) noexcept;

  /// Replaces `out` by the next events, at least one; false, and none, at the end of the file.
  /// An error is final; the events before it have been handed out or are in `out`.
  Result<bool> next(EventPacket& out);
  /// The same behind the events that `out` has.
  Result<bool> append(EventPacket& out);
  /// Sizes and counts are those of the file so far.
  const ReadReport& report() const;

 private:
  struct State;
  explicit RecordingStream(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

struct ReadRecording {
  Recording recording;
  ReadReport report;
};

/// The whole recording. Size and time origin: docs/formats/events.md.
Result<ReadRecording> read_recording(const std::string& path, const ReadOptions& options = {});
Result<ReadRecording> read_recording_bytes(std::span<const std::byte> bytes,
                                           const std::string& name,
                                           const ReadOptions& options = {});

/// A recording that is written packet by packet. The file has a temporary name beside `path` until
/// commit(); without commit() it is removed.
class RecordingWriter {
 public:
  /// `format`: a codec's name; empty: by the extension of `path`. kUnsupported when that format
  /// is only read.
  static Result<RecordingWriter> create(const std::string& path, std::string_view format = {},
                                        const WriteOptions& options = {});
  ~RecordingWriter();
  RecordingWriter(RecordingWriter&&) noexcept;
  RecordingWriter& operator=(RecordingWriter&&) noexcept;

  /// kUnsupported when the format cannot hold an event: nothing of this packet is written.
  Status write(const EventPacket& events);
  /// Closes the file and gives it its name; returns what the format could not hold, in words.
  Result<std::vector<std::string>> commit();

 private:
  struct State;
  explicit RecordingWriter(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// The whole recording; returns what the format could not hold, in words (empty: nothing lost).
Result<std::vector<std::string>> write_recording(const Recording& recording,
                                                 const std::string& path,
                                                 std::string_view format = {});

}  // namespace spikeloom
