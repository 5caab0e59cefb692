/// Prophesee EVT 3.0 (docs.prophesee.ai, data/encoding_formats/evt3): 16-bit words, little endian,
/// whose upper four bits say what they are. Every word changes the decoder's state; two kinds make
/// events:
///
///     0 y         the row of the events that follow (bits 0-10; bit 11: master or slave camera)
///     2 x         one event at x (bits 0-10), polarity (bit 11)
///     3 base x    where the next vector begins, its polarity
///     4 vector    12 pixels from the base on: one event for each bit set; moves the base by 12
///     5 vector    the same with 8
///     6 time low, 8 time high: 12 bits each of a 24-bit counter of microseconds
///     A trigger, E others, 7 and F data that continue them: skipped and counted
///
/// Words before the first time high, and events before the first row or base, mean nothing and are
/// skipped and counted.

#include <array>

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/evt3_words.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/raw_header.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::array<const char*, 16> kNames = {
    "y",         nullptr, "x",       "base_x", "vector_12", "vector_8", "time_low", "continued_4",
    "time_high", nullptr, "trigger", nullptr,  nullptr,     nullptr,    "others",   "continued_12"};

constexpr Time kHighTick = 4096 * kMicrosecond;

class Evt3 {
 public:
  static constexpr std::size_t kLongest = 2;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Evt3(const ReadOptions&) {}

  Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole) {
    SPIKELOOM_TRY(const auto parsed, read_evt_header(head, whole, "EVT3"));
    if (!parsed) return std::optional<std::size_t>();
    width = parsed->width;
    height = parsed->height;
    return std::optional(parsed->bytes);
  }

  Decoded decode(const std::byte* words, std::size_t bytes, EventBlock& block) {
    return decode_same_size(*this, words, bytes, block);
  }

  std::size_t decode_records(const std::byte* words, std::size_t count, EventBlock& block) {
    std::size_t i = has_row_ ? 0 : before_first_row(words, count);
    while (i < count && !block.full()) {
      i += decode_evt3_run(words + kLongest * i, count - i, state_, block);
      if (i == count || block.full()) break;
      const std::uint32_t word = load_little<std::uint16_t>(words + kLongest * i);
      if (!rare(word)) break;
      ++i;
    }
    return i;
  }

  Error wrong(const std::byte* word) const {
    const std::uint32_t value = load_little<std::uint16_t>(word);
    if ((value >> 12) == kEvt3Vector12 || (value >> 12) == kEvt3Vector8) {
      return {.code = ErrorCode::kFormat,
              .what = "a vector of pixels goes beyond the format's coordinates",
              .expected = fmt::format("x below {}", kEvt3Pixels)};
    }
    return {.code = ErrorCode::kFormat,
            .what = "not a word of EVT 3.0",
            .expected = "a kind of 0, 2 to 8, 10, 14 or 15",
            .got = fmt::format("kind {} in the word 0x{:04X}", value >> 12, value)};
  }

  void count(const std::byte* words, std::size_t bytes) {
    const std::size_t count = bytes / kLongest;
    // Four histograms: a run of one kind would wait for its own counter otherwise.
    std::array<std::array<std::uint64_t, 16>, 4> part{};
    for (std::size_t i = 0; i < count; ++i) {
      ++part[i % 4][load_little<std::uint16_t>(words + 2 * i) >> 12];
    }
    for (std::size_t kind = 0; kind < 16; ++kind) {
      for (const auto& one : part) words_[kind] += one[kind];
    }
  }

  bool may_end() const { return true; }
  void report(StreamFacts& facts) const {
    facts.counts.clear();
    facts.skipped.clear();
    for (std::size_t kind = 0; kind < 16; ++kind) {
      if (kNames[kind] == nullptr) continue;
      if (words_[kind] > 0) facts.counts.emplace_back(kNames[kind], words_[kind]);
      if (skipped_[kind] > 0) facts.skipped.emplace_back(kNames[kind], skipped_[kind]);
    }
    const std::uint64_t before = before_start_ + state_.without_base;
    if (before > 0) facts.skipped.emplace_back("words_before_start", before);
  }

 private:
  /// Skips to the first row after the first time; only times count on the way.
  std::size_t before_first_row(const std::byte* words, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t word = load_little<std::uint16_t>(words + 2 * i);
      const std::uint32_t kind = word >> 12;
      if (kNames[kind] == nullptr) return i;
      if (kind == kEvt3TimeHigh) {
        time_high(word & 0xFFFU);
      } else if (has_time_ && kind == kEvt3TimeLow) {
        state_.low_us = word & 0xFFFU;
      } else if (has_time_ && kind == kEvt3Y) {
        has_row_ = true;
        return i;
      } else {
        ++before_start_;
      }
    }
    return count;
  }

  void time_high(std::uint32_t value) {
    if (!has_time_) {
      has_time_ = true;
      state_.high = value * kHighTick;
    } else if (value != high_counter_) {
      // A step of more than half the counter's range is one backwards.
      const std::uint32_t forward = (value - high_counter_) & 0xFFFU;
      state_.high += (static_cast<Time>(forward) - (forward > 0x800U ? 0x1000 : 0)) * kHighTick;
      state_.low_us = 0;
    }
    high_counter_ = value;
  }

  /// Takes a word that decode_evt3_run() does not; false for a wrong one.
  bool rare(std::uint32_t word) {
    const std::uint32_t kind = word >> 12;
    if (kind == kEvt3TimeHigh) {
      time_high(word & 0xFFFU);
    } else if (kind == kEvt3Trigger || kind == kEvt3Others || kind == kEvt3Continued4 ||
               kind == kEvt3Continued12) {
      ++skipped_[kind];
    } else {
      return false;
    }
    return true;
  }

  Evt3State state_;
  std::uint32_t high_counter_ = 0;
  bool has_time_ = false;
  bool has_row_ = false;
  std::uint64_t before_start_ = 0;
  std::array<std::uint64_t, 16> skipped_{};
  std::array<std::uint64_t, 16> words_{};
};

class Evt3Encoder final : public EventEncoder {
 public:
  explicit Evt3Encoder(const WriteOptions& options)
      : options_(options), state_{WriteRules(kLimits, options)} {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    if (!state_.has_header) {
      const std::string header = raw_header_text("EVT3", "3.0", options_);
      const auto* text = reinterpret_cast<const std::byte*>(header.data());
      made.assign(text, text + header.size());
    }
    State state = state_;
    state.has_header = true;
    for (std::size_t i = 0; i < events.size();) {
      SPIKELOOM_TRY(const std::int64_t us, state.rules.take(events, i));
      show_time(state, us, made);
      if (state.row != events.y[i]) word(made, kEvt3Y, events.y[i]);
      state.row = events.y[i];
      SPIKELOOM_TRY(const std::size_t run, run_length(state, events, i));
      i += run < kShortestVector ? single(events, i, made) : vector(events, i, run, made);
    }
    out.insert(out.end(), made.begin(), made.end());
    state_ = state;
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    if (!state_.has_header) SPIKELOOM_CHECK(encode({}, out));
    losses_ = state_.rules.losses(true);
    return {};
  }

 private:
  /// A vector takes four words.
  static constexpr std::size_t kShortestVector = 5;
  static constexpr std::int64_t kMostWords = std::int64_t{1} << 20;
  static constexpr FormatLimits kLimits = {
      "evt3", kEvt3Pixels - 1,          kEvt3Pixels - 1,
      24,     kMostWords * 2047 * 4096, kMostWords * 2047 * 4096};

  struct State {
    WriteRules rules;
    bool has_header = false;
    std::optional<std::int64_t> high = {};
    std::optional<std::int64_t> low = {};
    std::optional<std::uint32_t> row = {};
  };

  static void word(std::vector<std::byte>& made, std::uint32_t kind, std::uint32_t value) {
    put_little(made, static_cast<std::uint16_t>(kind << 12 | value));
  }

  static void show_time(State& state, std::int64_t us, std::vector<std::byte>& made) {
    const auto before = state.high;
    show_counter(state.high, us >> 12, 12, [&made](std::int64_t value) {
      word(made, kEvt3TimeHigh, static_cast<std::uint32_t>(value));
    });
    if (state.high != before) state.low.reset();
    if (state.low != (us & 0xFFF)) word(made, kEvt3TimeLow, static_cast<std::uint32_t>(us & 0xFFF));
    state.low = us & 0xFFF;
  }

  /// How many events from `i` on fit one vector of 32 pixels; those behind the first are taken.
  static Result<std::size_t> run_length(State& state, const EventPacket& events, std::size_t i) {
    const std::uint32_t first = events.x[i];
    std::size_t end = i + 1;
    while (end < events.size() && events.y[end] == events.y[i] &&
           events.polarity[end] == events.polarity[i] && events.x[end] > events.x[end - 1] &&
           events.x[end] < first + 32 &&
           floor_div(events.time[end], kMicrosecond) == floor_div(events.time[i], kMicrosecond)) {
      ++end;
    }
    if (end - i < kShortestVector) return end - i;
    for (std::size_t k = i + 1; k < end; ++k) SPIKELOOM_CHECK(state.rules.take(events, k));
    return end - i;
  }

  static std::size_t single(const EventPacket& events, std::size_t i,
                            std::vector<std::byte>& made) {
    word(made, kEvt3X, static_cast<std::uint32_t>(events.polarity[i]) << 11 | events.x[i]);
    return 1;
  }

  static std::size_t vector(const EventPacket& events, std::size_t i, std::size_t run,
                            std::vector<std::byte>& made) {
    std::uint32_t mask = 0;
    for (std::size_t k = i; k < i + run; ++k) mask |= 1U << (events.x[k] - events.x[i]);
    word(made, kEvt3BaseX, static_cast<std::uint32_t>(events.polarity[i]) << 11 | events.x[i]);
    word(made, kEvt3Vector12, mask & 0xFFFU);
    word(made, kEvt3Vector12, mask >> 12 & 0xFFFU);
    word(made, kEvt3Vector8, mask >> 24);
    return run;
  }

  WriteOptions options_;
  State state_;
};

}  // namespace

EventCodec evt3_codec() {
  EventCodec codec;
  codec.name = "evt3";
  codec.description = "Prophesee RAW, EVT 3.0";
  codec.extensions = {"raw"};
  codec.match = [](std::span<const std::byte> head) { return match_raw_header(head, "EVT3"); };
  codec.make_decoder = make_record_decoder<Evt3>;
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<Evt3Encoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
