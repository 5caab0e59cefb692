#include "event/detail/convolution_kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "event/detail/convolution_kernels.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "event/detail/lanes-inl.inc"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {

using detail::ConvolutionCall;
using detail::StencilColumn;
using detail::StencilRow;
using detail::StencilView;

/// A row of taps: adjacent accumulators, or a run of output channels every column_step columns.
template <bool kGraded, bool kRuns, typename W, typename A>
HWY_INLINE void add_tap_row(const StencilView<W>& s, const W* weights, std::uint32_t taps, A value,
                            A* acc) {
  if constexpr (kRuns) {
    accumulate_run<kGraded>(weights, std::size_t{taps} * s.group_outputs, value, acc);
  } else {
    const std::size_t apart = std::size_t{s.column_step} * s.out_channels;
    for (std::uint32_t c = 0; c < taps; ++c) {
      accumulate_run<kGraded>(weights + std::size_t{c} * s.group_outputs, s.group_outputs, value,
                              acc + c * apart);
    }
  }
}

template <bool kGraded, bool kRuns, typename W, typename A>
void walk(const ConvolutionCall<W, A>& call) {
  const StencilView<W> s = call.stencil;
  const std::size_t row_pitch = std::size_t{s.output_columns} * s.out_channels;
  // Sources ascend: the channel is followed, not divided for.
  std::uint32_t channel = call.sources[0] / s.input_plane;
  std::uint64_t plane = std::uint64_t{channel} * s.input_plane;
  const W* channel_start = s.weights + channel * s.channel_weights;
  for (std::size_t k = 0; k < call.count; ++k) {
    const std::uint32_t source = call.sources[k];
    while (source >= plane + s.input_plane) {
      plane += s.input_plane;
      channel_start += s.channel_weights;
      ++channel;
    }
    const auto position = static_cast<std::uint32_t>(source - plane);
    const std::uint32_t input_row = position / s.input_columns;
    const StencilRow row = s.rows[input_row];
    const StencilColumn column = s.columns[position % s.input_columns];
    if (column.count == 0) continue;
    const A value = kGraded ? call.values[k] : A{1};
    const W* weights =
        channel_start + column.weights + s.row_weights[input_row * s.column_phases + column.phase];
    A* acc = call.acc + row.first_output * row_pitch + column.acc;
    if constexpr (!kRuns) acc += std::size_t{channel / s.group_inputs} * s.group_outputs;
    std::uint32_t output = row.first_output;
    for (std::uint32_t r = 0; r < row.count; ++r) {
      if (output >= call.first_row && output < call.last_row) {
        add_tap_row<kGraded, kRuns>(s, weights, column.count, value, acc);
      }
      weights += column.pitch;
      acc += s.row_step * row_pitch;
      output += s.row_step;
    }
  }
}

template <bool kGraded, typename W, typename A>
HWY_INLINE void walk(const ConvolutionCall<W, A>& call) {
  call.stencil.runs ? walk<kGraded, true>(call) : walk<kGraded, false>(call);
}

// One plain function for each case, for Highway's tables.
void add_float(const ConvolutionCall<float, float>& c) { walk<false>(c); }
void add_int8(const ConvolutionCall<std::int8_t, std::int32_t>& c) { walk<false>(c); }
void add_int16(const ConvolutionCall<std::int16_t, std::int32_t>& c) { walk<false>(c); }
void multiply_float(const ConvolutionCall<float, float>& c) { walk<true>(c); }
void multiply_int8(const ConvolutionCall<std::int8_t, std::int32_t>& c) { walk<true>(c); }
void multiply_int16(const ConvolutionCall<std::int16_t, std::int32_t>& c) { walk<true>(c); }

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom {
namespace {

HWY_EXPORT(add_float);
HWY_EXPORT(add_int8);
HWY_EXPORT(add_int16);
HWY_EXPORT(multiply_float);
HWY_EXPORT(multiply_int8);
HWY_EXPORT(multiply_int16);

}  // namespace

namespace detail {

void run_convolution(const ConvolutionCall<float, float>& c) {
  c.values == nullptr ? HWY_DYNAMIC_DISPATCH(add_float)(c)
                      : HWY_DYNAMIC_DISPATCH(multiply_float)(c);
}
void run_convolution(const ConvolutionCall<std::int8_t, std::int32_t>& c) {
  c.values == nullptr ? HWY_DYNAMIC_DISPATCH(add_int8)(c) : HWY_DYNAMIC_DISPATCH(multiply_int8)(c);
}
void run_convolution(const ConvolutionCall<std::int16_t, std::int32_t>& c) {
  c.values == nullptr ? HWY_DYNAMIC_DISPATCH(add_int16)(c)
                      : HWY_DYNAMIC_DISPATCH(multiply_int16)(c);
}

}  // namespace detail
}  // namespace spikeloom
#endif
