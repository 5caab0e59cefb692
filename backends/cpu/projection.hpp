#pragma once
/// Projections: the weights of a node, walked by the rows of the sources that are active.

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/signal.hpp"
#include "backends/cpu/workers.hpp"
#include "base/result.hpp"
#include "event/sparse_rows.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::cpu {

/// Synaptic operations of one step, as docs/counting.md defines them, and bytes of weights read.
struct DeliveryCount {
  std::uint64_t unit = 0;    ///< pairs with a value of 1 or -1
  std::uint64_t graded = 0;  ///< other pairs
  std::uint64_t weight_bytes = 0;
  std::uint64_t executed = 0;    ///< operations that the kernels made,
  std::uint64_t multiplied = 0;  ///< and how many of these multiplied
  std::uint64_t saturated = 0;   ///< ring16 slots that stopped at their limit
};

/// Weights of one node by source. Immutable.
template <typename V>
class Projection {
 public:
  virtual ~Projection() = default;
  /// Adds the rows of `events` (logical indices) to `target`, which has the projection's output
  /// order, and marks the touched blocks. `way` is one that is offered. The workers' ranges of
  /// targets are worked on at once if that pays.
  virtual DeliveryCount deliver(const Events<V>& events, Schedule way, const Workers& workers,
                                DenseArray<V>& target) const = 0;
  /// Targets of a range, where sums are better made range by range, when they are used: what
  /// deliver does is then done by announce, and by add_range for every range that has a touched
  /// block. A multiple of 4,096; 0 for a projection that is delivered as a whole.
  virtual std::size_t range() const { return 0; }
  /// The counts of a delivery, and the blocks that it touches.
  virtual DeliveryCount announce(const Events<V>& /*events*/, Schedule /*way*/,
                                 BlockSet& /*touched*/) const {
    return {};
  }
  /// Adds to the targets [first, last), multiples of 4,096 (or the end); `acc` is `first`'s. Ranges
  /// that follow one another with one cursor are the fastest.
  virtual void add_range(const Events<V>& /*events*/, Schedule /*way*/, std::uint32_t /*first*/,
                         std::uint32_t /*last*/, RowCursor& /*cursor*/, V* /*acc*/) const {}
  /// Whether this way can be taken for events with (`graded`) or without values.
  virtual bool offers(Schedule way, bool /*graded*/) const { return way == Schedule::kRows; }
  /// Estimated nanoseconds of one step with `active` sources; only ratios matter.
  virtual double cost(Schedule /*way*/, double active) const { return active; }
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
  if (events.value.empty()) {
    for (const std::uint32_t source : events.index) count.unit += fan_out(source);
  }
  for (std::size_t i = 0; i < events.value.size(); ++i) {
    const V value = events.value[i];
    const std::uint64_t pairs = fan_out(events.index[i]);
    // Without a branch, which the values of a pool would make hard to guess.
    const std::uint64_t unit = std::abs(value) == V{1} ? pairs : 0;
    count.unit += unit;
    count.graded += pairs - unit;
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

/// Which way a projection is added up: the cheapest by the projection's own estimate for the number
/// of sources that were active lately. The way changes only where another is a quarter cheaper, so
/// that it does not flicker. docs/performance.md has the measurements behind the estimates.
class WayChooser {
 public:
  template <typename V>
  Schedule choose(const Projection<V>& projection, const Events<V>& events, Schedule wanted) {
    const bool graded = !events.value.empty();
    if (wanted != Schedule::kAuto) {
      return projection.offers(wanted, graded) ? wanted : Schedule::kRows;
    }
    active_ += (static_cast<double>(events.size()) - active_) * kForget;
    double cost = projection.cost(way_, active_) * kHysteresis;
    for (const Schedule other : {Schedule::kRows, Schedule::kBitmask, Schedule::kDense}) {
      if (other == way_ || !projection.offers(other, graded)) continue;
      if (const double its = projection.cost(other, active_); its < cost) {
        cost = its;
        way_ = other;
      }
    }
    return projection.offers(way_, graded) ? way_ : Schedule::kRows;
  }

  // What a checkpoint holds: a run that goes on from there chooses as if it had not stopped.
  Schedule way() const { return way_; }
  double active() const { return active_; }
  void restore(Schedule way, double active) {
    way_ = way;
    active_ = active;
  }

 private:
  static constexpr double kForget = 1.0 / 16.0;
  static constexpr double kHysteresis = 0.8;
  double active_ = 0.0;
  Schedule way_ = Schedule::kRows;
};

}  // namespace spikeloom::cpu
