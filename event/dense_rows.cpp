#include "event/dense_rows.hpp"

#include <algorithm>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "event/dense_rows.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "event/detail/lanes-inl.inc"

#ifndef SPIKELOOM_DENSE_ROWS_ONCE
#define SPIKELOOM_DENSE_ROWS_ONCE
namespace spikeloom {

/// What a kernel gets: `values` is null for events of value 1.
template <typename W, typename A>
struct DenseRowsCall {
  const W* rows;
  std::size_t stride;
  std::size_t first, last;
  const std::uint32_t* sources;
  std::size_t count;
  const A* values;
  A* acc;
  Product product;
};

}  // namespace spikeloom
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {

#if SPIKELOOM_PLAIN_LOOPS

template <Product kProduct, typename W, typename A>
void walk(const DenseRowsCall<W, A>& call) {
  for (std::size_t k = 0; k < call.count; ++k) {
    const W* const row = call.rows + call.sources[k] * call.stride;
    accumulate_run<kProduct>(row + call.first, call.last - call.first, value_of<kProduct>(call, k),
                             call.acc + call.first);
  }
}

#else

/// Rows ahead of the one being added. Rows of a tile lie a stride apart, which no hardware
/// prefetcher follows; a few rows cover the way from memory.
constexpr std::size_t kRowsAhead = 6;
/// Rows within half an L2 are left to the processor: asking for them costs more than it saves.
constexpr std::size_t kFarBytes = std::size_t{512} << 10;

template <typename W, typename A>
HWY_INLINE bool is_far(const DenseRowsCall<W, A>& call) {
  const std::size_t span = call.sources[call.count - 1] - call.sources[0] + std::size_t{1};
  return std::min(span, call.count) * call.stride * sizeof(W) > kFarBytes;
}

template <std::size_t kBytes, typename W>
HWY_INLINE void prefetch_row(const W* row) {
  for (std::size_t b = 0; b < kBytes; b += 64) {
    hwy::Prefetch(reinterpret_cast<const char*>(row) + b);
  }
}

/// Registers for sums: half of what there is, the rest for weights on their way.
constexpr std::size_t kTile = HWY_TARGET == HWY_AVX3 ? 16 : 8;
/// 256 weights of 8 bits, each at least -128, cannot leave 16 bits.
constexpr std::size_t kRowsIn16Bits = 256;

template <std::size_t kVectors, Product kProduct, bool kFar, class D, typename W, typename A>
HWY_NOINLINE void add_tile(D d, const DenseRowsCall<W, A>& call, std::size_t target) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  A* const acc = call.acc + target;
  const W* const rows = call.rows + target;
  hn::VFromD<D> sum[kVectors];
  for (std::size_t v = 0; v < kVectors; ++v) sum[v] = hn::LoadU(d, acc + v * kLanes);
  for (std::size_t k = 0; k < call.count; ++k) {
    if constexpr (kFar) {
      const std::size_t next = call.sources[std::min(k + kRowsAhead, call.count - 1)];
      prefetch_row<kVectors * kLanes * sizeof(W)>(rows + next * call.stride);
    }
    const W* const row = rows + call.sources[k] * call.stride;
    const auto value = operand<kProduct>(d, value_of<kProduct>(call, k));
    for (std::size_t v = 0; v < kVectors; ++v) {
      sum[v] = accumulate<kProduct>(sum[v], load_weights(d, row + v * kLanes), value);
    }
  }
  for (std::size_t v = 0; v < kVectors; ++v) hn::StoreU(sum[v], d, acc + v * kLanes);
}

/// 8-bit weights of value 1: sums of 16 bits hold twice as many targets in a register.
template <std::size_t kVectors, bool kFar>
HWY_NOINLINE void add_bytes_tile(const DenseRowsCall<std::int8_t, std::int32_t>& call,
                                 std::size_t target) {
  const hn::ScalableTag<std::int16_t> d;
  const hn::Repartition<std::int32_t, decltype(d)> wide;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<std::int16_t>());
  std::int32_t* const acc = call.acc + target;
  const std::int8_t* const rows = call.rows + target;
  for (std::size_t begin = 0; begin < call.count; begin += kRowsIn16Bits) {
    const std::size_t end = std::min(begin + kRowsIn16Bits, call.count);
    hn::VFromD<decltype(d)> sum[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
    for (std::size_t k = begin; k < end; ++k) {
      if constexpr (kFar) {
        const std::size_t next = call.sources[std::min(k + kRowsAhead, call.count - 1)];
        prefetch_row<kVectors * kLanes>(rows + next * call.stride);
      }
      const std::int8_t* const row = rows + call.sources[k] * call.stride;
      for (std::size_t v = 0; v < kVectors; ++v) {
        sum[v] = hn::Add(sum[v], load_weights(d, row + v * kLanes));
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) {
      std::int32_t* const out = acc + v * kLanes;
      const auto low = hn::PromoteTo(wide, hn::LowerHalf(sum[v]));
      const auto high = hn::PromoteTo(wide, hn::UpperHalf(hn::Half<decltype(d)>(), sum[v]));
      hn::StoreU(hn::Add(hn::LoadU(wide, out), low), wide, out);
      hn::StoreU(hn::Add(hn::LoadU(wide, out + kLanes / 2), high), wide, out + kLanes / 2);
    }
  }
}

/// As many tiles of kVectors as fit, then of half as many, down to one vector.
template <std::size_t kVectors, Product kProduct, bool kFar, typename W, typename A>
HWY_INLINE std::size_t walk_tiles(const DenseRowsCall<W, A>& call, std::size_t target) {
  constexpr bool kBytes = std::is_same_v<W, std::int8_t> && kProduct == Product::kOne;
  using Sum = std::conditional_t<kBytes, std::int16_t, A>;
  const hn::ScalableTag<Sum> d;
  constexpr std::size_t kTargets = kVectors * hn::MaxLanes(hn::ScalableTag<Sum>());
  for (; target + kTargets <= call.last; target += kTargets) {
    if constexpr (kBytes) {
      add_bytes_tile<kVectors, kFar>(call, target);
    } else {
      add_tile<kVectors, kProduct, kFar>(d, call, target);
    }
  }
  if constexpr (kVectors > 1) {
    return walk_tiles<kVectors / 2, kProduct, kFar>(call, target);
  } else {
    return target;
  }
}

/// Fewer targets than a vector has.
template <Product kProduct, typename W, typename A>
HWY_NOINLINE void walk_tail(const DenseRowsCall<W, A>& call, std::size_t target) {
  const hn::ScalableTag<A> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<A>());
  if (target + kLanes <= call.last) {
    add_tile<1, kProduct, false>(d, call, target);
    target += kLanes;
  }
#if SPIKELOOM_MASKED_TAILS
  if (target == call.last) return;
  const std::size_t rest = call.last - target;
  const auto mask = hn::FirstN(d, rest);
  auto sum = hn::MaskedLoad(mask, d, call.acc + target);
  for (std::size_t k = 0; k < call.count; ++k) {
    const W* const row = call.rows + call.sources[k] * call.stride + target;
    const auto value = operand<kProduct>(d, value_of<kProduct>(call, k));
    sum = accumulate<kProduct>(sum, load_first_weights(d, rest, row), value);
  }
  hn::BlendedStore(sum, mask, d, call.acc + target);
#else
  const hn::CappedTag<A, 4> d4;
  for (; target + 4 <= call.last; target += 4) add_tile<1, kProduct, false>(d4, call, target);
  for (; target < call.last; ++target) {
    A sum = call.acc[target];
    for (std::size_t k = 0; k < call.count; ++k) {
      const W weight = call.rows[call.sources[k] * call.stride + target];
      accumulate_one<kProduct>(sum, weight, value_of<kProduct>(call, k));
    }
    call.acc[target] = sum;
  }
#endif
}

template <Product kProduct, typename W, typename A>
void walk(const DenseRowsCall<W, A>& call) {
  const std::size_t tail = is_far(call) ? walk_tiles<kTile, kProduct, true>(call, call.first)
                                        : walk_tiles<kTile, kProduct, false>(call, call.first);
  if (tail < call.last) walk_tail<kProduct>(call, tail);
}

#endif

// One plain function for each case, for Highway's tables.
void one_float(const DenseRowsCall<float, float>& c) { walk<Product::kOne>(c); }
void one_int8(const DenseRowsCall<std::int8_t, std::int32_t>& c) { walk<Product::kOne>(c); }
void one_int16(const DenseRowsCall<std::int16_t, std::int32_t>& c) { walk<Product::kOne>(c); }
void multiply_float(const DenseRowsCall<float, float>& c) { walk<Product::kMultiply>(c); }
void multiply_int8(const DenseRowsCall<std::int8_t, std::int32_t>& c) {
  walk<Product::kMultiply>(c);
}
void multiply_int16(const DenseRowsCall<std::int16_t, std::int32_t>& c) {
  walk<Product::kMultiply>(c);
}
void sign_int8(const DenseRowsCall<std::int8_t, std::int32_t>& c) { walk<Product::kSign>(c); }
void shift_float(const DenseRowsCall<float, float>& c) { walk<Product::kShift>(c); }
void shift_int8(const DenseRowsCall<std::int8_t, std::int32_t>& c) { walk<Product::kShift>(c); }

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

void dispatch(const DenseRowsCall<float, float>& c) {
  switch (c.product) {
    case Product::kOne:
      return HWY_DYNAMIC_DISPATCH(one_float)(c);
    case Product::kShift:
      return HWY_DYNAMIC_DISPATCH(shift_float)(c);
    default:
      return HWY_DYNAMIC_DISPATCH(multiply_float)(c);
  }
}
void dispatch(const DenseRowsCall<std::int8_t, std::int32_t>& c) {
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
void dispatch(const DenseRowsCall<std::int16_t, std::int32_t>& c) {
  c.product == Product::kOne ? HWY_DYNAMIC_DISPATCH(one_int16)(c)
                             : HWY_DYNAMIC_DISPATCH(multiply_int16)(c);
}

}  // namespace

template <typename W, typename A>
void add_dense_rows(const W* rows, std::size_t stride, std::size_t first, std::size_t last,
                    std::span<const std::uint32_t> sources, A* acc) {
  if (sources.empty() || first >= last) return;
  dispatch(
      {rows, stride, first, last, sources.data(), sources.size(), nullptr, acc, Product::kOne});
}

template <typename W, typename A>
void multiply_add_dense_rows(const W* rows, std::size_t stride, std::size_t first, std::size_t last,
                             std::span<const std::uint32_t> sources, std::span<const A> values,
                             A* acc, Product product) {
  if (sources.empty() || first >= last) return;
  dispatch(
      {rows, stride, first, last, sources.data(), sources.size(), values.data(), acc, product});
}

#define SPIKELOOM_DENSE_ROWS(W, A)                                                                \
  template void add_dense_rows<W, A>(const W*, std::size_t, std::size_t, std::size_t,             \
                                     std::span<const std::uint32_t>, A*);                         \
  template void multiply_add_dense_rows<W, A>(const W*, std::size_t, std::size_t, std::size_t,    \
                                              std::span<const std::uint32_t>, std::span<const A>, \
                                              A*, Product)
SPIKELOOM_DENSE_ROWS(float, float);
SPIKELOOM_DENSE_ROWS(std::int8_t, std::int32_t);
SPIKELOOM_DENSE_ROWS(std::int16_t, std::int32_t);
#undef SPIKELOOM_DENSE_ROWS

}  // namespace spikeloom
#endif
