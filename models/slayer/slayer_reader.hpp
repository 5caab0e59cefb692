#pragma once
/// Reading networks that SLAYER trained for Loihi: a YAML description and a folder of weights.
///
/// The YAML holds `simulation` (Ts, tSample in ms) and `neuron` (type LOIHI: vThMant, vDecay,
/// iDecay, wgtExp, refDelay); everything else in it is about training and is ignored. Weights:
/// slayer_weights.hpp. Layers: slayer_topology.hpp, given or inferred (slayer_inference.hpp).
///
/// Layer L becomes two nodes: "conv1.synapse" with the weights (a pool is a convolution of every
/// channel on its own, as on the chip) and "conv1", the population. Neurons are CubaLIF with tau =
/// 4096 Ts / decay, gains of 1, v_threshold = vThMant: with the preset `slayer`, which the run
/// settings declare, their step is
///
///     u <- D(u, 4096 - iDecay) + 2^(6 + wgtExp) sum w s
///     v <- D(v, 4096 - vDecay) + u;  spike if v > 64 vThMant, then v = 0
///
/// with D of docs/integer.md, which is SLAYER's own (slayerPytorch, slayerLoihi: spikeLoihi). Its
/// refDelay enters training only.

#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/value.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

struct SlayerReadOptions {
  std::string weights;         ///< folder of the weight files
  std::string layers;          ///< topology as text; empty: inferred from the weights and `input`
  std::optional<Shape> input;  ///< (channels, rows, columns), for the inference
};

/// True for a YAML document with the keys of SLAYER's description.
bool is_slayer_description(const Value& yaml);

/// kUnsupported: another neuron type, or what is not read. kAmbiguous: layers that cannot be
/// inferred. kShape: weights that do not fit the layers. kFormat: damaged files.
Result<LoadedModel> read_slayer(const std::string& path, const SlayerReadOptions& options);

}  // namespace spikeloom
