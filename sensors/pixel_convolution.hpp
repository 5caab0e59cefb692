#pragma once
/// A first convolution inside the pixel array: light in, one-bit spikes out.
///
/// Every output adds the currents of k x k x 3 taps, each through the transfer curve of a pixel (I
/// photo-current, 0 to 1; w weight; x = I - centre):
///
///     f(I, w) = p00 + p10 x + p20 x^2 + p30 x^3 + w (p01 + p11 x + p21 x^2)
///     u       = sum of f over the taps  [/ (3 k k) where the curve says so]  + read noise
///
/// then takes the maximum of a window, and compares it with its channel's threshold:
///
///     spike   = sign (u - value) >= 0
///
/// A tap outside the array has no pixel and adds nothing. Coefficients, order (pooling before the
/// threshold) and the Hoyer spike are those of the code of the authors of Datta et al. (ICASSP
/// 2023, arXiv 2212.10881): customConv2 of Knowledge-Distillation-Zoo (b7f3ddf) and of
/// In-Pixel-constrained-models (40f0290), Ultra-Low-Latency-SNN (20c7c83). Their CIFAR script
/// normalises pictures before this layer, so that light becomes negative; here it is not.
///
/// Weight bits b: w -> round((2^b - 1) w / max|w|) max|w| / (2^b - 1), so b bits and a sign.
/// Mismatch: I -> max(0, I (1 + mismatch N(0,1))), fixed for a pixel and colour. Read noise:
/// normal, in units of u, anew for every output and frame. Both widths are the caller's: none is
/// published.

#include <cstdint>
#include <span>
#include <vector>

#include "base/io/image.hpp"
#include "base/result.hpp"
#include "sensors/spike_map.hpp"

namespace spikeloom {

struct TransferCurve {
  double p00 = 0, p10 = 0, p20 = 0, p30 = 0;
  double p01 = 0, p11 = 1, p21 = 0;
  double centre = 0;
  bool averages = true;  ///< over the taps

  double operator()(double light, double weight) const;
};

/// f = w I, averaged.
inline constexpr TransferCurve kIdealCurve{};
/// The in-sensor network's fit: w times a compressive function of light.
inline constexpr TransferCurve kInSensorCurve{.p01 = -0.000287, .p11 = 0.266, .p21 = -0.1097};
/// P2M's fit (Sci. Rep. 12:14396, 2022); it has a part that the weight does not touch.
inline constexpr TransferCurve kP2mCurve{.p00 = 0.1694,
                                         .p10 = 0.25498,
                                         .p20 = -0.17645,
                                         .p30 = -0.09217,
                                         .p01 = 0.422378,
                                         .p11 = 0.072789,
                                         .p21 = -0.043589,
                                         .centre = 0.5,
                                         .averages = false};

struct PixelWindow {
  std::uint32_t size = 1, stride = 1, padding = 0;
};

struct PixelGeometry {
  PixelWindow kernel{3, 1, 1};
  PixelWindow pool{};  ///< size 1: none
};

/// 3x3, stride 1: the stem for CIFAR-10.
inline constexpr PixelGeometry kCifarStem{};
/// 7x7, stride 2, then a maximum of 3x3, stride 2: the stem for ImageNet.
inline constexpr PixelGeometry kImageNetStem{{7, 2, 3}, {3, 2, 1}};

struct PixelConvolutionOptions {
  PixelGeometry geometry = kCifarStem;
  TransferCurve curve = kInSensorCurve;
  unsigned weight_bits = 0;  ///< 0: as given; at most 16
  double mismatch = 0.0;
  double read_noise = 0.0;
  std::uint64_t seed = 0;
};

/// A channel's threshold: sign is 1 or -1, value may be infinite.
struct SignedThreshold {
  double value = 0.0;
  int sign = 1;
};

/// What folds into a channel's threshold: batch normalisation, then z = y / |v_th| >= extremum.
struct HoyerChannel {
  double mean = 0.0, variance = 1.0, epsilon = 1e-5;
  double gamma = 1.0, beta = 0.0;
  double threshold = 1.0;  ///< v_th
  double extremum = 1.0;   ///< E, the running value
};

/// value = mean + sqrt(variance + epsilon) / gamma (|v_th| E - beta), the sense flipped where gamma
/// is negative; with a gamma of 0 the channel always or never fires.
SignedThreshold fold(const HoyerChannel& channel);

/// E = sum z^2 / sum |z| over z clamped to 0..1; 1 when all are 0.
double hoyer_extremum(std::span<const double> z);

class PixelConvolution {
 public:
  /// `weights`: [channel][3][k][k], as PyTorch has them. kInvalidArgument: a side of 0 or over
  /// 65536, a window that does not fit, an option out of range, no channel or more than 4096;
  /// kShape: weights that are no whole number of kernels; kResource: over 2^30 outputs.
  static Result<PixelConvolution> create(std::uint32_t width, std::uint32_t height,
                                         const PixelConvolutionOptions& options,
                                         std::span<const float> weights);

  /// The pooled sums [channel][y][x] of a picture [y][x][3], 0 to 1; `frame` numbers the read
  /// noise. kShape; kInvalidArgument: light outside 0 to 1.
  Result<std::vector<float>> sums(std::span<const float> rgb, std::uint64_t frame = 0) const;

  /// kShape: not one threshold a channel, or not the sums of this geometry.
  Result<SpikeMap> spikes(std::span<const float> sums,
                          std::span<const SignedThreshold> thresholds) const;

  std::uint32_t channels() const { return channels_; }
  std::uint32_t out_width() const { return out_width_; }
  std::uint32_t out_height() const { return out_height_; }
  std::span<const float> weights() const { return weights_; }  ///< quantised

 private:
  struct Currents {
    std::vector<double> fixed, weighted;
  };
  struct Tap {
    std::size_t colour, row, column;
    double weight;
  };

  PixelConvolution() = default;
  Currents currents(std::span<const float> rgb) const;
  void add_tap(const Tap& tap, const Currents& currents, std::span<double> sums) const;

  PixelConvolutionOptions options_;
  std::uint32_t width_ = 0, height_ = 0, channels_ = 0;
  std::uint32_t conv_width_ = 0, conv_height_ = 0, out_width_ = 0, out_height_ = 0;
  std::vector<float> weights_;
  std::vector<double> gains_;  ///< of every pixel and colour, [y][x][3]; empty without mismatch
};

/// Thresholds as the first step of training would set them: batch normalisation by the channel's
/// own mean and variance over `pictures` (each the sums of one), gamma 1, beta 0, v_th 1 and the
/// channel's own Hoyer extremum. kShape: a picture of another size.
Result<std::vector<SignedThreshold>> hoyer_thresholds(std::uint32_t channels,
                                                      std::span<const std::vector<float>> pictures);

/// An image as light, [y][x][3], 0 to 1; grey counts for all three colours.
std::vector<float> unit_rgb(const io::Image& image);

/// BR = (I / O) (4/3) (12 / output_bits), I = 3 width height, O outputs.
double bandwidth_formula(std::uint32_t width, std::uint32_t height, std::uint64_t outputs,
                         unsigned output_bits = 1);

}  // namespace spikeloom
