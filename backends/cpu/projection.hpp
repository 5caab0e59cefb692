#pragma once
/// Projections: the weights of a node, walked by the rows of the sources that are active.

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/signal.hpp"
#include "base/result.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::cpu {

/// Synaptic operations of one step, as docs/counting.md defines them, and bytes of weights read.
struct DeliveryCount {
  std::uint64_t unit = 0;    ///< pairs with a value of 1 or -1
  std::uint64_t graded = 0;  ///< other pairs
  std::uint64_t weight_bytes = 0;
  std::uint64_t executed = 0;   ///< accumulates that the kernels made
  std::uint64_t saturated = 0;  ///< ring16 slots that stopped at their limit
};

/// Weights of one node by source. Immutable.
template <typename V>
class Projection {
 public:
  virtual ~Projection() = default;
  /// Adds the rows of `events` (logical indices) to `target`, which has the projection's output
  /// order, and marks the touched blocks. `way` is one that is offered. Up to `threads` ranges of
  /// targets are worked on at once if that pays.
  virtual DeliveryCount deliver(const Events<V>& events, Schedule way, int threads,
                                DenseArray<V>& target) const = 0;
  /// Whether this way can be taken for events with (`graded`) or without values.
  virtual bool offers(Schedule way, bool /*graded*/) const { return way == Schedule::kRows; }
  /// Order of the output's elements.
  virtual Order order() const { return {}; }
  /// Bytes that the rows take.
  virtual std::uint64_t bytes() const = 0;
};

/// Sums up pairs of (event, fan-out) by what they cost.
template <typename V, typename FanOut>
DeliveryCount count_pairs(const Events<V>& events, std::uint64_t bytes_per_weight,
                          FanOut&& fan_out) {
  DeliveryCount count;
  for (std::size_t i = 0; i < events.size(); ++i) {
    const V value = events.at(i);
    const std::uint64_t pairs = fan_out(events.index[i]);
    (value == V{1} || value == V{-1} ? count.unit : count.graded) += pairs;
  }
  count.executed = count.unit + count.graded;
  count.weight_bytes = count.executed * bytes_per_weight;
  return count;
}

/// The weights of a weight operation in float32.
Result<std::unique_ptr<Projection<float>>> make_projection(const Operation& operation,
                                                           Schedule schedule);

/// The same in integers: `integer` is the node's part of the IntegerProgram. Weights are kept in 8
/// bits where they fit. `ring`: in the saturating slots of ring16.
Result<std::unique_ptr<Projection<std::int32_t>>> make_projection(const Operation& operation,
                                                                  Schedule schedule,
                                                                  const IntegerNode& integer,
                                                                  bool ring);

/// Which way a projection is added up, from the share of its sources that were active lately. A
/// change takes a share well past the one at which the other way breaks even, so that it does not
/// flicker. docs/performance.md has the measurements behind the shares.
class WayChooser {
 public:
  template <typename V>
  Schedule choose(const Projection<V>& projection, const Events<V>& events, std::size_t sources,
                  Schedule wanted) {
    const bool graded = !events.value.empty();
    const auto offered = [&](Schedule way) {
      return projection.offers(way, graded) ? way : Schedule::kRows;
    };
    if (wanted != Schedule::kAuto) return offered(wanted);
    const float share =
        sources == 0 ? 0.0F : static_cast<float>(events.size()) / static_cast<float>(sources);
    activity_ += (share - activity_) * kForget;
    if (bitmask_ ? activity_ < kLeaveBitmask : activity_ > kEnterBitmask) bitmask_ = !bitmask_;
    if (dense_ ? activity_ < kLeaveDense : activity_ > kEnterDense) dense_ = !dense_;
    if (bitmask_ && projection.offers(Schedule::kBitmask, graded)) return Schedule::kBitmask;
    if (dense_ && projection.offers(Schedule::kDense, graded)) return Schedule::kDense;
    return Schedule::kRows;
  }
  float activity() const { return activity_; }

 private:
  static constexpr float kForget = 1.0F / 16.0F;
  static constexpr float kEnterBitmask = 0.012F, kLeaveBitmask = 0.006F;
  static constexpr float kEnterDense = 0.7F, kLeaveDense = 0.5F;
  float activity_ = 0.0F;
  bool bitmask_ = false, dense_ = false;
};

}  // namespace spikeloom::cpu
