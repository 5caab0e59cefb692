#pragma once
/// Connectivity with one bit per pair of source and target: for dense projections whose synapses
/// share one weight per source. Of several synapses between one pair (multapses) the bits hold the
/// first; the others stay rows.
///
/// The bits of the active rows are counted per target, and the counts enter the accumulators once:
///
///     acc[t] += weight * (number of listed rows with bit t)
///
/// for each run of rows with one weight. Counting is bit-sliced: carry-save adders (Harley and
/// Seal; Mula, Kurz and Lemire, Faster population counts using AVX2 instructions, 2018) keep bit j
/// of the counts of 256 or 512 targets in one register, so a row costs a few instructions for that
/// many targets, active or not. One cache line holds 512 targets of a row.
///
/// Note for float: the product of count and weight is rounded once, where adding row by row rounds
/// at every event. Both are equal when the partial sums are exact (integers, dyadic fractions);
/// otherwise the last bits differ from SparseRows. The result does not depend on the processor.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "event/aligned_buffer.hpp"
#include "event/sparse_rows.hpp"

namespace spikeloom {

/// A = float or std::int32_t. Immutable. Rows are numbered as in the SparseRows they are made of.
template <typename A>
class BitmaskRows {
 public:
  /// Errors: rows that are not kUniform, or that hold a multapse (kUnsupported); no memory
  /// (kResource).
  static Result<BitmaskRows> make(const SparseRows<A>& rows);
  /// The same, but multapses are allowed: `repeats` receives their second and further synapses, as
  /// the same rows, or nothing where there are none.
  static Result<BitmaskRows> make(const SparseRows<A>& rows, std::optional<SparseRows<A>>& repeats);

  std::uint32_t targets() const { return targets_; }
  std::uint64_t bytes() const { return bits_.bytes() + weights_.size() * sizeof(A); }

  /// Adds the listed rows to the targets in [first, last); `first` is a multiple of kTargets, and
  /// so is `last`, or it is targets().
  static constexpr std::uint32_t kTargets = 512;
  void add(std::span<const std::uint32_t> rows, A* acc) const { add(rows, acc, 0, targets_); }
  void add(std::span<const std::uint32_t> rows, A* acc, std::uint32_t first,
           std::uint32_t last) const {
    add_range(rows, first, last, acc + first);
  }
  /// The same with `acc` the accumulator of target `first`; those before it need not exist.
  void add_range(std::span<const std::uint32_t> rows, std::uint32_t first, std::uint32_t last,
                 A* acc) const;

  /// The bits of a row: bit t % 64 of word t / 64.
  std::span<const std::uint64_t> row_bits(std::uint32_t row) const {
    return {bits_.data() + row * words_, words_};
  }

 private:
  BitmaskRows() = default;
  /// `repeated` counts the synapses that found their bit set.
  static Result<BitmaskRows> set_bits(const SparseRows<A>& rows, std::uint64_t& repeated);

  std::uint32_t targets_ = 0;
  std::size_t words_ = 0;  ///< of a row: whole cache lines
  AlignedBuffer<std::uint64_t> bits_;
  std::vector<A> weights_;  ///< by row
};

extern template class BitmaskRows<float>;
extern template class BitmaskRows<std::int32_t>;

}  // namespace spikeloom
