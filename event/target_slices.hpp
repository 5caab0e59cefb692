#pragma once
/// A sparse matrix times a dense vector, by target: for inputs of which hardly an element is 0.
///
///     sums[t] = sum over the synapses (i, w) of t of w * x[i],  i ascending
///
/// Sixteen targets lie side by side, sorted by their number of synapses so that few places stay
/// empty (sliced ELLPACK, Kreutzer et al. 2014): their sums stay in a register, and no
/// accumulator is stored until its sum is whole. Rows by source (event/short_rows.hpp) store once a
/// synapse; where every source is active this reads the vector instead. In float each product is
/// rounded before it is added; in integers the caller has proven that nothing overflows.

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.hpp"
#include "event/aligned_buffer.hpp"

namespace spikeloom {

/// W = std::int8_t with A = float or std::int32_t; W = float with A = float. Immutable.
template <typename W, typename A>
class TargetSlices {
 public:
  static constexpr std::uint32_t kMostSources = 65535;

  /// From rows by source: row i holds the synapses [row_start[i], row_start[i + 1]). kShape: arrays
  /// that do not fit each other or `targets`, more than kMostSources sources.
  static Result<TargetSlices> make(std::uint32_t targets, std::span<const std::int64_t> row_start,
                                   std::span<const std::uint32_t> target,
                                   std::span<const W> weight);

  /// `x` has sources() + 1 values, the last one 0; `sums` has targets().
  void multiply(const A* x, A* sums) const;

  std::uint32_t sources() const { return sources_; }
  std::uint32_t targets() const { return targets_; }
  std::uint64_t bytes() const {
    return start_.bytes() + source_.bytes() + weight_.bytes() + target_.bytes();
  }

 private:
  std::uint32_t sources_ = 0, targets_ = 0;
  AlignedBuffer<std::uint64_t> start_;  ///< of each slice
  AlignedBuffer<std::uint16_t> source_;
  AlignedBuffer<W> weight_;
  AlignedBuffer<std::uint32_t> target_;  ///< 16 a slice
};

extern template class TargetSlices<std::int8_t, float>;
extern template class TargetSlices<float, float>;
extern template class TargetSlices<std::int8_t, std::int32_t>;

}  // namespace spikeloom
