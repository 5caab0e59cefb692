#include "sensors/pixel_convolution.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "base/random.hpp"

namespace spikeloom {
namespace {

constexpr std::uint64_t kMismatchStream = 0x7069786d69736d00;  // "pixmism"
constexpr std::uint64_t kNoiseStream = 0x7069786e6f697300;     // "pixnois"
constexpr std::uint64_t kMostOutputs = std::uint64_t{1} << 30;

Error refused(const char* what, std::string expected, double got) {
  return {.code = ErrorCode::kInvalidArgument,
          .what = what,
          .where = "in-pixel convolution",
          .expected = std::move(expected),
          .got = fmt::format("{}", got)};
}

Error misfit(const char* what, std::size_t expected, std::size_t got) {
  return {.code = ErrorCode::kShape,
          .what = what,
          .where = "in-pixel convolution",
          .expected = fmt::format("{}", expected),
          .got = fmt::format("{}", got)};
}

/// Places of a window along a side; nothing when it does not fit.
Result<std::uint32_t> places(std::uint32_t side, const PixelWindow& window) {
  const bool sound = window.size >= 1 && window.size <= 1024 && window.stride >= 1 &&
                     window.stride <= 1024 && window.padding < window.size;
  if (!sound || side + 2 * window.padding < window.size) {
    return refused("window", "size and stride 1 to 1024, padding under the size, inside the array",
                   window.size);
  }
  return (side + 2 * window.padding - window.size) / window.stride + 1;
}

std::vector<float> quantised(std::span<const float> weights, unsigned bits) {
  std::vector<float> out(weights.begin(), weights.end());
  double largest = 0.0;
  for (const float w : out) largest = std::max(largest, std::abs(static_cast<double>(w)));
  if (bits == 0 || largest == 0.0) return out;
  const double levels = static_cast<double>((1U << bits) - 1);
  for (float& w : out) w = static_cast<float>(std::round(levels * w / largest) * largest / levels);
  return out;
}

/// The part of a window that lies inside [0, side).
struct Inside {
  std::uint32_t begin, end;  ///< of the window
  std::int64_t first;        ///< place of the window's beginning
};

Inside inside(const PixelWindow& window, std::uint32_t place, std::uint32_t side) {
  const std::int64_t first = std::int64_t{place} * window.stride - window.padding;
  const auto begin = static_cast<std::uint32_t>(std::max<std::int64_t>(0, -first));
  const auto end = static_cast<std::uint32_t>(std::min<std::int64_t>(window.size, side - first));
  return {begin, std::max(begin, end), first};
}

/// The places of a window whose tap number `tap` lies inside [0, side).
struct Places {
  std::size_t begin, end;
};

Places reached(const PixelWindow& window, std::size_t tap, std::size_t side, std::size_t places) {
  const std::size_t stride = window.stride, padding = window.padding;
  const std::size_t begin = tap >= padding ? 0 : (padding - tap + stride - 1) / stride;
  const std::size_t end = side + padding > tap ? (side + padding - tap - 1) / stride + 1 : 0;
  return {begin, std::max(begin, std::min(end, places))};
}

}  // namespace

double TransferCurve::operator()(double light, double weight) const {
  const double x = light - centre;
  return p00 + x * (p10 + x * (p20 + x * p30)) + weight * (p01 + x * (p11 + x * p21));
}

SignedThreshold fold(const HoyerChannel& channel) {
  const double needed = std::abs(channel.threshold) * channel.extremum - channel.beta;
  if (channel.gamma == 0.0) {
    const double infinity = std::numeric_limits<double>::infinity();
    return {needed <= 0.0 ? -infinity : infinity, 1};
  }
  const double width = std::sqrt(channel.variance + channel.epsilon);
  return {channel.mean + width / channel.gamma * needed, channel.gamma > 0 ? 1 : -1};
}

double hoyer_extremum(std::span<const double> z) {
  double squares = 0.0, sum = 0.0;
  for (const double value : z) {
    const double clipped = std::clamp(value, 0.0, 1.0);
    squares += clipped * clipped;
    sum += clipped;
  }
  return sum > 0.0 ? squares / sum : 1.0;
}

Result<PixelConvolution> PixelConvolution::create(std::uint32_t width, std::uint32_t height,
                                                  const PixelConvolutionOptions& options,
                                                  std::span<const float> weights) {
  for (const std::uint32_t side : {width, height}) {
    if (side == 0 || side > 65536) return refused("side", "1 to 65536", side);
  }
  if (options.weight_bits > 16) return refused("weight bits", "0 to 16", options.weight_bits);
  for (const double sigma : {options.mismatch, options.read_noise}) {
    if (!(sigma >= 0.0 && sigma <= 1e6)) return refused("mismatch or noise", "0 or more", sigma);
  }
  PixelConvolution made;
  made.options_ = options;
  made.width_ = width;
  made.height_ = height;
  const PixelGeometry& geometry = options.geometry;
  SPIKELOOM_TRY(made.conv_width_, places(width, geometry.kernel));
  SPIKELOOM_TRY(made.conv_height_, places(height, geometry.kernel));
  SPIKELOOM_TRY(made.out_width_, places(made.conv_width_, geometry.pool));
  SPIKELOOM_TRY(made.out_height_, places(made.conv_height_, geometry.pool));
  const std::size_t taps = std::size_t{3} * geometry.kernel.size * geometry.kernel.size;
  if (weights.size() % taps != 0) return misfit("weights of a kernel", taps, weights.size());
  const std::size_t channels = weights.size() / taps;
  if (channels == 0 || channels > 4096) {
    return refused("channels", "1 to 4096", static_cast<double>(channels));
  }
  for (const float w : weights) {
    if (!std::isfinite(w)) return refused("weight", "a finite number", w);
  }
  made.channels_ = static_cast<std::uint32_t>(channels);
  const std::uint64_t outputs = std::uint64_t{made.conv_width_} * made.conv_height_ * channels;
  if (outputs > kMostOutputs) {
    return Error{.code = ErrorCode::kResource,
                 .what = "too many outputs",
                 .where = "in-pixel convolution",
                 .expected = "at most 2^30",
                 .got = fmt::format("{}", outputs)};
  }
  made.weights_ = quantised(weights, options.weight_bits);
  if (options.mismatch > 0) {
    const RandomStream mismatch{options.seed, kMismatchStream};
    made.gains_.resize(std::size_t{3} * width * height);
    for (std::size_t i = 0; i < made.gains_.size(); ++i) {
      made.gains_[i] = 1.0 + options.mismatch * mismatch.normal(i);
    }
  }
  return made;
}

/// f = fixed(I) + w weighted(I) for every pixel and colour, [3][y][x], each rounded to float32.
PixelConvolution::Currents PixelConvolution::currents(std::span<const float> rgb) const {
  const std::size_t pixels = rgb.size() / 3;
  Currents out{std::vector<double>(rgb.size()), std::vector<double>(rgb.size())};
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    double light = rgb[i];
    if (!gains_.empty()) light = std::max(0.0, light * gains_[i]);
    const double fixed = options_.curve(light, 0.0);
    const std::size_t at = i % 3 * pixels + i / 3;
    out.fixed[at] = static_cast<float>(fixed);
    out.weighted[at] = static_cast<float>(options_.curve(light, 1.0) - fixed);
  }
  return out;
}

/// Adds one tap to every output that has a pixel there; `sums` is [y][x] of the convolution.
void PixelConvolution::add_tap(const Tap& tap, const Currents& currents,
                               std::span<double> sums) const {
  const PixelWindow& kernel = options_.geometry.kernel;
  const Places rows = reached(kernel, tap.row, height_, conv_height_);
  const Places columns = reached(kernel, tap.column, width_, conv_width_);
  const std::size_t plane = tap.colour * width_ * height_;
  const std::size_t stride = kernel.stride, count = columns.end - columns.begin;
  for (std::size_t y = rows.begin; y < rows.end; ++y) {
    const std::size_t row = y * stride + tap.row - kernel.padding;
    const std::size_t column = columns.begin * stride + tap.column - kernel.padding;
    const std::size_t first = plane + row * width_ + column;
    const double* fixed = currents.fixed.data() + first;
    const double* weighted = currents.weighted.data() + first;
    double* out = sums.data() + y * conv_width_ + columns.begin;
    if (stride == 1) {
      for (std::size_t x = 0; x < count; ++x) out[x] += fixed[x] + tap.weight * weighted[x];
    } else {
      for (std::size_t x = 0; x < count; ++x) {
        out[x] += fixed[x * stride] + tap.weight * weighted[x * stride];
      }
    }
  }
}

Result<std::vector<float>> PixelConvolution::sums(std::span<const float> rgb,
                                                  std::uint64_t frame) const {
  const std::size_t pixels = std::size_t{width_} * height_;
  if (rgb.size() != 3 * pixels) return misfit("values of a picture", 3 * pixels, rgb.size());
  for (const float light : rgb) {
    if (!(light >= 0.0F && light <= 1.0F)) return refused("light", "0 to 1", light);
  }
  const Currents light = currents(rgb);
  const PixelWindow& pool = options_.geometry.pool;
  const std::size_t k = options_.geometry.kernel.size;
  const double scale = options_.curve.averages ? 1.0 / (3.0 * static_cast<double>(k * k)) : 1.0;
  const RandomStream noise{options_.seed, kNoiseStream};
  const std::size_t plane = std::size_t{conv_width_} * conv_height_;
  std::vector<double> values(plane);
  std::vector<float> out;
  out.reserve(std::size_t{channels_} * out_width_ * out_height_);
  for (std::size_t channel = 0; channel < channels_; ++channel) {
    std::fill(values.begin(), values.end(), 0.0);
    for (std::size_t tap = 0; tap < 3 * k * k; ++tap) {
      const double weight = weights_[channel * 3 * k * k + tap];
      add_tap({tap / (k * k), tap / k % k, tap % k, weight}, light, values);
    }
    for (std::size_t output = 0; output < plane; ++output) {
      values[output] *= scale;
      if (options_.read_noise > 0) {
        const std::uint64_t draw = (frame * channels_ + channel) * plane + output;
        values[output] += options_.read_noise * noise.normal(draw);
      }
    }
    for (std::uint32_t y = 0; y < out_height_; ++y) {
      const Inside rows = inside(pool, y, conv_height_);
      for (std::uint32_t x = 0; x < out_width_; ++x) {
        const Inside columns = inside(pool, x, conv_width_);
        double largest = -std::numeric_limits<double>::infinity();
        for (std::uint32_t j = rows.begin; j < rows.end; ++j) {
          const auto line = static_cast<std::size_t>(rows.first + j) * conv_width_;
          for (std::uint32_t i = columns.begin; i < columns.end; ++i) {
            largest = std::max(largest, values[line + static_cast<std::size_t>(columns.first + i)]);
          }
        }
        out.push_back(static_cast<float>(largest));
      }
    }
  }
  return out;
}

Result<SpikeMap> PixelConvolution::spikes(std::span<const float> sums,
                                          std::span<const SignedThreshold> thresholds) const {
  if (thresholds.size() != channels_) return misfit("thresholds", channels_, thresholds.size());
  SpikeMap map{.channels = channels_, .height = out_height_, .width = out_width_};
  if (sums.size() != map.size()) return misfit("sums", map.size(), sums.size());
  const std::size_t plane = std::size_t{out_width_} * out_height_;
  map.spikes.resize(map.size());
  for (std::size_t i = 0; i < map.size(); ++i) {
    const SignedThreshold& threshold = thresholds[i / plane];
    map.spikes[i] = threshold.sign * (static_cast<double>(sums[i]) - threshold.value) >= 0.0;
  }
  return map;
}

Result<std::vector<SignedThreshold>> hoyer_thresholds(
    std::uint32_t channels, std::span<const std::vector<float>> pictures) {
  if (channels == 0 || pictures.empty()) return refused("channels or pictures", "1 or more", 0);
  const std::size_t size = pictures.front().size();
  for (const auto& picture : pictures) {
    if (picture.size() != size || size % channels != 0) {
      return misfit("sums of a picture", size, picture.size());
    }
  }
  const std::size_t plane = size / channels;
  std::vector<SignedThreshold> thresholds;
  for (std::size_t c = 0; c < channels; ++c) {
    std::vector<double> z;
    z.reserve(plane * pictures.size());
    for (const auto& picture : pictures) {
      const auto first = picture.begin() + static_cast<std::ptrdiff_t>(c * plane);
      z.insert(z.end(), first, first + static_cast<std::ptrdiff_t>(plane));
    }
    HoyerChannel channel{.variance = 0.0};
    const auto n = static_cast<double>(z.size());
    for (const double value : z) channel.mean += value / n;
    for (const double value : z)
      channel.variance += (value - channel.mean) * (value - channel.mean) / n;
    const double width = std::sqrt(channel.variance + channel.epsilon);
    for (double& value : z) value = (value - channel.mean) / width;
    channel.extremum = hoyer_extremum(z);
    thresholds.push_back(fold(channel));
  }
  return thresholds;
}

std::vector<float> unit_rgb(const io::Image& image) {
  const std::size_t pixels = std::size_t{image.width} * image.height;
  const auto white = static_cast<float>(image.largest);
  std::vector<float> rgb(3 * pixels);
  for (std::size_t i = 0; i < rgb.size(); ++i) {
    rgb[i] = static_cast<float>(image.samples[image.channels == 3 ? i : i / 3]) / white;
  }
  return rgb;
}

double bandwidth_formula(std::uint32_t width, std::uint32_t height, std::uint64_t outputs,
                         unsigned output_bits) {
  const double inputs = 3.0 * width * height;
  return inputs / static_cast<double>(outputs) * (4.0 / 3.0) * (12.0 / output_bits);
}

}  // namespace spikeloom
