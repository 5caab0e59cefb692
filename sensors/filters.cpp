#include "sensors/filters.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include <fmt/format.h>

#include "sensors/detail/event_rules.hpp"

namespace spikeloom {
namespace {

constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 26;
/// So long before everything that no window reaches back to it, and far from overflow.
constexpr Time kNever = std::numeric_limits<Time>::min() / 2;

Status check_map(std::uint32_t width, std::uint32_t height) {
  SPIKELOOM_CHECK(detail::check_size(width, height));
  const std::uint64_t pixels = std::uint64_t{width} * height;
  if (pixels == 0) return Error{.what = "a map of the sensor needs its size"};
  if (pixels <= kMostPixels) return {};
  return Error{.code = ErrorCode::kResource,
               .what = "a sensor too large for a map of it",
               .expected = fmt::format("at most {} pixels", kMostPixels),
               .got = fmt::format("{}x{}", width, height)};
}

/// Keeps the events for which `keeps(i)` is true; every event is copied, none is branched on.
template <typename Keeps>
void keep_if(EventPacket& events, Keeps keeps) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const bool keep = keeps(i);
    events.time[kept] = events.time[i];
    events.x[kept] = events.x[i];
    events.y[kept] = events.y[i];
    events.polarity[kept] = events.polarity[i];
    kept += keep ? 1 : 0;
  }
  events.time.resize(kept);
  events.x.resize(kept);
  events.y.resize(kept);
  events.polarity.resize(kept);
}

}  // namespace

void RegionFilter::apply(EventPacket& events) {
  keep_if(events, [&](std::size_t i) {
    return events.x[i] - region_.x < region_.width && events.y[i] - region_.y < region_.height;
  });
  if (!move_) return;
  for (std::uint16_t& x : events.x) x = static_cast<std::uint16_t>(x - region_.x);
  for (std::uint16_t& y : events.y) y = static_cast<std::uint16_t>(y - region_.y);
}

void PolarityFilter::apply(EventPacket& events) {
  keep_if(events, [&](std::size_t i) { return events.polarity[i] == kept_; });
}

void TimeWindowFilter::apply(EventPacket& events) {
  keep_if(events, [&](std::size_t i) { return events.time[i] >= begin_ && events.time[i] < end_; });
}

Result<RefractoryFilter> RefractoryFilter::make(std::uint32_t width, std::uint32_t height,
                                                Time period) {
  SPIKELOOM_CHECK(check_map(width, height));
  RefractoryFilter filter;
  filter.width_ = width;
  filter.height_ = height;
  filter.period_ = period;
  filter.last_.assign(std::size_t{width} * height, kNever);
  return filter;
}

void RefractoryFilter::apply(EventPacket& events) {
  keep_if(events, [&](std::size_t i) {
    if (events.x[i] >= width_ || events.y[i] >= height_) return false;
    Time& last = last_[std::size_t{events.y[i]} * width_ + events.x[i]];
    const bool keep = last == kNever || events.time[i] - last >= period_;
    last = keep ? events.time[i] : last;
    return keep;
  });
}

Result<BackgroundActivityFilter> BackgroundActivityFilter::make(std::uint32_t width,
                                                                std::uint32_t height, Time window) {
  SPIKELOOM_CHECK(check_map(width, height));
  BackgroundActivityFilter filter;
  filter.width_ = width;
  filter.height_ = height;
  filter.window_ = window;
  filter.supported_.assign((std::size_t{width} + 2) * (std::size_t{height} + 2), kNever);
  return filter;
}

void BackgroundActivityFilter::apply(EventPacket& events) {
  const std::size_t row = std::size_t{width_} + 2;
  keep_if(events, [&](std::size_t i) {
    if (events.x[i] >= width_ || events.y[i] >= height_) return false;
    Time* const here = supported_.data() + (std::size_t{events.y[i]} + 1) * row + events.x[i] + 1;
    const Time time = events.time[i];
    const bool keep = *here != kNever && time - *here <= window_;
    for (Time* line : {here - row, here, here + row}) {
      line[-1] = time;
      if (line != here) line[0] = time;
      line[1] = time;
    }
    return keep;
  });
}

void DownsampleFilter::apply(EventPacket& events) {
  for (std::uint16_t& x : events.x) x = static_cast<std::uint16_t>(x / factor_);
  for (std::uint16_t& y : events.y) y = static_cast<std::uint16_t>(y / factor_);
}

void MirrorFilter::apply(EventPacket& events) {
  keep_if(events, [&](std::size_t i) { return events.x[i] < width_ && events.y[i] < height_; });
  if (left_right_) {
    for (std::uint16_t& x : events.x) x = static_cast<std::uint16_t>(width_ - 1 - x);
  }
  if (up_down_) {
    for (std::uint16_t& y : events.y) y = static_cast<std::uint16_t>(height_ - 1 - y);
  }
}

Result<HotPixelFilter> HotPixelFilter::make(std::uint32_t width, std::uint32_t height,
                                            const std::vector<Pixel>& hot) {
  SPIKELOOM_CHECK(check_map(width, height));
  HotPixelFilter filter;
  filter.width_ = width;
  filter.height_ = height;
  filter.is_hot_.assign(std::size_t{width} * height, false);
  for (const Pixel& pixel : hot) {
    if (pixel.x < width && pixel.y < height) {
      filter.is_hot_[std::size_t{pixel.y} * width + pixel.x] = true;
    }
  }
  return filter;
}

void HotPixelFilter::apply(EventPacket& events) {
  keep_if(events, [&](std::size_t i) {
    return events.x[i] < width_ && events.y[i] < height_ &&
           !is_hot_[std::size_t{events.y[i]} * width_ + events.x[i]];
  });
}

Result<PixelCounts> PixelCounts::make(std::uint32_t width, std::uint32_t height) {
  SPIKELOOM_CHECK(check_map(width, height));
  PixelCounts counts;
  counts.width_ = width;
  counts.height_ = height;
  counts.counts_.resize(std::size_t{width} * height);
  return counts;
}

void PixelCounts::add(const EventPacket& events) {
  for (std::size_t i = 0; i < events.size(); ++i) {
    if (events.x[i] < width_ && events.y[i] < height_) {
      ++counts_[std::size_t{events.y[i]} * width_ + events.x[i]];
    }
  }
}

std::vector<Pixel> PixelCounts::hot(double factor) const {
  std::vector<std::uint64_t> active;
  std::copy_if(counts_.begin(), counts_.end(), std::back_inserter(active),
               [](std::uint64_t count) { return count > 0; });
  std::vector<Pixel> hot;
  if (active.empty()) return hot;
  const auto middle = active.begin() + static_cast<std::ptrdiff_t>(active.size() / 2);
  std::nth_element(active.begin(), middle, active.end());
  const double most = factor * static_cast<double>(*middle);
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (static_cast<double>(counts_[i]) > most) {
      hot.push_back(
          {static_cast<std::uint16_t>(i % width_), static_cast<std::uint16_t>(i / width_)});
    }
  }
  return hot;
}

std::size_t sort_by_time(EventPacket& events) {
  std::vector<std::size_t> order(events.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return events.time[a] < events.time[b]; });
  EventPacket sorted;
  sorted.reserve(events.size());
  std::size_t moved = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t from = order[i];
    moved += from != i ? 1 : 0;
    sorted.push_back(events.time[from], events.x[from], events.y[from], events.polarity[from]);
  }
  events = std::move(sorted);
  return moved;
}

}  // namespace spikeloom
