/// N-MNIST .bin (Orchard et al., Front. Neurosci. 9:437, 2015) and SLAYER .bs2: five bytes an
/// event,
///
///     x (8) | y (8) | polarity (1) | microseconds (23), big endian; polarity 1 is ON.
///
/// No header, no sensor size. The counter wraps after 8.39 s: a step back by more than half its
/// range is a wrap, a smaller one is time running backwards.

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::size_t kRecord = 5;
constexpr std::int64_t kTimeRange = std::int64_t{1} << 23;

class Nmnist {
 public:
  static constexpr std::size_t kLongest = kRecord;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Nmnist(const ReadOptions& options) : unwraps_(!options.unsorted) {}
  Result<std::optional<std::size_t>> header(std::span<const std::byte>, bool) {
    return std::optional<std::size_t>(0);
  }
  Decoded decode(const std::byte* data, std::size_t bytes, EventBlock& block) {
    return decode_same_size(*this, data, bytes, block);
  }
  std::size_t decode_records(const std::byte* data, std::size_t count, EventBlock& block) {
    std::size_t i = 0;
    for (; i < count && !block.full(); ++i, data += kRecord) {
      const std::uint32_t place = load_big<std::uint32_t>(data);  // x, y and the next 16 bits
      const std::uint32_t rest = (place & 0xFFFFU) << 8 | std::to_integer<std::uint32_t>(data[4]);
      const std::int64_t counter = rest & (kTimeRange - 1);
      if (unwraps_ && last_counter_ - counter > kTimeRange / 2) epoch_ += kTimeRange;
      last_counter_ = counter;
      block.push((epoch_ + counter) * kMicrosecond, place >> 24, place >> 16 & 0xFFU, rest >> 23);
    }
    return i;
  }
  Error wrong(const std::byte*) const { return {}; }  // every record means something
  bool may_end() const { return true; }
  void report(StreamFacts&) const {}
  void count(const std::byte*, std::size_t) {}

 private:
  bool unwraps_;
  std::int64_t last_counter_ = 0;
  std::int64_t epoch_ = 0;
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
  codec.make_decoder = make_record_decoder<Nmnist>;
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<NmnistEncoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
