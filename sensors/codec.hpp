#pragma once
/// One interface for every event-file format: how bytes become events and back.
///
/// A codec is a name, a test of a file's first bytes, and factories for a decoder and an encoder.
/// Both work on pieces of any size, so a recording of any length needs constant memory. Users
/// mostly want sensors/recording_io.hpp; a new format implements this header (docs/extending.md)
/// and joins the list in codec_registry.cpp. What each format holds: docs/formats/events.md.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "event/events.hpp"

namespace spikeloom {

/// The unit of a file's time column where the format leaves it open (text, CSV, .npy).
enum class EventTimeUnit : std::uint8_t {
  kAuto,
  kSeconds,
  kMilliseconds,
  kMicroseconds,
  kNanoseconds
};

/// "s", "ms", "us", "ns", "auto".
const char* to_string(EventTimeUnit unit);
Result<EventTimeUnit> parse_event_time_unit(std::string_view text);

/// How to read. The defaults suit a file that says everything itself.
struct ReadOptions {
  std::string format = {};   ///< a codec's name; empty: by content, then by extension
  std::uint32_t width = 0;   ///< sensor size where the file does not say it; 0: unknown
  std::uint32_t height = 0;  ///< (both or none)
  bool lenient = false;      ///< keep what lies before the first error, and report the error
  bool unsorted = false;     ///< accept times that run backwards (and undo no counter's wrap)
  bool count_words = false;  ///< StreamFacts::counts has every kind of word, not only those skipped
  /// Order of the columns of text, CSV and .npy, one letter each: t, x, y, p, and - for a column
  /// to skip. Empty: the header line, else "txyp". Without y it is 0, without p it is 1.
  std::string columns = {};
  EventTimeUnit time_unit = EventTimeUnit::kAuto;
  std::optional<std::uint64_t> sample = {};  ///< which recording of a file of many (HDF5)
};

/// What a decoder learned besides events.
struct StreamFacts {
  std::uint32_t width = 0;  ///< as the file or else the caller says; 0: nobody knows
  std::uint32_t height = 0;
  std::uint64_t valid_bytes = 0;  ///< the file up to here gave the events so far
  /// Parts of the format by name, e.g. words of a kind or packets of events; empty for plain ones.
  std::vector<std::pair<std::string, std::uint64_t>> counts;
  /// What the file holds besides events, by name: triggers, frames, words before the first time.
  std::vector<std::pair<std::string, std::uint64_t>> skipped;
  std::vector<std::string> warnings;
};

/// Turns a file's bytes, given in order in pieces of any size, into events.
///
/// An error is final: the events before it are in `out`, `facts().valid_bytes` says how far the
/// file was right, and the decoder is not to be fed again. `where` of the error is "byte N" or
/// "line N"; times of every codec here are nanoseconds from the file's own origin. Unless
/// ReadOptions say otherwise, time running backwards and a pixel outside the declared size are
/// errors (kFormat).
class EventDecoder {
 public:
  virtual ~EventDecoder() = default;
  /// Appends the events of the next `bytes` to `out`.
  virtual Status feed(std::span<const std::byte> bytes, EventPacket& out) = 0;
  /// Says that the file ends here; a record cut short is an error.
  virtual Status finish(EventPacket& out) = 0;
  const StreamFacts& facts() const { return facts_; }

 protected:
  StreamFacts facts_;
};

/// What the writer of a recording knows before its first event.
struct WriteOptions {
  std::uint32_t width = 0;
  std::uint32_t height = 0;
};

/// Turns events, given in order, into a file's bytes.
///
/// kUnsupported: the format cannot hold an event (a coordinate, a time); nothing was appended.
class EventEncoder {
 public:
  virtual ~EventEncoder() = default;
  virtual Status encode(const EventPacket& events, std::vector<std::byte>& out) = 0;
  virtual Status finish(std::vector<std::byte>& out) = 0;
  /// After finish(): what belongs at the beginning of the file in place of the bytes that were
  /// given there, of the same size; empty: those stand.
  virtual std::vector<std::byte> beginning() const { return {}; }
  /// After finish(): what the format could not hold, in words; empty when nothing was lost.
  const std::vector<std::string>& losses() const { return losses_; }

 protected:
  std::vector<std::string> losses_;
};

/// How sure a codec is that a file is its own.
enum class Match : std::uint8_t {
  kNo,      ///< the content says nothing, or no
  kLikely,  ///< the content reads like this format
  kCertain  ///< the format's own signature
};

/// A file format. All strings are literals.
struct EventCodec {
  std::string_view name;
  std::string_view description;
  std::vector<std::string_view> extensions = {};  ///< lower case, without the dot
  /// Judges the first bytes of a file (up to kDetectBytes); null when the format has no mark.
  Match (*match)(std::span<const std::byte> head) = nullptr;
  /// kInvalidArgument when an option does not suit the format.
  Result<std::unique_ptr<EventDecoder>> (*make_decoder)(const ReadOptions&) = nullptr;
  /// Null when the format is only read.
  Result<std::unique_ptr<EventEncoder>> (*make_encoder)(const WriteOptions&) = nullptr;
};

inline constexpr std::size_t kDetectBytes = 4096;

/// Every codec of this build, in a fixed order.
std::span<const EventCodec> event_codecs();

/// The codec of that name; kNotFound lists the names there are.
Result<const EventCodec*> find_event_codec(std::string_view name);

/// The codec for a file by its first bytes, then by the extension of `path` (its content may be
/// of several formats, or have no mark at all). kAmbiguous when neither tells.
Result<const EventCodec*> detect_event_codec(std::span<const std::byte> head,
                                             std::string_view path);

}  // namespace spikeloom
