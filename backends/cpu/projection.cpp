#include "backends/cpu/projection.hpp"

#include <algorithm>

#include "event/convolution_stencil.hpp"
#include "event/dense_rows.hpp"
#include "event/sparse_rows.hpp"
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
        stride_(dense_row_stride<W>(outputs_)),
        rows_(inputs_ * stride_) {
    for (std::size_t o = 0; o < outputs_; ++o) {
      for (std::size_t i = 0; i < inputs_; ++i) {
        rows_[i * stride_ + o] = static_cast<W>(dense.weight[o * inputs_ + i]);
      }
    }
  }

  DeliveryCount deliver(const Events<V>& events, DenseArray<V>& target) const override {
    if (outputs_ == 0) return {};
    if (events.empty() || events.index.back() < inputs_) {  // one row of inputs: the usual case
      add(events.index, events.value, target.data.data());
      if (!events.empty()) mark(target.touched, 0, outputs_);
    } else {
      deliver_repeats(events, target);
    }
    DeliveryCount count = count_pairs(events, [this](std::uint32_t) { return outputs_; });
    count.weight_bytes = (count.unit + count.graded) * sizeof(W);
    return count;
  }
  std::uint64_t bytes() const override { return rows_.bytes(); }

 private:
  void add(std::span<const std::uint32_t> sources, std::span<const V> values, V* out) const {
    if (values.empty()) {
      add_dense_rows<W, V>(rows_.data(), stride_, outputs_, sources, out);
    } else {
      multiply_add_dense_rows<W, V>(rows_.data(), stride_, outputs_, sources, values, out);
    }
  }

  /// The same weights for every row of inputs.
  void deliver_repeats(const Events<V>& events, DenseArray<V>& target) const {
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
      add(sources, values, target.data.data() + repeat * outputs_);
      mark(target.touched, repeat * outputs_, (repeat + 1) * outputs_);
    }
  }

  std::size_t outputs_, inputs_, stride_;
  AlignedBuffer<W> rows_;
};

template <typename V>
class SparseProjection : public Projection<V> {
 public:
  explicit SparseProjection(SparseRows<V> rows) : rows_(std::move(rows)) {}

  DeliveryCount deliver(const Events<V>& events, DenseArray<V>& target) const override {
    if (events.value.empty()) {
      rows_.add(events.index, target.data.data());
    } else {
      rows_.multiply_add(events.index, events.value, target.data.data());
    }
    rows_.mark(events.index, target.touched.words().data());
    DeliveryCount count =
        count_pairs(events, [this](std::uint32_t source) { return rows_.fan_out(source); });
    count.weight_bytes = (count.unit + count.graded) * bytes_per_synapse();
    return count;
  }
  std::uint64_t bytes() const override { return rows_.bytes(); }

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

  SparseRows<V> rows_;
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

template <typename V, typename W>
class ConvolutionProjection : public Projection<V> {
 public:
  ConvolutionProjection(const op::Convolution& conv, ConvolutionStencil<W> stencil)
      : stencil_(std::move(stencil)),
        channels_(static_cast<std::size_t>(conv.out_channels)),
        plane_(static_cast<std::size_t>(conv.output.rows * conv.output.columns)) {}

  DeliveryCount deliver(const Events<V>& events, DenseArray<V>& target) const override {
    if (events.value.empty()) {
      stencil_.add_events(events.index, target.data.data());
    } else {
      stencil_.multiply_add_events(events.index, events.value, target.data.data());
    }
    stencil_.mark(events.index, target.touched.words().data());
    DeliveryCount count =
        count_pairs(events, [this](std::uint32_t source) { return stencil_.pairs(source); });
    count.weight_bytes = (count.unit + count.graded) * sizeof(W);
    return count;
  }
  Order order() const override { return channels_last(channels_, plane_); }
  std::uint64_t bytes() const override { return stencil_.bytes(); }

 private:
  ConvolutionStencil<W> stencil_;
  std::size_t channels_, plane_;
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

template <typename V, typename W>
Result<std::unique_ptr<Projection<V>>> make_with(const Operation& operation) {
  using Made = std::unique_ptr<Projection<V>>;
  return std::visit(
      [](const auto& o) -> Result<Made> {
        using Op = std::decay_t<decltype(o)>;
        if constexpr (std::is_same_v<Op, op::Dense>) {
          return Made(std::make_unique<DenseProjection<V, W>>(o));
        } else if constexpr (std::is_same_v<Op, op::Sparse> ||
                             std::is_same_v<Op, op::RandomSparse>) {
          SPIKELOOM_TRY(auto rows, make_rows<V>(o));
          return Made(std::make_unique<SparseProjection<V>>(std::move(rows)));
        } else if constexpr (std::is_same_v<Op, op::Convolution>) {
          SPIKELOOM_TRY(auto stencil, ConvolutionStencil<W>::make(geometry(o), o.weight));
          return Made(std::make_unique<ConvolutionProjection<V, W>>(o, std::move(stencil)));
        } else {
          return Error{.what = "this operation has no weights"};
        }
      },
      operation);
}

}  // namespace

template <>
Result<std::unique_ptr<Projection<float>>> make_projection(const Operation& operation, bool) {
  return make_with<float, float>(operation);
}

template <>
Result<std::unique_ptr<Projection<std::int32_t>>> make_projection(const Operation& operation,
                                                                  bool fits_int8) {
  if (fits_int8) return make_with<std::int32_t, std::int8_t>(operation);
  return make_with<std::int32_t, std::int16_t>(operation);
}

}  // namespace spikeloom::cpu
