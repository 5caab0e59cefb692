/// Event Stream .es, version 2 (github.com/neuromorphicsystems/event_stream): "Event Stream", three
/// bytes of version, one of type, and for a DVS width and height (16 bits each, little endian).
/// Then events of five bytes
///
///     time step in us (7 bits) | polarity (1, lowest) || x (16) || y (16), little endian
///
/// A first byte of 0xFF is no event but 127 us more; 0xFE stands alone and means nothing. Time
/// begins at 0 and cannot run backwards. In the file y counts from below; here the origin is the
/// upper left corner, as everywhere: y = height - 1 - raw y.

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::string_view kMagic = "Event Stream";
constexpr std::size_t kPreamble = 16;  ///< magic, version, type
constexpr std::size_t kHeader = 20;
constexpr std::size_t kEvent = 5;
constexpr std::uint8_t kReset = 0xFE;
constexpr std::uint8_t kOverflow = 0xFF;
constexpr std::int64_t kOverflowUs = 127;

const char* type_name(std::uint8_t type) {
  constexpr const char* kNames[] = {"generic", "dvs", "atis", "color"};
  return type < 4 ? kNames[type] : "unknown";
}

bool has_magic(std::span<const std::byte> head) {
  const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
  return text.substr(0, kMagic.size()) == kMagic;
}

class EventStream {
 public:
  static constexpr std::size_t kLongest = kEvent;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit EventStream(const ReadOptions&) {}

  Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole) {
    if (head.size() >= kMagic.size() && !has_magic(head)) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "not an Event Stream",
                   .where = "byte 0",
                   .expected = "\"Event Stream\""};
    }
    if (head.size() >= kPreamble) SPIKELOOM_CHECK(check_kind(head));
    if (head.size() < kHeader) {
      if (!whole) return std::optional<std::size_t>();
      return Error{.code = ErrorCode::kFormat,
                   .what = "the header is cut short",
                   .where = fmt::format("byte {}", head.size()),
                   .expected = fmt::format("{} bytes", kHeader)};
    }
    width = load_little<std::uint16_t>(head.data() + kPreamble);
    height = load_little<std::uint16_t>(head.data() + kPreamble + 2);
    if (width == 0 || height == 0) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "not a sensor size",
                   .where = fmt::format("byte {}", kPreamble),
                   .expected = "1x1 to 65535x65535",
                   .got = fmt::format("{}x{}", width, height)};
    }
    return std::optional(kHeader);
  }

  Decoded decode(const std::byte* data, std::size_t bytes, EventBlock& block) {
    std::size_t i = 0;
    std::size_t made = block.size;
    Time time = time_;
    const std::uint32_t last_row = height - 1;
    while (i < bytes && made < EventBlock::kEvents) {
      const auto first = std::to_integer<std::uint32_t>(data[i]);
      if (first < kReset) [[likely]] {
        if (i + kEvent > bytes) break;
        time += static_cast<Time>(first >> 1) * kMicrosecond;
        block.time[made] = time;
        block.x[made] = load_little<std::uint16_t>(data + i + 1);
        // Below the sensor: far above every height after the turn.
        block.y[made] =
            static_cast<std::uint16_t>(last_row - load_little<std::uint16_t>(data + i + 3));
        block.polarity[made] = static_cast<std::uint8_t>(first & 1U);
        ++made;
        i += kEvent;
      } else {
        time += first == kOverflow ? kOverflowUs * kMicrosecond : 0;
        ++i;
      }
    }
    block.size = made;
    time_ = time;
    return {i, made >= EventBlock::kEvents ? Decoded::kFull : Decoded::kNeedsMore};
  }

  Error wrong(const std::byte*) const { return {}; }  // every byte means something
  bool may_end() const { return true; }
  void report(StreamFacts&) const {}
  void count(const std::byte*, std::size_t) {}

 private:
  static Status check_kind(std::span<const std::byte> head) {
    const auto at = [head](std::size_t i) { return std::to_integer<std::uint8_t>(head[i]); };
    if (at(12) != 2) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "a version of Event Stream that is not read",
                   .where = "byte 12",
                   .expected = "2",
                   .got = fmt::format("{}.{}.{}", at(12), at(13), at(14))};
    }
    if (at(15) != 1) {
      return Error{.code = at(15) < 4 ? ErrorCode::kUnsupported : ErrorCode::kFormat,
                   .what = fmt::format("an Event Stream of type {} ({}) holds no DVS events",
                                       at(15), type_name(at(15))),
                   .where = "byte 15",
                   .expected = "type 1 (dvs)"};
    }
    return {};
  }

  Time time_ = 0;
};

class EventStreamEncoder final : public EventEncoder {
 public:
  explicit EventStreamEncoder(const WriteOptions& options)
      : options_(options), rules_(kLimits, options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    if (!has_header_) SPIKELOOM_CHECK(header(made));
    WriteRules rules = rules_;
    std::int64_t shown = shown_us_;
    for (std::size_t i = 0; i < events.size(); ++i) {
      SPIKELOOM_TRY(const std::int64_t us, rules.take(events, i));
      std::int64_t step = us - shown;
      made.insert(made.end(), static_cast<std::size_t>(step / kOverflowUs), std::byte{kOverflow});
      step %= kOverflowUs;
      shown = us;
      made.push_back(static_cast<std::byte>(step << 1 | events.polarity[i]));
      put_little(made, events.x[i]);
      put_little(made, static_cast<std::uint16_t>(options_.height - 1 - events.y[i]));
    }
    out.insert(out.end(), made.begin(), made.end());
    has_header_ = true;
    rules_ = rules;
    shown_us_ = shown;
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    if (!has_header_) SPIKELOOM_CHECK(encode({}, out));
    losses_ = rules_.losses(true);
    return {};
  }

 private:
  /// Time is counted up byte by byte: 64 MiB for a pause of 2.4 hours, and no more.
  static constexpr std::int64_t kMostPause = (std::int64_t{1} << 26) * kOverflowUs;
  static constexpr FormatLimits kLimits = {"es", 65534, 65534, 30, kMostPause, kMostPause};

  Status header(std::vector<std::byte>& made) const {
    if (options_.width == 0 || options_.width > 65535 || options_.height > 65535) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = "an Event Stream needs the sensor's size",
                   .expected = "1x1 to 65535x65535",
                   .got = options_.width == 0 ? "none" : "65536",
                   .next = "give the size"};
    }
    for (const char c : kMagic) made.push_back(static_cast<std::byte>(c));
    for (const int byte : {2, 0, 0, 1}) made.push_back(static_cast<std::byte>(byte));
    put_little(made, static_cast<std::uint16_t>(options_.width));
    put_little(made, static_cast<std::uint16_t>(options_.height));
    return {};
  }

  WriteOptions options_;
  WriteRules rules_;
  std::int64_t shown_us_ = 0;
  bool has_header_ = false;
};

}  // namespace

EventCodec event_stream_codec() {
  EventCodec codec;
  codec.name = "es";
  codec.description = "Event Stream .es, type DVS";
  codec.extensions = {"es"};
  codec.match = [](std::span<const std::byte> head) {
    return has_magic(head) ? Match::kCertain : Match::kNo;
  };
  codec.make_decoder = make_record_decoder<EventStream>;
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<EventStreamEncoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
