#pragma once
/// The pixels in front of a network: an in-pixel convolution whose numbers the network's file
/// holds.
///
/// A spiking vision model is a network for one-bit spikes, and a group `front_end` in the metadata
/// of its graph (models/vision/training writes it):
///
///     curve              "in-sensor", "p2m" or "ideal"
///     rows, columns      of the picture
///     pool               side of the window whose maximum is taken; 1: none
///     weight             int8 (channels, 3, 3, 3); the real weight is value x largest / 127
///     largest            the largest weight
///     threshold          (channels): a sum at it or above it spikes
///
/// The kernel moves by one pixel with one of padding, the pool by its side without. A picture is
/// one step of the network, and there is no state: the network may see many in one run.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "sensors/pixel_convolution.hpp"
#include "snn/network.hpp"

namespace spikeloom {

struct PixelFrontEnd {
  std::uint32_t width = 0, height = 0;
  PixelConvolutionOptions options = {};
  std::vector<float> weights = {};
  std::vector<SignedThreshold> thresholds = {};
};

bool has_pixel_front_end(const Network& network);

/// kNotFound: there is none, or it lacks an entry. kShape, kInvalidArgument: entries that do not
/// fit each other or the network's Input.
Result<PixelFrontEnd> pixel_front_end(const Network& network);

/// With other bits, mismatch, noise or seed than its file says.
Result<PixelConvolution> make_pixels(const PixelFrontEnd& front_end,
                                     const PixelConvolutionOptions& options);

}  // namespace spikeloom
