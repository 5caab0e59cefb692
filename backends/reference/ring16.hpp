#pragma once
/// ring16: excitatory and inhibitory sums apart, in saturating 16-bit slots (docs/integer.md).

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "backends/reference/operators.hpp"
#include "snn/integer.hpp"

namespace spikeloom::reference {

/// Magnitudes of a weight node's positive and negative weights as the slots add them; a weight of
/// the other sign is 0. Empty for other nodes and other arithmetics.
struct RingWeights {
  Weights<std::int32_t> excitatory, inhibitory;
  SourceRows<std::int32_t> excitatory_rows, inhibitory_rows;  ///< op::RandomSparse
  RingShift shift;
};

RingWeights split(const Weights<std::int32_t>& weights, const SourceRows<std::int32_t>& rows,
                  const RingShift& shift);

/// out <- (excitatory slot << shift) - (inhibitory slot << shift). `sum(excitatory, in, out)` adds
/// up the weights of one kind for inputs that are not negative. Slots only grow within a step, so
/// stopping once at the end is stopping at every addition. `saturated` counts the slots that stop.
template <typename Sum>
PairCount ring_sum(const Sum& sum, const RingShift& shift, const std::vector<std::int32_t>& in,
                   std::vector<std::int32_t>& out, std::uint64_t& saturated) {
  std::vector<std::int32_t> positive(in.size()), negative(in.size());
  for (std::size_t i = 0; i < in.size(); ++i)
    (in[i] > 0 ? positive : negative)[i] = std::abs(in[i]);
  std::vector<std::int32_t> excitatory(out.size()), inhibitory(out.size()), crossed(out.size());
  const auto add_crossed = [&](std::vector<std::int32_t>& slots) {
    for (std::size_t i = 0; i < slots.size(); ++i) slots[i] += crossed[i];
  };
  // Both kinds hold every weight, one of them as 0, so that the pairs are those of either.
  PairCount count = sum(true, positive, excitatory);
  sum(false, positive, inhibitory);
  // A negative event turns the sign of the product.
  const PairCount turned = sum(true, negative, crossed);
  count.unit += turned.unit;
  count.graded += turned.graded;
  add_crossed(inhibitory);
  sum(false, negative, crossed);
  add_crossed(excitatory);
  for (std::size_t i = 0; i < out.size(); ++i) {
    saturated += (excitatory[i] > kRingLimit ? 1U : 0U) + (inhibitory[i] > kRingLimit ? 1U : 0U);
    out[i] = (std::min(excitatory[i], kRingLimit) << shift.excitatory) -
             (std::min(inhibitory[i], kRingLimit) << shift.inhibitory);
  }
  return count;
}

}  // namespace spikeloom::reference
