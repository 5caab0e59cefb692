#include "models/motion/motion_network.hpp"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <numbers>
#include <string>

#include <fmt/format.h>

namespace spikeloom {
namespace {

constexpr std::int64_t kOrientations = 4;
constexpr std::int64_t kKernel = 5;
constexpr std::int64_t kReach = kKernel / 2;  // taps and lines stay within this many pixels
constexpr std::int64_t kStride = 2;
constexpr std::int64_t kDirections = kMotionDirections;
constexpr std::array<int, 4> kDelaysMs = {10, 20, 30, 40};
constexpr double kStepSeconds = 1e-3;

/// One pixel along direction k; y points down.
struct Step {
  std::int64_t x;
  std::int64_t y;
};
constexpr std::array<Step, kMotionDirections> kSteps = {
    {{1, 0}, {1, -1}, {0, -1}, {-1, -1}, {-1, 0}, {-1, 1}, {0, 1}, {1, 1}}};

bool is_diagonal(std::int64_t direction) { return direction % 2 == 1; }

/// Pixels from the middle of a detector back to its delayed tap; ahead to the direct one it is
/// kReach. Together 4 px along an axis, 3 sqrt(2) = 4.24 px along a diagonal.
std::int64_t steps_behind(std::int64_t direction) { return is_diagonal(direction) ? 1 : 2; }

/// Channel of direction k in the taps. A group of the convolution holds one orientation, which
/// two opposite directions share: channels are 0, 4, 1, 5, 2, 6, 3, 7.
std::int64_t channel_of(std::int64_t direction) {
  return 2 * (direction % kOrientations) + direction / kOrientations;
}

/// A weight (outputs, inputs, kKernel, kKernel) that is built tap by tap.
class Kernel {
 public:
  Kernel(std::int64_t outputs, std::int64_t inputs)
      : shape_{outputs, inputs, kKernel, kKernel},
        weights_(static_cast<std::size_t>(outputs * inputs * kKernel * kKernel), 0.0F) {}

  /// Lets output pixel (x, y) see input pixel (x + dx, y + dy).
  void see(std::int64_t output, std::int64_t input, std::int64_t dx, std::int64_t dy) {
    const std::int64_t row = (output * shape_[1] + input) * kKernel + kReach + dy;
    weights_[static_cast<std::size_t>(row * kKernel + kReach + dx)] = 1.0F;
  }

  Tensor tensor() const { return Tensor::of<float>(shape_, weights_); }

 private:
  Shape shape_;
  std::vector<float> weights_;
};

node::Conv2d convolution(const Kernel& kernel, std::int64_t height, std::int64_t width,
                         std::int64_t stride, std::int64_t groups) {
  node::Conv2d made;
  made.weight = kernel.tensor();
  made.input_shape = shape_tensor({height, width});
  made.stride = shape_tensor({stride, stride});
  made.padding.value = shape_tensor({kReach, kReach});
  made.dilation = shape_tensor({1, 1});
  made.groups = Tensor::scalar<std::int64_t>(groups);
  return made;
}

Tensor filled(const Shape& shape, double value) {
  std::int64_t count = 1;
  for (const std::int64_t side : shape) count *= side;
  return Tensor::of<double>(shape, std::vector<double>(static_cast<std::size_t>(count), value));
}

/// Neurons to whose membrane a spike adds 1 under forward Euler: r dt / tau = 1. Double precision
/// keeps dt / tau, here 1/2 and 1/8, exact.
node::Lif leaky(const Shape& shape, int tau_steps, double threshold) {
  node::Lif made;
  made.tau = filled(shape, tau_steps * kStepSeconds);
  made.r = filled(shape, tau_steps);
  made.v_leak = filled(shape, 0.0);
  made.v_threshold = filled(shape, threshold);
  return made;
}

/// Lines of five ON pixels across the direction of motion.
Kernel edge_kernel() {
  Kernel kernel(kOrientations, 2);
  constexpr std::int64_t kOn = 1;
  for (std::int64_t orientation = 0; orientation < kOrientations; ++orientation) {
    const Step motion = kSteps[static_cast<std::size_t>(orientation)];
    for (std::int64_t i = -kReach; i <= kReach; ++i) {
      kernel.see(orientation, kOn, -motion.y * i, motion.x * i);
    }
  }
  return kernel;
}

/// One tap per direction, `distance(k)` pixels along it.
template <typename Distance>
Kernel tap_kernel(Distance distance) {
  Kernel kernel(kDirections, 1);
  for (std::int64_t k = 0; k < kDirections; ++k) {
    const Step motion = kSteps[static_cast<std::size_t>(k)];
    kernel.see(channel_of(k), 0, motion.x * distance(k), motion.y * distance(k));
  }
  return kernel;
}

/// The delay of each detector: as long as an edge takes from tap to tap at 4 px per `ms`.
node::Delay tap_delay(const Shape& shape, int ms) {
  const std::int64_t plane = shape[1] * shape[2];
  std::vector<double> seconds(static_cast<std::size_t>(shape[0] * plane));
  for (std::int64_t k = 0; k < kDirections; ++k) {
    const double pixels = static_cast<double>(kReach + steps_behind(k)) *
                          (is_diagonal(k) ? std::numbers::sqrt2 : 1.0);
    const double steps = std::round(ms * pixels / 4.0);
    const auto first = seconds.begin() + channel_of(k) * plane;
    std::fill(first, first + plane, steps * kStepSeconds);
  }
  return {Tensor::of<double>(shape, seconds)};
}

/// (8, detectors): adds up the detectors of each direction, in the order of directions.
Tensor vote_weights(const Shape& shape) {
  const std::int64_t plane = shape[1] * shape[2];
  std::vector<float> weights(static_cast<std::size_t>(kDirections * kDirections * plane), 0.0F);
  for (std::int64_t k = 0; k < kDirections; ++k) {
    const auto first = weights.begin() + (k * kDirections + channel_of(k)) * plane;
    std::fill(first, first + plane, 1.0F);
  }
  return Tensor::of<float>({kDirections, kDirections * plane}, weights);
}

}  // namespace

Result<Network> make_motion_network(const MotionOptions& options) {
  constexpr std::uint32_t kSmallest = 16;
  constexpr std::uint32_t kLargest = 1024;
  for (const std::uint32_t side : {options.width, options.height}) {
    if (side < kSmallest || side > kLargest) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = "not a size for the motion network",
                   .expected = fmt::format("sides of {} to {} pixels", kSmallest, kLargest),
                   .got = fmt::format("{}x{}", options.width, options.height)};
    }
  }
  const std::int64_t height = options.height;
  const std::int64_t width = options.width;
  const Shape edge_shape = {kOrientations, height, width};
  const Shape detector_shape = {kDirections, (height - 1) / kStride + 1, (width - 1) / kStride + 1};

  node::Flatten flat;
  flat.start_dim = Tensor::scalar<std::int64_t>(0);
  node::Linear votes;
  votes.weight = vote_weights(detector_shape);

  NetworkBuilder builder;
  builder.add("input", node::Input{shape_tensor({2, height, width})});
  builder.add("edge_weights", convolution(edge_kernel(), height, width, 1, 1));
  // Four of five pixels at once: 4 > 3.5. Pixels that an edge askew reaches one after the other
  // never get there: even one a step adds up to 1 / (1 - 1/2) = 2.
  builder.add("edges", leaky(edge_shape, 2, 3.5));
  builder.add("direct", convolution(tap_kernel([](std::int64_t) { return kReach; }), height, width,
                                    kStride, kOrientations));
  builder.add("delayed", convolution(tap_kernel([](std::int64_t k) { return -steps_behind(k); }),
                                     height, width, kStride, kOrientations));
  builder.add("flat", flat);
  builder.add("votes", votes);
  // Two detectors have to agree; a stray one does not decide.
  builder.add("directions", leaky({kDirections}, 8, 1.5));
  builder.add("output", node::Output{shape_tensor({kDirections})});

  builder.connect("input", "edge_weights");
  builder.connect("edge_weights", "edges");
  builder.connect("edges", "direct");
  builder.connect("edges", "delayed");
  for (const int ms : kDelaysMs) {
    const std::string delay = fmt::format("delay_{}", ms);
    const std::string detectors = fmt::format("detectors_{}", ms);
    builder.add(delay, tap_delay(detector_shape, ms));
    // Both taps within 5 steps: 1 + (7/8)^5 = 1.513 > 1.5 > 1 + (7/8)^6 = 1.449.
    builder.add(detectors, leaky(detector_shape, 8, 1.5));
    builder.connect("delayed", delay);
    builder.connect(delay, detectors);
    builder.connect("direct", detectors);
    builder.connect(detectors, "flat");
  }
  builder.connect("flat", "votes");
  builder.connect("votes", "directions");
  builder.connect("directions", "output");
  return std::move(builder).build();
}

Discretisation motion_discretisation() {
  Discretisation discretisation;
  discretisation.dt = kStepSeconds;
  return discretisation;
}

MotionDecision decide_motion(std::span<const double> counts) {
  MotionDecision decision;
  decision.counts.assign(counts.begin(), counts.end());
  const auto winner = std::max_element(counts.begin(), counts.end());
  if (winner == counts.end() || *winner <= 0.0) return decision;
  double second = 0.0;
  for (auto it = counts.begin(); it != counts.end(); ++it) {
    if (it != winner) second = std::max(second, *it);
  }
  decision.margin = (*winner - second) / *winner;
  if (decision.margin > 0.0) decision.direction = static_cast<int>(winner - counts.begin());
  return decision;
}

MotionDecoder::MotionDecoder(std::int64_t window_steps) : window_steps_(window_steps) {
  assert(window_steps > 0);
}

void MotionDecoder::add(std::int64_t step, std::span<const std::uint32_t> index,
                        std::span<const double> value) {
  assert(step >= 0 && index.size() == value.size());
  const auto window = static_cast<std::size_t>(step / window_steps_);
  if (counts_.size() < (window + 1) * kMotionDirections) {
    counts_.resize((window + 1) * kMotionDirections, 0.0);
  }
  for (std::size_t i = 0; i < index.size(); ++i) {
    if (index[i] < kMotionDirections) counts_[window * kMotionDirections + index[i]] += value[i];
  }
}

std::vector<MotionDecision> MotionDecoder::decisions(std::int64_t steps) const {
  std::vector<MotionDecision> made;
  for (std::int64_t window = 0; window < steps / window_steps_; ++window) {
    std::array<double, kMotionDirections> counts{};
    const std::size_t begin = static_cast<std::size_t>(window) * kMotionDirections;
    for (std::size_t k = 0; k < kMotionDirections && begin + k < counts_.size(); ++k) {
      counts[k] = counts_[begin + k];
    }
    made.push_back(decide_motion(counts));
  }
  return made;
}

}  // namespace spikeloom
