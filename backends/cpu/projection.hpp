#pragma once
/// Projections: the weights of a node, walked by the rows of the sources that are active.

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/cpu/signal.hpp"
#include "base/result.hpp"
#include "snn/program.hpp"

namespace spikeloom::cpu {

/// Synaptic operations of one step, as docs/counting.md defines them, and bytes of weights read.
struct DeliveryCount {
  std::uint64_t unit = 0;    ///< pairs with a value of 1 or -1
  std::uint64_t graded = 0;  ///< other pairs
  std::uint64_t weight_bytes = 0;
};

/// Weights of one node by source. Immutable.
template <typename V>
class Projection {
 public:
  virtual ~Projection() = default;
  /// Adds the rows of `events` (logical indices) to `target`, which has the projection's output
  /// order, and marks the touched blocks.
  virtual DeliveryCount deliver(const Events<V>& events, DenseArray<V>& target) const = 0;
  /// Order of the output's elements.
  virtual Order order() const { return {}; }
  /// Bytes that the rows take.
  virtual std::uint64_t bytes() const = 0;
};

/// Sums up pairs of (event, fan-out) by what they cost.
template <typename V, typename FanOut>
DeliveryCount count_pairs(const Events<V>& events, FanOut&& fan_out) {
  DeliveryCount count;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const V value = events.at(i);
    const std::uint64_t pairs = fan_out(events.index[i]);
    (value == V{1} || value == V{-1} ? count.unit : count.graded) += pairs;
  }
  return count;
}

/// The weights of a Dense, Sparse or Convolution operation. For V = float the stored weights; for
/// V = int32 they have to be integers within 16 bits (snn/integer.hpp has checked that), which are
/// kept in 8 bits where they fit. kShape, kResource: what the rows refuse.
template <typename V>
Result<std::unique_ptr<Projection<V>>> make_projection(const Operation& operation, bool fits_int8);

}  // namespace spikeloom::cpu
