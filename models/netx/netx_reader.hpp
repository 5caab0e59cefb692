#pragma once
/// Reading networks that lava-dl exported for Lava's netx: HDF5 files with `/layer/0`, `/layer/1`,
/// ... (lava-nc/lava-dl, src/lava/lib/dl/netx).
///
/// Read: types input, conv, dense and flatten; neurons LOIHI and CUBA (Loihi's integer LIF, without
/// graded spikes), SDNN (sigma-delta, activation relu), and dense layers without neurons (their
/// sums are the output). Weights as (out, in, rows, columns), the older layout with a fifth axis of
/// 1, or flat; numbers that are no integers are cut off towards zero, as Lava does. Refused by
/// name, with the layer: other types, complex weights, recurrent layers, delays, normalised (split)
/// weights, other neurons and activations, graded spikes of LIF neurons, a layer without shape.
///
/// Layer k becomes "conv1.synapse" and the population "conv1", a flatten "flatten6". Axes are those
/// of the file, (channels, rows, columns). The input layer of a spiking network turns images into
/// spikes; it is left out, and the network takes its spikes. That of a sigma-delta network is a
/// population "input0" that encodes its input's changes.
///
/// Equations, with D of docs/integer.md and the preset `lava` in Loihi's fixed point, which the run
/// settings declare:
///
///     LIF          u <- D(u, 4096 - iDecay) + 2^(6 + wgtExp) sum w s
///                  v <- D(v, 4096 - vDecay) + u + 64 bias; spike if v > 64 vThMant, then v = 0
///     sigma-delta  SigmaDelta (node_kinds.hpp) with sums, bias and threshold in units of 2^-12 of
///                  the file's and a shift of 6: Lava's spike_exp 6 and state_exp 6

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/result.hpp"
#include "models/loaded_model.hpp"

namespace spikeloom {

struct NetxReadOptions {
  std::uint64_t max_bytes = std::uint64_t{4} << 30;  ///< decoded size of all parameters together
};

/// kUnsupported: what is refused by name. kFormat: damaged, or not a netx file. kShape: parameters
/// that do not fit their layer.
Result<LoadedModel> read_netx(const std::string& path, const NetxReadOptions& options = {});
/// The same for a file image in memory; `name` stands for the path in messages.
Result<LoadedModel> read_netx_bytes(std::span<const std::byte> bytes, const std::string& name,
                                    const NetxReadOptions& options = {});

}  // namespace spikeloom
