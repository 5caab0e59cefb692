#pragma once
/// The vision models that every build carries; cards and numbers: models/vision/weights, and
/// docs/vision.md.

#include "models/loaded_model.hpp"

namespace spikeloom {

/// 8 channels in the pixels, Hoyer spikes, one step; Fashion-MNIST.
Result<LoadedModel> fashion_model();
/// Its dense twin: the same layers, data and tuning with ReLU, on pictures as they are.
Result<LoadedModel> fashion_dense_model();

}  // namespace spikeloom
