#include "event/convolution_stencil.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <string>

#include "event/detail/convolution_kernels.hpp"

namespace spikeloom {
namespace {

using detail::Divisor;
using detail::StencilColumn;
using detail::StencilRow;
using detail::StencilView;

constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

Status check_axis(const WindowAxis& axis, const char* name) {
  const auto within = [](std::int64_t value, std::int64_t least) {
    return value >= least && value <= kMost;
  };
  if (within(axis.input, 1) && within(axis.output, 1) && within(axis.kernel, 1) &&
      within(axis.stride, 1) && within(axis.dilation, 1) && within(axis.pad, 0)) {
    return {};
  }
  return Error{ErrorCode::kShape,
               std::string("a convolution's ") + name + " are out of range",
               {},
               "extents of at least 1 and a pad of at least 0"};
}

/// a * b, or -1 once it is more than 32 bits hold.
std::int64_t product(std::int64_t a, std::int64_t b) {
  return a < 0 || b < 0 || (b != 0 && a > kMost / b) ? -1 : a * b;
}

Status check(const ConvolutionGeometry& g, std::size_t weights) {
  SPIKELOOM_CHECK(check_axis(g.rows, "rows"));
  SPIKELOOM_CHECK(check_axis(g.columns, "columns"));
  if (g.in_channels < 1 || g.out_channels < 1 || g.groups < 1 || g.in_channels % g.groups != 0 ||
      g.out_channels % g.groups != 0) {
    return Error{ErrorCode::kShape,
                 "a convolution's channels do not divide into its groups",
                 {},
                 "positive channels, multiples of groups",
                 std::to_string(g.in_channels) + " to " + std::to_string(g.out_channels) + " in " +
                     std::to_string(g.groups) + " groups"};
  }
  const std::int64_t inputs = product(product(g.in_channels, g.rows.input), g.columns.input);
  const std::int64_t outputs = product(product(g.out_channels, g.rows.output), g.columns.output);
  const std::int64_t kernel = product(
      product(product(g.out_channels, g.in_channels / g.groups), g.rows.kernel), g.columns.kernel);
  if (inputs < 0 || outputs < 0 || kernel < 0) {
    return Error{ErrorCode::kResource,
                 "a convolution is too large",
                 {},
                 "at most 2^31 - 1 inputs, outputs and weights"};
  }
  if (static_cast<std::size_t>(kernel) != weights) {
    return Error{ErrorCode::kShape,
                 "a convolution's weights do not fit its geometry",
                 {},
                 std::to_string(kernel),
                 std::to_string(weights)};
  }
  return {};
}

/// What an input coordinate reaches along one axis: `count` outputs from `first_output`, through
/// the taps of `phase` from `first_tap` on.
struct AxisReach {
  std::uint32_t first_output = 0, count = 0, phase = 0, first_tap = 0;
};

/// One axis, for every input coordinate and every phase.
struct AxisTable {
  std::vector<AxisReach> reach;     ///< by input coordinate
  std::vector<std::uint32_t> taps;  ///< of each phase
  std::vector<std::int64_t> tap;    ///< kernel coordinates, phase after phase, descending in each
  std::uint32_t step = 1;           ///< outputs from one tap of a phase to the next
};

AxisTable make_axis(const WindowAxis& axis) {
  AxisTable table;
  table.reach.resize(static_cast<std::size_t>(axis.input));
  const std::int64_t phases = std::min(axis.stride, axis.input + axis.pad);
  std::vector<std::size_t> start;
  for (std::int64_t phase = 0; phase < phases; ++phase) {
    start.push_back(table.tap.size());
    for (std::int64_t k = axis.kernel - 1; k >= 0; --k) {
      if ((phase - k * axis.dilation) % axis.stride == 0) table.tap.push_back(k);
    }
    table.taps.push_back(static_cast<std::uint32_t>(table.tap.size() - start.back()));
    if (table.taps.back() > 1) {
      const std::int64_t apart = table.tap[start.back()] - table.tap[start.back() + 1];
      table.step = static_cast<std::uint32_t>(apart * axis.dilation / axis.stride);
    }
  }
  for (std::int64_t x = 0; x < axis.input; ++x) {
    AxisReach& reach = table.reach[static_cast<std::size_t>(x)];
    const std::int64_t phase = (x + axis.pad) % axis.stride;
    reach.phase = static_cast<std::uint32_t>(phase);
    const std::size_t first = start[reach.phase];
    for (std::uint32_t t = 0; t < table.taps[reach.phase]; ++t) {
      const std::int64_t o = (x + axis.pad - table.tap[first + t] * axis.dilation) / axis.stride;
      const bool exists = x + axis.pad >= table.tap[first + t] * axis.dilation && o < axis.output;
      if (!exists) continue;
      if (reach.count++ == 0) {
        reach.first_output = static_cast<std::uint32_t>(o);
        reach.first_tap = t;
      }
    }
  }
  return table;
}

}  // namespace

template <typename W>
void ConvolutionStencil<W>::lay_out(std::span<const double> weights) {
  tables_ = std::make_unique<Tables>();
  Tables& tables = *tables_;
  const AxisTable rows = make_axis(geometry_.rows), columns = make_axis(geometry_.columns);
  const auto out_channels = static_cast<std::uint32_t>(geometry_.out_channels);
  const auto group_inputs = static_cast<std::size_t>(geometry_.in_channels / geometry_.groups);
  const auto group_outputs = static_cast<std::uint32_t>(geometry_.out_channels / geometry_.groups);
  const auto kernel_rows = static_cast<std::size_t>(geometry_.rows.kernel);
  const auto kernel_columns = static_cast<std::size_t>(geometry_.columns.kernel);

  std::vector<std::uint32_t> block;  // starts of [row phase][column phase]
  std::uint32_t channel_weights = 0;
  for (const std::uint32_t row_taps : rows.taps) {
    for (const std::uint32_t column_taps : columns.taps) {
      block.push_back(channel_weights);
      channel_weights += row_taps * column_taps * group_outputs;
    }
  }
  for (const AxisReach& column : columns.reach) {
    tables.columns.push_back({column.phase, column.count, column.first_output * out_channels,
                              column.first_tap * group_outputs,
                              columns.taps[column.phase] * group_outputs});
  }
  for (const AxisReach& row : rows.reach) {
    tables.rows.push_back({row.first_output, row.count});
    for (std::size_t phase = 0; phase < columns.taps.size(); ++phase) {
      tables.row_weights.push_back(block[row.phase * columns.taps.size() + phase] +
                                   row.first_tap * columns.taps[phase] * group_outputs);
    }
  }
  tables.weights = AlignedBuffer<W>(std::size_t{channel_weights} *
                                    static_cast<std::size_t>(geometry_.in_channels));
  W* out = tables.weights.data();
  for (std::size_t channel = 0; channel < static_cast<std::size_t>(geometry_.in_channels);
       ++channel) {
    const std::size_t group = channel / group_inputs;
    for (std::size_t rp = 0, row = 0; rp < rows.taps.size(); row += rows.taps[rp++]) {
      for (std::size_t cp = 0, column = 0; cp < columns.taps.size(); column += columns.taps[cp++]) {
        for (std::size_t r = row; r < row + rows.taps[rp]; ++r) {
          for (std::size_t c = column; c < column + columns.taps[cp]; ++c) {
            for (std::size_t o = 0; o < group_outputs; ++o) {
              const std::size_t filter =
                  (group * group_outputs + o) * group_inputs + channel % group_inputs;
              *out++ = static_cast<W>(
                  weights[(filter * kernel_rows + static_cast<std::size_t>(rows.tap[r])) *
                              kernel_columns +
                          static_cast<std::size_t>(columns.tap[c])]);
            }
          }
        }
      }
    }
  }

  StencilView<W>& v = view_;
  v.weights = tables.weights.data();
  v.channel_weights = channel_weights;
  v.rows = tables.rows.data();
  v.columns = tables.columns.data();
  v.row_weights = tables.row_weights.data();
  v.column_phases = static_cast<std::uint32_t>(columns.taps.size());
  v.row_step = rows.step;
  v.column_step = columns.step;
  v.input_columns = Divisor(static_cast<std::uint32_t>(geometry_.columns.input));
  v.input_plane =
      Divisor(static_cast<std::uint32_t>(geometry_.rows.input * geometry_.columns.input));
  v.output_rows = static_cast<std::uint32_t>(geometry_.rows.output);
  v.output_columns = static_cast<std::uint32_t>(geometry_.columns.output);
  v.out_channels = out_channels;
  v.group_inputs = static_cast<std::uint32_t>(group_inputs);
  v.group_outputs = group_outputs;
  v.runs = columns.step == 1 && geometry_.groups == 1;
}

template <typename W>
Result<ConvolutionStencil<W>> ConvolutionStencil<W>::make(const ConvolutionGeometry& geometry,
                                                          std::span<const double> weights) {
  SPIKELOOM_CHECK(check(geometry, weights.size()));
  ConvolutionStencil stencil;
  stencil.geometry_ = geometry;
  try {
    stencil.lay_out(weights);
  } catch (const std::bad_alloc&) {
    return Error{ErrorCode::kResource, "no memory for a convolution's weights"};
  }
  return stencil;
}

template <typename W>
void ConvolutionStencil<W>::add_events(std::span<const std::uint32_t> sources, Accumulator* acc,
                                       std::uint32_t first_row, std::uint32_t last_row) const {
  if (sources.empty()) return;
  detail::run_convolution(detail::ConvolutionCall<W, Accumulator>{
      view_, sources.data(), sources.size(), nullptr, acc, first_row, last_row, Product::kOne});
}

template <typename W>
void ConvolutionStencil<W>::multiply_add_events(std::span<const std::uint32_t> sources,
                                                std::span<const Accumulator> values,
                                                Accumulator* acc, std::uint32_t first_row,
                                                std::uint32_t last_row, Product product) const {
  if (sources.empty()) return;
  detail::run_convolution(detail::ConvolutionCall<W, Accumulator>{
      view_, sources.data(), sources.size(), values.data(), acc, first_row, last_row, product});
}

template <typename W>
void ConvolutionStencil<W>::mark(std::span<const std::uint32_t> sources,
                                 std::uint64_t* bitmap) const {
  const StencilView<W>& v = view_;
  for (const std::uint32_t source : sources) {
    const detail::SourcePlace place = v.place(source);
    const StencilRow& row = v.rows[place.row];
    const StencilColumn& column = v.columns[place.column];
    if (column.count == 0) continue;
    const std::size_t width =
        std::size_t{(column.count - 1) * v.column_step} * v.out_channels + v.group_outputs;
    const std::size_t offset =
        column.acc + std::size_t{place.channel / v.group_inputs} * v.group_outputs;
    for (std::uint32_t r = 0; r < row.count; ++r) {
      const std::size_t begin =
          std::size_t{row.first_output + r * v.row_step} * v.output_columns * v.out_channels +
          offset;
      const std::size_t last = (begin + width - 1) / 64;
      for (std::size_t b = begin / 64; b <= last; ++b) {
        bitmap[b / 64] |= std::uint64_t{1} << (b % 64);
      }
    }
  }
}

template <typename W>
std::uint64_t ConvolutionStencil<W>::bytes() const {
  return tables_->weights.bytes() + tables_->rows.size() * sizeof(StencilRow) +
         tables_->columns.size() * sizeof(StencilColumn) +
         tables_->row_weights.size() * sizeof(std::uint32_t);
}

template class ConvolutionStencil<float>;
template class ConvolutionStencil<std::int8_t>;
template class ConvolutionStencil<std::int16_t>;

}  // namespace spikeloom
