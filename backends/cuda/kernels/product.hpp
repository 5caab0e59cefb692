#pragma once
/// Dense products for layers that are mostly active: float32, all rows of a chunk at once.

#include "backends/cuda/kernels/kernel.hpp"

namespace spikeloom::cuda {

/// out (rows, outputs) <- in (rows, inputs) weight (inputs, outputs). Not a kernel: a device takes
/// cuBLAS. Rows are all those of two rings of one length, so that it makes no difference where in
/// the rings a chunk begins.
struct Product {
  const float* in = nullptr;
  const float* weight = nullptr;
  float* out = nullptr;
  std::uint32_t rows = 0, inputs = 0, outputs = 0;
};

/// After a product: scale, bias and counts. Blocks of the input's elements count pairs, into
/// `pairs`.
struct FinishProductKernel {
  struct Shared {
    Tally<float> tally;
  };
  struct Local {
    Tally<float> tally;
  };
  Rows rows;
  Signal<float> in, out;
  Tally<float>* pairs = nullptr;
  const float* scale = nullptr;  ///< one per output; may be null
  const float* bias = nullptr;
  std::uint32_t outputs = 0;  ///< of one repeat

  SPIKELOOM_KERNEL std::uint32_t out_tiles() const { return tiles(out.size, kTile); }
  SPIKELOOM_KERNEL std::uint32_t blocks() const {
    return (out_tiles() + tiles(in.size, kTile)) * rows.count();
  }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    if (!rows.exists(row)) return;
    if (phase == 0) {
      if (place.thread == 0) shared.tally.clear();
      if (tile < out_tiles()) {
        finish(row, tile * kTile + place.thread, local);
      } else {
        const std::uint32_t i = (tile - out_tiles()) * kTile + place.thread;
        if (i >= in.size) return;
        local.tally.count_pairs(in.values(rows.step(row), rows.element(row))[i], outputs);
      }
    } else if (phase == 1) {
      local.tally.add_up(place, &shared.tally);
    } else if (place.thread == 0) {
      shared.tally.publish(place, tile < out_tiles() ? out.tally : pairs);
    }
  }

 private:
  SPIKELOOM_KERNEL void finish(std::uint32_t row, std::uint32_t o, Local& local) const {
    if (o >= out.size) return;
    float* const y = out.values(rows.step(row), rows.element(row)) + o;
    if (scale != nullptr) *y *= scale[o % outputs];
    if (bias != nullptr) *y += bias[o % outputs];
    local.tally.count(*y);
  }
};

}  // namespace spikeloom::cuda
