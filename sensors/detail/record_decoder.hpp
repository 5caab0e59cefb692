#pragma once
/// The decoder of every format that is a header and then short records: words, events, overflows.
///
/// A `Format` has
///
///     static constexpr std::size_t kLongest;     // bytes of its longest record, at most 64
///     std::uint32_t width, height;               // as the header has it, 0: not
///     /// The size of the header, once `head`, the file so far, holds all of it; `whole`: the file
///     /// ends here. Errors have the byte in `where`.
///     Result<std::optional<std::size_t>> header(std::span<const std::byte> head, bool whole);
///     /// Decodes whole records until there is none left, the block is full or one is wrong.
///     Decoded decode(const std::byte* data, std::size_t bytes, EventBlock& block);
///     /// What is wrong with the record at which decode() stopped with kWrong.
///     Error wrong(const std::byte* data) const;
///     /// Whether the file may end here, between two records.
///     bool may_end() const;
///     /// What was counted; called after every piece.
///     void report(StreamFacts& facts) const;
///     /// For ReadOptions::count_words: counts every record of `bytes` bytes.
///     void count(const std::byte* data, std::size_t bytes);
///
/// and is copyable: a block that breaks a rule is decoded once more, record by record, to find the
/// byte.

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "sensors/codec.hpp"
#include "sensors/detail/event_block.hpp"
#include "sensors/detail/event_rules.hpp"

namespace spikeloom::detail {

/// Why Format::decode() stopped, and how many bytes it used.
struct Decoded {
  enum Stop { kNeedsMore, kFull, kWrong };
  std::size_t used = 0;
  Stop stop = kNeedsMore;
};

/// Format::decode() where every record has kLongest bytes, by
///
///     /// Decodes records until the block is full or one is wrong; returns how many.
///     std::size_t decode_records(const std::byte* data, std::size_t count, EventBlock& block);
template <typename Format>
Decoded decode_same_size(Format& format, const std::byte* data, std::size_t bytes,
                         EventBlock& block) {
  const std::size_t count = bytes / Format::kLongest;
  const std::size_t used = format.decode_records(data, count, block);
  return {used * Format::kLongest, block.full()   ? Decoded::kFull
                                   : used < count ? Decoded::kWrong
                                                  : Decoded::kNeedsMore};
}

template <typename Format>
class RecordDecoder final : public EventDecoder {
 public:
  static constexpr std::size_t kLongest = Format::kLongest;
  static constexpr std::size_t kLongestHeader = std::size_t{1} << 20;

  RecordDecoder(const ReadOptions& options, Format format)
      : rules_(options), format_(std::move(format)), counts_words_(options.count_words) {
    facts_.width = options.width;
    facts_.height = options.height;
  }

  Status feed(std::span<const std::byte> bytes, EventPacket& out) override {
    const Status fed = has_header_ ? body(bytes, out) : head(bytes, false, out);
    format_.report(facts_);
    return fed;
  }

  Status finish(EventPacket& out) override {
    if (!has_header_) SPIKELOOM_CHECK(head({}, true, out));
    format_.report(facts_);
    if (held_count_ == 0 && format_.may_end()) return {};
    return Error{.code = ErrorCode::kFormat,
                 .what = held_count_ == 0 ? "the file ends within a packet" : "record cut short",
                 .where = here(),
                 .got = held_count_ == 0 ? "" : fmt::format("{} bytes of it", held_count_)};
  }

 private:
  std::string here() const { return fmt::format("byte {}", facts_.valid_bytes); }

  Status head(std::span<const std::byte> bytes, bool whole, EventPacket& out) {
    header_.insert(header_.end(), bytes.begin(), bytes.end());
    SPIKELOOM_TRY(const std::optional<std::size_t> size, format_.header(header_, whole));
    if (!size) {
      if (header_.size() <= kLongestHeader) return {};
      return Error{.code = ErrorCode::kFormat,
                   .what = "the header does not end",
                   .where = "byte 0",
                   .expected = fmt::format("at most {} bytes", kLongestHeader)};
    }
    has_header_ = true;
    if (format_.width != 0) {
      SPIKELOOM_CHECK(rules_.declare_size(format_.width, format_.height, "header"));
      facts_.width = format_.width;
      facts_.height = format_.height;
    }
    facts_.valid_bytes = *size;
    const std::vector<std::byte> rest(header_.begin() + static_cast<std::ptrdiff_t>(*size),
                                      header_.end());
    header_ = {};
    return body(rest, out);
  }

  Status body(std::span<const std::byte> bytes, EventPacket& out) {
    while (held_count_ > 0) {  // a record that began in an earlier piece
      const std::size_t taken = std::min(held_.size() - held_count_, bytes.size());
      std::copy_n(bytes.begin(), taken, held_.begin() + static_cast<std::ptrdiff_t>(held_count_));
      SPIKELOOM_TRY(const std::size_t used, records(held_.data(), held_count_ + taken, out));
      if (used >= held_count_) {
        bytes = bytes.subspan(used - held_count_);
        held_count_ = 0;
      } else if (used > 0) {
        std::copy(held_.begin() + static_cast<std::ptrdiff_t>(used), held_.end(), held_.begin());
        held_count_ -= used;
      } else {
        held_count_ += taken;
        return {};
      }
    }
    SPIKELOOM_TRY(const std::size_t used, records(bytes.data(), bytes.size(), out));
    const auto rest = bytes.subspan(used);
    std::copy(rest.begin(), rest.end(), held_.begin());
    held_count_ = rest.size();
    return {};
  }

  /// Decodes what is whole; returns how many bytes that was.
  Result<std::size_t> records(const std::byte* data, std::size_t bytes, EventPacket& out) {
    std::size_t done = 0;
    while (true) {
      const Format before = format_;
      block_.size = 0;
      const Decoded decoded = format_.decode(data + done, bytes - done, block_);
      const std::size_t made = block_.size;
      const std::size_t good = rules_.accept(block_);
      if (good < made) {
        format_ = before;
        return broken(data + done, good, out);
      }
      block_.append_to(out, made);
      if (counts_words_) format_.count(data + done, decoded.used);
      done += decoded.used;
      facts_.valid_bytes += decoded.used;
      if (decoded.stop == Decoded::kWrong) {
        Error error = format_.wrong(data + done);
        error.where = here();
        return error;
      }
      if (decoded.stop == Decoded::kNeedsMore) return done;
    }
  }

  /// Event `bad` of the block that begins at `data` breaks a rule: keeps what the records before
  /// its own gave.
  Error broken(const std::byte* data, std::size_t bad, EventPacket& out) {
    while (true) {
      block_.size = 0;
      std::size_t used = 0;
      for (std::size_t size = 1; used == 0; ++size) {
        used = format_.decode(data, size, block_).used;
      }
      if (block_.size > bad) break;
      block_.append_to(out, block_.size);
      bad -= block_.size;
      data += used;
      facts_.valid_bytes += used;
    }
    return rules_.explain(block_.time[bad], block_.x[bad], block_.y[bad], here());
  }

  EventRules rules_;
  Format format_;
  EventBlock block_;
  std::vector<std::byte> header_;
  std::array<std::byte, 2 * kLongest> held_{};
  std::size_t held_count_ = 0;
  bool has_header_ = false;
  bool counts_words_;
};

/// A make_decoder of EventCodec.
template <typename Format>
Result<std::unique_ptr<EventDecoder>> make_record_decoder(const ReadOptions& options) {
  return std::unique_ptr<EventDecoder>(
      std::make_unique<RecordDecoder<Format>>(options, Format(options)));
}

}  // namespace spikeloom::detail
