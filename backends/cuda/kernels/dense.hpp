#pragma once
/// Dense weights by events: each thread adds up the rows of the active sources for its outputs.
///
/// Sums live in registers and rows are walked in ascending order, so that there is no atomic
/// addition and float32 sums are those of the other backends.

#include "backends/cuda/kernels/active_list.hpp"
#include "snn/recurrent_equations.hpp"

namespace spikeloom::cuda {

inline constexpr std::uint32_t kDenseThreads = 128;

/// V: float with W float, int32 with W int8 or int16. kOut outputs a thread.
template <typename V, typename W, std::uint32_t kOut>
struct DenseKernel {
  using List = ActiveList<128>;
  struct Shared {
    List list;
    Tally<V> tally;
    V value[List::kSources];
  };
  struct Local {
    V sum[kOut] = {};
    Tally<V> tally;
  };
  Rows rows;
  Signal<V> in, out;
  const W* weight = nullptr;  ///< (inputs, outputs)
  const V* scale = nullptr;   ///< one per output; may be null
  const V* bias = nullptr;    ///< one per output; may be null
  std::uint32_t inputs = 0, outputs = 0, repeats = 1;
  std::int32_t shift = 0;  ///< above 0: a score of words in integers
  Parts parts;             ///< of at most kTileOutputs, in order

  static constexpr std::uint32_t kTileOutputs = kDenseThreads * kOut;
  SPIKELOOM_KERNEL std::uint32_t all_rows() const { return rows.count() * repeats; }
  SPIKELOOM_KERNEL std::uint32_t blocks() const {
    return parts.tiles_of(outputs, kTileOutputs) * all_rows();
  }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return kDenseThreads; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return List::chunks(inputs) * List::kPhases + 2; }

  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const std::uint32_t r = place.block % all_rows(), tile = place.block / all_rows();
    const std::uint32_t row = r / repeats, repeat = r % repeats;
    if (!rows.exists(row)) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    const std::uint32_t chunk = phase / List::kPhases;
    const std::uint64_t start = std::uint64_t{repeat} * inputs;
    const std::uint64_t first = start + std::uint64_t{chunk} * List::kSources;
    if (phase == 0 && place.thread == 0) shared.tally.clear();
    if (chunk < List::chunks(inputs)) {
      switch (phase % List::kPhases) {
        case 0:
          shared.list.read(place, in.masks(step, element), first, start + inputs);
          return;
        case 1:
          shared.list.count(place);
          return;
        case 2: {
          const V* const x = in.values(step, element) + first;
          shared.list.list(place, [&](std::uint32_t at, std::uint32_t source) {
            const V value = in.unit ? V{1} : x[source];
            if (!in.unit) shared.value[at] = value;
            if (tile == 0) local.tally.count_pairs(value, outputs);
          });
          return;
        }
        default:
          add(shared, parts.first(tile, kTileOutputs) + place.thread,
              parts.last(tile, outputs, kTileOutputs), chunk * List::kSources, local);
          return;
      }
    }
    if (phase % List::kPhases == 0) {
      finish(place, tile, out.values(step, element) + std::size_t{repeat} * outputs, local);
      local.tally.add_up(place, &shared.tally);
    } else if (place.thread == 0) {
      shared.tally.publish(place, out.tally);
    }
  }

 private:
  SPIKELOOM_KERNEL void add(const Shared& shared, std::uint32_t output, std::uint32_t last,
                            std::uint32_t first_source, Local& local) const {
    if (output >= last) return;
    const std::uint32_t count = shared.list.size();
    const W* const from = weight + static_cast<std::size_t>(first_source) * outputs + output;
    V sum[kOut];
    for (std::uint32_t j = 0; j < kOut; ++j) sum[j] = local.sum[j];
#if defined(__CUDA_ARCH__)
#pragma unroll 4
#endif
    for (std::uint32_t k = 0; k < count; ++k) {
      const W* const w = from + static_cast<std::size_t>(shared.list.index[k]) * outputs;
      const V x = in.unit ? V{1} : shared.value[k];
      for (std::uint32_t j = 0; j < kOut; ++j) {
        if (output + j * kDenseThreads >= last) break;
        sum[j] += static_cast<V>(w[std::size_t{j} * kDenseThreads]) * x;
      }
    }
    for (std::uint32_t j = 0; j < kOut; ++j) local.sum[j] = sum[j];
  }

  SPIKELOOM_KERNEL void finish(const Place& place, std::uint32_t tile, V* y, Local& local) const {
    const std::uint32_t first = parts.first(tile, kTileOutputs);
    const std::uint32_t last = parts.last(tile, outputs, kTileOutputs);
    for (std::uint32_t j = 0; j < kOut; ++j) {
      const std::uint32_t o = first + j * kDenseThreads + place.thread;
      if (o >= last) return;
      const V sum = local.sum[j];
      if constexpr (std::is_integral_v<V>) {
        if (shift > 0) {
          y[o] = equations::score(sum, scale[o], bias[o], shift);
          local.tally.count(y[o]);
          continue;
        }
      }
      const V value = completed(sum, scale, bias, o);
      y[o] = value;
      local.tally.count(value);
    }
  }
};

}  // namespace spikeloom::cuda
