#pragma once
/// Pictures through a network, one step each: behind the pixels that its file describes, or, where
/// it describes none, as a dense network that takes light as it is.
///
///     SPIKELOOM_TRY(auto network, PictureNetwork::open(model, {}));
///     SPIKELOOM_TRY(const PictureDecision decision, network.decide(pictures, 0));
///
/// The network has no state, so a run may hold any number of pictures; its statistics are their
/// sum.

#include <memory>
#include <optional>
#include <vector>

#include "cli/pipeline.hpp"
#include "models/vision/labelled_pictures.hpp"
#include "models/vision/pixel_front_end.hpp"

namespace spikeloom::cli {

/// What is wrong with the pixels.
struct PixelFlaws {
  unsigned weight_bits = 0;  ///< 0: those of the file
  double mismatch = 0.0;
  double read_noise = 0.0;  ///< in units of the standard deviation of the sums
  std::uint64_t seed = 0;
};

struct PictureRequest {
  RunFlags run = {};
  PixelFlaws flaws = {};
  double sum_deviation = 0.0;  ///< what read noise is measured in
  int threads = 1;
};

struct PictureDecision {
  std::vector<float> scores;
  std::size_t best = 0;  ///< the lowest of equals
  std::optional<SpikeMap> spikes;
};

class PictureNetwork {
 public:
  static Result<PictureNetwork> open(const LoadedModel& model, const PictureRequest& request);

  /// kShape: a picture of another size.
  Result<PictureDecision> decide(const LabelledPictures& pictures, std::size_t picture);

  bool has_pixels() const { return pixels_.has_value(); }
  const PixelConvolution& pixels() const { return *pixels_; }
  const Pipeline& pipeline() const { return pipeline_; }
  RunStats stats() const { return session_->stats(); }

 private:
  PictureNetwork() = default;

  Pipeline pipeline_;
  std::optional<PixelFrontEnd> front_end_;
  std::optional<PixelConvolution> pixels_;
  std::unique_ptr<Session> session_;
  std::uint32_t width_ = 0, height_ = 0, colours_ = 0;
  std::uint32_t scores_ = 0;  ///< the node that enters the Output: nothing else is recorded
};

/// Standard deviation of the sums of the first pictures around their channel's mean.
Result<double> sum_deviation(const PixelFrontEnd& front_end, const LabelledPictures& pictures,
                             std::size_t count);

}  // namespace spikeloom::cli
