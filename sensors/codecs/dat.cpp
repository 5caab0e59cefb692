/// Prophesee DAT (docs.prophesee.ai, data/file_formats/dat): a header of text, two bytes (kind and
/// size of an event), then eight bytes an event, little endian:
///
///     microseconds (32) | x (14) | y (14) | polarity (4), from the lowest bit up
///
/// Files of "Version 1": x (9) | y (8) | polarity (1). The counter wraps after 71.6 minutes: a step
/// of more than half its range is one backwards.

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/raw_header.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::uint8_t kEvent2d = 0x00;  ///< older files
constexpr std::uint8_t kEventCd = 0x0C;
constexpr std::uint8_t kTrigger = 0x0E;
constexpr std::uint8_t kEventBytes = 8;

class Dat {
 public:
  static constexpr std::size_t kLongest = kEventBytes;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Dat(const ReadOptions& options) : unwraps_(!options.unsorted) {}

  Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole) {
    SPIKELOOM_TRY(const auto parsed, parse_raw_header(head, whole));
    if (!parsed) return std::optional<std::size_t>();
    if (head.size() < parsed->bytes + 2) {
      if (!whole) return std::optional<std::size_t>();
      return Error{.code = ErrorCode::kFormat,
                   .what = "the header is cut short",
                   .where = fmt::format("byte {}", parsed->bytes),
                   .expected = "two bytes: kind and size of an event"};
    }
    const auto kind = std::to_integer<std::uint8_t>(head[parsed->bytes]);
    const auto size = std::to_integer<std::uint8_t>(head[parsed->bytes + 1]);
    if ((kind != kEvent2d && kind != kEventCd) || size != kEventBytes) {
      return Error{.code = kind == kTrigger ? ErrorCode::kUnsupported : ErrorCode::kFormat,
                   .what = kind == kTrigger ? "a DAT file of triggers, not of events"
                                            : "not a DAT file of events",
                   .where = fmt::format("byte {}", parsed->bytes),
                   .expected = "kind 0 or 12 and 8 bytes",
                   .got = fmt::format("kind {} and {} bytes", kind, size)};
    }
    width = parsed->width;
    height = parsed->height;
    old_layout_ = parsed->version == 1;
    return std::optional(parsed->bytes + 2);
  }

  Decoded decode(const std::byte* words, std::size_t bytes, EventBlock& block) {
    return decode_same_size(*this, words, bytes, block);
  }

  std::size_t decode_records(const std::byte* words, std::size_t count, EventBlock& block) {
    return old_layout_ ? decode_as<9, 8>(words, count, block)
                       : decode_as<14, 14>(words, count, block);
  }

  Error wrong(const std::byte* word) const {
    return {.code = ErrorCode::kFormat,
            .what = "not a polarity",
            .expected = "0 or 1",
            .got = fmt::format("{}", load_little<std::uint32_t>(word + 4) >> 28)};
  }
  bool may_end() const { return true; }
  void report(StreamFacts&) const {}
  void count(const std::byte*, std::size_t) {}

 private:
  template <unsigned kXBits, unsigned kYBits>
  std::size_t decode_as(const std::byte* words, std::size_t count, EventBlock& block) {
    constexpr std::uint32_t kXMask = (1U << kXBits) - 1;
    constexpr std::uint32_t kYMask = (1U << kYBits) - 1;
    std::size_t i = 0;
    for (; i < count && !block.full(); ++i) {
      const auto ticks = load_little<std::uint32_t>(words + 8 * i);
      const auto data = load_little<std::uint32_t>(words + 8 * i + 4);
      const std::uint32_t polarity = data >> (kXBits + kYBits);
      if (kXBits + kYBits == 28 && polarity > 1) return i;
      const auto step = static_cast<std::int32_t>(ticks - last_ticks_);
      time_us_ = has_time_ && unwraps_ ? time_us_ + step : std::int64_t{ticks};
      has_time_ = true;
      last_ticks_ = ticks;
      block.push(time_us_ * kMicrosecond, data & kXMask, data >> kXBits & kYMask, polarity & 1U);
    }
    return i;
  }

  bool unwraps_;
  bool old_layout_ = false;
  bool has_time_ = false;
  std::uint32_t last_ticks_ = 0;
  std::int64_t time_us_ = 0;
};

class DatEncoder final : public EventEncoder {
 public:
  explicit DatEncoder(const WriteOptions& options) : options_(options), rules_(kLimits, options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    if (!has_header_) header(made);
    WriteRules rules = rules_;
    for (std::size_t i = 0; i < events.size(); ++i) {
      SPIKELOOM_TRY(const std::int64_t us, rules.take(events, i));
      put_little(made, static_cast<std::uint32_t>(us));
      put_little(made, static_cast<std::uint32_t>(events.polarity[i]) << 28 |
                           static_cast<std::uint32_t>(events.y[i]) << 14 | events.x[i]);
    }
    out.insert(out.end(), made.begin(), made.end());
    has_header_ = true;
    rules_ = rules;
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    if (!has_header_) SPIKELOOM_CHECK(encode({}, out));
    losses_ = rules_.losses(true);
    return {};
  }

 private:
  static constexpr FormatLimits kLimits = {"dat", 0x3FFF, 0x3FFF, 32, 0xFFFF'FFFF, 0x7FFF'FFFF};

  void header(std::vector<std::byte>& made) const {
    std::string text = "% Data file containing CD events.\n% Version 2\n";
    if (options_.width != 0) {
      text += fmt::format("% Width {}\n% Height {}\n", options_.width, options_.height);
    }
    for (const char c : text) made.push_back(static_cast<std::byte>(c));
    made.push_back(std::byte{kEventCd});
    made.push_back(std::byte{kEventBytes});
  }

  WriteOptions options_;
  WriteRules rules_;
  bool has_header_ = false;
};

}  // namespace

EventCodec dat_codec() {
  EventCodec codec;
  codec.name = "dat";
  codec.description = "Prophesee DAT";
  codec.extensions = {"dat"};
  codec.match = [](std::span<const std::byte> head) { return match_raw_header(head, "DAT"); };
  codec.make_decoder = make_record_decoder<Dat>;
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<DatEncoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
