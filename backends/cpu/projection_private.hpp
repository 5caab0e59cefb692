#pragma once
/// What the kinds of projections share, and how each of them is made.

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/cpu/projection.hpp"
#include "event/products.hpp"

namespace spikeloom::cpu {

/// Accumulates of one step below which a second thread costs more than it saves.
inline constexpr std::uint64_t kWorthThreads = 40'000;

/// Marks the blocks of the targets [first, last).
inline void mark(BlockSet& touched, std::size_t first, std::size_t last) {
  for (std::size_t block = first / kBlock; block < block_count(last); ++block) {
    touched.insert(block);
  }
}

/// How the weights of an operation meet the values of graded events.
template <typename V, typename W>
struct Grading {
  Product product = Product::kMultiply;
  ShiftRange range;
  std::vector<double> codes;  ///< weights as shift codes, where these are needed

  Grading(WeightClass weights, const std::vector<double>& weight) {
    if (weights == WeightClass::kGeneral) return;
    for (const double w : weight) range.take(w);
    if constexpr (std::is_same_v<V, float>) {
      if (range.normal()) product = Product::kShift;
    } else if (weights == WeightClass::kTernary && std::is_same_v<W, std::int8_t>) {
      product = Product::kSign;
    } else {
      product = Product::kShift;
      for (const double w : weight) codes.push_back(shift_code(static_cast<int>(w)));
    }
  }
  /// For the events of a step.
  Product of(const Events<V>& events) const {
    if (events.value.empty()) return Product::kOne;
    const bool shifts = product != Product::kShift || can_shift(events.value, range);
    return shifts ? product : Product::kMultiply;
  }
};

/// V = float with W = float, or V = int32 with W = int8 or int16.
template <typename V, typename W>
Result<std::unique_ptr<Projection<V>>> make_dense(const op::Dense& dense);
template <typename V, typename W>
Result<std::unique_ptr<Projection<V>>> make_convolution(const op::Convolution& convolution);
template <typename V>
Result<std::unique_ptr<Projection<V>>> make_sparse(const op::Sparse& sparse, bool bitmask);
template <typename V>
Result<std::unique_ptr<Projection<V>>> make_sparse(const op::RandomSparse& rule, bool bitmask);

}  // namespace spikeloom::cpu
