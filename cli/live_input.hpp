#pragma once
/// Events that arrive on a stream, in the formats of `run --live` (docs/formats/events.md).
///
/// text    lines "t x y p" by the rules of the event format text, or lines "t index [value]" with a
///         flat index into the input; which of the two the first line of numbers says
/// binary  16 bytes a record, little endian: time int64 in ns, index uint32, value float32

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/tensor.hpp"
#include "base/time.hpp"

namespace spikeloom::cli {

/// Events in the order of their arrival; the arrays have one length.
struct LiveEvents {
  std::vector<Time> time;  ///< as the stream has it
  std::vector<std::uint32_t> index;
  std::vector<double> value;
  std::vector<std::uint64_t> number;  ///< of the line or record, from 1

  std::size_t size() const { return time.size(); }
  void clear();
};

struct LiveFormat {
  std::string format = "text";  ///< text or binary
  std::string columns;          ///< txyp and the like, ti or tiv; empty: by the first line
  std::string time_unit = "auto";
  Shape shape;  ///< of the Input node
};

inline constexpr std::size_t kLiveRecordBytes = 16;

/// Turns bytes into events, whatever pieces they come in; holds at most one line or record, and
/// before the first line of numbers at most 64 KiB. kFormat, kShape: a malformed line or record, or
/// an event outside the input, with its number; the events before it are in `out`.
class LiveReader {
 public:
  virtual ~LiveReader() = default;
  virtual Status feed(std::span<const std::byte> bytes, LiveEvents& out) = 0;
  /// The stream ends here; a record cut short is an error.
  virtual Status finish(LiveEvents& out) = 0;
  /// "line" or "record", for messages.
  virtual const char* unit() const = 0;
};

/// kShape: the input does not take the events the format has.
Result<std::unique_ptr<LiveReader>> make_live_reader(const LiveFormat& format);

}  // namespace spikeloom::cli
