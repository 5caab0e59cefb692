#pragma once
/// Layers of a SLAYER network from its weight files alone.
///
/// Order: layers of one number stand together and numbers rise (pool1 conv1 pool2 ...); pools come
/// first in every pair, or convolutions do; two pools never follow each other, because one would
/// do; dense layers come last. Sizes: every layout whose weight counts are those of the files, with
/// square kernels of 2 x 2 or more, stride 1, and "z" padding or none. Exactly one layout may fit.

#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "models/slayer/slayer_topology.hpp"

namespace spikeloom {

/// What is known of a weight file.
struct SlayerWeightCount {
  SlayerKind kind = SlayerKind::kDense;
  int number = 0;
  std::int64_t count = 0;
};

/// kShape: no layout fits. kAmbiguous: several do; the error lists them, to be given as layers.
Result<SlayerTopology> infer_slayer_topology(std::span<const SlayerWeightCount> files,
                                             const Shape& input);

}  // namespace spikeloom
