#pragma once
/// The layers of a SLAYER network, which its files do not hold.
///
/// As text, the way SLAYER's papers and configurations write them, input first:
///
///     2x128x128 4a 16c5z 2a 32c3z 2a 512 11
///
///     CxHxW   the input: channels, rows, columns
///     Ka      sum pool, K x K, stride K, one weight per tap
///     NcK     convolution to N channels with a K x K kernel, stride 1, no padding
///     NcKz    the same padded with zeros so that the size stays (odd K)
///     NcKpP   the same padded with P zeros on every side; a stride S is appended as sS
///     N       dense, N neurons
///
/// separated by blanks or '-'. (SLAYER: Shrestha and Orchard, NeurIPS 2018.)

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/tensor.hpp"

namespace spikeloom {

enum class SlayerKind { kPool, kConvolution, kDense };

struct SlayerLayer {
  SlayerKind kind = SlayerKind::kDense;
  std::int64_t outputs = 0;  ///< channels or neurons; of a pool those of its input
  std::int64_t kernel = 1, stride = 1, padding = 0;
  friend bool operator==(const SlayerLayer&, const SlayerLayer&) = default;
};

struct SlayerTopology {
  Shape input;  ///< (channels, rows, columns)
  std::vector<SlayerLayer> layers;
  friend bool operator==(const SlayerTopology&, const SlayerTopology&) = default;
};

/// kFormat: names the word that is no layer. kShape: a layer does not fit on the one before.
Result<SlayerTopology> parse_slayer_topology(std::string_view text);
/// The text form.
std::string to_string(const SlayerTopology& topology);

/// Output shape of every layer: (channels, rows, columns), or (neurons). kShape: a window that
/// does not fit, a pool that does not divide its input, a window behind a dense layer.
Result<std::vector<Shape>> slayer_shapes(const SlayerTopology& topology);
/// Weights that each layer's file has to hold.
Result<std::vector<std::int64_t>> slayer_weight_counts(const SlayerTopology& topology);

}  // namespace spikeloom
