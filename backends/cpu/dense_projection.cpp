/// Dense weights: rows of the active sources, or a product with all of them.

#include <Eigen/Core>

#include "backends/cpu/parallel_private.hpp"
#include "backends/cpu/projection_private.hpp"
#include "event/dense_rows.hpp"

namespace spikeloom::cpu {
namespace {

/// Nanoseconds on one core, for the choice of a way; measured, docs/performance.md, What auto goes
/// by: a weight of a dense row, and of a dense product in float and in integers.
constexpr double kDenseRowWeight = 0.05;
constexpr double kDenseProductFloat = 0.12, kDenseProductInteger = 0.55;

template <typename V, typename W>
class DenseProjection : public Projection<V> {
 public:
  explicit DenseProjection(const op::Dense& dense)
      : outputs_(static_cast<std::size_t>(dense.outputs)),
        inputs_(static_cast<std::size_t>(dense.inputs)),
        stride_(dense_row_stride<W>(outputs_)),
        repeats_(static_cast<std::size_t>(dense.repeats)),
        grading_(dense.weight_class, dense.weight),
        rows_(lay_out<W>(dense.weight)) {
    if (!grading_.codes.empty()) codes_ = lay_out<std::int8_t>(grading_.codes);
    grading_.codes = {};
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

  DeliveryCount deliver(const Events<V>& events, Schedule way, const Workers& workers,
                        DenseArray<V>& target) const override {
    if (outputs_ == 0) return {};
    DeliveryCount count =
        count_pairs(events, sizeof(W), [this](std::uint32_t) { return outputs_; });
    if (events.empty()) return count;
    const Workers useful = workers.when(count.executed >= kWorthThreads);
    if (grading_.of(events) == Product::kMultiply) count.multiplied = count.executed;
    if (way == Schedule::kDense) {
      multiply(events, target);
      count.executed = count.multiplied = outputs_ * inputs_;
      count.weight_bytes = count.executed * sizeof(W);
    } else if (events.index.back() < inputs_) {  // one row of inputs: the usual case
      add(events.index, events.value, grading_.of(events), useful, target.data.data());
      mark(target.touched, 0, outputs_);
    } else {
      deliver_repeats(events, useful, target);
    }
    return count;
  }
  std::uint64_t bytes() const override { return rows_.bytes() + codes_.bytes(); }

 private:
  /// By source, from weights by output.
  template <typename T>
  AlignedBuffer<T> lay_out(const std::vector<double>& weight) const {
    const std::size_t stride = dense_row_stride<T>(outputs_);
    AlignedBuffer<T> rows(inputs_ * stride);
    for (std::size_t o = 0; o < outputs_; ++o) {
      for (std::size_t i = 0; i < inputs_; ++i) {
        rows[i * stride + o] = static_cast<T>(weight[o * inputs_ + i]);
      }
    }
    return rows;
  }

  void add(std::span<const std::uint32_t> sources, std::span<const V> values, Product product,
           const Workers& workers, V* out) const {
    for_ranges(outputs_, kBlock, workers, [&](std::size_t, std::size_t first, std::size_t last) {
      if (product == Product::kOne) {
        add_dense_rows<W, V>(rows_.data(), stride_, first, last, sources, out);
        return;
      }
      if constexpr (std::is_integral_v<V>) {
        if (product == Product::kShift) {
          const std::size_t stride = dense_row_stride<std::int8_t>(outputs_);
          multiply_add_dense_rows<std::int8_t, V>(codes_.data(), stride, first, last, sources,
                                                  values, out, product);
          return;
        }
      }
      multiply_add_dense_rows<W, V>(rows_.data(), stride_, first, last, sources, values, out,
                                    product);
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
  void deliver_repeats(const Events<V>& events, const Workers& workers,
                       DenseArray<V>& target) const {
    const Product product = grading_.of(events);
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
      add(sources, values, product, Workers(workers.threads),
          target.data.data() + repeat * outputs_);
      mark(target.touched, repeat * outputs_, (repeat + 1) * outputs_);
    }
  }

  std::size_t outputs_, inputs_, stride_, repeats_;
  Grading<V, W> grading_;
  AlignedBuffer<W> rows_;
  AlignedBuffer<std::int8_t> codes_;  ///< the rows as shift codes, for graded events; or empty
};

}  // namespace

template <typename V, typename W>
Result<std::unique_ptr<Projection<V>>> make_dense(const op::Dense& dense) {
  return std::unique_ptr<Projection<V>>(std::make_unique<DenseProjection<V, W>>(dense));
}

template Result<std::unique_ptr<Projection<float>>> make_dense<float, float>(const op::Dense&);
template Result<std::unique_ptr<Projection<std::int32_t>>> make_dense<std::int32_t, std::int8_t>(
    const op::Dense&);
template Result<std::unique_ptr<Projection<std::int32_t>>> make_dense<std::int32_t, std::int16_t>(
    const op::Dense&);

}  // namespace spikeloom::cpu
