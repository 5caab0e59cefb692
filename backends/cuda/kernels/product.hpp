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

/// Spikes (0 and 1) times weights on tensor cores: out (rows, outputs) <- or += in (rows, inputs) x
/// weight (outputs, inputs) transposed. Both factors are int8 with sums of int32, exact; or both
/// are bfloat16 with sums of float: a float weight is the sum of three of them, a spike is one, so
/// that every product is exact and only the order of the additions is the library's.
struct SpikeProduct {
  const void* in = nullptr;
  const void* weight = nullptr;
  void* out = nullptr;
  std::uint32_t rows = 0, inputs = 0, outputs = 0;
  bool whole = false;  ///< int8
  bool adds = false;
};

/// 1 as a factor of a SpikeProduct.
template <typename V>
using SpikeFactor = std::conditional_t<std::is_integral_v<V>, std::int8_t, std::uint16_t>;
template <typename V>
SPIKELOOM_KERNEL SpikeFactor<V> spike_factor() {
  if constexpr (std::is_integral_v<V>) {
    return 1;
  } else {
    return 0x3F80;
  }
}

/// From the bits of a signal to factors, rows where the ring has them.
template <typename V>
struct SpreadKernel {
  struct Local {};
  Rows rows;
  Signal<V> in;
  SpikeFactor<V>* to = nullptr;  ///< slots x batch x size

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(in.size, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    const std::uint32_t i = tile * kTile + place.thread;
    if (!rows.exists(row) || i >= in.size) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    const bool spike = (in.masks(step, element)[i / 32] >> (i % 32) & 1) != 0;
    to[in.place(step, element) * in.size + i] = spike ? spike_factor<V>() : SpikeFactor<V>{0};
  }
};

/// After a product: scale, bias and counts. Blocks of the input's elements count pairs, into
/// `pairs`, where that is not null.
template <typename V>
struct FinishProductKernel {
  struct Shared {
    Tally<V> tally;
  };
  struct Local {
    Tally<V> tally;
  };
  Rows rows;
  Signal<V> in, out;
  Tally<V>* pairs = nullptr;
  const V* scale = nullptr;  ///< one per output; may be null
  const V* bias = nullptr;
  std::uint32_t outputs = 0;  ///< of one repeat

  SPIKELOOM_KERNEL std::uint32_t out_tiles() const { return tiles(out.size, kTile); }
  SPIKELOOM_KERNEL std::uint32_t blocks() const {
    return (out_tiles() + (pairs == nullptr ? 0 : tiles(in.size, kTile))) * rows.count();
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
    V* const y = out.values(rows.step(row), rows.element(row)) + o;
    if (scale != nullptr) *y *= scale[o % outputs];
    if (bias != nullptr) *y += bias[o % outputs];
    local.tally.count(*y);
  }
};

}  // namespace spikeloom::cuda
