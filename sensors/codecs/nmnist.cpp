/// N-MNIST .bin (Orchard et al., Front. Neurosci. 9:437, 2015) and SLAYER .bs2: five bytes an
/// event,
///
///     x (8) | y (8) | polarity (1) | microseconds (23), big endian; polarity 1 is ON.
///
/// No header, no sensor size. The counter wraps after 8.39 s: a step back by more than half its
/// range is a wrap, a smaller one is time running backwards.

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/event_rules.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::size_t kRecord = 5;
constexpr std::int64_t kTimeRange = std::int64_t{1} << 23;

class NmnistDecoder final : public EventDecoder {
 public:
  explicit NmnistDecoder(const ReadOptions& options) : rules_(options), unwrap_(!options.unsorted) {
    facts_.width = options.width;
    facts_.height = options.height;
  }

  Status feed(std::span<const std::byte> bytes, EventPacket& out) override {
    if (held_count_ > 0) {
      const std::size_t taken = std::min(kRecord - held_count_, bytes.size());
      std::copy_n(bytes.begin(), taken, held_.begin() + held_count_);
      held_count_ += taken;
      bytes = bytes.subspan(taken);
      if (held_count_ < kRecord) return {};
      held_count_ = 0;
      SPIKELOOM_CHECK(record(held_.data(), out));
    }
    if (out.empty()) out.reserve(bytes.size() / kRecord);
    for (; bytes.size() >= kRecord; bytes = bytes.subspan(kRecord)) {
      SPIKELOOM_CHECK(record(bytes.data(), out));
    }
    std::copy(bytes.begin(), bytes.end(), held_.begin());
    held_count_ = bytes.size();
    return {};
  }

  Status finish(EventPacket&) override {
    if (held_count_ == 0) return {};
    return Error{.code = ErrorCode::kFormat,
                 .what = "the last record is cut short",
                 .where = fmt::format("byte {}", facts_.valid_bytes),
                 .expected = "5 bytes",
                 .got = fmt::format("{}", held_count_)};
  }

 private:
  Status record(const std::byte* bytes, EventPacket& out) {
    const auto at = [bytes](int i) { return std::to_integer<std::uint32_t>(bytes[i]); };
    const std::int64_t counter = (at(2) & 0x7FU) << 16 | at(3) << 8 | at(4);
    if (unwrap_ && last_counter_ - counter > kTimeRange / 2) epoch_ += kTimeRange;
    const Time time = (epoch_ + counter) * kMicrosecond;
    if (!rules_.allows(time, at(0), at(1))) {
      return rules_.explain(time, at(0), at(1), fmt::format("byte {}", facts_.valid_bytes));
    }
    rules_.accept(time);
    last_counter_ = counter;
    facts_.valid_bytes += kRecord;
    out.push_back(time, static_cast<std::uint16_t>(at(0)), static_cast<std::uint16_t>(at(1)),
                  static_cast<std::uint8_t>(at(2) >> 7));
    return {};
  }

  EventRules rules_;
  bool unwrap_;
  std::int64_t last_counter_ = 0;
  std::int64_t epoch_ = 0;
  std::array<std::byte, kRecord> held_{};
  std::size_t held_count_ = 0;
};

class NmnistEncoder final : public EventEncoder {
 public:
  explicit NmnistEncoder(const WriteOptions& options) : rules_(kLimits, options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    made.reserve(events.size() * kRecord);
    WriteRules rules = rules_;
    std::int64_t last = last_us_;
    for (std::size_t i = 0; i < events.size(); ++i) {
      SPIKELOOM_TRY(const std::int64_t us, rules.take(events, i));
      SPIKELOOM_CHECK(check_pause(us, last));
      last = us;
      const auto counter = static_cast<std::uint32_t>(us % kTimeRange);
      const std::uint32_t third =
          static_cast<std::uint32_t>(events.polarity[i]) << 7 | counter >> 16;
      for (const std::uint32_t byte : {std::uint32_t{events.x[i]}, std::uint32_t{events.y[i]},
                                       third, counter >> 8 & 0xFFU, counter & 0xFFU}) {
        made.push_back(static_cast<std::byte>(byte));
      }
    }
    rules_ = rules;
    last_us_ = last;
    out.insert(out.end(), made.begin(), made.end());
    return {};
  }

  Status finish(std::vector<std::byte>&) override {
    losses_ = rules_.losses(false);
    return {};
  }

 private:
  static constexpr FormatLimits kLimits = {"nmnist", 255, 255, 23, kTimeRange - 1, kLatestUs};

  /// From one event to the next a reader has only the 23-bit counter to go by: it sees one wrap if
  /// the counter drops by more than half, none if it does not drop.
  static Status check_pause(std::int64_t us, std::int64_t last) {
    const std::int64_t wraps = us / kTimeRange - last / kTimeRange;
    const std::int64_t drop = last % kTimeRange - us % kTimeRange;
    if (wraps == (drop > kTimeRange / 2 ? 1 : 0)) return {};
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "nmnist cannot hold a pause this long here",
                 .expected = "less than half of the 23-bit counter across its wrap, 4.19 s",
                 .got = fmt::format("{} us after {} us", us, last),
                 .next = "write another format, e.g. csv"};
  }

  WriteRules rules_;
  std::int64_t last_us_ = 0;
};

}  // namespace

EventCodec nmnist_codec() {
  EventCodec codec;
  codec.name = "nmnist";
  codec.description = "N-MNIST .bin and SLAYER .bs2: 5 bytes an event";
  codec.extensions = {"bin", "bs2"};
  codec.make_decoder = [](const ReadOptions& options) -> Result<std::unique_ptr<EventDecoder>> {
    return std::unique_ptr<EventDecoder>(std::make_unique<NmnistDecoder>(options));
  };
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<NmnistEncoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
