#pragma once
/// Input coding: how recordings and arrays become the events that enter a network.
///
/// Recordings: `count` adds up the events of each input element in bins of dt, `binary` caps the
/// sum at 1; `clip` caps it at any value. Bins start at the first event (or at time 0, or at a
/// given time); the last incomplete bin is dropped. Polarity is the channel: 0 OFF, 1 ON.
/// Arrays over time: `current` passes values on as they are. Static arrays are spread over
/// `steps`: `rate` spikes with probability value (clamped to 0..1) in each step, from the
/// counter-based generator; `latency` spikes once, at step round((1 - value) (steps - 1)), and
/// not at all for value <= 0; `current` repeats the value in each step.

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "base/tensor.hpp"
#include "base/time.hpp"
#include "base/value.hpp"

namespace spikeloom {

enum class Coding { kCount, kBinary, kCurrent, kRate, kLatency };
enum class BinOrigin { kFirstEvent, kZero };
/// Bin of an event t after the origin: floor(t / dt), or the nearest to t / dt, ties to even.
enum class BinRounding { kFloor, kNearest };

struct InputCoding {
  Coding coding = Coding::kCount;
  BinOrigin origin = BinOrigin::kFirstEvent;
  std::optional<double> clip = {};   ///< largest value of an element in one step
  bool keep_incomplete_bin = false;  ///< keep the last bin although it is not full
  BinRounding rounding = BinRounding::kFloor;
  std::int64_t ignored_steps = 0;  ///< so many steps at the start get no events
  /// Length of a recording: later events are left out, silence fills up. Absent: its last full bin.
  std::optional<std::int64_t> steps = {};
};

/// The bin of a time after the origin.
std::int64_t bin_of(Time since_origin, Time step, BinRounding rounding);

/// How address events (x, y, polarity) fall on an input.
struct EventAxes {
  std::int64_t polarities = 1, rows = 1, columns = 1;

  bool holds(std::uint32_t x, std::uint32_t y, std::uint32_t polarity) const {
    return x < columns && y < rows && polarity <= 1;
  }
  /// Flat index of an event it holds; a single polarity takes both.
  std::uint32_t index(std::uint32_t x, std::uint32_t y, std::uint32_t polarity) const {
    const std::int64_t channel = polarities == 2 ? polarity : 0;
    return static_cast<std::uint32_t>((channel * rows + y) * columns + x);
  }
};

/// A recording's events, as views of its arrays (one length; see event/events.hpp).
struct AddressEvents {
  std::span<const Time> time;
  std::span<const std::uint16_t> x, y;
  std::span<const std::uint8_t> polarity;
  std::size_t size() const { return time.size(); }
};

/// Events by step, for one Input node: entries of step s are [step_start[s], step_start[s + 1]).
/// Within a step, indices rise and occur once. This is what a Session is fed with.
struct CodedInput {
  std::int64_t steps = 0;
  std::vector<std::size_t> step_start = {0};
  std::vector<std::uint32_t> index;
  std::vector<double> value;
};

const char* to_string(Coding coding);
Result<Coding> parse_coding(std::string_view text);
/// What a preset of discretisation.hpp says about coding; nothing for most.
std::optional<InputCoding> preset_input_coding(std::string_view preset);
Value to_value(const InputCoding& coding);
Result<InputCoding> input_coding_from_value(const Value& value);

/// Axes of an input of `shape`: (polarity, rows, columns) with 1 or 2 polarities, (rows, columns),
/// or (channels). kShape: another shape takes no address events.
Result<EventAxes> event_axes(Shape shape);

/// Bins a recording for an input of `shape`, as event_axes has it. kShape: an event outside it.
/// kInvalidArgument: step <= 0, a coding for arrays, or no full bin.
Result<CodedInput> code_recording(const AddressEvents& events, const Shape& shape, Time step,
                                  const InputCoding& coding);

/// Codes an array whose first axis is time and whose other axes have `shape`'s element count.
Result<CodedInput> code_sequence(const Tensor& sequence, const Shape& shape,
                                 const InputCoding& coding);

/// Spreads a static array over `steps` (rate, latency, current). `seed` is used by rate only.
Result<CodedInput> code_static(const Tensor& values, const Shape& shape, std::int64_t steps,
                               const InputCoding& coding, std::uint64_t seed);

}  // namespace spikeloom
