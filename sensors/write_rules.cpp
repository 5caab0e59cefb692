#include "sensors/detail/write_rules.hpp"

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

Error refuse(std::string_view format, std::string_view what, std::string expected,
             std::string got) {
  return {.code = ErrorCode::kUnsupported,
          .what = fmt::format("{} cannot hold this {}", format, what),
          .expected = std::move(expected),
          .got = std::move(got),
          .next = "write another format, e.g. csv"};
}

}  // namespace

Result<std::int64_t> WriteRules::take(const EventPacket& events, std::size_t i) {
  const std::uint32_t x = events.x[i];
  const std::uint32_t y = events.y[i];
  if (x > limits_.most_x || y > limits_.most_y) {
    return refuse(limits_.format, "pixel",
                  fmt::format("x up to {}, y up to {}", limits_.most_x, limits_.most_y),
                  fmt::format("x {}, y {}", x, y));
  }
  if (options_.width != 0 && (x >= options_.width || y >= options_.height)) {
    return refuse(limits_.format, "pixel",
                  fmt::format("one on the sensor of {}x{}", options_.width, options_.height),
                  fmt::format("x {}, y {}", x, y));
  }
  if (events.polarity[i] > 1) {
    return refuse(limits_.format, "polarity", "0 or 1", fmt::format("{}", events.polarity[i]));
  }
  const std::int64_t us = floor_div(events.time[i], kMicrosecond);
  if (!has_begun_) {
    if (us < limits_.least_us) shift_us_ = us - limits_.least_us;
    if (us > limits_.most_first_us) shift_us_ = us - us % (std::int64_t{1} << limits_.counter_bits);
    has_begun_ = true;
    last_us_ = us - shift_us_;
  }
  const std::int64_t shifted = us - shift_us_;
  const std::int64_t least = limits_.sorted ? last_us_ : limits_.least_us;
  if (shifted < least) {
    auto error = refuse(limits_.format, "time", fmt::format("at least {} us", least),
                        fmt::format("{} us", shifted));
    if (limits_.sorted) {
      error.what = fmt::format("{} holds events in order of time", limits_.format);
      error.next = "sort the events, or write a format that keeps any order, e.g. csv";
    }
    return error;
  }
  if (shifted - last_us_ > limits_.most_step_us) {
    return refuse(limits_.format, "pause", fmt::format("up to {} us", limits_.most_step_us),
                  fmt::format("{} us", shifted - last_us_));
  }
  if (shifted > limits_.most_us) {
    return refuse(limits_.format, "time", fmt::format("up to {} us", limits_.most_us),
                  fmt::format("{} us", shifted));
  }
  cut_times_ += events.time[i] % kMicrosecond != 0 ? 1 : 0;
  last_us_ = shifted;
  return shifted;
}

std::vector<std::string> WriteRules::losses(bool holds_size) const {
  std::vector<std::string> losses;
  if (cut_times_ > 0)
    losses.push_back(fmt::format("{} times cut to whole microseconds", cut_times_));
  if (shift_us_ != 0) {
    losses.push_back(fmt::format("the origin: every time is {} us {} than it was",
                                 shift_us_ > 0 ? shift_us_ : -shift_us_,
                                 shift_us_ > 0 ? "less" : "more"));
  }
  if (!holds_size && options_.width != 0) {
    losses.push_back(fmt::format("the sensor's size, {}x{}", options_.width, options_.height));
  }
  return losses;
}

}  // namespace spikeloom::detail
