/// Sparse weights: rows of the active sources, or bitmasks of theirs.

#include <algorithm>
#include <optional>

#include "backends/cpu/parallel_private.hpp"
#include "backends/cpu/projection_private.hpp"
#include "event/bitmask_rows.hpp"
#include "event/sparse_rows.hpp"
#include "snn/random_connectivity.hpp"

namespace spikeloom::cpu {
namespace {

/// Nanoseconds on one core, for the choice of a way; measured, docs/performance.md, What auto goes
/// by: a synapse of a sparse row; 512 targets of a bitmask row, and what a target's count costs at
/// the end.
constexpr double kSparseSynapse = 0.6;
constexpr double kBitmaskLine = 4.0, kBitmaskTarget = 0.2;

template <typename V>
class SparseProjection : public Projection<V> {
 public:
  /// Bitmasks are made where the connections have that form and the bits take no more memory than
  /// 4 bytes a synapse; with `bitmask` whatever they take.
  SparseProjection(SparseRows<V> rows, WeightClass weights, bool bitmask) : rows_(std::move(rows)) {
    const std::span<const V> few = rows_.weights();
    if (weights != WeightClass::kGeneral && rows_.few_weights()) {
      for (const V weight : few) range_.take(static_cast<double>(weight));
      shifts_ = !std::is_same_v<V, float> || range_.normal();
    }
    scattered_ = rows_are_scattered();
    const std::uint64_t bits = std::uint64_t{rows_.size().sources} * rows_.size().targets / 8;
    if (!bitmask && bits > rows_.synapses() * 4) return;
    if (auto made = BitmaskRows<V>::make(rows_, repeats_); made.ok()) bitmask_ = *std::move(made);
  }

  bool offers(Schedule way, bool graded) const override {
    return way == Schedule::kRows || (way == Schedule::kBitmask && !graded && bitmask_);
  }

  double cost(Schedule way, double active) const override {
    const auto targets = static_cast<double>(rows_.size().targets);
    const double sources = std::max(1.0, static_cast<double>(rows_.size().sources));
    const auto rows_cost = [&](const SparseRows<V>& rows) {
      return active * static_cast<double>(rows.synapses()) / sources * kSparseSynapse;
    };
    if (way != Schedule::kBitmask) return rows_cost(rows_);
    return active * targets / 512.0 * kBitmaskLine + targets * kBitmaskTarget +
           (repeats_ ? rows_cost(*repeats_) : 0.0);
  }

  DeliveryCount deliver(const Events<V>& events, Schedule way, const Workers& workers,
                        DenseArray<V>& target) const override {
    const DeliveryCount count = announce(events, way, target.touched);
    V* out = target.data.data();
    const Workers useful = workers.when(count.executed >= kWorthThreads);
    const std::size_t unit = BitmaskRows<V>::kTargets;
    for_ranges(
        rows_.size().targets, unit, useful, [&](std::size_t, std::size_t from, std::size_t to) {
          const auto first = static_cast<std::uint32_t>(from);
          const auto last = static_cast<std::uint32_t>(to);
          if (way == Schedule::kBitmask) {
            bitmask_->add(events.index, out, first, last);
            if (repeats_) repeats_->add(events.index, out, first, last);
          } else if (events.value.empty()) {
            rows_.add(events.index, out, first, last);
          } else {
            rows_.multiply_add(events.index, events.value, out, first, last, product(events));
          }
        });
    return count;
  }

  /// Sums of many targets do not stay in the L2 cache until they are used. A row should have some
  /// dozens of synapses in a range.
  std::size_t range() const override {
    constexpr std::uint64_t kWorthRange = 64;
    const std::uint64_t targets = rows_.size().targets;
    std::uint64_t range = 16'384;
    if (targets <= range) return 0;
    const std::uint64_t pairs = rows_.rows() * targets;
    while (range < 65'536 && rows_.synapses() * range < kWorthRange * pairs) range *= 2;
    return range;
  }

  DeliveryCount announce(const Events<V>& events, Schedule way, BlockSet& touched) const override {
    DeliveryCount count = count_pairs(events, bytes_per_synapse(), [this](std::uint32_t source) {
      return rows_.fan_out(source);
    });
    if (product(events) == Product::kMultiply) {
      const std::size_t most = std::max<std::size_t>(rows_.size().targets, 1);
      const std::size_t ranges = range() == 0 ? 1 : (most + range() - 1) / range();
      for (const std::uint32_t row : events.index) count.multiplied += rows_.products(row);
      if (rows_.few_weights()) {  // made once a row and range, besides the synapses
        count.multiplied *= ranges;
        count.executed += count.multiplied;
      }
    }
    if (way == Schedule::kBitmask && !events.empty()) {
      mark(touched, 0, rows_.size().targets);
      count.executed = events.size() * rows_.size().targets;
      count.weight_bytes = count.executed / 8;
      if (repeats_) {
        for (const std::uint32_t row : events.index) {
          count.executed += repeats_->fan_out(row);
          count.weight_bytes += repeats_->fan_out(row) * 2;
        }
      }
    } else if (scattered_ && count.executed >= 3 * touched.blocks()) {
      // Synapses thrown at random over the blocks leave few of them out: 5 % at three a block.
      touched.fill();
    } else {
      rows_.mark(events.index, touched.words().data());
    }
    return count;
  }

  void add_range(const Events<V>& events, Schedule way, std::uint32_t first, std::uint32_t last,
                 RowCursor& cursor, V* acc) const override {
    last = std::min(last, rows_.size().targets);
    if (way == Schedule::kBitmask) {
      bitmask_->add_range(events.index, first, last, acc);
      if (repeats_) repeats_->add_range(events.index, {}, first, last, cursor, acc);
    } else {
      rows_.add_range(events.index, events.value, first, last, cursor, acc, product(events));
    }
  }

  std::uint64_t bytes() const override {
    return rows_.bytes() + (bitmask_ ? bitmask_->bytes() : 0) + (repeats_ ? repeats_->bytes() : 0);
  }

 private:
  Product product(const Events<V>& events) const {
    if (events.value.empty()) return Product::kOne;
    return shifts_ && can_shift(events.value, range_) ? Product::kShift : Product::kMultiply;
  }

  std::uint64_t bytes_per_synapse() const {
    switch (rows_.form()) {
      case SparseForm::kUniform:
        return 2;
      case SparseForm::kInteger:
      case SparseForm::kTable:
        return 4;
      case SparseForm::kFloat:
        break;
    }
    return 6;
  }

  /// Whether rows typically reach over half of all targets, by a sample of them.
  bool rows_are_scattered() const {
    constexpr std::uint32_t kSample = 64;
    std::uint64_t wide = 0, seen = 0;
    std::vector<std::uint32_t> targets;
    std::vector<V> weights;
    const std::uint32_t step = std::max(1U, rows_.rows() / kSample);
    for (std::uint32_t row = 0; row < rows_.rows(); row += step) {
      targets.clear();
      weights.clear();
      rows_.read_row(row, targets, weights);
      if (targets.empty()) continue;
      ++seen;
      wide += targets.back() - targets.front() > rows_.size().targets / 2 ? 1 : 0;
    }
    return 2 * wide > seen;
  }

  SparseRows<V> rows_;
  bool scattered_ = false;
  bool shifts_ = false;  ///< weights are 0 or +-2^k, and few
  ShiftRange range_;
  std::optional<BitmaskRows<V>> bitmask_;
  std::optional<SparseRows<V>> repeats_;  ///< synapses that the bitmask has no second bit for
};

template <typename V>
Result<SparseRows<V>> make_rows(const op::Sparse& sparse) {
  return SparseRows<V>::from_outputs(sparse.outputs, sparse.inputs, sparse.row_start, sparse.column,
                                     sparse.value);
}

/// A rule is expanded straight into rows.
template <typename V>
Result<SparseRows<V>> make_rows(const op::RandomSparse& rule) {
  return SparseRows<V>::make({.sources = static_cast<std::uint32_t>(rule.inputs),
                              .targets = static_cast<std::uint32_t>(rule.outputs)},
                             [&rule](SynapseSink<V>& sink) {
                               for_each_synapse(
                                   rule, 0, rule.outputs,
                                   [&](std::int64_t target, std::uint32_t source, std::size_t g) {
                                     sink.synapse(source, static_cast<std::uint32_t>(target),
                                                  static_cast<V>(rule.groups[g].weight));
                                   });
                             });
}

template <typename V, typename Op>
Result<std::unique_ptr<Projection<V>>> made_of(const Op& operation, bool bitmask) {
  SPIKELOOM_TRY(auto rows, make_rows<V>(operation));
  return std::unique_ptr<Projection<V>>(
      std::make_unique<SparseProjection<V>>(std::move(rows), operation.weight_class, bitmask));
}

}  // namespace

template <typename V>
Result<std::unique_ptr<Projection<V>>> make_sparse(const op::Sparse& sparse, bool bitmask) {
  return made_of<V>(sparse, bitmask);
}

template <typename V>
Result<std::unique_ptr<Projection<V>>> make_sparse(const op::RandomSparse& rule, bool bitmask) {
  return made_of<V>(rule, bitmask);
}

#define SPIKELOOM_INSTANTIATE(V)                                                           \
  template Result<std::unique_ptr<Projection<V>>> make_sparse<V>(const op::Sparse&, bool); \
  template Result<std::unique_ptr<Projection<V>>> make_sparse<V>(const op::RandomSparse&, bool);
SPIKELOOM_INSTANTIATE(float)
SPIKELOOM_INSTANTIATE(std::int32_t)
#undef SPIKELOOM_INSTANTIATE

}  // namespace spikeloom::cpu
