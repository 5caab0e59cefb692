/// AEDAT 2.0, jAER's files: lines with '#', then eight bytes an event, big endian: an address (32)
/// and microseconds (32; wraps after 71.6 minutes, a step of more than half its range is one
/// backwards). What the address says depends on the chip that the header names ("# AEChip: ..."):
///
///     DVS128, eDVS: y bits 8-14, x bits 1-7, polarity bit 0 (0 is ON); bit 15: special event
///     DAVIS: bit 31 and bits 10 and 11: IMU sample; bit 31 alone: APS sample; bit 10 alone:
///     special
///         event; else y bits 22-30, x bits 12-21, polarity bit 11 (1 is ON)
///     cochlea (AMS1b, AMS1c): bit 12 or 13: sample of a converter; else neuron bits 8-9, channel
///         bits 2-7, ear bit 1, filter bit 0
///
/// (jAER's event extractors; AedatTools for the cochlea.) jAER counts x from the right of the raw
/// address and y from below; here the origin is the upper left corner, so x = width - 1 - raw x and
/// y = height - 1 - raw y. Of the cochlea, x is the channel, y the neuron + 4 times the filter, and
/// the polarity the ear. Without a chip in the header a given size decides; else it is a DVS128.

#include <fmt/format.h>

#include "sensors/detail/aedat.hpp"
#include "sensors/detail/codecs.hpp"
#include "sensors/detail/load.hpp"
#include "sensors/detail/record_decoder.hpp"
#include "sensors/detail/write_rules.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::string_view kMagic = "#!AER-DAT2.0";
constexpr std::string_view kEndLine = "End Of ASCII Header";

constexpr std::uint32_t kAps = 1U << 31;
constexpr std::uint32_t kSpecial = 1U << 10;
constexpr std::uint32_t kImu = 3U << 10;

class Aedat2 {
 public:
  static constexpr std::size_t kLongest = 8;
  std::uint32_t width = 0;
  std::uint32_t height = 0;

  explicit Aedat2(const ReadOptions& options)
      : given_(options.width != 0 ? chip_of_size(options.width, options.height) : nullptr),
        given_width_(options.width),
        unwraps_(!options.unsorted) {}

  Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole) {
    SPIKELOOM_TRY(const auto parsed, parse_aedat_header(head, whole, kMagic, kEndLine));
    if (!parsed) return std::optional<std::size_t>();
    const KnownChip* chip = nullptr;
    for (const std::string_view line : parsed->lines) {
      if (line.find("AEChip") != line.npos) chip = find_chip(line);
    }
    if (chip == nullptr) {
      chip = given_ != nullptr ? given_ : find_chip("DVS128");
      is_guess_ = given_ == nullptr;
    }
    layout_ = chip->layout;
    columns_ = chip->width;
    rows_ = chip->height;
    if (!is_guess_ || given_width_ == 0) {
      width = columns_;
      height = rows_;
    }
    return std::optional(parsed->bytes);
  }

  Decoded decode(const std::byte* data, std::size_t bytes, EventBlock& block) {
    std::size_t i = 0;
    for (; i + kLongest <= bytes && !block.full(); i += kLongest) {
      const auto address = load_big<std::uint32_t>(data + i);
      const auto ticks = load_big<std::uint32_t>(data + i + 4);
      const auto step = static_cast<std::int32_t>(ticks - last_ticks_);
      const std::int64_t us = has_time_ && unwraps_ ? time_us_ + step : std::int64_t{ticks};
      if (layout_ == ChipLayout::kDvs128) {
        if (address >> 16 != 0) return {i, Decoded::kWrong};
        if ((address & 0x8000U) != 0) {
          ++special_;
          continue;
        }
        block.push(us * kMicrosecond, columns_ - 1 - (address >> 1 & 0x7FU),
                   rows_ - 1 - (address >> 8 & 0x7FU), ~address & 1U);
      } else if (layout_ == ChipLayout::kDavis) {
        if ((address & (kAps | kSpecial)) != 0) {
          ++((address & kAps) == 0 ? special_ : (address & kImu) == kImu ? imu_ : aps_);
          continue;
        }
        const std::uint32_t x = address >> 12 & 0x3FFU;
        const std::uint32_t y = address >> 22 & 0x1FFU;
        if (x >= columns_ || y >= rows_) return {i, Decoded::kWrong};
        block.push(us * kMicrosecond, columns_ - 1 - x, rows_ - 1 - y, address >> 11 & 1U);
      } else {
        if ((address & 0x3000U) != 0) {
          ++samples_;
          continue;
        }
        block.push(us * kMicrosecond, address >> 2 & 0x3FU,
                   (address >> 8 & 3U) + 4 * (address & 1U), address >> 1 & 1U);
      }
      time_us_ = us;
      last_ticks_ = ticks;
      has_time_ = true;
    }
    return {i, block.full() ? Decoded::kFull : Decoded::kNeedsMore};
  }

  Error wrong(const std::byte* data) const {
    return {.code = ErrorCode::kFormat,
            .what = "not an address of this chip",
            .expected = layout_ == ChipLayout::kDvs128
                            ? std::string("16 bits, of a DVS128")
                            : fmt::format("a pixel of {}x{}", columns_, rows_),
            .got = fmt::format("0x{:08X}", load_big<std::uint32_t>(data)),
            .next = is_guess_ ? "the header names no chip: give the sensor's size" : ""};
  }
  bool may_end() const { return true; }
  void report(StreamFacts& facts) const {
    facts.skipped.clear();
    const auto add = [&facts](const char* name, std::uint64_t number) {
      if (number > 0) facts.skipped.emplace_back(name, number);
    };
    add("special", special_);
    add("aps", aps_);
    add("imu", imu_);
    add("adc_samples", samples_);
  }
  void count(const std::byte*, std::size_t) {}

 private:
  const KnownChip* given_;
  std::uint32_t given_width_;
  bool unwraps_;
  bool is_guess_ = false;
  ChipLayout layout_ = ChipLayout::kDvs128;
  std::uint32_t columns_ = 0;
  std::uint32_t rows_ = 0;
  bool has_time_ = false;
  std::uint32_t last_ticks_ = 0;
  std::int64_t time_us_ = 0;
  std::uint64_t special_ = 0, aps_ = 0, imu_ = 0, samples_ = 0;
};

/// Writes the smallest DVS or DAVIS chip that holds the sensor.
class Aedat2Encoder final : public EventEncoder {
 public:
  Aedat2Encoder(const WriteOptions& options, const KnownChip& chip)
      : options_(options),
        chip_(chip),
        rules_({"aedat2", chip.width - 1, chip.height - 1, 32, 0xFFFF'FFFF, 0x7FFF'FFFF}, options) {
  }

  Status encode(const EventPacket& events, std::vector<std::byte>& out) override {
    std::vector<std::byte> made;
    if (!has_header_) {
      const std::string text =
          fmt::format("{}\r\n# AEChip: {}\r\n#{}\r\n", kMagic, chip_.name, kEndLine);
      for (const char c : text) made.push_back(static_cast<std::byte>(c));
    }
    WriteRules rules = rules_;
    for (std::size_t i = 0; i < events.size(); ++i) {
      SPIKELOOM_TRY(const std::int64_t us, rules.take(events, i));
      const std::uint32_t x = chip_.width - 1 - events.x[i];
      const std::uint32_t y = chip_.height - 1 - events.y[i];
      const std::uint32_t p = events.polarity[i];
      put_big(made, chip_.layout == ChipLayout::kDvs128 ? y << 8 | x << 1 | (1 - p)
                                                        : y << 22 | x << 12 | p << 11);
      put_big(made, static_cast<std::uint32_t>(us));
    }
    out.insert(out.end(), made.begin(), made.end());
    has_header_ = true;
    rules_ = rules;
    return {};
  }

  Status finish(std::vector<std::byte>& out) override {
    if (!has_header_) SPIKELOOM_CHECK(encode({}, out));
    const bool same = options_.width == chip_.width && options_.height == chip_.height;
    losses_ = rules_.losses(same);
    if (!same) {
      losses_.push_back(fmt::format("the file names the chip {}, of {}x{}", chip_.name, chip_.width,
                                    chip_.height));
    }
    return {};
  }

 private:
  WriteOptions options_;
  const KnownChip& chip_;
  WriteRules rules_;
  bool has_header_ = false;
};

}  // namespace

EventCodec aedat2_codec() {
  EventCodec codec;
  codec.name = "aedat2";
  codec.description = "AEDAT 2.0: DVS128, eDVS, DAVIS, cochlea";
  codec.extensions = {"aedat"};
  codec.match = [](std::span<const std::byte> head) {
    return begins_with(head, kMagic) ? Match::kCertain : Match::kNo;
  };
  codec.make_decoder = make_record_decoder<Aedat2>;
  codec.make_encoder = [](const WriteOptions& options) -> Result<std::unique_ptr<EventEncoder>> {
    // Without a size: the largest chip there is.
    const KnownChip* chip =
        options.width == 0 ? find_chip("DAVIS640") : chip_that_holds(options.width, options.height);
    if (chip == nullptr) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = "no chip of AEDAT 2.0 is this large",
                   .expected = "at most 640x480",
                   .got = fmt::format("{}x{}", options.width, options.height),
                   .next = "write another format, e.g. aedat4"};
    }
    return std::unique_ptr<EventEncoder>(std::make_unique<Aedat2Encoder>(options, *chip));
  };
  return codec;
}

}  // namespace spikeloom::detail
