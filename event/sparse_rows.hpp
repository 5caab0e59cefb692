#pragma once
/// Sparse connectivity by source: the row of a source that is active is added to the accumulators.
///
/// A row holds the synapses of one source with one delay, in ascending order of their targets:
/// row = delay slot * sources + source. What a slot means in steps is the caller's. Within a row
/// the targets lie in blocks of 65,536, so that two bytes name one; 8 bytes for each row and block
/// say where its synapses start. A synapse takes
///
///     kUniform   2 bytes        every row has one weight (4 bytes a row)
///     kInteger   4 bytes        weights within 16 bits, A = int32
///     kTable     4 bytes        at most 65,536 distinct weights, A = float
///     kFloat     6 bytes        any weights, A = float
///
/// and the first form that holds all weights exactly is taken. Several synapses of one pair
/// (multapses) stay apart, in the order they were made.
///
///     add:           acc[t] += w            for every synapse (t, w) of every listed row
///     multiply_add:  acc[t] += w * values[k]
///
/// Where a row has one weight, or all rows together at most 16 different ones (integers: of 8
/// bits), the products of an event are made once a row and its synapses only add (`products`); with
/// Product::kShift, for weights that are 0 or +-2^k, they are made by shifts (event/products.hpp).
///
/// Rows are listed in ascending order; every target adds its terms in that order, and in float
/// each product is rounded before it is added. In integers |values| <= 32767, and the caller has
/// proven that no sum overflows.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "event/aligned_buffer.hpp"
#include "event/products.hpp"

namespace spikeloom {

enum class SparseForm { kUniform, kInteger, kTable, kFloat };

/// "uniform", "integer", "table", "float".
const char* to_string(SparseForm form);

struct SparseSize {
  std::uint32_t sources = 0, targets = 0;
  std::uint32_t delays = 1;  ///< delay slots
};

namespace detail {

/// The arrays of SparseRows; those that the form does not have are null.
template <typename A>
struct SparseView {
  SparseForm form;
  std::size_t blocks;           ///< blocks of 65,536 targets
  const std::uint64_t* start;   ///< [row * blocks + block], one more at the end
  const std::uint16_t* target;  ///< kUniform, kFloat: within the block
  const A* row_weight;          ///< kUniform: by row
  const A* weight;              ///< kFloat: by synapse; kTable: by index; kInteger: if few
  std::size_t numbers;          ///< entries of `weight` but for kFloat
  const std::uint32_t* packed;  ///< kInteger, kTable: target | weight or index << 16
};

template <typename A>
class SparseBuilder;

}  // namespace detail

/// Where a generator puts its synapses.
template <typename A>
class SynapseSink {
 public:
  /// In any order; rows whose targets come in ascending order need no sorting. A synapse out of
  /// range, or a weight that the rows cannot hold (not finite; not within 16 bits), is remembered
  /// and fails the build.
  void synapse(std::uint32_t source, std::uint32_t target, A weight, std::uint32_t slot = 0);

 private:
  friend class detail::SparseBuilder<A>;
  explicit SynapseSink(detail::SparseBuilder<A>& builder) : builder_(&builder) {}
  detail::SparseBuilder<A>* builder_;
};

/// Where a walk over ranges of targets stands in each listed row. A fresh one, or one whose `next`
/// is set to 0, starts anywhere; ranges that follow one another cost no search.
struct RowCursor {
  std::uint64_t next = 0;  ///< first target behind the last range
  std::vector<std::uint64_t> at;
};

/// A = float or std::int32_t. Immutable.
template <typename A>
class SparseRows {
 public:
  /// Weights whose products with an event are made once a row.
  static constexpr std::size_t kFewWeights = 16;

  /// Called twice, to count and to fill, and has to make the same synapses both times: they never
  /// exist in another form.
  using Generator = std::function<void(SynapseSink<A>&)>;

  /// Errors: a synapse out of range or a weight that cannot be held (kInvalidArgument), two calls
  /// of the generator that differ (kInvalidArgument), no memory (kResource).
  static Result<SparseRows> make(const SparseSize& size, const Generator& generator);

  /// From compressed rows by output: `column` and `value` of output o lie at [row_start[o],
  /// row_start[o + 1]). One delay slot. Errors: also arrays that do not fit each other (kShape).
  static Result<SparseRows> from_outputs(std::int64_t outputs, std::int64_t inputs,
                                         std::span<const std::int64_t> row_start,
                                         std::span<const std::int64_t> column,
                                         std::span<const double> value);

  const SparseSize& size() const { return size_; }
  SparseForm form() const { return view_.form; }
  std::uint32_t rows() const { return size_.sources * size_.delays; }
  std::uint32_t row(std::uint32_t source, std::uint32_t slot = 0) const {
    return slot * size_.sources + source;
  }
  std::uint64_t synapses() const { return view_.start[rows() * view_.blocks]; }
  std::uint64_t fan_out(std::uint32_t row) const {
    return view_.start[(row + std::size_t{1}) * view_.blocks] - view_.start[row * view_.blocks];
  }
  /// Products that multiply_add makes for an event of this row.
  std::uint64_t products(std::uint32_t row) const {
    if (view_.form == SparseForm::kUniform) return 1;
    return few_weights() ? view_.numbers : fan_out(row);
  }
  /// Whether all rows together have so few weights that products are made once a row.
  bool few_weights() const {
    return view_.form == SparseForm::kUniform ||
           (view_.numbers > 0 && view_.numbers <= kFewWeights);
  }
  /// The weights there are, in any order, some perhaps more than once; none for kFloat and for
  /// integers beyond 8 bits.
  std::span<const A> weights() const {
    if (view_.form == SparseForm::kUniform) return {view_.row_weight, rows()};
    return {view_.weight, view_.numbers};
  }
  /// Memory that everything takes together.
  std::uint64_t bytes() const;

  void add(std::span<const std::uint32_t> rows, A* acc) const { add(rows, acc, 0, size_.targets); }
  void multiply_add(std::span<const std::uint32_t> rows, std::span<const A> values, A* acc) const {
    multiply_add(rows, values, acc, 0, size_.targets);
  }
  /// The targets in [first, last) only: several threads may share the work. Limits at multiples of
  /// 65,536 cost no search.
  void add(std::span<const std::uint32_t> rows, A* acc, std::uint32_t first,
           std::uint32_t last) const;
  /// Product::kShift needs few_weights().
  void multiply_add(std::span<const std::uint32_t> rows, std::span<const A> values, A* acc,
                    std::uint32_t first, std::uint32_t last,
                    Product product = Product::kMultiply) const;

  /// Adds the same rows (with `values`, or none for events of value 1) range by range, so that sums
  /// can be used while they are in cache: `acc` is the accumulator of target `first`, and those
  /// before it need not exist. The cursor belongs to these rows.
  void add_range(std::span<const std::uint32_t> rows, std::span<const A> values,
                 std::uint32_t first, std::uint32_t last, RowCursor& cursor, A* acc,
                 Product product = Product::kMultiply) const;

  /// Sets the bit of every block of 64 accumulators that one of the rows reaches: bit b % 64 of
  /// bitmap[b / 64] for the block b. Rows that are dense at that scale may set some more, all
  /// between their first and last target.
  void mark(std::span<const std::uint32_t> rows, std::uint64_t* bitmap) const;

  /// The synapses of one row, appended: for reports, tests and other forms of the same rows.
  void read_row(std::uint32_t row, std::vector<std::uint32_t>& targets,
                std::vector<A>& weights) const;

  /// The arrays themselves, for benchmarks.
  const detail::SparseView<A>& view() const { return view_; }

 private:
  friend class detail::SparseBuilder<A>;
  SparseRows() = default;

  SparseSize size_;
  AlignedBuffer<std::uint64_t> start_;
  AlignedBuffer<std::uint16_t> target_;
  AlignedBuffer<std::uint32_t> packed_;
  AlignedBuffer<A> weight_, row_weight_;
  detail::SparseView<A> view_ = {};
};

extern template class SynapseSink<float>;
extern template class SynapseSink<std::int32_t>;
extern template class SparseRows<float>;
extern template class SparseRows<std::int32_t>;

}  // namespace spikeloom
