#pragma once
/// A convolution as a stencil: what one event at the input adds to the accumulators around it.
/// The weights are stored once, never per position.
///
/// Cross-correlation of `groups` groups, as PyTorch and NIR define it:
///
///     y[o, ro, co] += sum over i, kr, kc of  w[o, i, kr, kc] x[g + i, ri, ci],
///     ri = ro stride - pad + kr dilation (rows; columns alike),
///
/// taps outside the input or the output do not exist. Seen from an event at row ri, the taps kr
/// with (ri + pad - kr dilation) divisible by the stride reach the outputs
/// ro = (ri + pad - kr dilation) / stride; which taps these are depends on the phase
/// (ri + pad) mod stride only. So the weights lie as
///
///     [input channel][row phase][column phase][tap row][tap column][output channel of the group]
///
/// with the taps of a phase in descending order, that is, ascending in the output they reach; and
/// the accumulators lie with the channels last,
///
///     acc[(ro * output columns + co) * out_channels + o].
///
/// If the taps of a row reach adjacent columns (dilation 1, or equal to the stride) and there is
/// one group, a row of taps is one run of weights onto one run of accumulators.
///
/// Sources are flat indices of the input in the usual order (channel, row, column), ascending. A
/// source reaches an output through one weight at most, so every output adds its terms in
/// ascending order of the sources; in float each product is rounded before it is added.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

#include "base/result.hpp"
#include "event/aligned_buffer.hpp"
#include "event/divisor.hpp"
#include "event/products.hpp"

namespace spikeloom {

/// One axis of a window.
struct WindowAxis {
  std::int64_t input = 1, output = 1, kernel = 1, stride = 1, dilation = 1, pad = 0;
};

/// A convolution in one dimension has one row.
struct ConvolutionGeometry {
  std::int64_t in_channels = 1, out_channels = 1, groups = 1;
  WindowAxis rows, columns;

  std::int64_t inputs() const { return in_channels * rows.input * columns.input; }
  std::int64_t outputs() const { return out_channels * rows.output * columns.output; }
  std::int64_t weights() const {
    return out_channels * (in_channels / groups) * rows.kernel * columns.kernel;
  }
};

namespace detail {

/// What an input row reaches: `count` output rows from `first_output` on. Offsets in elements.
struct StencilRow {
  std::uint32_t first_output = 0, count = 0;
};

/// What an input column reaches, through the taps of `phase`: `count` output columns, whose first
/// lies `acc` after the start of an output row, with weights `weights` after those of the row.
struct StencilColumn {
  std::uint32_t phase = 0, count = 0;
  std::uint32_t acc = 0, weights = 0;
  std::uint32_t pitch = 0;  ///< from one row of taps to the next
};

struct SourcePlace {
  std::uint32_t channel, row, column;
};

/// Everything a kernel reads. An input channel's weights lie together; within them, those of an
/// input row and a column phase start at row_weights[row * column_phases + phase].
template <typename W>
struct StencilView {
  const W* weights;
  std::uint64_t channel_weights;
  const StencilRow* rows;
  const StencilColumn* columns;
  const std::uint32_t* row_weights;
  std::uint32_t column_phases;
  std::uint32_t row_step, column_step;  ///< outputs from one tap of a phase to the next
  Divisor input_columns, input_plane;
  std::uint32_t output_rows, output_columns, out_channels;
  std::uint32_t group_inputs, group_outputs;
  bool runs;  ///< a row of taps is one run

  /// Divisions, not a walk along the channels: with few events in each a branch would be guessed
  /// wrong more often than not.
  SourcePlace place(std::uint32_t source) const {
    const std::uint32_t channel = input_plane.quotient(source);
    const std::uint32_t position = source - channel * input_plane.value();
    const std::uint32_t row = input_columns.quotient(position);
    return {channel, row, position - row * input_columns.value()};
  }
};

}  // namespace detail

/// W = float adds to float, std::int8_t and std::int16_t to std::int32_t.
template <typename W>
class ConvolutionStencil {
 public:
  using Accumulator = std::conditional_t<std::is_same_v<W, float>, float, std::int32_t>;

  /// `weights` (out, in / groups, kernel row, kernel column), each of which W holds exactly or, in
  /// float, to rounding. Errors: extents below 1 or a negative pad, channels that groups do not
  /// divide, a number of weights that is not the geometry's (kShape); too many elements for 32 bits
  /// or no memory (kResource).
  static Result<ConvolutionStencil> make(const ConvolutionGeometry& geometry,
                                         std::span<const double> weights);

  const ConvolutionGeometry& geometry() const { return geometry_; }

  /// Events of value 1.
  void add_events(std::span<const std::uint32_t> sources, Accumulator* acc) const {
    add_events(sources, acc, 0, static_cast<std::uint32_t>(geometry_.rows.output));
  }
  /// One value for each source; in integers within +-32767. `product` as in event/dense_rows.hpp.
  void multiply_add_events(std::span<const std::uint32_t> sources,
                           std::span<const Accumulator> values, Accumulator* acc) const {
    multiply_add_events(sources, values, acc, 0, static_cast<std::uint32_t>(geometry_.rows.output));
  }
  /// The same for the output rows [first_row, last_row): several threads may share the work.
  void add_events(std::span<const std::uint32_t> sources, Accumulator* acc, std::uint32_t first_row,
                  std::uint32_t last_row) const;
  void multiply_add_events(std::span<const std::uint32_t> sources,
                           std::span<const Accumulator> values, Accumulator* acc,
                           std::uint32_t first_row, std::uint32_t last_row,
                           Product product = Product::kMultiply) const;

  /// In-bounds pairs of this source and a weight: its fan-out.
  std::uint64_t pairs(std::uint32_t source) const {
    const detail::SourcePlace place = view_.place(source);
    return std::uint64_t{view_.rows[place.row].count} * view_.columns[place.column].count *
           view_.group_outputs;
  }

  /// Sets the bit of every block of 64 accumulators that a source may reach: bit b % 64 of
  /// bitmap[b / 64] for the block b. With several groups or gaps between the taps some more.
  void mark(std::span<const std::uint32_t> sources, std::uint64_t* bitmap) const;

  /// Bytes that weights and tables take.
  std::uint64_t bytes() const;

 private:
  ConvolutionStencil() = default;
  void lay_out(std::span<const double> weights);

  ConvolutionGeometry geometry_;
  // The heap keeps the tables where they are when the stencil moves: the view points at them.
  struct Tables {
    std::vector<detail::StencilRow> rows;
    std::vector<detail::StencilColumn> columns;
    std::vector<std::uint32_t> row_weights;
    AlignedBuffer<W> weights;
  };
  std::unique_ptr<Tables> tables_;
  detail::StencilView<W> view_ = {};
};

extern template class ConvolutionStencil<float>;
extern template class ConvolutionStencil<std::int8_t>;
extern template class ConvolutionStencil<std::int16_t>;

}  // namespace spikeloom
