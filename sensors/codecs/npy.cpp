/// Event arrays in NumPy's .npy: shape (events, columns), one plain element type. The array is held
/// in memory as a whole. The rules for columns and units are those of text.

#include "base/io/npy.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "sensors/detail/codecs.hpp"
#include "sensors/detail/event_rules.hpp"
#include "sensors/detail/event_text.hpp"

namespace spikeloom::detail {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";

/// Bytes before the elements; the array was parsed, so its header is whole.
std::size_t header_bytes(std::span<const std::byte> file) {
  const auto at = [file](std::size_t i) { return std::to_integer<std::size_t>(file[i]); };
  const std::size_t low = at(8) | at(9) << 8;
  return at(6) == 1 ? 10 + low : 12 + (low | at(10) << 16 | at(11) << 24);
}

/// The elements as real or as integer numbers, whichever they are.
class Numbers {
 public:
  static Result<Numbers> of(const Tensor& tensor) {
    Numbers numbers;
    numbers.is_real_ = tensor.dtype() == DType::kFloat32 || tensor.dtype() == DType::kFloat64;
    if (numbers.is_real_) {
      numbers.reals_ = tensor.to_doubles();
    } else if (tensor.dtype() == DType::kInt64) {
      // Nanoseconds since 1970 are beyond what Tensor::to_integers takes, 2^53.
      numbers.integers_.resize(static_cast<std::size_t>(tensor.size()));
      std::ranges::copy(tensor.bytes(),
                        std::as_writable_bytes(std::span(numbers.integers_)).begin());
    } else {
      SPIKELOOM_TRY(numbers.integers_, tensor.to_integers());
    }
    return numbers;
  }

  bool is_real() const { return is_real_; }

  std::optional<std::int64_t> integer(std::size_t i) const {
    if (!is_real_) return integers_[i];
    const double value = reals_[i];
    if (!(std::abs(value) <= 0x1.0p53) || std::trunc(value) != value) return std::nullopt;
    return static_cast<std::int64_t>(value);
  }

  std::optional<Time> time(std::size_t i, std::int64_t unit_ns) const {
    if (is_real_) {
      const double ns = reals_[i] * static_cast<double>(unit_ns);
      if (!(std::abs(ns) < 0x1.0p63)) return std::nullopt;
      return std::llround(ns);
    }
    Time time = 0;
    if (__builtin_mul_overflow(integers_[i], unit_ns, &time)) return std::nullopt;
    return time;
  }

  std::string text(std::size_t i) const {
    return is_real_ ? fmt::format("{}", reals_[i]) : fmt::format("{}", integers_[i]);
  }

 private:
  bool is_real_ = false;
  std::vector<double> reals_;
  std::vector<std::int64_t> integers_;
};

class NpyDecoder final : public EventDecoder {
 public:
  NpyDecoder(const ReadOptions& options, const EventColumns& columns)
      : rules_(options), columns_(columns), unit_(options.time_unit) {
    facts_.width = options.width;
    facts_.height = options.height;
  }

  Status feed(std::span<const std::byte> bytes, EventPacket&) override {
    file_.insert(file_.end(), bytes.begin(), bytes.end());
    return {};
  }

  Status finish(EventPacket& out) override {
    SPIKELOOM_TRY(const Tensor array, io::parse_npy(file_, "array"));
    const auto count = static_cast<std::size_t>(columns_.count);
    if (array.rank() != 2 || array.dim(1) != columns_.count) {
      return Error{.code = ErrorCode::kShape,
                   .what = "not an array of events",
                   .expected = fmt::format("shape (events, {})", count),
                   .got = to_string(array.shape()),
                   .next = "a spike tensor (time, features...) is read with its axes"};
    }
    SPIKELOOM_TRY(const Numbers numbers, Numbers::of(array));
    if (unit_ == EventTimeUnit::kAuto && numbers.is_real()) {
      return Error{.code = ErrorCode::kAmbiguous,
                   .what = "real numbers do not say their unit of time",
                   .next = "give the unit of time"};
    }
    const auto rows = static_cast<std::size_t>(array.dim(0));
    const std::size_t start = header_bytes(file_);
    const std::size_t row_bytes = rows == 0 ? 0 : (file_.size() - start) / rows;
    for (std::size_t row = 0; row < rows; ++row) {
      facts_.valid_bytes = start + row * row_bytes;
      SPIKELOOM_CHECK(event(numbers, row, row * count, out));
    }
    facts_.valid_bytes = file_.size();
    return {};
  }

 private:
  Status event(const Numbers& numbers, std::size_t row, std::size_t begin, EventPacket& out) {
    const auto at = [begin](int column) { return begin + static_cast<std::size_t>(column); };
    const auto wrong = [&](const char* what, const char* expected, int column) {
      return Error{.code = ErrorCode::kFormat,
                   .what = what,
                   .where = fmt::format("row {}", row),
                   .expected = expected,
                   .got = numbers.text(at(column))};
    };
    const auto time = numbers.time(at(columns_.t), nanoseconds(unit_));
    if (!time) return wrong("not a time", "64-bit nanoseconds", columns_.t);
    std::int64_t place[2] = {0, 0};
    const int axes[2] = {columns_.x, columns_.y};
    for (int axis = 0; axis < 2; ++axis) {
      if (axes[axis] < 0) continue;
      const auto value = numbers.integer(at(axes[axis]));
      if (!value || *value < 0 || *value > 65535) {
        return wrong("not a pixel coordinate", "an integer from 0 to 65535", axes[axis]);
      }
      place[axis] = *value;
    }
    std::int64_t polarity = 1;
    if (columns_.p >= 0) {
      const auto value = numbers.integer(at(columns_.p));
      if (!value || *value < -1 || *value > 1) {
        return wrong("not a polarity", "0 or 1, or -1 or 1", columns_.p);
      }
      polarity = *value;
    }
    const auto x = static_cast<std::uint16_t>(place[0]);
    const auto y = static_cast<std::uint16_t>(place[1]);
    if (!rules_.allows(*time, x, y)) {
      return rules_.explain(*time, x, y, fmt::format("row {}", row));
    }
    rules_.accept(*time);
    out.push_back(*time, x, y, static_cast<std::uint8_t>(polarity > 0 ? 1 : 0));
    return {};
  }

  EventRules rules_;
  EventColumns columns_;
  EventTimeUnit unit_;
  std::vector<std::byte> file_;
};

}  // namespace

EventCodec npy_codec() {
  EventCodec codec;
  codec.name = "npy";
  codec.description = "NumPy array (events, 4): t, x, y, p";
  codec.extensions = {"npy"};
  codec.match = [](std::span<const std::byte> head) {
    const std::string_view text(reinterpret_cast<const char*>(head.data()), head.size());
    return text.substr(0, kMagic.size()) == kMagic ? Match::kCertain : Match::kNo;
  };
  codec.make_decoder = [](const ReadOptions& options) -> Result<std::unique_ptr<EventDecoder>> {
    SPIKELOOM_TRY(const EventColumns columns,
                  parse_columns(options.columns.empty() ? "txyp" : options.columns));
    return std::unique_ptr<EventDecoder>(std::make_unique<NpyDecoder>(options, columns));
  };
  return codec;
}

}  // namespace spikeloom::detail
