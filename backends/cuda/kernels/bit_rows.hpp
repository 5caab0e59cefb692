#pragma once
/// Sparse integer weights that are dense enough for bits: one for each pair of source and target,
/// and a weight for each class of sources.
///
/// The bits of the active rows are counted target by target: a thread holds the counts of 32
/// targets, bit j of all of them in one register, so that a row costs it a word and a few
/// instructions. Threads of a block share the rows; counts enter the block's sums, times the weight
/// of their class, when its rows are done. Whole numbers: nothing depends on any order.

#include "backends/cuda/kernels/sparse.hpp"

namespace spikeloom::cuda {

struct BitRows {
  const std::uint32_t* bits = nullptr;     ///< sources x words: bit t % 32 of word t / 32
  const std::uint8_t* class_of = nullptr;  ///< of each source; kNoClass: no targets
  const std::int32_t* weight = nullptr;    ///< of each class
  const std::uint32_t* fan_out = nullptr;  ///< synapses of each source
  std::uint32_t sources = 0, targets = 0, words = 0, classes = 0;
};

inline constexpr std::uint8_t kNoClass = 255;

/// Sources send 0 or 1.
struct BitRowsKernel {
  using V = std::int32_t;
  static constexpr std::uint32_t kWords = 32, kThreads = 1024, kTargets = kWords * 32;
  static constexpr std::uint32_t kSlices = kThreads / kWords;  ///< that share the active rows
  static constexpr std::uint32_t kBits = 20;                   ///< of a count in a slice
  static constexpr std::uint32_t kMostSources = ((1U << kBits) - 1) * kSlices;
  struct Shared {
    Tally<V> tally;
    V sum[kTargets];  ///< of target 32 w + j at j kWords + w, so that neighbours do not meet
  };
  struct Local {
    Tally<V> tally;
  };
  Rows rows;
  Signal<V> in, out;
  SourceList list;
  BitRows weights;
  const V* scale = nullptr;  ///< one per target; may be null
  const V* bias = nullptr;

  SPIKELOOM_KERNEL std::uint32_t tiles_of_targets() const { return tiles(weights.words, kWords); }
  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles_of_targets() * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t threads() const { return kThreads; }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 4; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    if (!rows.exists(row)) return;
    if (phase == 0) {
      if (place.thread == 0) shared.tally.clear();
      for (std::uint32_t i = place.thread; i < kTargets; i += place.threads) shared.sum[i] = 0;
    } else if (phase == 1) {
      for (std::uint32_t c = 0; c < weights.classes; ++c) {
        count(place, rows.offset * rows.batch + row, tile, c, shared.sum, local);
      }
    } else if (phase == 2) {
      V* const y = out.values(rows.step(row), rows.element(row));
      for (std::uint32_t i = place.thread; i < kTargets; i += place.threads) {
        const std::uint32_t o = tile * kTargets + i;
        if (o >= weights.targets) break;
        const V value = completed(shared.sum[i % 32 * kWords + i / 32], scale, bias, o);
        y[o] = value;
        local.tally.count(value);
      }
      local.tally.add_up(place, &shared.tally);
    } else if (place.thread == 0) {
      shared.tally.publish(place, out.tally);
    }
  }

 private:
  /// The listed rows of one class, every kSlices-th of them.
  SPIKELOOM_KERNEL void count(const Place& place, std::uint32_t list_row, std::uint32_t tile,
                              std::uint32_t own, V* sums, Local& local) const {
    const std::uint32_t w = place.thread % kWords, slice = place.thread / kWords;
    const std::uint32_t* const active = list.of(list_row);
    const std::uint32_t all = list.count[list_row];
    const std::uint32_t word = tile * kWords + w;
    std::uint32_t bit[kBits] = {};
    bool any = false;
    for (std::uint32_t k = slice; k < all; k += kSlices) {
      const std::uint32_t source = active[k];
      if (weights.class_of[source] != own) continue;
      if (tile == 0 && w == 0) local.tally.count_pairs(V{1}, weights.fan_out[source]);
      std::uint32_t carry =
          word < weights.words
              ? weights.bits[static_cast<std::size_t>(source) * weights.words + word]
              : 0;
      any |= carry != 0;
      SPIKELOOM_UNROLL
      for (std::uint32_t j = 0; j < kBits; ++j) {
        const std::uint32_t next = bit[j] & carry;
        bit[j] ^= carry;
        carry = next;
        if (carry == 0) break;
      }
    }
    if (!any) return;
    const V weight = weights.weight[own];
    for (std::uint32_t t = 0; t < 32; ++t) {
      std::uint32_t sum = 0;
      SPIKELOOM_UNROLL
      for (std::uint32_t j = 0; j < kBits; ++j) sum |= (bit[j] >> t & 1) << j;
      if (sum != 0) add_to(sums + std::size_t{t} * kWords + w, static_cast<V>(sum) * weight);
    }
  }
};

}  // namespace spikeloom::cuda
