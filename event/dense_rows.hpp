#pragma once
/// Adds whole rows of a dense weight matrix: one row for each source that is active.
///
/// Layout: row s holds the weights of source s to all targets and starts at rows + s * stride.
/// A stride in elements, padded to 64 bytes (dense_row_stride), lets a row start on a cache line;
/// the padding is never read.
///
///     add:           acc[t] += sum_k rows[sources[k] * stride + t]
///     multiply_add:  acc[t] += sum_k rows[sources[k] * stride + t] * values[k]
///
/// for first <= t < last. Sources come in ascending order. In float each target adds its terms one
/// by one in that order, each product rounded before it is added, on every processor: the result
/// is that of the plain loop, bit for bit. In integers the order does not matter; the caller has
/// proven that no sum overflows, and |values| <= 32767.
///
/// The targets are walked in tiles whose sums stay in registers while all sources pass. Several
/// threads may work on ranges of targets that do not overlap. Range limits at multiples of 64
/// targets are the fastest.
///
/// `product` says how a weight and a value are multiplied (event/products.hpp): kSign and kShift
/// are for int8 (with kShift the rows hold shift codes), kShift for float. The sums are the same.
///
/// Kernels exist for (W, A) = (float, float), (int8, int32), (int16, int32).

#include <cstddef>
#include <cstdint>
#include <span>

#include "event/products.hpp"

namespace spikeloom {

/// Elements from one row to the next: `targets` padded to 64 bytes.
template <typename W>
constexpr std::size_t dense_row_stride(std::size_t targets) {
  constexpr std::size_t kLine = 64 / sizeof(W);
  return (targets + kLine - 1) / kLine * kLine;
}

template <typename W, typename A>
void add_dense_rows(const W* rows, std::size_t stride, std::size_t first, std::size_t last,
                    std::span<const std::uint32_t> sources, A* acc);

template <typename W, typename A>
void multiply_add_dense_rows(const W* rows, std::size_t stride, std::size_t first, std::size_t last,
                             std::span<const std::uint32_t> sources, std::span<const A> values,
                             A* acc, Product product = Product::kMultiply);

/// All `count` targets.
template <typename W, typename A>
void add_dense_rows(const W* rows, std::size_t stride, std::size_t count,
                    std::span<const std::uint32_t> sources, A* acc) {
  add_dense_rows<W, A>(rows, stride, 0, count, sources, acc);
}

template <typename W, typename A>
void multiply_add_dense_rows(const W* rows, std::size_t stride, std::size_t count,
                             std::span<const std::uint32_t> sources, std::span<const A> values,
                             A* acc) {
  multiply_add_dense_rows<W, A>(rows, stride, 0, count, sources, values, acc);
}

}  // namespace spikeloom
