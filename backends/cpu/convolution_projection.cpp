/// Convolutions: stencils of the active sources.

#include <optional>

#include "backends/cpu/parallel_private.hpp"
#include "backends/cpu/projection_private.hpp"
#include "event/convolution_stencil.hpp"

namespace spikeloom::cpu {
namespace {

template <typename V, typename W>
class ConvolutionProjection : public Projection<V> {
 public:
  ConvolutionProjection(const op::Convolution& conv, ConvolutionStencil<W> stencil,
                        Grading<V, W> grading, std::optional<ConvolutionStencil<std::int8_t>> codes)
      : stencil_(std::move(stencil)),
        grading_(std::move(grading)),
        codes_(std::move(codes)),
        channels_(static_cast<std::size_t>(conv.out_channels)),
        rows_(static_cast<std::size_t>(conv.output.rows)),
        columns_(static_cast<std::size_t>(conv.output.columns)),
        plane_(static_cast<std::uint32_t>(conv.input.rows * conv.input.columns)),
        words_((block_count(channels_ * rows_ * columns_) + 63) / 64) {
    pairs_.resize(plane_.value());
    for (std::uint32_t position = 0; position < plane_.value(); ++position) {
      pairs_[position] = static_cast<std::uint32_t>(stencil_.pairs(position));
    }
    if (conv.groups != 1 || plane_.value() * words_ > kMostReachWords) return;
    reach_.resize(plane_.value() * words_);
    for (std::uint32_t position = 0; position < plane_.value(); ++position) {
      stencil_.mark({&position, 1}, reach_.data() + position * words_);
    }
  }

  DeliveryCount deliver(const Events<V>& events, Schedule, const Workers& workers,
                        DenseArray<V>& target) const override {
    DeliveryCount count = announce_all(events, target.touched.words().data());
    const Workers useful = workers.when(count.executed >= kWorthThreads);
    const Product product = grading_.of(events);
    if (product == Product::kMultiply) count.multiplied = count.executed;
    for_ranges(rows_, 1, useful, [&](std::size_t, std::size_t from, std::size_t to) {
      const auto first = static_cast<std::uint32_t>(from);
      const auto last = static_cast<std::uint32_t>(to);
      if (events.value.empty()) {
        stencil_.add_events(events.index, target.data.data(), first, last);
      } else {
        multiply_add(events, product, target.data.data(), first, last);
      }
    });
    return count;
  }
  Order order() const override { return channels_last(channels_, rows_ * columns_); }
  std::uint64_t bytes() const override {
    return stencil_.bytes() + pairs_.size() * sizeof(std::uint32_t) +
           reach_.size() * sizeof(std::uint64_t) + (codes_ ? codes_->bytes() : 0);
  }

 private:
  /// Words of the table below; a larger one would push weights out of the cache.
  static constexpr std::size_t kMostReachWords = 8192;

  void multiply_add(const Events<V>& events, Product product, V* out, std::uint32_t first,
                    std::uint32_t last) const {
    if constexpr (std::is_integral_v<V>) {
      if (product == Product::kShift) {
        codes_->multiply_add_events(events.index, events.value, out, first, last, product);
        return;
      }
    }
    stencil_.multiply_add_events(events.index, events.value, out, first, last, product);
  }

  /// Counts the pairs and marks the blocks that they reach.
  DeliveryCount announce_all(const Events<V>& events, std::uint64_t* touched) const {
    const auto position_of = [this](std::uint32_t source) {
      return std::size_t{source - plane_.quotient(source) * plane_.value()};
    };
    if (!reach_.empty() && words_ == 1) {  // in a register
      std::uint64_t blocks = 0;
      const auto count = count_pairs(events, sizeof(W), [&](std::uint32_t source) {
        const std::size_t position = position_of(source);
        blocks |= reach_[position];
        return pairs_[position];
      });
      touched[0] |= blocks;
      return count;
    }
    if (reach_.empty()) {
      stencil_.mark(events.index, touched);
    } else {
      for (const std::uint32_t source : events.index) {
        const std::uint64_t* reach = reach_.data() + position_of(source) * words_;
        for (std::size_t w = 0; w < words_; ++w) touched[w] |= reach[w];
      }
    }
    return count_pairs(events, sizeof(W),
                       [&](std::uint32_t source) { return pairs_[position_of(source)]; });
  }

  ConvolutionStencil<W> stencil_;
  Grading<V, W> grading_;
  std::optional<ConvolutionStencil<std::int8_t>> codes_;  ///< shift codes, for graded events
  std::size_t channels_, rows_, columns_;
  detail::Divisor plane_;
  std::size_t words_;
  std::vector<std::uint32_t> pairs_;  ///< by position
  std::vector<std::uint64_t> reach_;  ///< blocks that a position reaches; empty for the stencil's
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

}  // namespace

template <typename V, typename W>
Result<std::unique_ptr<Projection<V>>> make_convolution(const op::Convolution& convolution) {
  SPIKELOOM_TRY(auto stencil,
                ConvolutionStencil<W>::make(geometry(convolution), convolution.weight));
  Grading<V, W> grading(convolution.weight_class, convolution.weight);
  std::optional<ConvolutionStencil<std::int8_t>> codes;
  if (!grading.codes.empty()) {
    SPIKELOOM_TRY(auto made,
                  ConvolutionStencil<std::int8_t>::make(geometry(convolution), grading.codes));
    codes = std::move(made);
    grading.codes = {};
  }
  return std::unique_ptr<Projection<V>>(std::make_unique<ConvolutionProjection<V, W>>(
      convolution, std::move(stencil), std::move(grading), std::move(codes)));
}

template Result<std::unique_ptr<Projection<float>>> make_convolution<float, float>(
    const op::Convolution&);
template Result<std::unique_ptr<Projection<std::int32_t>>>
make_convolution<std::int32_t, std::int8_t>(const op::Convolution&);
template Result<std::unique_ptr<Projection<std::int32_t>>>
make_convolution<std::int32_t, std::int16_t>(const op::Convolution&);

}  // namespace spikeloom::cpu
