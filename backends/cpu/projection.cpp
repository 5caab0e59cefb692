#include "backends/cpu/projection.hpp"

#include <algorithm>

#include "snn/random_connectivity.hpp"

namespace spikeloom::cpu {
namespace {

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
        stride_(block_count(outputs_) * kBlock),
        rows_(inputs_ * stride_) {
    for (std::size_t o = 0; o < outputs_; ++o) {
      for (std::size_t i = 0; i < inputs_; ++i) {
        rows_[i * stride_ + o] = static_cast<W>(dense.weight[o * inputs_ + i]);
      }
    }
  }

  DeliveryCount deliver(const Events<V>& events, DenseArray<V>& target) const override {
    for (std::size_t e = 0; e < events.size(); ++e) {
      const std::size_t repeat = events.index[e] / inputs_;
      const W* row = rows_.data() + events.index[e] % inputs_ * stride_;
      V* out = target.data.data() + repeat * outputs_;
      if (events.value.empty()) {
        for (std::size_t o = 0; o < outputs_; ++o) out[o] += static_cast<V>(row[o]);
      } else {
        const V value = events.value[e];
        for (std::size_t o = 0; o < outputs_; ++o) out[o] += static_cast<V>(row[o]) * value;
      }
      mark(target.touched, repeat * outputs_, (repeat + 1) * outputs_);
    }
    DeliveryCount count = count_pairs(events, [this](std::uint32_t) { return outputs_; });
    count.weight_bytes = (count.unit + count.graded) * sizeof(W);
    return count;
  }
  std::uint64_t bytes() const override { return rows_.bytes(); }

 private:
  std::size_t outputs_, inputs_, stride_;
  AlignedBuffer<W> rows_;
};

/// Compressed rows by source.
template <typename V, typename W>
class SparseProjection : public Projection<V> {
 public:
  explicit SparseProjection(const op::Sparse& sparse)
      : row_start_(static_cast<std::size_t>(sparse.inputs) + 1) {
    for (const std::int64_t column : sparse.column)
      ++row_start_[static_cast<std::size_t>(column) + 1];
    for (std::size_t i = 1; i < row_start_.size(); ++i) row_start_[i] += row_start_[i - 1];
    target_.resize(sparse.column.size());
    weight_.resize(sparse.column.size());
    std::vector<std::size_t> next(row_start_.begin(), row_start_.end() - 1);
    for (std::int64_t o = 0; o < sparse.outputs; ++o) {
      const auto row = static_cast<std::size_t>(o);
      for (auto k = static_cast<std::size_t>(sparse.row_start[row]);
           k < static_cast<std::size_t>(sparse.row_start[row + 1]); ++k) {
        const std::size_t at = next[static_cast<std::size_t>(sparse.column[k])]++;
        target_[at] = static_cast<std::uint32_t>(o);
        weight_[at] = static_cast<W>(sparse.value[k]);
      }
    }
  }

  explicit SparseProjection(const op::RandomSparse& rule)
      : row_start_(static_cast<std::size_t>(rule.inputs) + 1) {
    for_each_synapse(
        rule, 0, rule.outputs,
        [this](std::int64_t, std::uint32_t source, std::size_t) { ++row_start_[source + 1]; });
    for (std::size_t i = 1; i < row_start_.size(); ++i) row_start_[i] += row_start_[i - 1];
    target_.resize(row_start_.back());
    weight_.resize(row_start_.back());
    std::vector<std::size_t> next(row_start_.begin(), row_start_.end() - 1);
    for_each_synapse(rule, 0, rule.outputs,
                     [&](std::int64_t target, std::uint32_t source, std::size_t group) {
                       const std::size_t at = next[source]++;
                       target_[at] = static_cast<std::uint32_t>(target);
                       weight_[at] = static_cast<W>(rule.groups[group].weight);
                     });
  }

  DeliveryCount deliver(const Events<V>& events, DenseArray<V>& target) const override {
    for (std::size_t e = 0; e < events.size(); ++e) {
      const V value = events.at(e);
      for (std::size_t k = row_start_[events.index[e]]; k < row_start_[events.index[e] + 1]; ++k) {
        target.data[target_[k]] += static_cast<V>(weight_[k]) * value;
        target.touched.insert(target_[k] / kBlock);
      }
    }
    DeliveryCount count =
        count_pairs(events, [this](std::uint32_t i) { return row_start_[i + 1] - row_start_[i]; });
    count.weight_bytes = (count.unit + count.graded) * (sizeof(W) + sizeof(std::uint32_t));
    return count;
  }
  std::uint64_t bytes() const override {
    return row_start_.size() * sizeof(std::size_t) +
           target_.size() * (sizeof(W) + sizeof(std::uint32_t));
  }

 private:
  std::vector<std::size_t> row_start_;
  std::vector<std::uint32_t> target_;
  std::vector<W> weight_;
};

/// Convolution tap by tap, channels last.
template <typename V, typename W>
class ConvolutionProjection : public Projection<V> {
 public:
  explicit ConvolutionProjection(const op::Convolution& conv) : conv_(conv) {
    conv_.weight.clear();
    const std::int64_t in_group = conv.in_channels / conv.groups;
    const std::int64_t taps = conv.kernel.rows * conv.kernel.columns;
    const std::int64_t out_group = conv.out_channels / conv.groups;
    weights_.resize(conv.weight.size());
    for (std::int64_t o = 0; o < conv.out_channels; ++o) {
      for (std::int64_t i = 0; i < in_group; ++i) {
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          const std::int64_t channel = o / out_group * in_group + i;
          weights_[static_cast<std::size_t>((channel * taps + tap) * out_group + o % out_group)] =
              static_cast<W>(
                  conv.weight[static_cast<std::size_t>((o * in_group + i) * taps + tap)]);
        }
      }
    }
  }

  DeliveryCount deliver(const Events<V>& events, DenseArray<V>& target) const override {
    const std::int64_t in_group = conv_.in_channels / conv_.groups;
    const std::int64_t out_group = conv_.out_channels / conv_.groups;
    const std::int64_t plane = conv_.input.rows * conv_.input.columns;
    const std::int64_t taps = conv_.kernel.rows * conv_.kernel.columns;
    DeliveryCount count;
    for (std::size_t e = 0; e < events.size(); ++e) {
      const std::int64_t channel = events.index[e] / plane;
      const std::int64_t row = events.index[e] % plane / conv_.input.columns;
      const std::int64_t column = events.index[e] % conv_.input.columns;
      const V value = events.at(e);
      std::uint64_t pairs = 0;
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        const std::int64_t r =
            row + conv_.pad_before.rows - tap / conv_.kernel.columns * conv_.dilation.rows;
        const std::int64_t c =
            column + conv_.pad_before.columns - tap % conv_.kernel.columns * conv_.dilation.columns;
        if (r < 0 || c < 0 || r % conv_.stride.rows != 0 || c % conv_.stride.columns != 0) continue;
        const std::int64_t out_row = r / conv_.stride.rows;
        const std::int64_t out_column = c / conv_.stride.columns;
        if (out_row >= conv_.output.rows || out_column >= conv_.output.columns) continue;
        const auto at = static_cast<std::size_t>((out_row * conv_.output.columns + out_column) *
                                                     conv_.out_channels +
                                                 channel / in_group * out_group);
        const W* weights = weights_.data() + (channel * taps + tap) * out_group;
        for (std::size_t o = 0; o < static_cast<std::size_t>(out_group); ++o) {
          target.data[at + o] += static_cast<V>(weights[o]) * value;
        }
        mark(target.touched, at, at + static_cast<std::size_t>(out_group));
        pairs += static_cast<std::uint64_t>(out_group);
      }
      (value == V{1} || value == V{-1} ? count.unit : count.graded) += pairs;
    }
    count.weight_bytes = (count.unit + count.graded) * sizeof(W);
    return count;
  }
  Order order() const override {
    return channels_last(static_cast<std::size_t>(conv_.out_channels),
                         static_cast<std::size_t>(conv_.output.rows * conv_.output.columns));
  }
  std::uint64_t bytes() const override { return weights_.size() * sizeof(W); }

 private:
  op::Convolution conv_;
  std::vector<W> weights_;
};

template <typename V, typename W>
std::unique_ptr<Projection<V>> make_with(const Operation& operation) {
  return std::visit(
      [](const auto& o) -> std::unique_ptr<Projection<V>> {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Dense>) {
          return std::make_unique<DenseProjection<V, W>>(o);
        } else if constexpr (std::is_same_v<Op, op::Sparse> ||
                             std::is_same_v<Op, op::RandomSparse>) {
          return std::make_unique<SparseProjection<V, W>>(o);
        } else if constexpr (std::is_same_v<Op, op::Convolution>) {
          return std::make_unique<ConvolutionProjection<V, W>>(o);
        } else {
          return nullptr;
        }
      },
      operation);
}

}  // namespace

template <>
std::unique_ptr<Projection<float>> make_projection(const Operation& operation, bool) {
  return make_with<float, float>(operation);
}

template <>
std::unique_ptr<Projection<std::int32_t>> make_projection(const Operation& operation,
                                                          bool fits_int8) {
  if (fits_int8) return make_with<std::int32_t, std::int8_t>(operation);
  return make_with<std::int32_t, std::int16_t>(operation);
}

}  // namespace spikeloom::cpu
