/// AEDAT 3.1, cAER's files (docs.inivation.com, AEDAT file formats): lines with '#' up to
/// "#!END-HEADER", then packets: a header of 28 bytes, little endian,
///
///     type (16) | source (16) | bytes of an event (32) | offset of its time (32) | overflows of
///     time (32) | capacity (32) | events (32) | valid events (32)
///
/// and that many events. An event of polarity (type 1) is eight bytes:
///
///     valid (1) | polarity (1) | y (15) | x (15), from the lowest bit up || microseconds (31)
///
/// Time is overflows x 2^31 + microseconds. Packets of other types, and of other sources than that
/// of the first events, are skipped and counted; so are events that are not valid.

#include <array>

#include <fmt/format.h>

#include "sensors/detail/aedat.hpp"
#include "sensors/detail/codecs.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::string_view kMagic = "#!AER-DAT3.1";
constexpr std::string_view kEndLine = "!END-HEADER";
constexpr std::size_t kPacketHeader = 28;
constexpr std::uint32_t kEventBytes = 8;
constexpr std::uint32_t kPolarity = 1;

constexpr std::array<const char*, 13> kTypes = {
    "special", "polarity", "frame",   "imu6",    "imu9",    "sample", "ear",
    "config",  "point1d",  "point2d", "point3d", "point4d", "spike"};
constexpr std::uint32_t kFirstUserType = 100;

class Aedat3 {
 public:
  static constexpr std::size_t kLongest = kPacketHeader;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Aedat3(const ReadOptions&) {}

  Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole) {
    SPIKELOOM_TRY(const auto parsed, parse_aedat_header(head, whole, kMagic, kEndLine));
    if (!parsed) return std::optional<std::size_t>();
    if (parsed->lines.back() != kEndLine) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "the header does not end",
                   .where = fmt::format("byte {}", parsed->bytes),
                   .expected = "\"#!END-HEADER\""};
    }
    for (const std::string_view line : parsed->lines) {
      if (line.starts_with("Format:") && line.find("RAW") == line.npos) {
        return Error{.code = ErrorCode::kUnsupported,
                     .what = "AEDAT 3.1 in a packed form",
                     .where = "byte 0",
                     .expected = "Format: RAW",
                     .got = std::string(line)};
      }
      const KnownChip* chip = line.starts_with("Source") ? find_chip(line) : nullptr;
      if (chip != nullptr && width == 0) {
        width = chip->width;
        height = chip->height;
      }
    }
    return std::optional(parsed->bytes);
  }

  Decoded decode(const std::byte* data, std::size_t bytes, EventBlock& block) {
    std::size_t i = 0;
    while (!block.full()) {
      if (skipped_bytes_ > 0) {
        const auto skipped = std::min<std::uint64_t>(skipped_bytes_, bytes - i);
        skipped_bytes_ -= skipped;
        i += skipped;
        if (skipped_bytes_ > 0) return {i};
      } else if (events_left_ > 0) {
        for (; events_left_ > 0 && i + kEventBytes <= bytes && !block.full(); i += kEventBytes) {
          const auto word = load_little<std::uint32_t>(data + i);
          const auto time = load_little<std::int32_t>(data + i + 4);
          if (time < 0) return {i, Decoded::kWrong};
          // What is not valid is written and not kept.
          block.push(overflow_ + time * kMicrosecond, word >> 17, word >> 2 & 0x7FFFU,
                     word >> 1 & 1U);
          block.size -= ~word & 1U;
          invalid_ += ~word & 1U;
          --events_left_;
        }
        if (events_left_ > 0) return {i, block.full() ? Decoded::kFull : Decoded::kNeedsMore};
      } else {
        if (i + kPacketHeader > bytes) return {i};
        if (!packet(data + i)) return {i, Decoded::kWrong};
        i += kPacketHeader;
      }
    }
    return {i, Decoded::kFull};
  }

  Error wrong(const std::byte* data) const {
    if (events_left_ > 0) {
      return {.code = ErrorCode::kFormat,
              .what = "not a time",
              .expected = "31 bits",
              .got = fmt::format("{}", load_little<std::int32_t>(data + 4))};
    }
    return {.code = ErrorCode::kFormat,
            .what = "not the header of a packet",
            .expected =
                "a known type, events of 8 bytes with their time at 4 if of polarity, valid "
                "<= events <= capacity",
            .got = fmt::format(
                "type {}, {} bytes, {} valid of {} events", load_little<std::uint16_t>(data),
                load_little<std::uint32_t>(data + 4), load_little<std::uint32_t>(data + 24),
                load_little<std::uint32_t>(data + 20))};
  }
  bool may_end() const { return events_left_ == 0 && skipped_bytes_ == 0; }

  void report(StreamFacts& facts) const {
    facts.counts.clear();
    facts.skipped.clear();
    for (std::size_t type = 0; type < kTypes.size(); ++type) {
      if (packets_[type] == 0) continue;
      (type == kPolarity ? facts.counts : facts.skipped)
          .emplace_back(fmt::format("{}_packets", kTypes[type]), packets_[type]);
    }
    if (user_packets_ > 0) facts.skipped.emplace_back("user_packets", user_packets_);
    if (other_source_ > 0) facts.skipped.emplace_back("packets_of_other_sources", other_source_);
    if (invalid_ > 0) facts.skipped.emplace_back("invalid_events", invalid_);
  }
  void count(const std::byte*, std::size_t) {}

 private:
  bool packet(const std::byte* data) {
    const std::uint32_t type = load_little<std::uint16_t>(data);
    const std::uint32_t source = load_little<std::uint16_t>(data + 2);
    const auto size = load_little<std::uint32_t>(data + 4);
    const auto time_offset = load_little<std::uint32_t>(data + 8);
    const auto overflow = load_little<std::uint32_t>(data + 12);
    const auto capacity = load_little<std::uint32_t>(data + 16);
    const auto events = load_little<std::uint32_t>(data + 20);
    const auto valid = load_little<std::uint32_t>(data + 24);
    constexpr std::uint32_t kMost = 0x7FFF'FFFF;
    // 2^31 us times this many overflows still fits 64-bit nanoseconds.
    constexpr std::uint32_t kMostOverflows = 4'000'000;
    if ((type >= kTypes.size() && type < kFirstUserType) || size == 0 || size > kMost ||
        capacity > kMost || events > capacity || valid > events || overflow > kMostOverflows) {
      return false;
    }
    if (type == kPolarity && (size != kEventBytes || time_offset != 4)) return false;
    ++(type < kTypes.size() ? packets_[type] : user_packets_);
    if (type == kPolarity && (!source_ || *source_ == source)) {
      source_ = source;
      events_left_ = events;
      overflow_ = static_cast<Time>(overflow) * (Time{1} << 31) * kMicrosecond;
    } else {
      other_source_ += type == kPolarity ? 1 : 0;
      skipped_bytes_ = std::uint64_t{events} * size;
    }
    return true;
  }

  std::optional<std::uint32_t> source_;
  Time overflow_ = 0;
  std::uint32_t events_left_ = 0;    ///< of the present packet
  std::uint64_t skipped_bytes_ = 0;  ///< of the present packet that are still to come
  std::array<std::uint64_t, kTypes.size()> packets_{};
  std::uint64_t user_packets_ = 0;
  std::uint64_t other_source_ = 0;
  std::uint64_t invalid_ = 0;
};

class Aedat3Encoder final : public EventEncoder {
 public:
  explicit Aedat3Encoder(const WriteOptions& options) : rules_(kLimits, options) {
    const KnownChip* chip =
        options.width == 0 ? nullptr : chip_of_size(options.width, options.height);
    if (chip != nullptr) chip_ = chip->name;
  }

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    if (!has_header_) {
      const std::string text = fmt::format("{}\r\n#Format: RAW\r\n#Source 1: {}\r\n#{}\r\n", kMagic,
                                           chip_.empty() ? "spikeloom" : chip_, kEndLine);
      for (const char c : text) made.push_back(static_cast<std::byte>(c));
    }
    WriteRules rules = rules_;
    for (std::size_t i = 0; i < events.size();) {
      SPIKELOOM_TRY(std::int64_t us, rules.take(events, i));
      const std::int64_t overflow = us >> 31;
      const std::size_t start = made.size();
      made.resize(start + kPacketHeader);
      std::uint32_t count = 0;
      while (true) {
        put_little(made, static_cast<std::uint32_t>(events.x[i]) << 17 |
                             static_cast<std::uint32_t>(events.y[i]) << 2 |
                             static_cast<std::uint32_t>(events.polarity[i]) << 1 | 1U);
        put_little(made, static_cast<std::uint32_t>(us & 0x7FFF'FFFF));
        ++count;
        if (++i == events.size() || count == kMostInPacket ||
            (floor_div(events.time[i], kMicrosecond) - rules.shift_us()) >> 31 != overflow) {
          break;
        }
        SPIKELOOM_TRY(us, rules.take(events, i));
      }
      packet_header(made.data() + start, static_cast<std::uint32_t>(overflow), count);
    }
    out.insert(out.end(), made.begin(), made.end());
    has_header_ = true;
    rules_ = rules;
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    if (!has_header_) SPIKELOOM_CHECK(encode({}, out));
    losses_ = rules_.losses(!chip_.empty());
    return {};
  }

 private:
  static constexpr std::int64_t kMostTime = std::int64_t{1} << 52;
  static constexpr FormatLimits kLimits = {"aedat3", 0x7FFF, 0x7FFF, 31, kMostTime, kMostTime};
  static constexpr std::uint32_t kMostInPacket = 8192;

  static void packet_header(std::byte* at, std::uint32_t overflow, std::uint32_t count) {
    const std::array<std::uint32_t, 7> words = {
        kPolarity | 1U << 16, kEventBytes, 4, overflow, count, count, count};
    std::memcpy(at, words.data(), kPacketHeader);
  }

  WriteRules rules_;
  std::string_view chip_;
  bool has_header_ = false;
};

}  // namespace

EventCodec aedat3_codec() {
  EventCodec codec;
  codec.name = "aedat3";
  codec.description = "AEDAT 3.1";
  codec.extensions = {"aedat"};
  codec.match = [](std::span<const std::byte> head) {
    return begins_with(head, kMagic) ? Match::kCertain : Match::kNo;
  };
  codec.make_decoder = make_record_decoder<Aedat3>;
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<Aedat3Encoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
