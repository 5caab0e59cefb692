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
