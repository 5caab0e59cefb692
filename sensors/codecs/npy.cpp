/// Event arrays in NumPy's .npy.
///
/// Structured, shape (events): fields t (or ts, time, timestamp), x, y, p (or polarity, on) of
/// integers, others are passed over; decoded as it comes. This is what is written: t <i8 in
/// microseconds, x and y <u2, p u1.
///
/// Plain, shape (events, columns), one type of element: the array is held in memory as a whole. The
/// rules for columns and units are those of text.

#include "base/io/npy.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/event_numbers.hpp"
#include "sensors/detail/event_rules.hpp"
#include "sensors/detail/event_text.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/npy_fields.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// Bytes before the elements; the array was parsed, so its header is whole.
std::size_t header_bytes(std::span<const std::byte> file) {
  const auto at = [file](std::size_t i) { return std::to_integer<std::size_t>(file[i]); };
  const std::size_t low = at(8) | at(9) << 8;
  return at(6) == 1 ? 10 + low : 12 + (low | at(10) << 16 | at(11) << 24);
}

class NpyDecoder final : public EventDecoder {
 public:
  NpyDecoder(const ReadOptions& options, const EventColumns& columns)
      : rules_(options), columns_(columns), unit_(options.time_unit) {
    facts_.width = options.width;
    facts_.height = options.height;
  }

  Status feed(std::span<const std::byte> bytes, EventPacket&) override {
    file_.insert(file_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status finish(EventPacket& out) override {
    SPIKELOOM_TRY(const Tensor array, io::parse_npy(file_, "array"));
    const auto count = static_cast<std::size_t>(columns_.count);
    if (array.rank() != 2 || array.dim(1) != columns_.count) {
      return Error{.code = ErrorCode::kShape,
                   .what = "not an array of events",
                   .expected = fmt::format("shape (events, {})", count),
                   .got = to_string(array.shape()),
                   .next = "a spike tensor (time, features...) is read with its axes"};
    }
    SPIKELOOM_TRY(const Numbers numbers, Numbers::of(array));
    if (unit_ == EventTimeUnit::kAuto && numbers.is_real()) {
      return Error{.code = ErrorCode::kAmbiguous,
                   .what = "real numbers do not say their unit of time",
                   .next = "give the unit of time"};
    }
    const auto rows = static_cast<std::size_t>(array.dim(0));
    const std::size_t start = header_bytes(file_);
    const std::size_t row_bytes = rows == 0 ? 0 : (file_.size() - start) / rows;
    for (std::size_t row = 0; row < rows; ++row) {
      facts_.valid_bytes = start + row * row_bytes;
      SPIKELOOM_CHECK(event(numbers, row, row * count, out));
    }
    facts_.valid_bytes = file_.size();
    return {};
  }

 private:
  Status event(const Numbers& numbers, std::size_t row, std::size_t begin, EventPacket& out) {
    const auto at = [begin](int column) { return begin + static_cast<std::size_t>(column); };
    const auto wrong = [&](const char* what, const char* expected, int column) {
      return Error{.code = ErrorCode::kFormat,
                   .what = what,
                   .where = fmt::format("row {}", row),
                   .expected = expected,
                   .got = numbers.text(at(column))};
    };
    const auto time = numbers.time(at(columns_.t), nanoseconds(unit_));
    if (!time) return wrong("not a time", "64-bit nanoseconds", columns_.t);
    std::int64_t place[2] = {0, 0};
    const int axes[2] = {columns_.x, columns_.y};
    for (int axis = 0; axis < 2; ++axis) {
      if (axes[axis] < 0) continue;
      const auto value = numbers.integer(at(axes[axis]));
      if (!value || *value < 0 || *value > 65535) {
        return wrong("not a pixel coordinate", "an integer from 0 to 65535", axes[axis]);
      }
      place[axis] = *value;
    }
    std::int64_t polarity = 1;
    if (columns_.p >= 0) {
      const auto value = numbers.integer(at(columns_.p));
      if (!value || *value < -1 || *value > 1) {
        return wrong("not a polarity", "0 or 1, or -1 or 1", columns_.p);
      }
      polarity = *value;
    }
    const auto x = static_cast<std::uint16_t>(place[0]);
    const auto y = static_cast<std::uint16_t>(place[1]);
    if (!rules_.allows(*time, x, y)) {
      return rules_.explain(*time, x, y, fmt::format("row {}", row));
    }
    rules_.accept(*time);
    out.push_back(*time, x, y, static_cast<std::uint8_t>(polarity > 0 ? 1 : 0));
    return {};
  }

  EventRules rules_;
  EventColumns columns_;
  EventTimeUnit unit_;
  std::vector<std::byte> file_;
};

/// Records of named fields.
class NpyRecords {
 public:
  static constexpr std::size_t kLongest = kLongestNpyRecord;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit NpyRecords(const ReadOptions& options)
      : unit_ns_(nanoseconds(options.time_unit == EventTimeUnit::kAuto
                                 ? EventTimeUnit::kMicroseconds
                                 : options.time_unit)) {}

  Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole) {
    const std::size_t size = npy_header_bytes(head);
    if (size == 0 || head.size() < size) {
      if (!whole) return std::optional<std::size_t>();
      return Error{
          .code = ErrorCode::kFormat, .what = "the header is cut short", .where = "byte 0"};
    }
    SPIKELOOM_TRY(fields_, parse_npy_fields(head.first(size)));
    left_ = fields_.events;
    return std::optional(size);
  }

  Decoded decode(const std::byte* data, std::size_t bytes, EventBlock& block) {
    std::size_t i = 0;
    for (; i + fields_.bytes <= bytes && !block.full(); i += fields_.bytes) {
      const auto time = fields_.t.load(data + i);
      const auto x = fields_.x.load(data + i);
      const auto y = fields_.y.load(data + i);
      const auto p = fields_.p.bytes == 0 ? 1 : fields_.p.load(data + i);
      Time ns = 0;
      if (left_ == 0 || __builtin_mul_overflow(time, unit_ns_, &ns) || x < 0 || x > 65535 ||
          y < 0 || y > 65535 || p < -1 || p > 1) {
        return {i, Decoded::kWrong};
      }
      --left_;
      block.push(ns, static_cast<std::uint32_t>(x), static_cast<std::uint32_t>(y), p > 0 ? 1 : 0);
    }
    if (left_ == 0 && i < bytes && !block.full()) return {i, Decoded::kWrong};
    return {i, block.full() ? Decoded::kFull : Decoded::kNeedsMore};
  }

  Error wrong(const std::byte*) const {
    return {.code = ErrorCode::kFormat,
            .what = left_ == 0 ? "bytes behind the last event" : "not an event",
            .expected = left_ == 0
                            ? fmt::format("{} events", fields_.events)
                            : "a time of 64-bit nanoseconds, x and y from 0 to 65535, p -1 to "
                              "1"};
  }
  bool may_end() const { return left_ == 0; }
  void report(StreamFacts&) const {}
  void count(const std::byte*, std::size_t) {}

 private:
  std::int64_t unit_ns_;
  NpyFields fields_;
  std::uint64_t left_ = 0;
};

/// Structured or plain, whichever the header says.
class EitherNpyDecoder final : public EventDecoder {
 public:
  EitherNpyDecoder(const ReadOptions& options, const EventColumns& columns)
      : options_(options), columns_(columns) {
    facts_.width = options.width;
    facts_.height = options.height;
  }

  Status feed(std::span<const std::byte> bytes, EventPacket& out) override {
    if (decoder_) return passed(decoder_->feed(bytes, out));
    head_.insert(head_.end(), bytes.begin(), bytes.end());
    const std::size_t size = npy_header_bytes(head_);
    constexpr std::size_t kLongest = std::size_t{1} << 20;
    if (head_.size() < std::clamp(size, kShortestNpyHeader, kLongest)) return {};
    return choose(size, out);
  }

  Status finish(EventPacket& out) override {
    if (!decoder_) SPIKELOOM_CHECK(choose(npy_header_bytes(head_), out));
    return passed(decoder_->finish(out));
  }

 private:
  Status choose(std::size_t size, EventPacket& out) {
    const bool structured =
        size != 0 && size <= head_.size() && is_structured_npy(std::span(head_).first(size));
    if (structured) {
      decoder_ = std::make_unique<RecordDecoder<NpyRecords>>(options_, NpyRecords(options_));
    } else {
      decoder_ = std::make_unique<NpyDecoder>(options_, columns_);
    }
    const auto head = std::exchange(head_, {});
    return passed(decoder_->feed(head, out));
  }

  Status passed(Status status) {
    facts_ = decoder_->facts();
    return status;
  }

  ReadOptions options_;
  EventColumns columns_;
  std::vector<std::byte> head_;
  std::unique_ptr<EventDecoder> decoder_;
};

class NpyEncoder final : public EventEncoder {
 public:
  explicit NpyEncoder(const WriteOptions& options) : rules_(kLimits, options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    if (!has_header_) made = npy_fields_header(0);
    WriteRules rules = rules_;
    for (std::size_t i = 0; i < events.size(); ++i) {
      SPIKELOOM_TRY(const std::int64_t us, rules.take(events, i));
      put_little(made, us);
      put_little(made, events.x[i]);
      put_little(made, events.y[i]);
      put_little(made, events.polarity[i]);
    }
    out.insert(out.end(), made.begin(), made.end());
    has_header_ = true;
    rules_ = rules;
    count_ += events.size();
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    if (!has_header_) SPIKELOOM_CHECK(encode({}, out));
    losses_ = rules_.losses(false);
    return {};
  }
  std::vector<std::byte> beginning() const override { return npy_fields_header(count_); }

 private:
  static constexpr FormatLimits kLimits = any_time_limits("npy");
  WriteRules rules_;
  std::uint64_t count_ = 0;
  bool has_header_ = false;
};

}  // namespace

EventCodec npy_codec() {
  EventCodec codec;
  codec.name = "npy";
  codec.description = "NumPy array of events: fields or columns t, x, y, p";
  codec.extensions = {"npy"};
  codec.match = [](std::span<const std::byte> head) {
    const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    return text.substr(0, kMagic.size()) == kMagic ? Match::kCertain : Match::kNo;
  };
  codec.make_decoder = [](const ReadOptions& options) -> Result<std::unique_ptr<EventDecoder>> {
    SPIKELOOM_TRY(const EventColumns columns,
                  parse_columns(options.columns.empty() ? "txyp" : options.columns));
    return std::unique_ptr<EventDecoder>(std::make_unique<EitherNpyDecoder>(options, columns));
  };
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<NpyEncoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
