#include "sensors/detail/event_rules.hpp"

#include <fmt/format.h>

namespace spikeloom::detail {

Status EventRules::declare_size(std::uint32_t width, std::uint32_t height,
                                const std::string& where) {
  if (width_ != 0 && (width != width_ || height != height_)) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the file declares another sensor size than the one given",
                 .where = where,
                 .expected = fmt::format("{}x{}", width_, height_),
                 .got = fmt::format("{}x{}", width, height),
                 .next = "leave the size out to use the file's"};
  }
  width_ = width;
  height_ = height;
  return {};
}

std::size_t EventRules::accept(const EventBlock& block) {
  std::size_t good = block.size;
  if (!block_obeys(block, sorted_, last_, width_, height_)) {
    good = 0;
    for (Time last = last_; good < block.size; ++good) {
      const bool ordered = !sorted_ || block.time[good] >= last;
      if (!ordered || (width_ != 0 && (block.x[good] >= width_ || block.y[good] >= height_))) break;
      last = block.time[good];
    }
  }
  if (good > 0) last_ = block.time[good - 1];
  return good;
}

Error EventRules::explain(Time time, std::uint32_t x, std::uint32_t y,
                          const std::string& where) const {
  if (sorted_ && time < last_) {
    return {.code = ErrorCode::kFormat,
            .what = "time runs backwards",
            .where = where,
            .expected = fmt::format("at least {} ns", last_),
            .got = fmt::format("{} ns", time),
            .next = "if the file is meant to be unordered, read it as unsorted"};
  }
  return {.code = ErrorCode::kFormat,
          .what = "pixel outside the sensor",
          .where = where,
          .expected = fmt::format("x < {}, y < {}", width_, height_),
          .got = fmt::format("x {}, y {}", x, y)};
}

Status check_size(std::uint32_t width, std::uint32_t height) {
  constexpr std::uint32_t kLargest = 1U << 16;  // coordinates are 16 bit
  if ((width == 0) == (height == 0) && width <= kLargest && height <= kLargest) return {};
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = "not a sensor size",
               .expected = "width and height from 1 to 65536, or neither",
               .got = fmt::format("{}x{}", width, height)};
}

}  // namespace spikeloom::detail
