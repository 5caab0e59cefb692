#pragma once
/// Embedding: the rows of the words that a step has, added up.

#include "backends/cuda/kernels/active_list.hpp"
#include "backends/cuda/kernels/elementwise.hpp"
#include "snn/recurrent_equations.hpp"

namespace spikeloom::cuda {

template <typename V, typename W>
struct EmbeddingKernel {
  using List = ActiveList<128>;
  struct Shared {
    TileShared<V> tile;
    List list;
  };
  struct Local {
    V sum = 0;
    Tally<V> in, out;
  };
  Rows rows;
  Signal<V> in, out;
  const W* weight = nullptr;  ///< (words, size)
  const V* scale = nullptr;   ///< one per word; null for 1 (real only)
  std::int32_t shift = 1;     ///< integers only

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(out.size, kTile) * rows.count(); }
  std::size_t shared_bytes() const { return sizeof(Shared); }
  SPIKELOOM_KERNEL std::uint32_t phases() const {
    return List::chunks(in.size) * List::kPhases + 3;
  }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    const bool exists = rows.exists(row);
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    const std::uint32_t chunk = phase / List::kPhases, chunks = List::chunks(in.size);
    const std::uint32_t i = tile * kTile + place.thread;
    if (chunk < chunks) {
      if (!exists) return;
      const std::uint32_t first = chunk * List::kSources;
      switch (phase % List::kPhases) {
        case 0:
          shared.list.read(place, in.masks(step, element), first, in.size);
          return;
        case 1:
          shared.list.count(place);
          return;
        case 2:
          shared.list.list(place, [](std::uint32_t, std::uint32_t) {});
          return;
        default:
          if (i < out.size) add(shared.list, in.values(step, element), first, i, local);
          return;
      }
    }
    if (phase == chunks * List::kPhases) {
      if (place.thread == 0) shared.tile.in.clear(), shared.tile.out.clear();
      const bool own = exists && i < out.size;
      if (own) out.values(step, element)[i] = local.sum;
      shared.tile.filled[place.thread] = own && local.sum != V{0};
      if (own) local.out.count(local.sum);
      return;
    }
    finish_tile(place, phase - chunks * List::kPhases, exists, local.in, local.out,
                static_cast<Tally<V>*>(nullptr), out, out.masks(step, element), tile);
  }

 private:
  SPIKELOOM_KERNEL void add(const List& list, const V* values, std::uint32_t first, std::uint32_t i,
                            Local& local) const {
    const std::uint32_t count = list.size();
    for (std::uint32_t k = 0; k < count; ++k) {
      const std::uint32_t word = first + list.index[k];
      const auto w = static_cast<V>(weight[static_cast<std::size_t>(word) * out.size + i]);
      if constexpr (std::is_integral_v<V>) {
        local.sum += static_cast<V>(equations::scaled(w * values[word], scale[word], shift));
      } else {
        local.sum += w * (scale == nullptr ? V{1} : scale[word]) * values[word];
      }
    }
  }
};

}  // namespace spikeloom::cuda
