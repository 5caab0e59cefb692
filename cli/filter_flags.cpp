#include "cli/filter_flags.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/number_check.hpp"

namespace spikeloom::cli {
namespace {

constexpr double kMostMilliseconds = 9e12;  ///< 285 years fit 64-bit nanoseconds

Time from_ms(double ms) {
  return static_cast<Time>(std::min(ms, kMostMilliseconds) * static_cast<double>(kMillisecond));
}

Result<Region> parse_region(const std::string& text) {
  std::array<std::uint32_t, 4> number{};
  const char* at = text.data();
  const char* const end = at + text.size();
  bool good = true;
  for (std::size_t i = 0; i < number.size() && good; ++i) {
    const auto [next, error] = std::from_chars(at, end, number[i]);
    const bool last = i + 1 == number.size();
    good = error == std::errc() && (last ? next == end : next != end && *next == ',');
    at = next + (last ? 0 : 1);
  }
  if (good && number[2] > 0 && number[3] > 0) {
    return Region{.x = number[0], .y = number[1], .width = number[2], .height = number[3]};
  }
  return Error{.what = "--region is not a rectangle",
               .expected = "X,Y,WIDTH,HEIGHT in pixels, e.g. 16,16,64,64",
               .got = text};
}

Error needs_size(const char* flag) {
  return {.what = fmt::format("{} needs the sensor's size, which the file does not say", flag),
          .next = "give it with --size WIDTHxHEIGHT, or cut it out with --region"};
}

}  // namespace

bool FilterFlags::any() const {
  return from_ms || length_ms || !region.empty() || !polarity.empty() || hot_pixels ||
         refractory_ms || background_ms || downsample > 1 || !mirror.empty();
}

void add_filter_flags(CLI::App& command, FilterFlags& flags) {
  const auto add = [&command](const char* name, auto& value, const char* text) {
    return command.add_option(name, value, text)->group("Filters of recordings");
  };
  add("--from", flags.from_ms, "events from so many ms after the first one on")
      ->check(not_negative);
  add("--length", flags.length_ms, "ms of events to keep")->check(positive);
  add("--region", flags.region, "X,Y,WIDTH,HEIGHT: this part of the sensor, moved to (0, 0)");
  add("--polarity", flags.polarity, "only ON or OFF events")->check(CLI::IsMember({"on", "off"}));
  add("--hot-pixels", flags.hot_pixels,
      "remove pixels with more than so many times the median's events, e.g. 10")
      ->check(positive);
  add("--refractory", flags.refractory_ms, "ms for which a pixel is silent after an event")
      ->check(positive);
  add("--background", flags.background_ms,
      "remove events without another beside them in so many ms")
      ->check(positive);
  add("--downsample", flags.downsample, "divide coordinates by this")
      ->check(CLI::Range(1U, 65536U));
  add("--mirror", flags.mirror, "x: left and right, y: up and down, xy: both")
      ->check(CLI::IsMember({"x", "y", "xy"}));
}

std::vector<std::string> filter_flag_names() {
  return {"--from",       "--length",     "--region",     "--polarity", "--hot-pixels",
          "--refractory", "--background", "--downsample", "--mirror"};
}

Result<RecordingFilters> RecordingFilters::make(const FilterFlags& flags, std::uint32_t width,
                                                std::uint32_t height, Time first,
                                                const PixelCounts* counts) {
  RecordingFilters filters;
  FilterChain& chain = filters.chain_;
  if (flags.hot_pixels) {
    if (counts == nullptr) return needs_size("--hot-pixels");
    SPIKELOOM_TRY(auto hot, HotPixelFilter::make(width, height, counts->hot(*flags.hot_pixels)));
    chain.add(std::move(hot));
  }
  if (flags.from_ms || flags.length_ms) {
    constexpr Time kLast = std::numeric_limits<Time>::max();
    const auto later = [](Time time, Time step) {
      return time > kLast - step ? kLast : time + step;
    };
    const Time begin = flags.from_ms ? later(first, from_ms(*flags.from_ms)) : first;
    chain.add(
        TimeWindowFilter(begin, flags.length_ms ? later(begin, from_ms(*flags.length_ms)) : kLast));
  }
  if (!flags.polarity.empty()) chain.add(PolarityFilter(flags.polarity == "on" ? 1 : 0));
  if (!flags.region.empty()) {
    SPIKELOOM_TRY(const Region region, parse_region(flags.region));
    const bool outside = width != 0 && (std::uint64_t{region.x} + region.width > width ||
                                        std::uint64_t{region.y} + region.height > height);
    if (outside) {
      return Error{.what = "--region goes beyond the sensor",
                   .expected = fmt::format("a part of {}x{} pixels", width, height),
                   .got = flags.region};
    }
    chain.add(RegionFilter(region));
    width = region.width;
    height = region.height;
  }
  if (flags.refractory_ms) {
    if (width == 0) return needs_size("--refractory");
    SPIKELOOM_TRY(auto filter,
                  RefractoryFilter::make(width, height, from_ms(*flags.refractory_ms)));
    chain.add(std::move(filter));
  }
  if (flags.background_ms) {
    if (width == 0) return needs_size("--background");
    SPIKELOOM_TRY(auto filter,
                  BackgroundActivityFilter::make(width, height, from_ms(*flags.background_ms)));
    chain.add(std::move(filter));
  }
  if (flags.downsample > 1) {
    chain.add(DownsampleFilter(flags.downsample));
    width = (width + flags.downsample - 1) / flags.downsample;
    height = (height + flags.downsample - 1) / flags.downsample;
  }
  if (!flags.mirror.empty()) {
    if (width == 0) return needs_size("--mirror");
    chain.add(MirrorFilter(width, height, flags.mirror != "y", flags.mirror != "x"));
  }
  filters.width_ = width;
  filters.height_ = height;
  return filters;
}

Status filter_recording(const FilterFlags& flags, Recording& recording) {
  EventPacket& events = recording.events;
  if (!flags.any() || events.empty()) return {};
  std::optional<PixelCounts> counts;
  if (flags.hot_pixels && recording.width != 0) {
    SPIKELOOM_TRY(counts, PixelCounts::make(recording.width, recording.height));
    counts->add(events);
  }
  SPIKELOOM_TRY(auto filters,
                RecordingFilters::make(flags, recording.width, recording.height,
                                       events.time.front(), counts ? &*counts : nullptr));
  filters.apply(events);
  recording.width = filters.width();
  recording.height = filters.height();
  return {};
}

}  // namespace spikeloom::cli
