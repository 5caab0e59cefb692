#include "snn/input_coding.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include "base/random.hpp"

namespace spikeloom {
namespace {

constexpr std::array<const char*, 5> kCodingNames = {"count", "binary", "current", "rate",
                                                     "latency"};
constexpr std::int64_t kMaxSteps = std::int64_t{1} << 32;

Error outside(const AddressEvents& events, std::size_t i, const Shape& shape) {
  return Error{
      .code = ErrorCode::kShape,
      .what = "an event lies outside the network's input",
      .where = fmt::format("event {}", i),
      .expected = fmt::format("coordinates within {}", to_string(shape)),
      .got = fmt::format("x {}, y {}, polarity {}", events.x[i], events.y[i], events.polarity[i]),
      .next = "give a recording of the sensor size the network was trained with"};
}

/// Appends one step's entries; `elements` is scratch, zero on entry and on return.
void append_step(std::vector<std::uint32_t>& touched, std::vector<double>& elements,
                 const InputCoding& coding, CodedInput& coded) {
  std::sort(touched.begin(), touched.end());
  for (const std::uint32_t index : touched) {
    double value = elements[index];
    elements[index] = 0.0;
    if (coding.coding == Coding::kBinary && value != 0.0) value = 1.0;
    if (coding.clip) value = std::min(value, *coding.clip);
    if (value == 0.0) continue;
    coded.index.push_back(index);
    coded.value.push_back(value);
  }
  coded.step_start.push_back(coded.index.size());
  touched.clear();
}

Status check_count(const Tensor& tensor, std::int64_t steps, const Shape& shape) {
  SPIKELOOM_TRY(const std::int64_t elements, element_count(shape));
  if (tensor.size() != steps * elements) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the array does not fit the network's input",
                 .expected = fmt::format("{} elements a step for {}", elements, to_string(shape)),
                 .got = fmt::format("an array of shape {}", to_string(tensor.shape())),
                 .next =
                     "give an array of shape (time, features...), or --axes to say which "
                     "axis is time"};
  }
  return {};
}

Error coding_error(Coding coding, const char* what) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = fmt::format("the coding '{}' does not apply to {}", to_string(coding), what),
               .next = "give another --coding"};
}

}  // namespace

const char* to_string(Coding coding) { return kCodingNames[static_cast<std::size_t>(coding)]; }

Result<Coding> parse_coding(std::string_view text) {
  for (std::size_t i = 0; i < kCodingNames.size(); ++i) {
    if (text == kCodingNames[i]) return static_cast<Coding>(i);
  }
  return Error{.what = "unknown input coding",
               .expected = "count|binary|current|rate|latency",
               .got = fmt::format("'{}'", text)};
}

Value to_value(const InputCoding& coding) {
  Value value = Value::map();
  value.set("coding", to_string(coding.coding));
  value.set("origin", coding.origin == BinOrigin::kFirstEvent ? "first-event" : "zero");
  value.set("clip", coding.clip ? Value(*coding.clip) : Value());
  value.set("keep_incomplete_bin", coding.keep_incomplete_bin);
  value.set("rounding", coding.rounding == BinRounding::kFloor ? "floor" : "nearest");
  value.set("ignored_steps", coding.ignored_steps);
  value.set("steps", coding.steps ? Value(*coding.steps) : Value());
  return value;
}

Result<InputCoding> input_coding_from_value(const Value& value) {
  InputCoding coding;
  if (const Value* name = value.find("coding"); name != nullptr && name->as_string() != nullptr) {
    SPIKELOOM_TRY(coding.coding, parse_coding(*name->as_string()));
  }
  if (const Value* origin = value.find("origin");
      origin != nullptr && origin->as_string() != nullptr) {
    if (*origin->as_string() != "first-event" && *origin->as_string() != "zero") {
      return Error{.code = ErrorCode::kFormat,
                   .what = "unknown origin of the bins",
                   .expected = "first-event|zero",
                   .got = *origin->as_string()};
    }
    coding.origin = *origin->as_string() == "zero" ? BinOrigin::kZero : BinOrigin::kFirstEvent;
  }
  if (const Value* clip = value.find("clip"); clip != nullptr && clip->is_number()) {
    coding.clip = clip->number();
  }
  if (const Value* keep = value.find("keep_incomplete_bin");
      keep != nullptr && keep->as_bool() != nullptr) {
    coding.keep_incomplete_bin = *keep->as_bool();
  }
  if (const Value* rounding = value.find("rounding");
      rounding != nullptr && rounding->as_string() != nullptr) {
    if (*rounding->as_string() != "floor" && *rounding->as_string() != "nearest") {
      return Error{.code = ErrorCode::kFormat,
                   .what = "unknown rounding of times to bins",
                   .expected = "floor|nearest",
                   .got = *rounding->as_string()};
    }
    if (*rounding->as_string() == "nearest") coding.rounding = BinRounding::kNearest;
  }
  const auto steps_of = [&](const char* name) -> Result<std::optional<std::int64_t>> {
    const Value* steps = value.find(name);
    if (steps == nullptr || steps->as_integer() == nullptr) return std::optional<std::int64_t>();
    if (*steps->as_integer() < 0 || *steps->as_integer() > kMaxSteps) {
      return Error{.code = ErrorCode::kFormat,
                   .what = fmt::format("'{}' of the input coding is out of range", name),
                   .expected = fmt::format("0 to {}", kMaxSteps),
                   .got = std::to_string(*steps->as_integer())};
    }
    return std::optional<std::int64_t>(*steps->as_integer());
  };
  SPIKELOOM_TRY(const auto ignored, steps_of("ignored_steps"));
  coding.ignored_steps = ignored.value_or(0);
  SPIKELOOM_TRY(coding.steps, steps_of("steps"));
  return coding;
}

std::optional<InputCoding> preset_input_coding(std::string_view preset) {
  if (preset != "slayer") return std::nullopt;
  InputCoding coding;
  coding.coding = Coding::kBinary;
  coding.origin = BinOrigin::kZero;
  coding.rounding = BinRounding::kNearest;
  coding.ignored_steps = 1;
  return coding;
}

std::int64_t bin_of(Time since_origin, Time step, BinRounding rounding) {
  std::int64_t bin = floor_div(since_origin, step);
  if (rounding == BinRounding::kFloor) return bin;
  const Time rest = since_origin - bin * step;
  const Time left = step - rest;
  return rest > left || (rest == left && bin % 2 != 0) ? bin + 1 : bin;
}

Result<EventAxes> event_axes(Shape shape) {
  EventAxes axes;
  if (shape.size() == 4 && shape[0] == 1) shape.erase(shape.begin());  // an old export's batch axis
  if (shape.size() == 1) {
    axes.columns = shape[0];
  } else if (shape.size() == 2) {
    axes.rows = shape[0];
    axes.columns = shape[1];
  } else if (shape.size() == 3 && (shape[0] == 1 || shape[0] == 2)) {
    axes = {shape[0], shape[1], shape[2]};
  } else {
    return Error{.code = ErrorCode::kShape,
                 .what = "this input does not take address events",
                 .expected =
                     "an input of shape (1 or 2 polarities, rows, columns), "
                     "(rows, columns) or (channels)",
                 .got = to_string(shape),
                 .next = "give the input as a .npy array of shape (time, features...)"};
  }
  return axes;
}

Result<CodedInput> code_recording(const AddressEvents& events, const Shape& shape, Time step,
                                  const InputCoding& coding) {
  if (coding.coding != Coding::kCount && coding.coding != Coding::kBinary) {
    return coding_error(coding.coding, "address events");
  }
  if (step <= 0) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "events need bins, and the time step is unknown",
                 .next = "give --dt SECONDS"};
  }
  SPIKELOOM_TRY(const EventAxes axes, event_axes(shape));
  SPIKELOOM_TRY(const std::int64_t elements, element_count(shape));
  CodedInput coded;
  if (events.size() == 0) return coded;
  const auto [first, last] = std::minmax_element(events.time.begin(), events.time.end());
  const Time origin = coding.origin == BinOrigin::kFirstEvent ? *first : 0;
  Time span = 0;
  if (__builtin_sub_overflow(*last, origin, &span)) span = -1;
  const std::int64_t full_bins = bin_of(span, step, coding.rounding);
  coded.steps = coding.steps.value_or(full_bins + (coding.keep_incomplete_bin ? 1 : 0));
  if (span < 0 || coded.steps > kMaxSteps) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the recording does not fit into bins of this width",
                 .expected = fmt::format("times from the origin on, at most {} bins", kMaxSteps),
                 .got = fmt::format("times {} .. {} ns in bins of {} ns", *first, *last, step),
                 .next = "check --dt and the recording's time unit"};
  }
  // Events by bin: counting sort keeps memory linear in events and bins.
  std::vector<std::size_t> bin_start(static_cast<std::size_t>(coded.steps) + 1, 0);
  const auto bin = [&](std::size_t i) {
    return bin_of(events.time[i] - origin, step, coding.rounding);
  };
  const auto has_bin = [&](std::int64_t b) { return b >= coding.ignored_steps && b < coded.steps; };
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (!axes.holds(events.x[i], events.y[i], events.polarity[i])) return outside(events, i, shape);
    const std::int64_t b = bin(i);
    if (has_bin(b)) ++bin_start[static_cast<std::size_t>(b) + 1];
  }
  for (std::size_t b = 0; b + 1 < bin_start.size(); ++b) bin_start[b + 1] += bin_start[b];
  std::vector<std::uint32_t> by_bin(bin_start.back());
  std::vector<std::size_t> next(bin_start.begin(), bin_start.end() - 1);
  for (std::size_t i = 0; i < events.size(); ++i) {
    const std::int64_t b = bin(i);
    if (!has_bin(b)) continue;
    by_bin[next[static_cast<std::size_t>(b)]++] =
        axes.index(events.x[i], events.y[i], events.polarity[i]);
  }
  std::vector<double> sums(static_cast<std::size_t>(elements), 0.0);
  std::vector<std::uint32_t> touched;
  for (std::size_t b = 0; b + 1 < bin_start.size(); ++b) {
    for (std::size_t i = bin_start[b]; i < bin_start[b + 1]; ++i) {
      if (sums[by_bin[i]] == 0.0) touched.push_back(by_bin[i]);
      sums[by_bin[i]] += 1.0;
    }
    append_step(touched, sums, coding, coded);
  }
  return coded;
}

Result<CodedInput> code_sequence(const Tensor& sequence, const Shape& shape,
                                 const InputCoding& coding) {
  if (coding.coding == Coding::kRate || coding.coding == Coding::kLatency) {
    return coding_error(coding.coding, "an array that has a time axis");
  }
  CodedInput coded;
  if (sequence.rank() == 0) return check_count(sequence, 0, shape).error();
  coded.steps = sequence.dim(0);
  SPIKELOOM_CHECK(check_count(sequence, coded.steps, shape));
  const std::int64_t elements = coded.steps == 0 ? 0 : sequence.size() / coded.steps;
  const std::vector<double> values = sequence.to_doubles();
  for (std::int64_t t = 0; t < coded.steps; ++t) {
    for (std::int64_t i = 0; i < elements; ++i) {
      double value = values[static_cast<std::size_t>(t * elements + i)];
      if (!std::isfinite(value)) {
        return Error{.code = ErrorCode::kFormat,
                     .what = "the array holds a value that is not finite",
                     .where = fmt::format("step {}, element {}", t, i)};
      }
      if (coding.coding == Coding::kBinary && value != 0.0) value = 1.0;
      if (coding.clip) value = std::min(value, *coding.clip);
      if (value == 0.0) continue;
      coded.index.push_back(static_cast<std::uint32_t>(i));
      coded.value.push_back(value);
    }
    coded.step_start.push_back(coded.index.size());
  }
  return coded;
}

Result<CodedInput> code_static(const Tensor& values, const Shape& shape, std::int64_t steps,
                               const InputCoding& coding, std::uint64_t seed) {
  SPIKELOOM_CHECK(check_count(values, 1, shape));
  if (steps < 0 || steps > kMaxSteps) {
    return Error{.what = "the number of steps is out of range",
                 .expected = fmt::format("0 to {}", kMaxSteps),
                 .got = std::to_string(steps)};
  }
  const RandomStream random{seed, 0};
  const std::vector<double> input = values.to_doubles();
  CodedInput coded;
  coded.steps = steps;
  const auto put = [&](std::size_t i, double value) {
    coded.index.push_back(static_cast<std::uint32_t>(i));
    coded.value.push_back(value);
  };
  for (std::int64_t t = 0; t < steps; ++t) {
    for (std::size_t i = 0; i < input.size(); ++i) {
      const double value = std::clamp(input[i], 0.0, 1.0);
      const auto draw = static_cast<std::uint64_t>(t) * input.size() + i;
      if (coding.coding == Coding::kRate) {
        if (random.uniform(draw) < value) put(i, 1.0);
      } else if (coding.coding == Coding::kLatency) {
        const double when = std::nearbyint((1.0 - value) * static_cast<double>(steps - 1));
        if (input[i] > 0.0 && when == static_cast<double>(t)) put(i, 1.0);
      } else if (input[i] != 0.0) {
        put(i, coding.coding == Coding::kBinary ? 1.0 : input[i]);
      }
    }
    coded.step_start.push_back(coded.index.size());
  }
  return coded;
}

}  // namespace spikeloom
