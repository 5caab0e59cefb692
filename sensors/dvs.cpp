#include "sensors/dvs.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <thread>

#include <fmt/format.h>

#include "base/random.hpp"
#include "sensors/detail/dvs_kernel.hpp"

namespace spikeloom {
namespace {

constexpr double kLeastThreshold = 0.01;
constexpr std::uint64_t kMostEvents = std::uint64_t{1} << 28;
constexpr std::uint64_t kMostPixels = std::uint64_t{1} << 28;
/// Blocks that one thread takes at a time: 16384 pixels, as many as a DVS128 has.
constexpr std::size_t kTask = 16;
/// So long before any frame that no refractory period reaches back to it.
constexpr Time kNever = -(Time{1} << 62);

constexpr std::uint64_t kOnStream = 0x6476736f6e000000;      // "dvson"
constexpr std::uint64_t kOffStream = 0x6476736f66660000;     // "dvsoff"
constexpr std::uint64_t kSpreadStream = 0x6476736574610000;  // "dvseta"

Error refused(const char* what, std::string expected, double got) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = what,
          .where = "DVS pixel array",
          .expected = std::move(expected),
          .got = fmt::format("{}", got)};
}

Status check(const DvsOptions& options) {
  for (const double threshold : {options.threshold_on, options.threshold_off}) {
    if (!(threshold >= kLeastThreshold && threshold <= 100.0)) {
      return refused("threshold", "0.01 to 100", threshold);
    }
  }
  struct Bound {
    const char* name;
    double value, most;
  };
  const std::array<Bound, 6> bounds = {{{"threshold sigma", options.threshold_sigma, 100.0},
                                        {"cutoff", options.cutoff_hz, 1e9},
                                        {"leak rate", options.leak_hz, 1e6},
                                        {"leak jitter", options.leak_jitter, 100.0},
                                        {"leak spread", options.leak_spread, 3.0},
                                        {"shot noise rate", options.shot_hz, 1e6}}};
  for (const Bound& bound : bounds) {
    if (!(bound.value >= 0.0 && bound.value <= bound.most)) {
      return refused(bound.name, fmt::format("0 to {}", bound.most), bound.value);
    }
  }
  if (options.refractory < 0 || options.refractory > 1000 * kSecond) {
    return refused("refractory period", "0 to 1000 s", to_seconds(options.refractory));
  }
  return {};
}

/// Calls work(0) to work(count - 1), on up to `threads` threads.
template <typename Work>
void share(std::size_t count, unsigned threads, const Work& work) {
  if (threads == 0) threads = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t workers = std::min<std::size_t>(threads, count);
  const auto part = [&](std::size_t worker) {
    for (std::size_t i = worker; i < count; i += workers) work(i);
  };
  std::vector<std::jthread> others;
  for (std::size_t worker = 1; worker < workers; ++worker) others.emplace_back(part, worker);
  if (workers > 0) part(0);
}

}  // namespace

Result<DvsOptions> dvs_preset(std::string_view name) {
  DvsOptions options;
  if (name == "v2e") return options;
  options.refractory = 0;
  if (name == "noisy") {
    options.threshold_sigma = 0.05;
    options.cutoff_hz = 30.0;
    options.leak_hz = 0.1;
    options.shot_hz = 5.0;
    return options;
  }
  options.cutoff_hz = options.leak_hz = options.shot_hz = 0.0;
  options.leak_jitter = options.leak_spread = 0.0;
  options.threshold_sigma = name == "clean" ? 0.02 : 0.0;
  if (name == "clean" || name == "ideal") return options;
  return Error{.code = ErrorCode::kNotFound,
               .what = "no such set of DVS parameters",
               .expected = "v2e, clean, noisy or ideal",
               .got = std::string(name)};
}

Result<DvsPixelArray> DvsPixelArray::create(std::uint32_t width, std::uint32_t height,
                                            const DvsOptions& options) {
  for (const std::uint32_t side : {width, height}) {
    if (side == 0 || side > 65536) return refused("sensor size", "1 to 65536", side);
  }
  const std::uint64_t pixels = std::uint64_t{width} * height;
  if (pixels > kMostPixels) {
    return refused("too many pixels", "at most 2^28", static_cast<double>(pixels));
  }
  SPIKELOOM_CHECK(check(options));
  DvsPixelArray array;
  array.options_ = options;
  array.width_ = width;
  array.height_ = height;
  array.pixels_ = pixels;
  const std::size_t padded =
      (pixels + detail::kDvsBlock - 1) / detail::kDvsBlock * detail::kDvsBlock;
  array.frame_.assign(padded, 0.0F);
  array.lp_.assign(padded, 0.0);
  array.base_.assign(padded, 0.0);
  // The pixels behind the last one never reach a threshold.
  array.on_.assign(padded, 1e300);
  array.off_.assign(padded, 1e300);
  array.eta_.assign(padded, 0.0);
  array.last_.assign(pixels, kNever);
  const RandomStream on{options.seed, kOnStream};
  const RandomStream off{options.seed, kOffStream};
  const RandomStream spread{options.seed, kSpreadStream};
  const auto threshold = [&](const RandomStream& stream, double nominal, std::size_t pixel) {
    const double sigma = options.threshold_sigma;
    const double drawn = sigma > 0 ? nominal + sigma * stream.normal(pixel) : nominal;
    return std::max(kLeastThreshold, drawn);
  };
  share((pixels + detail::kDvsBlock - 1) / detail::kDvsBlock, options.threads, [&](std::size_t b) {
    const std::size_t end = std::min<std::size_t>(pixels, (b + 1) * detail::kDvsBlock);
    for (std::size_t i = b * detail::kDvsBlock; i < end; ++i) {
      array.on_[i] = threshold(on, options.threshold_on, i);
      array.off_[i] = threshold(off, options.threshold_off, i);
      array.eta_[i] =
          options.leak_spread > 0 ? std::pow(10.0, options.leak_spread * spread.normal(i)) : 1.0;
    }
  });
  return array;
}

/// What one frame brought, before refractory periods.
struct DvsPixelArray::Interval {
  Time begin = 0, end = 0;
  std::int64_t most = 0;  ///< events of one pixel
  std::uint64_t events = 0;
  std::vector<detail::DvsFound> found = {};
};

struct DvsPixelArray::Crossing {
  Time time;
  std::uint32_t pixel;
  std::uint8_t polarity;
};

Status DvsPixelArray::load(std::span<const float> frame) {
  if (frame.size() != pixels_) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the frame is not of the array's size",
                 .expected = fmt::format("{} pixels", pixels_),
                 .got = fmt::format("{}", frame.size())};
  }
  bool inside = true;
  for (const float x : frame) inside &= x >= 0.0F && x <= 255.0F;
  if (!inside) {
    const auto bad =
        std::find_if(frame.begin(), frame.end(), [](float x) { return !(x >= 0 && x <= 255); });
    return refused("luminance", "0 to 255 DN", *bad);
  }
  std::copy(frame.begin(), frame.end(), frame_.begin());
  return {};
}

Status DvsPixelArray::step(Time time, std::span<const float> frame, EventPacket& out) {
  if (before_ && time <= *before_) {
    return refused("time of a frame", fmt::format("more than {} ns", *before_),
                   static_cast<double>(time));
  }
  SPIKELOOM_CHECK(load(frame));
  const double dt = before_ ? to_seconds(time - *before_) : 0.0;
  const std::size_t blocks = lp_.size() / detail::kDvsBlock;
  detail::DvsFrame constants{.first = !before_.has_value(),
                             .filter = dt * 2.0 * std::numbers::pi * options_.cutoff_hz / 275.0,
                             .leak = dt * options_.leak_hz,
                             .jitter = options_.leak_jitter,
                             .shot = dt * options_.shot_hz / 2.0,
                             .threshold_on = options_.threshold_on,
                             .threshold_off = options_.threshold_off,
                             .seed = options_.seed,
                             .counter = counts_.frames * blocks * detail::kDvsHalf};
  const detail::DvsPixels pixels{frame_.data(), lp_.data(),  base_.data(),
                                 on_.data(),    off_.data(), eta_.data()};
  Interval interval{.begin = before_.value_or(time), .end = time};
  interval.found.resize((blocks + kTask - 1) / kTask);
  share(interval.found.size(), options_.threads, [&](std::size_t task) {
    detail::DvsFound& found = interval.found[task];
    for (std::size_t b = task * kTask; b < std::min(blocks, (task + 1) * kTask); ++b) {
      const auto first = static_cast<std::ptrdiff_t>(found.candidates.size());
      const auto shot = static_cast<std::ptrdiff_t>(found.shots.size());
      detail::dvs_step(constants, pixels, b, b + 1, found);
      const auto by_pixel = [](const auto& a, const auto& c) { return a.pixel < c.pixel; };
      std::sort(found.candidates.begin() + first, found.candidates.end(), by_pixel);
      std::stable_sort(found.shots.begin() + shot, found.shots.end(), by_pixel);
    }
  });
  for (const detail::DvsFound& found : interval.found) {
    for (const detail::DvsCandidate& candidate : found.candidates) {
      const std::int64_t count = std::abs(std::int64_t{candidate.count});
      interval.most = std::max(interval.most, count);
      interval.events += static_cast<std::uint64_t>(count);
    }
    interval.events += found.shots.size();
  }
  if (interval.events > kMostEvents) {
    return Error{.code = ErrorCode::kResource,
                 .what = "too many events from one frame",
                 .where = "DVS pixel array",
                 .expected = "at most 2^28",
                 .got = fmt::format("{}", interval.events),
                 .next = "raise the thresholds, or give more frames"};
  }
  const float brightest = *std::max_element(frame.begin(), frame.end());
  counts_.largest_filter_step =
      std::max(counts_.largest_filter_step,
               std::min(1.0, (static_cast<double>(brightest) + 20.0) * constants.filter));
  ++counts_.frames;
  before_ = time;
  emit(interval, out);
  return {};
}

void DvsPixelArray::emit(const Interval& interval, EventPacket& out) {
  const Time dt = interval.end - interval.begin;
  const double slot = interval.most > 0
                          ? static_cast<double>(dt) / static_cast<double>(interval.most)
                          : static_cast<double>(dt);
  const bool grid = !options_.interpolate;
  const bool asks =
      options_.refractory > 0 && (!grid || static_cast<double>(options_.refractory) > slot);
  std::vector<Crossing> crossings;
  for (const detail::DvsFound& found : interval.found) {
    for (const detail::DvsCandidate& candidate : found.candidates) {
      const std::uint32_t pixel = candidate.pixel;
      const bool rises = candidate.count > 0;
      const double theta = rises ? on_[pixel] : -off_[pixel];
      const std::int32_t count = std::abs(candidate.count);
      std::int32_t kept = 0;
      for (std::int32_t i = 0; i < count; ++i) {
        double passed = slot * (i + 1.0);
        if (!grid) {
          // d goes from start to end in a straight line; it may have been over the level before.
          const double level = theta * (i + 1.0);
          const double way = candidate.end - candidate.start;
          const double share = way == 0.0 ? 0.0 : (level - candidate.start) / way;
          passed = static_cast<double>(dt) * std::clamp(share, 0.0, 1.0);
        }
        const Time time = interval.begin + std::min<Time>(dt, std::llround(passed));
        if (asks) {
          if (time - last_[pixel] <= options_.refractory) continue;
          last_[pixel] = time;
        }
        ++kept;
        crossings.push_back({time, pixel, static_cast<std::uint8_t>(rises)});
      }
      base_[pixel] += kept * theta;
      (rises ? counts_.on : counts_.off) += static_cast<std::uint64_t>(kept);
      counts_.refractory += static_cast<std::uint64_t>(count - kept);
    }
  }
  std::stable_sort(crossings.begin(), crossings.end(),
                   [](const Crossing& a, const Crossing& b) { return a.time < b.time; });
  for (const detail::DvsFound& found : interval.found) {
    for (const detail::DvsShot& shot : found.shots) {
      base_[shot.pixel] = lp_[shot.pixel];
      crossings.push_back({interval.end, shot.pixel, shot.polarity});
      ++(shot.polarity == 1 ? counts_.on : counts_.off);
      ++(shot.polarity == 1 ? counts_.shot_on : counts_.shot_off);
    }
  }
  out.reserve(out.size() + crossings.size());
  for (const Crossing& crossing : crossings) {
    out.push_back(crossing.time, static_cast<std::uint16_t>(crossing.pixel % width_),
                  static_cast<std::uint16_t>(crossing.pixel / width_), crossing.polarity);
  }
}

}  // namespace spikeloom
