#include "backends/cpu/projection.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include <Eigen/Core>

#include "backends/cpu/parallel_private.hpp"
#include "event/bitmask_rows.hpp"
#include "event/convolution_stencil.hpp"
#include "event/dense_rows.hpp"
#include "event/sparse_rows.hpp"
#include "snn/random_connectivity.hpp"

namespace spikeloom::cpu {
namespace {

/// Accumulates of one step below which a second thread costs more than it saves.
constexpr std::uint64_t kWorthThreads = 40'000;

/// Nanoseconds on one core, for the choice of a way; measured, docs/performance.md, What auto goes
/// by: a synapse of a sparse row; 512 targets of a bitmask row, and what a target's count costs at
/// the end; a weight of a dense row, and of a dense product in float and in integers.
constexpr double kSparseSynapse = 0.6;
constexpr double kBitmaskLine = 4.0, kBitmaskTarget = 0.2;
constexpr double kDenseRowWeight = 0.05;
constexpr double kDenseProductFloat = 0.12, kDenseProductInteger = 0.55;

/// Marks the blocks of the targets [first, last).
void mark(BlockSet& touched, std::size_t first, std::size_t last) {
  for (std::size_t block = first / kBlock; block < block_count(last); ++block) {
    touched.insert(block);
  }
}

template <typename V, typename W>
class DenseProjection : public Projection<V> {
 public:
  explicit DenseProjection(const op::Dense& dense)
      : outputs_(static_cast<std::size_t>(dense.outputs)),
        inputs_(static_cast<std::size_t>(dense.inputs)),
        stride_(dense_row_stride<W>(outputs_)),
        repeats_(static_cast<std::size_t>(dense.repeats)),
        rows_(inputs_ * stride_) {
    for (std::size_t o = 0; o < outputs_; ++o) {
      for (std::size_t i = 0; i < inputs_; ++i) {
        rows_[i * stride_ + o] = static_cast<W>(dense.weight[o * inputs_ + i]);
      }
    }
  }

  bool offers(Schedule way, bool) const override {
    return way == Schedule::kRows || (way == Schedule::kDense && repeats_ == 1);
  }

  double cost(Schedule way, double active) const override {
    const auto outputs = static_cast<double>(outputs_);
    if (way != Schedule::kDense) return active * outputs * kDenseRowWeight;
    return static_cast<double>(inputs_) * outputs *
           (std::is_same_v<V, float> ? kDenseProductFloat : kDenseProductInteger);
  }

  DeliveryCount deliver(const Events<V>& events, Schedule way, int threads,
                        DenseArray<V>& target) const override {
    if (outputs_ == 0) return {};
    DeliveryCount count =
        count_pairs(events, sizeof(W), [this](std::uint32_t) { return outputs_; });
    if (events.empty()) return count;
    const int useful = count.executed < kWorthThreads ? 1 : threads;
    if (way == Schedule::kDense) {
      multiply(events, target);
      count.executed = outputs_ * inputs_;
      count.weight_bytes = count.executed * sizeof(W);
    } else if (events.index.back() < inputs_) {  // one row of inputs: the usual case
      add(events.index, events.value, useful, target.data.data());
      mark(target.touched, 0, outputs_);
    } else {
      deliver_repeats(events, useful, target);
    }
    return count;
  }
  std::uint64_t bytes() const override { return rows_.bytes(); }

 private:
  void add(std::span<const std::uint32_t> sources, std::span<const V> values, int threads,
           V* out) const {
    for_ranges(outputs_, kBlock, threads, [&](std::size_t, std::size_t first, std::size_t last) {
      if (values.empty()) {
        add_dense_rows<W, V>(rows_.data(), stride_, first, last, sources, out);
      } else {
        multiply_add_dense_rows<W, V>(rows_.data(), stride_, first, last, sources, values, out);
      }
    });
  }

  /// All inputs, active or not.
  void multiply(const Events<V>& events, DenseArray<V>& target) const {
    using Vector = Eigen::Matrix<V, Eigen::Dynamic, 1>;
    using Rows = Eigen::Matrix<W, Eigen::Dynamic, Eigen::Dynamic>;
    Vector x = Vector::Zero(static_cast<Eigen::Index>(inputs_));
    for (std::size_t i = 0; i < events.size(); ++i) x[events.index[i]] = events.at(i);
    const Eigen::Map<const Rows, Eigen::Aligned64, Eigen::OuterStride<>> rows(
        rows_.data(), static_cast<Eigen::Index>(outputs_), static_cast<Eigen::Index>(inputs_),
        Eigen::OuterStride<>(static_cast<Eigen::Index>(stride_)));
    Eigen::Map<Vector> y(target.data.data(), static_cast<Eigen::Index>(outputs_));
    y.noalias() += rows.template cast<V>() * x;
    mark(target.touched, 0, outputs_);
  }

  /// The same weights for every row of inputs.
  void deliver_repeats(const Events<V>& events, int threads, DenseArray<V>& target) const {
    std::vector<std::uint32_t> sources;
    for (std::size_t e = 0; e < events.size();) {
      const std::size_t first = e;
      const std::size_t repeat = events.index[e] / inputs_;
      sources.clear();
      for (; e < events.size() && events.index[e] / inputs_ == repeat; ++e) {
        sources.push_back(static_cast<std::uint32_t>(events.index[e] % inputs_));
      }
      std::span<const V> values;
      if (!events.value.empty()) values = {events.value.data() + first, e - first};
      add(sources, values, threads, target.data.data() + repeat * outputs_);
      mark(target.touched, repeat * outputs_, (repeat + 1) * outputs_);
    }
  }

  std::size_t outputs_, inputs_, stride_, repeats_;
  AlignedBuffer<W> rows_;
};

template <typename V>
class SparseProjection : public Projection<V> {
 public:
  /// Bitmasks are made where the connections have that form and the bits take no more memory than
  /// 4 bytes a synapse; with `bitmask` whatever they take.
  SparseProjection(SparseRows<V> rows, bool bitmask) : rows_(std::move(rows)) {
    scattered_ = rows_are_scattered();
    const std::uint64_t bits = std::uint64_t{rows_.size().sources} * rows_.size().targets / 8;
    if (!bitmask && bits > rows_.synapses() * 4) return;
    if (auto made = BitmaskRows<V>::make(rows_); made.ok()) bitmask_ = *std::move(made);
  }

  bool offers(Schedule way, bool graded) const override {
    return way == Schedule::kRows || (way == Schedule::kBitmask && !graded && bitmask_);
  }

  double cost(Schedule way, double active) const override {
    const auto targets = static_cast<double>(rows_.size().targets);
    if (way == Schedule::kBitmask) {
      return active * targets / 512.0 * kBitmaskLine + targets * kBitmaskTarget;
    }
    const double sources = std::max(1.0, static_cast<double>(rows_.size().sources));
    return active * static_cast<double>(rows_.synapses()) / sources * kSparseSynapse;
  }

  DeliveryCount deliver(const Events<V>& events, Schedule way, int threads,
                        DenseArray<V>& target) const override {
    DeliveryCount count = count_pairs(events, bytes_per_synapse(), [this](std::uint32_t source) {
      return rows_.fan_out(source);
    });
    V* out = target.data.data();
    const int useful = count.executed < kWorthThreads ? 1 : threads;
    const std::size_t targets = rows_.size().targets;
    const std::size_t unit = BitmaskRows<V>::kTargets;
    for_ranges(targets, unit, useful, [&](std::size_t, std::size_t from, std::size_t to) {
      const auto first = static_cast<std::uint32_t>(from);
      const auto last = static_cast<std::uint32_t>(to);
      if (way == Schedule::kBitmask) {
        bitmask_->add(events.index, out, first, last);
      } else if (events.value.empty()) {
        rows_.add(events.index, out, first, last);
      } else {
        rows_.multiply_add(events.index, events.value, out, first, last);
      }
    });
    if (way == Schedule::kBitmask && !events.empty()) {
      mark(target.touched, 0, targets);
      count.executed = events.size() * targets;
      count.weight_bytes = count.executed / 8;
    } else {
      // Synapses thrown at random over the blocks leave few of them out: 5 % at three a block.
      if (scattered_ && count.executed >= 3 * target.touched.blocks()) {
        target.touched.fill();
      } else {
        rows_.mark(events.index, target.touched.words().data());
      }
    }
    return count;
  }
  std::uint64_t bytes() const override {
    return rows_.bytes() + (bitmask_ ? bitmask_->bytes() : 0);
  }

 private:
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
  std::optional<BitmaskRows<V>> bitmask_;
};

template <typename V, typename W>
class ConvolutionProjection : public Projection<V> {
 public:
  ConvolutionProjection(const op::Convolution& conv, ConvolutionStencil<W> stencil)
      : stencil_(std::move(stencil)),
        channels_(static_cast<std::size_t>(conv.out_channels)),
        rows_(static_cast<std::size_t>(conv.output.rows)),
        columns_(static_cast<std::size_t>(conv.output.columns)),
        plane_(static_cast<std::uint32_t>(conv.input.rows * conv.input.columns)),
        words_((block_count(channels_ * rows_ * columns_) + 63) / 64) {
    if (conv.groups != 1 || plane_ * words_ > kMostReachWords) return;
    reach_.resize(plane_ * words_);
    for (std::uint32_t position = 0; position < plane_; ++position) {
      stencil_.mark({&position, 1}, reach_.data() + position * words_);
    }
  }

  DeliveryCount deliver(const Events<V>& events, Schedule, int threads,
                        DenseArray<V>& target) const override {
    DeliveryCount count = count_pairs(
        events, sizeof(W), [this](std::uint32_t source) { return stencil_.pairs(source); });
    const int useful = count.executed < kWorthThreads ? 1 : threads;
    for_ranges(rows_, 1, useful, [&](std::size_t, std::size_t from, std::size_t to) {
      const auto first = static_cast<std::uint32_t>(from);
      const auto last = static_cast<std::uint32_t>(to);
      if (events.value.empty()) {
        stencil_.add_events(events.index, target.data.data(), first, last);
      } else {
        stencil_.multiply_add_events(events.index, events.value, target.data.data(), first, last);
      }
    });
    mark_reached(events.index, target.touched.words().data());
    return count;
  }
  Order order() const override { return channels_last(channels_, rows_ * columns_); }
  std::uint64_t bytes() const override {
    return stencil_.bytes() + reach_.size() * sizeof(std::uint64_t);
  }

 private:
  /// Words of the table below; a larger one would push weights out of the cache.
  static constexpr std::size_t kMostReachWords = 8192;

  void mark_reached(std::span<const std::uint32_t> sources, std::uint64_t* touched) const {
    if (reach_.empty()) {
      stencil_.mark(sources, touched);
      return;
    }
    for (const std::uint32_t source : sources) {
      const std::uint64_t* reach = reach_.data() + source % plane_ * words_;
      for (std::size_t w = 0; w < words_; ++w) touched[w] |= reach[w];
    }
  }

  ConvolutionStencil<W> stencil_;
  std::size_t channels_, rows_, columns_;
  std::uint32_t plane_;
  std::size_t words_;
  std::vector<std::uint64_t> reach_;  ///< blocks that a position reaches; empty for the stencil's
};

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

  DeliveryCount deliver(const Events<std::int32_t>& events, Schedule, int threads,
                        DenseArray<std::int32_t>& target) const override {
    // A negative event turns the sign of the product.
    Events<std::int32_t> positive, negative;
    for (std::size_t i = 0; i < events.size(); ++i) {
      const std::int32_t value = events.at(i);
      Events<std::int32_t>& part = value > 0 ? positive : negative;
      part.index.push_back(events.index[i]);
      part.value.push_back(value > 0 ? value : -value);
    }
    DenseArray<std::int32_t> up, down;
    up.resize(outputs_);
    down.resize(outputs_);
    // Both parts hold every weight, one of them as 0: the pairs are those of either.
    const auto rows = Schedule::kRows;
    DeliveryCount count = excitatory_->deliver(positive, rows, threads, up);
    const DeliveryCount turned = excitatory_->deliver(negative, rows, threads, down);
    inhibitory_->deliver(positive, rows, threads, down);
    inhibitory_->deliver(negative, rows, threads, up);
    count.unit += turned.unit;
    count.graded += turned.graded;
    count.executed = 2 * (count.unit + count.graded);
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

ConvolutionGeometry geometry(const op::Convolution& conv) {
  const auto axis = [](std::int64_t input, std::int64_t output, std::int64_t kernel,
                       std::int64_t stride, std::int64_t dilation, std::int64_t pad) {
    return WindowAxis{.input = input,
                      .output = output,
                      .kernel = kernel,
                      .stride = stride,
                      .dilation = dilation,
                      .pad = pad};
  };
  return {.in_channels = conv.in_channels,
          .out_channels = conv.out_channels,
          .groups = conv.groups,
          .rows = axis(conv.input.rows, conv.output.rows, conv.kernel.rows, conv.stride.rows,
                       conv.dilation.rows, conv.pad_before.rows),
          .columns = axis(conv.input.columns, conv.output.columns, conv.kernel.columns,
                          conv.stride.columns, conv.dilation.columns, conv.pad_before.columns)};
}

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

template <typename V, typename W>
Result<std::unique_ptr<Projection<V>>> make_with(const Operation& operation, bool bitmask) {
  using Made = std::unique_ptr<Projection<V>>;
  return std::visit(
      [bitmask](const auto& o) -> Result<Made> {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Dense>) {
          return Made(std::make_unique<DenseProjection<V, W>>(o));
        } else if constexpr (std::is_same_v<Op, op::Sparse> ||
                             std::is_same_v<Op, op::RandomSparse>) {
          SPIKELOOM_TRY(auto rows, make_rows<V>(o));
          return Made(std::make_unique<SparseProjection<V>>(std::move(rows), bitmask));
        } else if constexpr (std::is_same_v<Op, op::Convolution>) {
          SPIKELOOM_TRY(auto stencil, ConvolutionStencil<W>::make(geometry(o), o.weight));
          return Made(std::make_unique<ConvolutionProjection<V, W>>(o, std::move(stencil)));
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
