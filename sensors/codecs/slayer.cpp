/// SLAYER's spike files beside .bs2 (github.com/bamsumit/slayerPytorch, spikeFileIO.py): records
/// without a header, big endian.
///
///     .bs1, 5 bytes: neuron (16) | polarity (1; 1 is ON) | microseconds (23)
///     .bs3, 7 bytes: x (12) | y (12) | channel (8) | microseconds (24)
///
/// The neuron is x, y is 0; the channel is the polarity, others than 0 and 1 are refused. SLAYER
/// writes .bs1 in any order, so there the times are as they stand and no wrap is undone. In .bs3 a
/// step back by more than half the counter's range is a wrap.

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::uint32_t kTimeMask1 = (1U << 23) - 1;
constexpr std::uint32_t kTimeRange3 = 1U << 24;

class Bs1 {
 public:
  static constexpr std::size_t kLongest = 5;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Bs1(const ReadOptions&) {}
  Result<std::optional<std::size_t>> header(std::span<const std::byte>, bool) {
    return std::optional<std::size_t>(0);
  }
  Decoded decode(const std::byte* data, std::size_t bytes, EventBlock& block) {
    std::size_t i = 0;
    for (; i + kLongest <= bytes && !block.full(); i += kLongest) {
      const std::uint32_t neuron = load_big<std::uint16_t>(data + i);
      const std::uint32_t rest =
          std::to_integer<std::uint32_t>(data[i + 2]) << 16 | load_big<std::uint16_t>(data + i + 3);
      const Time time = static_cast<Time>(rest & kTimeMask1) * kMicrosecond;
      steps_back_ += time < last_ ? 1 : 0;
      last_ = time;
      block.push(time, neuron, 0, rest >> 23);
    }
    return {i, block.full() ? Decoded::kFull : Decoded::kNeedsMore};
  }
  Error wrong(const std::byte*) const { return {}; }  // every record means something
  bool may_end() const { return true; }
  void report(StreamFacts& facts) const {
    facts.counts.clear();
    if (steps_back_ > 0) facts.counts.emplace_back("steps_back_in_time", steps_back_);
  }
  void count(const std::byte*, std::size_t) {}

 private:
  Time last_ = 0;
  std::uint64_t steps_back_ = 0;
};

class Bs3 {
 public:
  static constexpr std::size_t kLongest = 7;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Bs3(const ReadOptions& options) : unwraps_(!options.unsorted) {}
  Result<std::optional<std::size_t>> header(std::span<const std::byte>, bool) {
    return std::optional<std::size_t>(0);
  }
  Decoded decode(const std::byte* data, std::size_t bytes, EventBlock& block) {
    std::size_t i = 0;
    for (; i + kLongest <= bytes && !block.full(); i += kLongest) {
      const std::uint32_t place = load_big<std::uint32_t>(data + i);
      const std::uint32_t rest = load_big<std::uint32_t>(data + i + 3);
      const std::uint32_t channel = rest >> 24;
      if (channel > 1) return {i, Decoded::kWrong};
      const std::uint32_t us = rest & (kTimeRange3 - 1);
      if (unwraps_ && last_us_ > us && last_us_ - us > kTimeRange3 / 2) wraps_us_ += kTimeRange3;
      last_us_ = us;
      block.push((wraps_us_ + us) * kMicrosecond, place >> 20, place >> 8 & 0xFFFU, channel);
    }
    return {i, block.full() ? Decoded::kFull : Decoded::kNeedsMore};
  }
  Error wrong(const std::byte* data) const {
    return {.code = ErrorCode::kUnsupported,
            .what = "a channel that is no polarity",
            .expected = "0 or 1",
            .got = fmt::format("{}", std::to_integer<int>(data[3]))};
  }
  bool may_end() const { return true; }
  void report(StreamFacts&) const {}
  void count(const std::byte*, std::size_t) {}

 private:
  bool unwraps_;
  std::uint32_t last_us_ = 0;
  std::int64_t wraps_us_ = 0;
};

class SlayerEncoder final : public EventEncoder {
 public:
  SlayerEncoder(const WriteOptions& options, bool three_dimensions)
      : three_(three_dimensions), rules_(three_ ? kLimits3 : kLimits1, options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    WriteRules rules = rules_;
    for (std::size_t i = 0; i < events.size(); ++i) {
      SPIKELOOM_TRY(const std::int64_t us, rules.take(events, i));
      const std::uint32_t p = events.polarity[i];
      if (three_) {
        const std::uint32_t place = static_cast<std::uint32_t>(events.x[i]) << 12 | events.y[i];
        put_big(made, place << 8 | p);
        put_24(made, static_cast<std::uint32_t>(us % kTimeRange3));
      } else {
        put_big(made, events.x[i]);
        put_24(made, p << 23 | static_cast<std::uint32_t>(us));
      }
    }
    out.insert(out.end(), made.begin(), made.end());
    rules_ = rules;
    return {};
  }

  Status finish(std::vector<std::byte>&) override {
    losses_ = rules_.losses(false);
    return {};
  }

 private:
  static constexpr FormatLimits kLimits1 = {"bs1",      65535,      0,     23,
                                            kTimeMask1, kTimeMask1, false, kTimeMask1};
  static constexpr FormatLimits kLimits3 = {"bs3", 0xFFF,           0xFFF,
                                            24,    kTimeRange3 - 1, kTimeRange3 / 2 - 1};

  static void put_24(std::vector<std::byte>& made, std::uint32_t value) {
    made.push_back(static_cast<std::byte>(value >> 16 & 0xFFU));
    put_big(made, static_cast<std::uint16_t>(value & 0xFFFFU));
  }

  bool three_;
  WriteRules rules_;
};

template <bool kThreeDimensions>
Result<std::unique_ptr<EventEncoder>> make_slayer_encoder(const WriteOptions& options) {
  return std::unique_ptr<EventEncoder>(std::make_unique<SlayerEncoder>(options, kThreeDimensions));
}

}  // namespace

EventCodec bs1_codec() {
  EventCodec codec;
  codec.name = "bs1";
  codec.description = "SLAYER .bs1: 5 bytes a spike of a numbered neuron";
  codec.extensions = {"bs1"};
  codec.make_decoder = [](const ReadOptions& options) {
    ReadOptions any_order = options;
    any_order.unsorted = true;
    return make_record_decoder<Bs1>(any_order);
  };
  codec.make_encoder = make_slayer_encoder<false>;
  return codec;
}

EventCodec bs3_codec() {
  EventCodec codec;
  codec.name = "bs3";
  codec.description = "SLAYER .bs3: 7 bytes an event";
  codec.extensions = {"bs3"};
  codec.make_decoder = make_record_decoder<Bs3>;
  codec.make_encoder = make_slayer_encoder<true>;
  return codec;
}

}  // namespace spikeloom::detail
