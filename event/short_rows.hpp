#pragma once
/// Sparse rows by source for graded events, onto at most 65,536 targets.
///
/// A synapse takes two bytes for its target and a weight W of 8 bits or float:
///
///     multiply_add:  acc[t] += w * values[k]     for every synapse (t, w) of every listed row
///     signed_add:    the same for weights -1 and 1, without a multiplication
///
/// The products of 16 synapses are made by one or two vector instructions and wait in a cache line
/// until they are added one by one. The addition is what remains: one store a cycle, whatever the
/// weights. Rows need no padding: behind the end of a row the products are 0 and the targets those
/// of the next row, so that accumulators of other targets may have 0 added.
///
/// Beside SparseRows (event/sparse_rows.hpp): no delays, no ranges of targets, no events of value 1
/// apart; for rows of a few hundred synapses a third faster (docs/language.md). Terms are added in
/// the order of the listed rows, and in float each product is rounded before it is added. In
/// integers the caller has proven that no product and no sum overflows.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "event/aligned_buffer.hpp"

namespace spikeloom {

/// W = std::int8_t with A = float or std::int32_t; W = float with A = float. Immutable.
template <typename W, typename A>
class ShortRows {
 public:
  static constexpr std::uint32_t kMostTargets = 65536;

  /// Row i holds the synapses [row_start[i], row_start[i + 1]) of `target` and `weight`, no target
  /// twice in a row. kShape: arrays that do not fit each other or `targets`; kResource: more than
  /// 2^32 - 1 synapses.
  static Result<ShortRows> make(std::uint32_t targets, std::span<const std::int64_t> row_start,
                                std::span<const std::uint32_t> target, std::span<const W> weight);

  /// `acc` has targets() accumulators.
  void multiply_add(std::span<const std::uint32_t> rows, std::span<const A> values, A* acc) const;
  /// Every weight is -1 or 1.
  void signed_add(std::span<const std::uint32_t> rows, std::span<const A> values, A* acc) const;

  std::uint32_t rows() const { return static_cast<std::uint32_t>(start_.size()) - 1; }
  std::uint32_t targets() const { return targets_; }
  std::uint64_t bytes() const { return start_.bytes() + target_.bytes() + weight_.bytes(); }

 private:
  std::uint32_t targets_ = 0;
  AlignedBuffer<std::uint32_t> start_;
  AlignedBuffer<std::uint16_t> target_;
  AlignedBuffer<W> weight_;
};

extern template class ShortRows<std::int8_t, float>;
extern template class ShortRows<float, float>;
extern template class ShortRows<std::int8_t, std::int32_t>;

}  // namespace spikeloom
