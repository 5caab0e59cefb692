#pragma once
/// Loops of the language layers: pointwise cells, and the decoder's rows.
///
/// Compiled for several instruction sets, as neuron_kernels.hpp; in float32 every product and sum
/// rounds on its own, so that results are those of the reference.

#include <cstddef>
#include <cstdint>
#include <span>

#include "snn/recurrent_operations.hpp"

namespace spikeloom::cpu {

/// Units of a layer are padded to a multiple of this; gate g of unit i lies at g * padded + i.
inline constexpr std::size_t kUnitBlock = 64;

/// One recurrent layer, arrays of gates x padded values, or of padded ones. A real sum is
/// sum x scale + bias; an integer one (sum x scale) / 2^shift + bias, as docs/integer.md has it.
template <typename V>
struct CellArrays {
  std::size_t padded = 0;
  const V* kernel_scale = nullptr;  ///< null for 1 (real only)
  const V* recurrent_scale = nullptr;
  const V* bias = nullptr;
  const V* recurrent_bias = nullptr;
  const V* threshold = nullptr;
  int kernel_shift = 0, recurrent_shift = 0;  ///< integer only
};

template <typename V>
struct CellKernels {
  /// Completes `count` sums in place.
  void (*complete)(V* sums, const V* scale, const V* bias, int shift, std::size_t count);
  /// New state and output of every unit from complete sums w and r.
  using Update = void (*)(const CellArrays<V>& a, const V* w, const V* r, V* state, V* output);
  Update egru;
  /// Real only; null in integers.
  Update egru_paper, gru, lstm;
  /// Indices and values of what is not 0, ascending; both have room for `count` rounded up to a
  /// multiple of 16. Returns how many.
  std::size_t (*collect)(const V* values, std::size_t count, std::uint32_t* index, V* found);
  /// The paper's reset gates: gated <- sigmoid(w_r + r_r) output.
  void (*paper_gate)(const CellArrays<V>& a, const V* w, const V* r, const V* output, V* gated);
};

template <typename V>
CellKernels<V> cell_kernels();

/// Words of a decoder lie in blocks of this; a block holds the weights of source 0 to its words,
/// then those of source 1, and so on: one cache line for each source of int8.
inline constexpr std::size_t kWordBlock = 64;

/// out[w] = complete(sum_k rows[block][sources[k]][w] values[k]) for every word of `blocks` blocks,
/// with scale, bias and shift as in CellArrays. Terms are added in the order of the sources.
/// Integers: |values| <= 32767 (the compiler's proof allows no more, docs/integer.md).
template <typename V>
struct DecoderKernels {
  template <typename W>
  using Decode = void (*)(const W* rows, std::size_t sources_of_all, std::size_t blocks,
                          std::span<const std::uint32_t> sources, const V* values, const V* scale,
                          const V* bias, int shift, V* out);
  Decode<std::int8_t> from_int8;
  Decode<float> from_float;  ///< null in integers
};

template <typename V>
DecoderKernels<V> decoder_kernels();

}  // namespace spikeloom::cpu
