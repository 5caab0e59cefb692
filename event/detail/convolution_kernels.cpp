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
using detail::SourcePlace;
using detail::StencilColumn;
using detail::StencilRow;
using detail::StencilView;

/// What one event adds: `rows` runs of `run` weights, each to as many accumulators.
template <typename W, typename A>
struct Patch {
  const W* weights;
  A* acc;
  A value;
  std::uint32_t run, pitch, rows;
};

/// Events looked up before any of them is added: two short loops with few variables each, instead
/// of one whose variables do not fit the registers.
constexpr std::size_t kBatch = 32;

/// Rows inside: what the end of a run needs is worked out once.
template <Product kProduct, typename W, typename A>
HWY_INLINE void add_patch(const Patch<W, A>& p, std::size_t acc_pitch) {
  const std::size_t run = p.run;
  std::size_t i = 0;
#if !SPIKELOOM_PLAIN_LOOPS
  const hn::ScalableTag<A> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<A>());
  const auto value = operand<kProduct>(d, p.value);
  for (; i + kLanes <= run; i += kLanes) {
    const W* weights = p.weights + i;
    A* acc = p.acc + i;
    for (std::uint32_t r = 0; r < p.rows; ++r, weights += p.pitch, acc += acc_pitch) {
      const auto w = load_weights(d, weights);
      hn::StoreU(accumulate<kProduct>(hn::LoadU(d, acc), w, value), d, acc);
    }
  }
#if SPIKELOOM_MASKED_TAILS
  if (i < run) {
    const auto mask = hn::FirstN(d, run - i);
    const W* weights = p.weights + i;
    A* acc = p.acc + i;
    for (std::uint32_t r = 0; r < p.rows; ++r, weights += p.pitch, acc += acc_pitch) {
      const auto w = load_first_weights(d, run - i, weights);
      const auto sum = hn::MaskedLoad(mask, d, acc);
      hn::BlendedStore(accumulate<kProduct>(sum, w, value), mask, d, acc);
    }
  }
  return;
#else
  const hn::CappedTag<A, 4> d4;
  if (i + 4 <= run) {
    const W* weights = p.weights + i;
    A* acc = p.acc + i;
    for (std::uint32_t r = 0; r < p.rows; ++r, weights += p.pitch, acc += acc_pitch) {
      const auto w = load_weights(d4, weights);
      hn::StoreU(accumulate<kProduct>(hn::LoadU(d4, acc), w, operand<kProduct>(d4, p.value)), d4,
                 acc);
    }
    i += 4;
  }
#endif
#endif
  if (i == run) return;
  const W* weights = p.weights;
  A* acc = p.acc;
  for (std::uint32_t r = 0; r < p.rows; ++r, weights += p.pitch, acc += acc_pitch) {
    for (std::size_t j = i; j < run; ++j) accumulate_one<kProduct>(acc[j], weights[j], p.value);
  }
}

/// Adjacent accumulators, or a run of output channels every column_step columns.
template <Product kProduct, bool kRuns, typename W, typename A>
HWY_NOINLINE void add_patches(const StencilView<W>& s, const Patch<W, A>* patches,
                              std::size_t count) {
  const std::size_t acc_pitch = std::size_t{s.row_step} * s.output_columns * s.out_channels;
  const std::size_t apart = std::size_t{s.column_step} * s.out_channels;
  for (std::size_t k = 0; k < count; ++k) {
    Patch<W, A> patch = patches[k];
    if constexpr (kRuns) {
      add_patch<kProduct>(patch, acc_pitch);
    } else {
      const std::uint32_t end = patch.run;
      patch.run = s.group_outputs;
      for (std::uint32_t i = 0; i < end; i += s.group_outputs) {
        add_patch<kProduct>(patch, acc_pitch);
        patch.weights += s.group_outputs;
        patch.acc += apart;
      }
    }
  }
}

/// The outputs of a row of the input that lie in [first, last), and how many come before them.
struct ClippedRow {
  std::uint32_t skipped, count;
};

HWY_INLINE ClippedRow clip(const StencilRow& row, std::uint32_t step, std::uint32_t first,
                           std::uint32_t last) {
  ClippedRow clipped{0, row.count};
  std::uint32_t output = row.first_output;
  for (; clipped.count > 0 && output < first; output += step) {
    ++clipped.skipped;
    --clipped.count;
  }
  while (clipped.count > 0 && output + (clipped.count - 1) * step >= last) --clipped.count;
  return clipped;
}

template <Product kProduct, bool kRuns, typename W, typename A>
void walk(const ConvolutionCall<W, A>& call) {
  const StencilView<W>& s = call.stencil;
  const std::size_t row_pitch = std::size_t{s.output_columns} * s.out_channels;
  const bool whole = call.first_row == 0 && call.last_row >= s.output_rows;
  Patch<W, A> patches[kBatch];
  for (std::size_t begin = 0; begin < call.count; begin += kBatch) {
    const std::size_t end = begin + kBatch < call.count ? begin + kBatch : call.count;
    std::size_t found = 0;
    for (std::size_t k = begin; k < end; ++k) {
      const SourcePlace place = s.place(call.sources[k]);
      const StencilRow& row = s.rows[place.row];
      const StencilColumn& column = s.columns[place.column];
      const ClippedRow clipped =
          whole ? ClippedRow{0, row.count} : clip(row, s.row_step, call.first_row, call.last_row);
      Patch<W, A>& patch = patches[found];
      patch.weights = s.weights + place.channel * s.channel_weights + column.weights +
                      s.row_weights[place.row * s.column_phases + column.phase] +
                      std::size_t{clipped.skipped} * column.pitch;
      patch.acc =
          call.acc + column.acc + (row.first_output + clipped.skipped * s.row_step) * row_pitch;
      if constexpr (!kRuns) {
        patch.acc += std::size_t{place.channel / s.group_inputs} * s.group_outputs;
      }
      patch.value = value_of<kProduct>(call, k);
      patch.run = column.count * s.group_outputs;
      patch.pitch = column.pitch;
      patch.rows = clipped.count;
      found += column.count != 0;
    }
    add_patches<kProduct, kRuns>(s, patches, found);
  }
}

template <Product kProduct, typename W, typename A>
HWY_INLINE void walk(const ConvolutionCall<W, A>& call) {
  call.stencil.runs ? walk<kProduct, true>(call) : walk<kProduct, false>(call);
}

// One plain function for each case, for Highway's tables.
void one_float(const ConvolutionCall<float, float>& c) { walk<Product::kOne>(c); }
void one_int8(const ConvolutionCall<std::int8_t, std::int32_t>& c) { walk<Product::kOne>(c); }
void one_int16(const ConvolutionCall<std::int16_t, std::int32_t>& c) { walk<Product::kOne>(c); }
void multiply_float(const ConvolutionCall<float, float>& c) { walk<Product::kMultiply>(c); }
void multiply_int8(const ConvolutionCall<std::int8_t, std::int32_t>& c) {
  walk<Product::kMultiply>(c);
}
void multiply_int16(const ConvolutionCall<std::int16_t, std::int32_t>& c) {
  walk<Product::kMultiply>(c);
}
void sign_int8(const ConvolutionCall<std::int8_t, std::int32_t>& c) { walk<Product::kSign>(c); }
void shift_float(const ConvolutionCall<float, float>& c) { walk<Product::kShift>(c); }
void shift_int8(const ConvolutionCall<std::int8_t, std::int32_t>& c) { walk<Product::kShift>(c); }

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom {
namespace {

HWY_EXPORT(one_float);
HWY_EXPORT(one_int8);
HWY_EXPORT(one_int16);
HWY_EXPORT(multiply_float);
HWY_EXPORT(multiply_int8);
HWY_EXPORT(multiply_int16);
HWY_EXPORT(sign_int8);
HWY_EXPORT(shift_float);
HWY_EXPORT(shift_int8);

}  // namespace

namespace detail {

void run_convolution(const ConvolutionCall<float, float>& c) {
  switch (c.product) {
    case Product::kOne:
      return HWY_DYNAMIC_DISPATCH(one_float)(c);
    case Product::kShift:
      return HWY_DYNAMIC_DISPATCH(shift_float)(c);
    default:
      return HWY_DYNAMIC_DISPATCH(multiply_float)(c);
  }
}
void run_convolution(const ConvolutionCall<std::int8_t, std::int32_t>& c) {
  switch (c.product) {
    case Product::kOne:
      return HWY_DYNAMIC_DISPATCH(one_int8)(c);
    case Product::kSign:
      return HWY_DYNAMIC_DISPATCH(sign_int8)(c);
    case Product::kShift:
      return HWY_DYNAMIC_DISPATCH(shift_int8)(c);
    default:
      return HWY_DYNAMIC_DISPATCH(multiply_int8)(c);
  }
}
void run_convolution(const ConvolutionCall<std::int16_t, std::int32_t>& c) {
  c.product == Product::kOne ? HWY_DYNAMIC_DISPATCH(one_int16)(c)
                             : HWY_DYNAMIC_DISPATCH(multiply_int16)(c);
}

}  // namespace detail
}  // namespace spikeloom
#endif
