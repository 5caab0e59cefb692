/// Prophesee EVT 2.0 and 2.1 (docs.prophesee.ai, data/encoding_formats/evt2 and evt21).
///
/// EVT 2.0: 32-bit words, little endian; the upper four bits say what they are:
///
///     0 OFF, 1 ON event: time low (6 bits, us) | x (11) | y (11)
///     8 time high: the other 28 bits of a 34-bit counter of microseconds
///     A trigger, E others, F data that continue them: skipped and counted
///
/// EVT 2.1: the same word in the upper half of 64 bits; the lower half of an event is a mask of 32
/// pixels from x on. "endianness=legacy" in the header: the upper half comes first in the file.
///
/// Words before the first time high mean nothing and are skipped and counted.

#include <array>
#include <bit>

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/evt2_words.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/raw_header.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

enum Word : std::uint32_t {
  kOff = 0x0,
  kOn = 0x1,
  kTimeHigh = 0x8,
  kTrigger = 0xA,
  kOthers = 0xE,
  kContinued = 0xF,
};

constexpr std::array<const char*, 16> kNames = {
    "off",       nullptr, nullptr,   nullptr, nullptr, nullptr, nullptr,  nullptr,
    "time_high", nullptr, "trigger", nullptr, nullptr, nullptr, "others", "continued"};
const char* name_of(std::size_t kind) { return kind == kOn ? "on" : kNames[kind]; }

constexpr std::uint32_t kPixels = 2048;
constexpr int kTimeBits = 34;
constexpr Time kHighTick = 64 * kMicrosecond;

/// What both have in common: the time, and what is counted.
class Evt2State {
 public:
  bool has_time() const { return has_time_; }
  Time high() const { return high_; }

  /// Takes a word that is no event; false for a wrong one.
  bool rare(std::uint32_t word) {
    const std::uint32_t kind = word >> 28;
    if (kind == kTimeHigh) {
      time_high(word & 0xFFF'FFFFU);
    } else if (kind == kTrigger || kind == kOthers || kind == kContinued) {
      ++skipped_[kind];
    } else if (kind == kOff || kind == kOn) {
      ++before_start_;
    } else {
      return false;
    }
    return true;
  }

  void add(std::size_t kind, std::uint64_t words) { words_[kind] += words; }

  void report(StreamFacts& facts) const {
    facts.counts.clear();
    facts.skipped.clear();
    for (std::size_t kind = 0; kind < 16; ++kind) {
      if (name_of(kind) == nullptr) continue;
      if (words_[kind] > 0) facts.counts.emplace_back(name_of(kind), words_[kind]);
      if (skipped_[kind] > 0) facts.skipped.emplace_back(name_of(kind), skipped_[kind]);
    }
    if (before_start_ > 0) facts.skipped.emplace_back("words_before_start", before_start_);
  }

 private:
  void time_high(std::uint32_t value) {
    if (!has_time_) {
      has_time_ = true;
      high_ = value * kHighTick;
    } else {
      // A step of more than half the counter's range is one backwards.
      const std::uint32_t forward = (value - high_counter_) & 0xFFF'FFFFU;
      high_ += (static_cast<Time>(forward) - (forward > 0x800'0000U ? 0x1000'0000 : 0)) * kHighTick;
    }
    high_counter_ = value;
  }

  Time high_ = 0;
  std::uint32_t high_counter_ = 0;
  bool has_time_ = false;
  std::uint64_t before_start_ = 0;
  std::array<std::uint64_t, 16> skipped_{};
  std::array<std::uint64_t, 16> words_{};
};

Error wrong_word(const char* format, std::uint32_t word) {
  return {.code = ErrorCode::kFormat,
          .what = fmt::format("not a word of {}", format),
          .expected = "a kind of 0, 1, 8, 10, 14 or 15",
          .got = fmt::format("kind {} in the word 0x{:08X}", word >> 28, word)};
}

class Evt2 {
 public:
  static constexpr std::size_t kLongest = 4;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Evt2(const ReadOptions&) {}

  Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole) {
    SPIKELOOM_TRY(const auto parsed, read_evt_header(head, whole, "EVT2"));
    if (!parsed) return std::optional<std::size_t>();
    width = parsed->width;
    height = parsed->height;
    return std::optional(parsed->bytes);
  }

  Decoded decode(const std::byte* words, std::size_t bytes, EventBlock& block) {
    return decode_same_size(*this, words, bytes, block);
  }

  std::size_t decode_records(const std::byte* words, std::size_t count, EventBlock& block) {
    std::size_t i = 0;
    while (i < count && !block.full()) {
      if (state_.has_time()) {
        i += decode_evt2_run(words + 4 * i, count - i, state_.high(), block);
        if (i == count || block.full()) return i;
      }
      const auto word = load_little<std::uint32_t>(words + 4 * i);
      if (state_.has_time() && word >> 28 <= kOn) {  // near the end, less than a register
        block.push(state_.high() + (word >> 22 & 0x3FU) * kMicrosecond, word >> 11 & 0x7FFU,
                   word & 0x7FFU, word >> 28);
      } else if (!state_.rare(word)) {
        return i;
      }
      ++i;
    }
    return i;
  }

  Error wrong(const std::byte* word) const {
    return wrong_word("EVT 2.0", load_little<std::uint32_t>(word));
  }
  bool may_end() const { return true; }
  void report(StreamFacts& facts) const { state_.report(facts); }
  void count(const std::byte* words, std::size_t bytes) {
    const std::size_t count = bytes / kLongest;
    std::array<std::uint64_t, 16> kinds{};
    for (std::size_t i = 0; i < count; ++i) {
      ++kinds[load_little<std::uint32_t>(words + 4 * i) >> 28];
    }
    for (std::size_t kind = 0; kind < 16; ++kind) state_.add(kind, kinds[kind]);
  }

 private:
  Evt2State state_;
};

class Evt21 {
 public:
  static constexpr std::size_t kLongest = 8;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Evt21(const ReadOptions&) {}

  Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole) {
    SPIKELOOM_TRY(const auto parsed, read_evt_header(head, whole, "EVT21"));
    if (!parsed) return std::optional<std::size_t>();
    width = parsed->width;
    height = parsed->height;
    // Bits to shift the upper and the lower half of a word into place.
    upper_shift_ = parsed->endianness == "legacy" ? 0 : 32;
    return std::optional(parsed->bytes);
  }

  Decoded decode(const std::byte* words, std::size_t bytes, EventBlock& block) {
    return decode_same_size(*this, words, bytes, block);
  }

  std::size_t decode_records(const std::byte* words, std::size_t count, EventBlock& block) {
    std::size_t i = 0;
    for (; i < count && !block.full(); ++i) {
      const auto [word, mask_read] = halves(words + 8 * i);
      if (word >> 28 > kOn || !state_.has_time()) {
        if (!state_.rare(word)) return i;
        continue;
      }
      const Time time = state_.high() + (word >> 22 & 0x3FU) * kMicrosecond;
      const std::uint32_t x = word >> 11 & 0x7FFU;
      std::uint32_t mask = mask_read;
      if (mask != 0 && x + 31U - static_cast<std::uint32_t>(std::countl_zero(mask)) >= kPixels) {
        return i;
      }
      for (; mask != 0; mask &= mask - 1) {
        block.push(time, x + static_cast<std::uint32_t>(std::countr_zero(mask)), word & 0x7FFU,
                   word >> 28);
      }
    }
    return i;
  }

  Error wrong(const std::byte* word) const {
    const std::uint32_t upper = halves(word).first;
    if (upper >> 28 <= kOn) {
      return {.code = ErrorCode::kFormat,
              .what = "a vector of pixels goes beyond the format's coordinates",
              .expected = fmt::format("x below {}", kPixels)};
    }
    return wrong_word("EVT 2.1", upper);
  }
  bool may_end() const { return true; }
  void report(StreamFacts& facts) const { state_.report(facts); }
  void count(const std::byte* words, std::size_t bytes) {
    const std::size_t count = bytes / kLongest;
    for (std::size_t i = 0; i < count; ++i) state_.add(halves(words + 8 * i).first >> 28, 1);
  }

 private:
  /// The word as in EVT 2.0, and the mask.
  std::pair<std::uint32_t, std::uint32_t> halves(const std::byte* word) const {
    const auto both = load_little<std::uint64_t>(word);
    return {static_cast<std::uint32_t>(both >> upper_shift_),
            static_cast<std::uint32_t>(both >> (32 - upper_shift_))};
  }

  Evt2State state_;
  unsigned upper_shift_ = 32;
};

/// Writes both: an EVT 2.1 word holds the events that differ only in x and lie close together.
class Evt2Encoder final : public EventEncoder {
 public:
  Evt2Encoder(const WriteOptions& options, bool vectors)
      : options_(options),
        vectors_(vectors),
        rules_({vectors ? "evt21" : "evt2", kPixels - 1, kPixels - 1, kTimeBits, kMostPause,
                kMostPause},
               options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    if (!has_header_) {
      const std::string header = vectors_ ? raw_header_text("EVT21", "2.1", options_)
                                          : raw_header_text("EVT2", "2.0", options_);
      const auto* text = reinterpret_cast<const std::byte*>(header.data());
      made.assign(text, text + header.size());
    }
    WriteRules rules = rules_;
    std::optional<std::int64_t> high = high_;
    for (std::size_t i = 0; i < events.size();) {
      SPIKELOOM_TRY(const std::int64_t us, rules.take(events, i));
      show_counter(high, us >> 6, 28, [&](std::int64_t value) {
        put(made, kTimeHigh << 28 | static_cast<std::uint32_t>(value), 0);
      });
      const auto low = static_cast<std::uint32_t>(us & 0x3F);
      const std::uint32_t x = events.x[i];
      const std::uint32_t word =
          static_cast<std::uint32_t>(events.polarity[i]) << 28 | low << 22 | x << 11 | events.y[i];
      std::uint32_t mask = 1;
      std::size_t next = i + 1;
      for (; vectors_ && belongs(events, i, next); ++next) {
        SPIKELOOM_CHECK(rules.take(events, next));
        mask |= 1U << (events.x[next] - x);
      }
      put(made, word, mask);
      i = next;
    }
    out.insert(out.end(), made.begin(), made.end());
    has_header_ = true;
    rules_ = rules;
    high_ = high;
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    if (!has_header_) SPIKELOOM_CHECK(encode({}, out));
    losses_ = rules_.losses(true);
    return {};
  }

 private:
  /// A pause of a year is 3,700 time high words.
  static constexpr std::int64_t kMostPause = std::int64_t{1} << 53;

  void put(std::vector<std::byte>& made, std::uint32_t word, std::uint32_t mask) const {
    if (vectors_) put_little(made, mask);
    put_little(made, word);
  }

  /// Whether event `next` can be a bit in the word of event `first`, whose later bits lie in front.
  static bool belongs(const EventPacket& events, std::size_t first, std::size_t next) {
    return next < events.size() && events.y[next] == events.y[first] &&
           events.polarity[next] == events.polarity[first] && events.x[next] > events.x[next - 1] &&
           events.x[next] < events.x[first] + 32 &&
           floor_div(events.time[next], kMicrosecond) ==
               floor_div(events.time[first], kMicrosecond);
  }

  WriteOptions options_;
  bool vectors_;
  bool has_header_ = false;
  WriteRules rules_;
  std::optional<std::int64_t> high_;
};

template <bool kVectors>
Result<std::unique_ptr<EventEncoder>> make_evt2_encoder(const WriteOptions& options) {
  return std::unique_ptr<EventEncoder>(std::make_unique<Evt2Encoder>(options, kVectors));
}

}  // namespace

EventCodec evt2_codec() {
  EventCodec codec;
  codec.name = "evt2";
  codec.description = "Prophesee RAW, EVT 2.0";
  codec.extensions = {"raw"};
  codec.match = [](std::span<const std::byte> head) { return match_raw_header(head, "EVT2"); };
  codec.make_decoder = make_record_decoder<Evt2>;
  codec.make_encoder = make_evt2_encoder<false>;
  return codec;
}

EventCodec evt21_codec() {
  EventCodec codec;
  codec.name = "evt21";
  codec.description = "Prophesee RAW, EVT 2.1";
  codec.extensions = {"raw"};
  codec.match = [](std::span<const std::byte> head) { return match_raw_header(head, "EVT21"); };
  codec.make_decoder = make_record_decoder<Evt21>;
  codec.make_encoder = make_evt2_encoder<true>;
  return codec;
}

}  // namespace spikeloom::detail
