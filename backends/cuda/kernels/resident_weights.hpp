#pragma once
/// Weights, pools and the rows of dense layers, for the threads of layers (layer.hpp).

#include <cstring>

#include "backends/cuda/kernels/resident.hpp"

namespace spikeloom::cuda {

/// kCount weights that lie side by side, aligned to their size or to 16 bytes.
template <std::uint32_t kCount, typename V, typename W>
SPIKELOOM_KERNEL void read_weights(const W* from, V* to) {
  struct alignas(sizeof(W) * kCount < 16 ? sizeof(W) * kCount : 16) Pack {
    W weight[kCount];
  };
  Pack pack;
#if defined(__CUDA_ARCH__)
  pack = *reinterpret_cast<const Pack*>(from);
#else
  std::memcpy(&pack, from, sizeof pack);
#endif
  SPIKELOOM_UNROLL
  for (std::uint32_t j = 0; j < kCount; ++j) {
    to[j] = static_cast<V>(pack.weight[j]);  // NOLINT(bugprone-signed-char-misuse): a number
  }
}

/// One output of a Pool.
template <typename V>
SPIKELOOM_KERNEL V pooled(const ResidentOp<V>& op, const ResidentRow<V>& in, std::uint32_t o) {
  const ResidentWindow& w = op.window;
  const auto plane = static_cast<std::uint32_t>(w.out_rows * w.out_columns);
  const auto columns = static_cast<std::uint32_t>(w.out_columns);
  const std::uint32_t channel = divided(o, op.per_plane), at = o - channel * plane;
  const std::uint32_t row_of_plane = divided(at, op.per_column);
  const std::int32_t top = static_cast<std::int32_t>(row_of_plane) * w.stride_rows - w.pad_rows;
  const std::int32_t left =
      static_cast<std::int32_t>(at - row_of_plane * columns) * w.stride_columns - w.pad_columns;
  const std::int32_t first = left < 0 ? 0 : left;
  const std::int32_t last =
      left + w.kernel_columns < w.in_columns ? left + w.kernel_columns : w.in_columns;
  V sum = 0, largest = 0;
  bool any = false;
  SPIKELOOM_ROLLED
  for (std::int32_t kr = 0; kr < w.kernel_rows; ++kr) {
    const std::int32_t r = top + kr;
    if (r < 0 || r >= w.in_rows) continue;
    const auto row =
        (channel * static_cast<std::uint32_t>(w.in_rows) + static_cast<std::uint32_t>(r)) *
        static_cast<std::uint32_t>(w.in_columns);
    if (in.value == nullptr && op.pooling != Pooling::kMax && last - first <= 32) {
      if (last > first) {
        sum += static_cast<V>(bit_count(bit_field(in.bits, row + static_cast<std::uint32_t>(first),
                                                  static_cast<std::uint32_t>(last - first))));
      }
      continue;
    }
    SPIKELOOM_ROLLED
    for (std::int32_t c = first; c < last; ++c) {
      const V value = in.at(row + static_cast<std::uint32_t>(c));
      sum += value;
      largest = any && largest > value ? largest : value;
      any = true;
    }
  }
  if (op.pooling == Pooling::kMax) return largest;
  return op.pooling == Pooling::kAverage ? sum / static_cast<V>(w.kernel_rows * w.kernel_columns)
                                         : sum;
}

/// Calls f(from) for kAhead active sources after the other, in their order; kNowhere where there
/// are no more. How many there are. All threads of a warp call it.
template <std::uint32_t kAhead, typename F>
SPIKELOOM_KERNEL std::uint32_t for_active([[maybe_unused]] std::uint32_t lane,
                                          const std::uint32_t* mask, std::uint32_t words, F&& f) {
  std::uint32_t count = 0;
  SPIKELOOM_ROLLED
  for (std::uint32_t first = 0; first < words; first += 32) {
    std::uint32_t live = 0, bits = 0, base = 0;  // words; what is left of one of them
#if defined(__CUDA_ARCH__)
    const std::uint32_t own = first + lane < words ? mask[first + lane] : 0;
    live = __ballot_sync(~0U, own != 0);
#else
    for (std::uint32_t w = first; w < words && w < first + 32; ++w) {
      live |= (mask[w] != 0 ? 1U : 0U) << (w - first);
    }
#endif
    while (live != 0 || bits != 0) {
      std::uint32_t from[kAhead];
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        if (bits == 0 && live != 0) {
          const std::uint32_t word = lowest_bit(live);
          live &= live - 1;
#if defined(__CUDA_ARCH__)
          bits = __shfl_sync(~0U, own, static_cast<int>(word));
#else
          bits = mask[first + word];
#endif
          base = (first + word) * 32;
          count += bit_count(bits);
        }
        from[a] = bits != 0 ? base + lowest_bit(bits) : kNowhere;
        bits &= bits - 1;
      }
      f(from);
    }
  }
  return count;
}

/// Dense: one output, over the active sources.
template <typename V, typename Count>
SPIKELOOM_KERNEL void gather_rows(std::uint32_t lane, const ResidentOp<V>& op,
                                  const ResidentRow<V>& in, const ResidentSignal& source,
                                  std::uint32_t repeat, std::uint32_t output, bool exists, V& sum,
                                  Count& count) {
  const auto weight = [&](std::uint32_t i) {
    const std::size_t at = std::size_t{i} * op.outputs + output;
    if constexpr (std::is_same_v<V, float>) {
      return static_cast<const float*>(op.weight)[at];
    } else {
      return op.narrow ? static_cast<V>(static_cast<const std::int8_t*>(op.weight)[at])
                       : static_cast<V>(static_cast<const std::int16_t*>(op.weight)[at]);
    }
  };
  const auto add_one = [&](V x, V w) {
    if (x == V{0}) return;
    sum += w * x;
    count.note_pairs(x, 1);
  };
  if (op.inputs == source.size) {
    // One row for the whole warp: weights of kAhead sources are on their way at once.
    constexpr std::uint32_t kAhead = 8;
    for_active<kAhead>(lane, in.bits, source.words, [&](const std::uint32_t(&from)[kAhead]) {
      V value[kAhead];
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        value[a] = exists && from[a] != kNowhere ? weight(from[a]) : V{0};
      }
      SPIKELOOM_UNROLL
      for (std::uint32_t a = 0; a < kAhead; ++a) {
        if (from[a] == kNowhere || !exists) continue;
        add_one(in.value == nullptr ? V{1} : in.value[from[a]], value[a]);
      }
    });
    return;
  }
  SPIKELOOM_ROLLED
  for (std::uint32_t i = 0; exists && i < op.inputs; i += 32) {
    const std::uint32_t left = op.inputs - i, start = repeat * op.inputs + i;
    SPIKELOOM_ROLLED
    for (std::uint32_t bits = bit_field(in.bits, start, left < 32 ? left : 32); bits != 0;
         bits &= bits - 1) {
      const std::uint32_t k = lowest_bit(bits);
      add_one(in.value == nullptr ? V{1} : in.value[start + k], weight(i + k));
    }
  }
}

}  // namespace spikeloom::cuda
