#include "backends/cpu/projection.hpp"

#include <algorithm>

#include "backends/cpu/projection_private.hpp"

namespace spikeloom::cpu {
namespace {

/// ring16: positive and negative weights apart, each in slots that stop at 65,535. Slots only grow
/// within a step, so stopping once at the end is stopping at every addition.
class RingProjection : public Projection<std::int32_t> {
 public:
  using Part = std::unique_ptr<Projection<std::int32_t>>;
  RingProjection(Part excitatory, Part inhibitory, RingShift shift, std::size_t outputs)
      : excitatory_(std::move(excitatory)),
        inhibitory_(std::move(inhibitory)),
        shift_(shift),
        outputs_(outputs) {}

  DeliveryCount deliver(const Events<std::int32_t>& events, Schedule, const Workers& workers,
                        DenseArray<std::int32_t>& target) const override {
    // A negative event turns the sign of the product.
    Events<std::int32_t> positive, negative;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const std::int32_t value = events.at(i);
      Events<std::int32_t>& part = value > 0 ? positive : negative;
      part.index.push_back(events.index[i]);
      part.value.push_back(value > 0 ? value : -value);
    }
    positive.normalise();
    negative.normalise();
    DenseArray<std::int32_t> up, down;
    up.resize(outputs_);
    down.resize(outputs_);
    // Both parts hold every weight, one of them as 0: the pairs are those of either.
    const auto rows = Schedule::kRows;
    DeliveryCount count = excitatory_->deliver(positive, rows, workers, up);
    const DeliveryCount turned = excitatory_->deliver(negative, rows, workers, down);
    count.unit += turned.unit;
    count.graded += turned.graded;
    count.executed += turned.executed;
    count.multiplied += turned.multiplied;
    for (const DeliveryCount& other : {inhibitory_->deliver(positive, rows, workers, down),
                                       inhibitory_->deliver(negative, rows, workers, up)}) {
      count.executed += other.executed;
      count.multiplied += other.multiplied;
    }
    count.weight_bytes = 2 * (count.weight_bytes + turned.weight_bytes);
    BlockSet touched = up.touched;
    touched |= down.touched;
    touched.for_each([&](std::size_t block) {
      for (std::size_t i = block * kBlock; i < (block + 1) * kBlock; ++i) {
        count.saturated += (up.data[i] > kRingLimit ? 1 : 0) + (down.data[i] > kRingLimit ? 1 : 0);
        target.data[i] += (std::min(up.data[i], kRingLimit) << shift_.excitatory) -
                          (std::min(down.data[i], kRingLimit) << shift_.inhibitory);
      }
    });
    target.touched |= touched;
    return count;
  }
  Order order() const override { return excitatory_->order(); }
  std::uint64_t bytes() const override { return excitatory_->bytes() + inhibitory_->bytes(); }

 private:
  Part excitatory_, inhibitory_;
  RingShift shift_;
  std::size_t outputs_;
};

template <typename V, typename W>
Result<std::unique_ptr<Projection<V>>> make_with(const Operation& operation, bool bitmask) {
  using Made = std::unique_ptr<Projection<V>>;
  return std::visit(
      [bitmask](const auto& o) -> Result<Made> {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Dense>) {
          return make_dense<V, W>(o);
        } else if constexpr (std::is_same_v<Op, op::Convolution>) {
          return make_convolution<V, W>(o);
        } else if constexpr (std::is_same_v<Op, op::Sparse> ||
                             std::is_same_v<Op, op::RandomSparse>) {
          return make_sparse<V>(o, bitmask);
        } else {
          return Error{.what = "this operation has no weights"};
        }
      },
      operation);
}

Result<std::unique_ptr<Projection<std::int32_t>>> make_whole(const Operation& operation,
                                                             bool fits_int8, bool bitmask) {
  if (fits_int8) return make_with<std::int32_t, std::int8_t>(operation, bitmask);
  return make_with<std::int32_t, std::int16_t>(operation, bitmask);
}

/// The operation with only its positive or only its negative weights, as the slots add them.
Operation ring_part(const Operation& operation, bool positive, int shift) {
  Operation part = operation;
  const auto magnitude = [&](double weight) {
    const bool wanted = positive ? weight > 0.0 : weight < 0.0;
    return wanted ? ring_weight(static_cast<std::int16_t>(weight), shift) : 0.0;
  };
  std::visit(
      [&](auto& o) {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::RandomSparse>) {
          for (auto& group : o.groups) group.weight = magnitude(group.weight);
        } else if constexpr (std::is_same_v<Op, op::Sparse>) {
          for (double& weight : o.value) weight = magnitude(weight);
        } else if constexpr (std::is_same_v<Op, op::Dense> || std::is_same_v<Op, op::Convolution>) {
          for (double& weight : o.weight) weight = magnitude(weight);
        }
      },
      part);
  return part;
}

std::size_t output_count(const Operation& operation) {
  return std::visit(
      [](const auto& o) -> std::size_t {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Convolution>) {
          return static_cast<std::size_t>(o.out_channels * o.output.rows * o.output.columns);
        } else if constexpr (std::is_same_v<Op, op::Dense>) {
          return static_cast<std::size_t>(o.outputs * o.repeats);
        } else if constexpr (requires { o.outputs; }) {
          return static_cast<std::size_t>(o.outputs);
        } else {
          return 0;
        }
      },
      operation);
}

}  // namespace

Result<std::unique_ptr<Projection<float>>> make_projection(const Operation& operation,
                                                           Schedule schedule) {
  return make_with<float, float>(operation, schedule == Schedule::kBitmask);
}

Result<std::unique_ptr<Projection<std::int32_t>>> make_projection(const Operation& operation,
                                                                  Schedule schedule,
                                                                  const IntegerNode& integer,
                                                                  bool ring) {
  const bool bitmask = schedule == Schedule::kBitmask;
  if (!ring) return make_whole(operation, integer.fits_int8, bitmask);
  const Operation up = ring_part(operation, true, integer.ring.excitatory);
  const Operation down = ring_part(operation, false, integer.ring.inhibitory);
  SPIKELOOM_TRY(auto excitatory, make_whole(up, false, false));
  SPIKELOOM_TRY(auto inhibitory, make_whole(down, false, false));
  return std::unique_ptr<Projection<std::int32_t>>(std::make_unique<RingProjection>(
      std::move(excitatory), std::move(inhibitory), integer.ring, output_count(operation)));
}

}  // namespace spikeloom::cpu
