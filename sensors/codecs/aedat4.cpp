/// AEDAT 4.0, DV's files (docs.inivation.com, AEDAT file formats): "#!AER-DAT4.0", a FlatBuffer
/// IOHE with the compression, the place of the table at the end and an XML description of the
/// streams; then packets: stream (32) | bytes (32), little endian, and a frame of LZ4 or Zstandard
/// (or plain) that holds a FlatBuffer. Of an EVTS packet that is a vector of 16 bytes an event:
///
///     microseconds (64, signed) | x (16) | y (16) | polarity (8) | unused (24)
///
/// The events are those of the first stream of events. Packets of other streams are skipped and
/// counted by the type of their stream. The table at the end only speeds up seeking; it has to be
/// whole, and is not written: readers find the packets without it.

#include <limits>

#include <fmt/format.h>

#include "sensors/detail/aedat.hpp"
#include "sensors/detail/aedat4_info.hpp"
#include "sensors/detail/aedat4_records.hpp"
#include "sensors/detail/codecs.hpp"
#include "sensors/detail/decompress.hpp"
#include "sensors/detail/event_block.hpp"
#include "sensors/detail/event_rules.hpp"
#include "sensors/detail/flatbuffer.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::string_view kMagic = "#!AER-DAT4.0\r\n";
constexpr std::size_t kPacketHeader = 8;
constexpr std::size_t kEventBytes = 16;
constexpr std::size_t kLargestHeader = std::size_t{1} << 24;
/// Of a packet, packed or not: four million events, a second of the fastest camera.
constexpr std::size_t kLargestPacket = std::size_t{1} << 26;
constexpr std::uint32_t kSides = 32768;  ///< coordinates are signed 16 bits

class Aedat4Decoder final : public EventDecoder {
 public:
  explicit Aedat4Decoder(const ReadOptions& options) : rules_(options) {
    facts_.width = options.width;
    facts_.height = options.height;
  }

  Status feed(std::span<const std::byte> bytes, EventPacket& out) override {
    // A part that began in an earlier piece is put together; the others are decoded where they lie.
    while (!bytes.empty()) {
      if (held_.empty()) {
        SPIKELOOM_TRY(const std::size_t used, parts(bytes, {}, out));
        bytes = bytes.subspan(used);
        held_.assign(bytes.begin(), bytes.end());
        return check_table();
      }
      const std::size_t missing = wanted_ - std::min(wanted_, held_.size());
      const auto some = bytes.first(std::min(bytes.size(), missing));
      held_.insert(held_.end(), some.begin(), some.end());
      bytes = bytes.subspan(some.size());
      if (held_.size() < wanted_) return check_table();
      SPIKELOOM_TRY(const std::size_t used, parts(held_, bytes, out));
      held_.erase(held_.begin(), held_.begin() + static_cast<std::ptrdiff_t>(used));
    }
    return {};
  }

  Status finish(EventPacket&) override {
    if (!has_header_) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "the header is cut short",
                   .where = here(),
                   .expected = fmt::format("{} bytes", wanted_),
                   .got = fmt::format("{}", held_.size())};
    }
    if (table_at_ >= 0 && facts_.valid_bytes >= static_cast<std::uint64_t>(table_at_)) {
      return table();
    }
    if (held_.empty() && table_at_ < 0) return {};
    return Error{.code = ErrorCode::kFormat,
                 .what = held_.empty() ? "the file ends before its table" : "packet cut short",
                 .where = here(),
                 .expected = held_.empty() ? fmt::format("the table at byte {}", table_at_)
                                           : fmt::format("{} bytes", wanted_),
                 .got = fmt::format("{}", held_.size())};
  }

 private:
  /// The table's size stands nowhere.
  static constexpr std::size_t kToTheEnd = std::numeric_limits<std::size_t>::max();

  Status check_table() const {
    if (wanted_ != kToTheEnd || held_.size() <= kLargestPacket) return {};
    return wrong("the table at the end is too large",
                 fmt::format("at most {} bytes", kLargestPacket));
  }

  std::string here() const { return fmt::format("byte {}", facts_.valid_bytes); }
  Error wrong(std::string what, std::string expected = {}, std::string got = {}) const {
    return {.code = ErrorCode::kFormat,
            .what = std::move(what),
            .where = here(),
            .expected = std::move(expected),
            .got = std::move(got)};
  }

  /// Takes the header and packets that are whole; returns how many bytes, and leaves in `wanted_`
  /// how many the next part has. `behind`: what is known to follow.
  Result<std::size_t> parts(std::span<const std::byte> bytes, std::span<const std::byte> behind,
                            EventPacket& out) {
    std::size_t done = 0;
    if (!has_header_) {
      SPIKELOOM_TRY(done, header(bytes));
      if (done == 0) return done;
    }
    while (true) {
      const auto rest = bytes.subspan(done);
      if (table_at_ >= 0 && facts_.valid_bytes >= static_cast<std::uint64_t>(table_at_)) {
        if (facts_.valid_bytes > static_cast<std::uint64_t>(table_at_)) {
          return wrong("a packet reaches into the table", fmt::format("byte {}", table_at_));
        }
        wanted_ = kToTheEnd;
        return done;
      }
      wanted_ = kPacketHeader;
      if (rest.size() < kPacketHeader) return done;
      const auto stream = load_little<std::int32_t>(rest.data());
      const auto size = load_little<std::int32_t>(rest.data() + 4);
      const auto found = streams_.find(stream);
      if (found == streams_.end() || size <= 0 || static_cast<std::size_t>(size) > kLargestPacket) {
        return wrong("not the header of a packet",
                     fmt::format("a stream of the header and 1 to {} bytes", kLargestPacket),
                     fmt::format("stream {}, {} bytes", stream, size));
      }
      const std::size_t whole = kPacketHeader + static_cast<std::size_t>(size);
      wanted_ = whole;
      if (rest.size() < whole) return done;
      const auto content = rest.subspan(kPacketHeader, whole - kPacketHeader);
      if (stream == events_stream_) {
        SPIKELOOM_TRY(const auto unpacked,
                      unpack(content, whole < rest.size() ? rest.subspan(whole) : behind));
        SPIKELOOM_CHECK(packet(unpacked, out));
        count(facts_.counts, "EVTS_packets");
      } else {
        const bool events = found->second.type == "EVTS";
        count(facts_.skipped,
              events ? "packets_of_other_event_streams" : found->second.type + "_packets");
      }
      done += whole;
      facts_.valid_bytes += whole;
    }
  }

  static void count(std::vector<std::pair<std::string, std::uint64_t>>& counts,
                    const std::string& name) {
    for (auto& [known, number] : counts) {
      if (known != name) continue;
      ++number;
      return;
    }
    counts.emplace_back(name, 1);
  }

  Result<std::size_t> header(std::span<const std::byte> bytes) {
    const std::size_t prefix = kMagic.size() + 4;
    wanted_ = prefix;
    const std::size_t known = std::min(bytes.size(), kMagic.size());
    if (!begins_with(bytes, kMagic.substr(0, known))) {
      return wrong("not an AEDAT 4.0 file", "\"#!AER-DAT4.0\"");
    }
    if (bytes.size() < prefix) return std::size_t{0};
    const std::size_t size = load_little<std::uint32_t>(bytes.data() + kMagic.size());
    if (size > kLargestHeader) {
      return wrong("the header is too large", fmt::format("at most {} bytes", kLargestHeader),
                   fmt::format("{}", size));
    }
    wanted_ = prefix + size;
    if (bytes.size() < wanted_) return std::size_t{0};
    const auto table = FlatTable::root(bytes.subspan(kMagic.size(), size + 4), "IOHE");
    const auto compression = table ? table->number<std::int32_t>(0, 0) : std::nullopt;
    const auto position = table ? table->number<std::int64_t>(1, -1) : std::nullopt;
    const auto info = table ? table->vector(2, 1) : std::nullopt;
    if (!compression || !position || !info) {
      return wrong("a damaged FlatBuffer in the header", "IOHE with three fields");
    }
    SPIKELOOM_CHECK(set_compression(*compression));
    if (*position < -1 || (*position >= 0 && static_cast<std::uint64_t>(*position) < wanted_)) {
      return wrong("not a place for the table", fmt::format("-1, or from {} on", wanted_),
                   fmt::format("{}", *position));
    }
    table_at_ = *position;
    SPIKELOOM_TRY(streams_,
                  parse_aedat4_info({reinterpret_cast<const char*>(info->data()), info->size()}));
    for (const auto& [number, stream] : streams_) {
      if (stream.type != "EVTS") continue;
      events_stream_ = number;
      if (stream.width != 0) {
        SPIKELOOM_CHECK(rules_.declare_size(stream.width, stream.height, "header"));
        facts_.width = stream.width;
        facts_.height = stream.height;
      }
      break;
    }
    rules_.limit(kSides, kSides);
    has_header_ = true;
    facts_.valid_bytes = wanted_;
    return wanted_;
  }

  Status set_compression(std::int32_t value) {
    // 0 none, 1 and 2 LZ4 (the second packs harder), 3 and 4 Zstandard.
    if (value < 0 || value > 4) {
      return wrong("an unknown compression", "0 to 4", fmt::format("{}", value));
    }
    const Compression compression = value == 0  ? Compression::kNone
                                    : value < 3 ? Compression::kLz4
                                                : Compression::kZstd;
    decompressor_ = Decompressor(compression);
    return {};
  }

  /// The content of a packet. That of the next packet of events, if it is in `behind`, is unpacked
  /// along with it where that saves time, and kept.
  Result<std::span<const std::byte>> unpack(std::span<const std::byte> packed,
                                            std::span<const std::byte> behind) {
    if (const auto kept = std::exchange(next_, {}); kept.packed == packed.data()) {
      return kept.content;
    }
    if (const auto next = next_events(behind)) {
      if (const auto both = decompressor_.unpack_two(packed, *next)) {
        next_ = {next->data(), (*both)[1]};
        return (*both)[0];
      }
    }
    auto content = decompressor_.unpack(packed, kLargestPacket);
    if (content.ok()) return content;
    return std::move(content).error().in(here());
  }

  /// The next packet of events that is whole, if what lies before it looks like packets.
  std::optional<std::span<const std::byte>> next_events(std::span<const std::byte> bytes) const {
    while (bytes.size() >= kPacketHeader) {
      const auto stream = load_little<std::int32_t>(bytes.data());
      const auto size = static_cast<std::uint32_t>(load_little<std::int32_t>(bytes.data() + 4));
      if (size > kLargestPacket || size > bytes.size() - kPacketHeader) return {};
      if (stream == events_stream_) return bytes.subspan(kPacketHeader, size);
      bytes = bytes.subspan(kPacketHeader + size);
    }
    return {};
  }

  Status packet(std::span<const std::byte> content, EventPacket& out) {
    const auto root = FlatTable::root(content, "EVTS");
    const auto events = root ? root->vector(0, kEventBytes) : std::nullopt;
    if (!events)
      return wrong("a damaged FlatBuffer of events", "EVTS with a vector of 16 bytes each");
    const std::size_t count = events->size() / kEventBytes;
    for (std::size_t i = 0; i < count;) {
      const std::size_t some = std::min(count - i, EventBlock::kEvents);
      const bool holds = decode_aedat4_records(events->data() + i * kEventBytes, some, block_);
      const std::size_t good = holds ? rules_.accept(block_) : 0;
      if (good < some) {
        return holds ? rules_.explain(block_.time[good], block_.x[good], block_.y[good], here())
                     : wrong("a time beyond 64-bit nanoseconds");
      }
      block_.append_to(out, some);
      i += some;
    }
    return {};
  }

  Status table() {
    if (held_.empty()) return wrong("the table at the end is missing");
    SPIKELOOM_TRY(const auto content, unpack(held_, {}));
    if (!FlatTable::root(content, "FTAB")) {
      return wrong("a damaged FlatBuffer of the table at the end", "FTAB");
    }
    facts_.valid_bytes += held_.size();
    return {};
  }

  EventRules rules_;
  EventBlock block_;
  Decompressor decompressor_{Compression::kNone};
  struct {
    const std::byte* packed = nullptr;
    std::span<const std::byte> content = {};
  } next_;  ///< a packet that is unpacked already
  std::map<std::int32_t, Aedat4Stream> streams_;
  std::int32_t events_stream_ = -1;
  std::int64_t table_at_ = -1;
  bool has_header_ = false;
  std::vector<std::byte> held_;  ///< a part that is not whole yet
  std::size_t wanted_ = 0;       ///< bytes of that part
};

class Aedat4Encoder final : public EventEncoder {
 public:
  explicit Aedat4Encoder(const WriteOptions& options)
      : options_(options), rules_(kLimits, options) {}

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    if (!has_header_) header(made);
    WriteRules rules = rules_;
    for (std::size_t i = 0; i < events.size();) {
      const std::size_t count = std::min(events.size() - i, kMostInPacket);
      std::vector<std::byte> buffer;
      put_little(buffer, static_cast<std::uint32_t>(28 + count * kEventBytes));
      put_little(buffer, std::uint32_t{16});  // the root, from here on
      text(buffer, "EVTS");
      put_little(buffer, std::uint16_t{0});
      // The table's description: its size, the table's size, where its one field is.
      for (const std::uint16_t value : {6, 8, 4}) put_little(buffer, value);
      put_little(buffer, std::int32_t{6});
      put_little(buffer, std::uint32_t{4});
      put_little(buffer, static_cast<std::uint32_t>(count));
      for (const std::size_t end = i + count; i < end; ++i) {
        SPIKELOOM_TRY(const std::int64_t us, rules.take(events, i));
        put_little(buffer, us);
        put_little(buffer, events.x[i]);
        put_little(buffer, events.y[i]);
        put_little(buffer, std::uint32_t{events.polarity[i]});
      }
      SPIKELOOM_TRY(const auto packed, compress(Compression::kLz4, buffer));
      put_little(made, std::int32_t{0});
      put_little(made, static_cast<std::int32_t>(packed.size()));
      made.insert(made.end(), packed.begin(), packed.end());
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
  static constexpr std::size_t kMostInPacket = 8192;
  static constexpr FormatLimits kLimits = any_time_limits("aedat4", kSides - 1);

  static void text(std::vector<std::byte>& out, std::string_view letters) {
    for (const char c : letters) out.push_back(static_cast<std::byte>(c));
  }

  void header(std::vector<std::byte>& made) const {
    const std::string info = aedat4_info_text(options_.width, options_.height);
    text(made, kMagic);
    const std::size_t padded = (info.size() + 4) / 4 * 4;  // with a zero at the end
    put_little(made, static_cast<std::uint32_t>(48 + padded));
    put_little(made, std::uint32_t{24});  // the root, from here on
    text(made, "IOHE");
    for (int i = 0; i < 3; ++i) put_little(made, std::uint16_t{0});
    // The table's description: its size, the table's size, where compression, table's place and
    // text are.
    for (const std::uint16_t value : {10, 20, 4, 12, 8}) put_little(made, value);
    put_little(made, std::int32_t{10});
    put_little(made, std::int32_t{1});  // LZ4
    put_little(made, std::uint32_t{12});
    put_little(made, std::int64_t{-1});
    put_little(made, static_cast<std::uint32_t>(info.size()));
    text(made, info);
    made.resize(made.size() + padded - info.size());
  }

  WriteOptions options_;
  WriteRules rules_;
  bool has_header_ = false;
};

}  // namespace

EventCodec aedat4_codec() {
  EventCodec codec;
  codec.name = "aedat4";
  codec.description = "AEDAT 4.0";
  codec.extensions = {"aedat4"};
  codec.match = [](std::span<const std::byte> head) {
    return begins_with(head, kMagic) ? Match::kCertain : Match::kNo;
  };
  codec.make_decoder = [](const ReadOptions& options) -> Result<std::unique_ptr<EventDecoder>> {
    return std::unique_ptr<EventDecoder>(std::make_unique<Aedat4Decoder>(options));
  };
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    return std::unique_ptr<EventEncoder>(std::make_unique<Aedat4Encoder>(options));
  };
  return codec;
}

}  // namespace spikeloom::detail
