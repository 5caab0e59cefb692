#include "backends/cpu/recurrent_kernels.hpp"

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/recurrent_kernels.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "snn/recurrent_equations.hpp"

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

HWY_ATTR void complete(float* HWY_RESTRICT sums, const float* HWY_RESTRICT scale,
                       const float* HWY_RESTRICT bias, int, std::size_t count) {
  if (scale != nullptr) {
    for (std::size_t i = 0; i < count; ++i) sums[i] *= scale[i];
  }
  for (std::size_t i = 0; i < count; ++i) sums[i] += bias[i];
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

/// out = within(sums x scale / 2^shift + bias, limit), as equations::gate_sum and score have it,
/// with products of 64 bits in even and odd lanes apart.
HWY_INLINE void complete_lanes(const std::int32_t* sums, const std::int32_t* scale,
                               const std::int32_t* bias, int shift, std::int32_t limit,
                               std::size_t count, std::int32_t* out) {
  const hn::ScalableTag<std::int32_t> d;
  const hn::Repartition<std::int64_t, decltype(d)> wide;
  const auto most = hn::Set(wide, limit);
  const auto least = hn::Set(wide, -limit);
  const auto half = hn::Set(wide, std::int64_t{1} << (shift - 1));
  const auto finish = [&](auto product, auto offset) HWY_ATTR {
    const auto value = hn::Add(hn::ShiftRightSame(hn::Add(product, half), shift), offset);
    return hn::Max(hn::Min(value, most), least);
  };
  const auto upper = [&](auto lanes) HWY_ATTR {
    return hn::BitCast(d, hn::ShiftRight<32>(hn::BitCast(wide, lanes)));
  };
  for (std::size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto s = hn::Load(d, sums + i);
    const auto m = hn::Load(d, scale + i);
    const auto b = hn::BitCast(wide, hn::Load(d, bias + i));
    const auto even = finish(hn::MulEven(s, m), hn::ShiftRight<32>(hn::ShiftLeft<32>(b)));
    const auto odd = finish(hn::MulEven(upper(s), upper(m)), hn::ShiftRight<32>(b));
    hn::Store(hn::OddEven(hn::BitCast(d, hn::ShiftLeft<32>(odd)), hn::BitCast(d, even)), d,
              out + i);
  }
}

#else

HWY_INLINE void complete_lanes(const std::int32_t* sums, const std::int32_t* scale,
                               const std::int32_t* bias, int shift, std::int32_t limit,
                               std::size_t count, std::int32_t* out) {
  for (std::size_t i = 0; i < count; ++i) {
    out[i] = equations::within(equations::scaled(sums[i], scale[i], shift) + bias[i], limit);
  }
}

#endif

HWY_ATTR void complete(std::int32_t* sums, const std::int32_t* scale, const std::int32_t* bias,
                       int shift, std::size_t count) {
  complete_lanes(sums, scale, bias, shift, equations::kGateLimit, count, sums);
}

/// IntegerTable::at of each lane's magnitude: snn/integer_tables.hpp, with the entries gathered.
template <int kShift, class D, class V>
HWY_INLINE V table_value(D d, const std::int32_t* table, V x) {
  const V limit = hn::Set(d, (1024 << kShift) - 1);
  const V a = hn::Min(hn::Abs(x), limit);
  const V k = hn::ShiftRight<kShift>(a);
  const V rest = hn::And(a, hn::Set(d, (1 << kShift) - 1));
  const V here = hn::GatherIndex(d, table, k);
  const V step = hn::Sub(hn::GatherIndex(d, table + 1, k), here);
  const V half = hn::Set(d, 1 << (kShift - 1));
  return hn::Add(here, hn::ShiftRight<kShift>(hn::Add(hn::Mul(step, rest), half)));
}
template <class D, class V>
HWY_INLINE V sigmoid_lanes(D d, const std::int32_t* table, V x) {
  const V y = table_value<6>(d, table, x);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Sub(hn::Set(d, 32768), y), y);
}
template <class D, class V>
HWY_INLINE V tanh_lanes(D d, const std::int32_t* table, V x) {
  const V y = table_value<5>(d, table, x);
  return hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Neg(y), y);
}
template <class D, class V>
HWY_INLINE V within_lanes(D d, V x, std::int32_t limit) {
  return hn::Max(hn::Min(x, hn::Set(d, limit)), hn::Set(d, -limit));
}

/// equations::egru in integers, lane by lane.
HWY_ATTR void egru(const CellArrays<std::int32_t>& a, const std::int32_t* HWY_RESTRICT w,
                   const std::int32_t* HWY_RESTRICT r, std::int32_t* HWY_RESTRICT state,
                   std::int32_t* HWY_RESTRICT output) {
  const hn::ScalableTag<std::int32_t> d;
  const std::size_t n = a.padded;
  const std::int32_t* const sigmoid = sigmoid_table().entries().data();
  const std::int32_t* const tanh = tanh_table().entries().data();
  const auto half = hn::Set(d, 1 << 14);
  const auto sum = [&](std::size_t i)
                       HWY_ATTR { return hn::Add(hn::Load(d, w + i), hn::Load(d, r + i)); };
  for (std::size_t i = 0; i < n; i += hn::Lanes(d)) {
    const auto z = sigmoid_lanes(d, sigmoid, sum(i));
    const auto reset = sigmoid_lanes(d, sigmoid, sum(n + i));
    const auto rg = within_lanes(d, hn::Load(d, r + 2 * n + i), equations::kGatedLimit);
    const auto gated = hn::ShiftRight<15>(hn::Add(hn::Mul(reset, rg), half));
    const auto g = tanh_lanes(d, tanh, hn::Add(hn::Load(d, w + 2 * n + i), gated));
    const auto kept = hn::Mul(z, hn::Load(d, state + i));
    const auto fresh = hn::Mul(hn::Sub(hn::Set(d, 32768), z), g);
    const auto blended = hn::ShiftRight<15>(hn::Add(hn::Add(kept, fresh), half));
    const auto c = within_lanes(d, blended, 32767);
    const auto threshold = hn::Load(d, a.threshold + i);
    const auto fires = hn::Gt(c, threshold);
    hn::Store(hn::IfThenElse(fires, hn::Sub(c, threshold), c), d, state + i);
    hn::Store(hn::IfThenElseZero(fires, c), d, output + i);
  }
}

HWY_ATTR void egru(const CellArrays<float>& a, const float* HWY_RESTRICT w,
                   const float* HWY_RESTRICT r, float* HWY_RESTRICT state,
                   float* HWY_RESTRICT output) {
  const std::size_t n = a.padded;
  const float* HWY_RESTRICT threshold = a.threshold;
  for (std::size_t i = 0; i < n; ++i) {
    const equations::GateSums<float> sums{w[i], w[n + i], w[2 * n + i],
                                          r[i], r[n + i], r[2 * n + i]};
    const equations::Unit<float> made = equations::egru(sums, state[i], threshold[i]);
    state[i] = made.state;
    output[i] = made.output;
  }
}

HWY_ATTR void paper_gate(const CellArrays<float>& a, const float* HWY_RESTRICT w,
                         const float* HWY_RESTRICT r, const float* HWY_RESTRICT output,
                         float* HWY_RESTRICT gated) {
  const std::size_t n = a.padded;
  for (std::size_t i = 0; i < n; ++i) {
    gated[i] = equations::sigmoid(w[n + i] + r[n + i]) * output[i];
  }
}

HWY_ATTR void egru_paper(const CellArrays<float>& a, const float* HWY_RESTRICT w,
                         const float* HWY_RESTRICT r, float* HWY_RESTRICT state,
                         float* HWY_RESTRICT output) {
  const std::size_t n = a.padded;
  const float* HWY_RESTRICT threshold = a.threshold;
  for (std::size_t i = 0; i < n; ++i) {
    const equations::GateSums<float> sums{w[i], w[n + i], w[2 * n + i],
                                          r[i], r[n + i], r[2 * n + i]};
    const equations::Unit<float> made =
        equations::egru_paper(sums, state[i], output[i], threshold[i]);
    state[i] = made.state;
    output[i] = made.output;
  }
}

HWY_ATTR void gru(const CellArrays<float>& a, const float* HWY_RESTRICT w,
                  const float* HWY_RESTRICT r, float* HWY_RESTRICT state,
                  float* HWY_RESTRICT output) {
  const std::size_t n = a.padded;
  for (std::size_t i = 0; i < n; ++i) {
    const equations::GateSums<float> sums{w[i], w[n + i], w[2 * n + i],
                                          r[i], r[n + i], r[2 * n + i]};
    state[i] = equations::gru_state(sums, state[i]);
    output[i] = state[i];
  }
}

HWY_ATTR void lstm(const CellArrays<float>& a, const float* HWY_RESTRICT w,
                   const float* HWY_RESTRICT r, float* HWY_RESTRICT state,
                   float* HWY_RESTRICT output) {
  const std::size_t n = a.padded;
  for (std::size_t i = 0; i < n; ++i) {
    const equations::Unit<float> made =
        equations::lstm(w[i] + r[i], w[n + i] + r[n + i], w[2 * n + i] + r[2 * n + i],
                        w[3 * n + i] + r[3 * n + i], state[i]);
    state[i] = made.state;
    output[i] = made.output;
  }
}

template <typename V>
HWY_ATTR std::size_t collect(const V* HWY_RESTRICT values, std::size_t count,
                             std::uint32_t* HWY_RESTRICT index, V* HWY_RESTRICT found) {
#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3
  const hn::ScalableTag<V> d;
  const hn::Rebind<std::uint32_t, decltype(d)> di;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  std::size_t size = 0;
  // Whole vectors: the arrays are padded with units that never emit.
  for (std::size_t i = 0; i < count; i += kLanes) {
    const auto v = hn::Load(d, values + i);
    const auto emits = hn::Ne(v, hn::Zero(d));
    hn::StoreU(hn::Compress(v, emits), d, found + size);
    const auto places = hn::Iota(di, static_cast<std::uint32_t>(i));
    hn::StoreU(hn::Compress(places, hn::RebindMask(di, emits)), di, index + size);
    size += hn::CountTrue(d, emits);
  }
  return size;
#else
  std::size_t size = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (values[i] == V{0}) continue;
    index[size] = static_cast<std::uint32_t>(i);
    found[size++] = values[i];
  }
  return size;
#endif
}

template <typename W>
HWY_INLINE hn::Vec<hn::ScalableTag<float>> weights_at(const W* row) {
  const hn::ScalableTag<float> d;
  if constexpr (std::is_same_v<W, float>) {
    return hn::Load(d, row);
  } else {
    const hn::Rebind<std::int8_t, hn::ScalableTag<float>> narrow;
    const hn::RebindToSigned<hn::ScalableTag<float>> whole;
    return hn::ConvertTo(d, hn::PromoteTo(whole, hn::LoadU(narrow, row)));
  }
}

/// Asks for the same source's weights of the next block. The sources that fired lie scattered over
/// a block, which no hardware prefetcher follows; without this the decoder waits for memory two
/// thirds of its time (docs/language.md).
template <typename W>
HWY_INLINE void prefetch_next_block(const W* row, std::size_t block_size) {
  const char* const next = reinterpret_cast<const char*>(row + block_size);
  for (std::size_t b = 0; b < kWordBlock * sizeof(W); b += 64) hwy::Prefetch(next + b);
}

/// One block: its sums stay in registers while all sources pass.
template <typename W, std::size_t kVectors>
HWY_INLINE void decode_part(const W* HWY_RESTRICT rows, std::size_t block_size,
                            std::span<const std::uint32_t> sources,
                            const float* HWY_RESTRICT values, const float* scale, const float* bias,
                            float* HWY_RESTRICT out) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  using V = hn::Vec<decltype(d)>;
  V s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  const std::size_t count = sources.size();
  for (std::size_t k = 0; k < count; ++k) {
    const W* row = rows + sources[k] * kWordBlock;
    prefetch_next_block(row, block_size);
    const V x = hn::Set(d, values[k]);
    s0 = hn::Add(s0, hn::Mul(weights_at(row), x));
    s1 = hn::Add(s1, hn::Mul(weights_at(row + lanes), x));
    s2 = hn::Add(s2, hn::Mul(weights_at(row + 2 * lanes), x));
    s3 = hn::Add(s3, hn::Mul(weights_at(row + 3 * lanes), x));
    if constexpr (kVectors > 4) {
      s4 = hn::Add(s4, hn::Mul(weights_at(row + 4 * lanes), x));
      s5 = hn::Add(s5, hn::Mul(weights_at(row + 5 * lanes), x));
      s6 = hn::Add(s6, hn::Mul(weights_at(row + 6 * lanes), x));
      s7 = hn::Add(s7, hn::Mul(weights_at(row + 7 * lanes), x));
    }
  }
  const auto store = [&](std::size_t j, V sum) HWY_ATTR {
    if (scale != nullptr) sum = hn::Mul(sum, hn::Load(d, scale + j * lanes));
    hn::Store(hn::Add(sum, hn::Load(d, bias + j * lanes)), d, out + j * lanes);
  };
  store(0, s0);
  store(1, s1);
  store(2, s2);
  store(3, s3);
  if constexpr (kVectors > 4) {
    store(4, s4);
    store(5, s5);
    store(6, s6);
    store(7, s7);
  }
}

template <typename W>
HWY_ATTR void decode(const W* HWY_RESTRICT rows, std::size_t sources_of_all, std::size_t blocks,
                     std::span<const std::uint32_t> sources, const float* HWY_RESTRICT values,
                     const float* scale, const float* bias, int, float* HWY_RESTRICT out) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  constexpr std::size_t kVectors = HWY_MAX_BYTES / sizeof(float) >= 16 ? 4 : 8;
  for (std::size_t block = 0; block < blocks; ++block) {
    const W* const base = rows + block * sources_of_all * kWordBlock;
    const std::size_t first = block * kWordBlock;
    for (std::size_t part = 0; part < kWordBlock; part += kVectors * lanes) {
      decode_part<W, kVectors>(base + part, sources_of_all * kWordBlock, sources, values,
                               scale == nullptr ? nullptr : scale + first + part,
                               bias + first + part, out + first + part);
    }
  }
}

#if HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3

/// Two sources at a time: their weights lie side by side, and one instruction multiplies pairs of
/// 16 bits and adds both products. |values| <= 32767, so that a pair's sum fits 32 bits.
HWY_INLINE void add_source_pairs(const std::int8_t* HWY_RESTRICT rows, std::size_t block_size,
                                 std::span<const std::uint32_t> sources,
                                 const std::int32_t* HWY_RESTRICT values,
                                 std::int32_t* HWY_RESTRICT sums) {
  const hn::ScalableTag<std::int32_t> d;
  const hn::Repartition<std::int16_t, decltype(d)> pairs;
  const hn::Rebind<std::int8_t, decltype(pairs)> bytes;
  constexpr std::size_t kWords = hn::MaxLanes(hn::ScalableTag<std::int16_t>());
  constexpr std::size_t kParts = kWordBlock / kWords;
  using V = hn::Vec<decltype(d)>;
  V low[kParts], high[kParts];
  for (std::size_t p = 0; p < kParts; ++p) low[p] = high[p] = hn::Zero(d);
  V unused = hn::Zero(d);
  const std::size_t count = sources.size();
  for (std::size_t k = 0; k < count; k += 2) {
    const bool both = k + 1 < count;
    const std::int8_t* const a = rows + sources[k] * kWordBlock;
    const std::int8_t* const b = both ? rows + sources[k + 1] * kWordBlock : a;
    prefetch_next_block(a, block_size);
    prefetch_next_block(b, block_size);
    const auto second = static_cast<std::uint32_t>(both ? values[k + 1] : 0);
    const auto x = hn::BitCast(
        pairs, hn::Set(d, static_cast<std::int32_t>(
                              (static_cast<std::uint32_t>(values[k]) & 0xFFFFU) | second << 16)));
    for (std::size_t p = 0; p < kParts; ++p) {
      const auto wa = hn::PromoteTo(pairs, hn::LoadU(bytes, a + p * kWords));
      const auto wb = hn::PromoteTo(pairs, hn::LoadU(bytes, b + p * kWords));
      const auto first = hn::InterleaveLower(pairs, wa, wb);
      const auto last = hn::InterleaveUpper(pairs, wa, wb);
      low[p] = hn::ReorderWidenMulAccumulate(d, first, x, low[p], unused);
      high[p] = hn::ReorderWidenMulAccumulate(d, last, x, high[p], unused);
    }
  }
  // Interleaving works in runs of 128 bits: of 8 words, `low` has the first four.
  alignas(64) std::int32_t lanes[2][kWords / 2];
  for (std::size_t p = 0; p < kParts; ++p) {
    hn::Store(low[p], d, lanes[0]);
    hn::Store(high[p], d, lanes[1]);
    for (std::size_t w = 0; w < kWords; w += 4) {
      std::memcpy(sums + p * kWords + w, lanes[w / 4 % 2] + w / 8 * 4, 4 * sizeof(std::int32_t));
    }
  }
}

#else

HWY_INLINE void add_source_pairs(const std::int8_t* HWY_RESTRICT rows, std::size_t block_size,
                                 std::span<const std::uint32_t> sources,
                                 const std::int32_t* HWY_RESTRICT values,
                                 std::int32_t* HWY_RESTRICT sums) {
  std::fill_n(sums, kWordBlock, 0);
  for (std::size_t k = 0; k < sources.size(); ++k) {
    const std::int8_t* HWY_RESTRICT row = rows + sources[k] * kWordBlock;
    prefetch_next_block(row, block_size);
    const std::int32_t x = values[k];
    for (std::size_t j = 0; j < kWordBlock; ++j) sums[j] += row[j] * x;
  }
}

#endif

/// Integers: sums are exact in any order.
HWY_ATTR void decode_integer(const std::int8_t* HWY_RESTRICT rows, std::size_t sources_of_all,
                             std::size_t blocks, std::span<const std::uint32_t> sources,
                             const std::int32_t* HWY_RESTRICT values,
                             const std::int32_t* HWY_RESTRICT scale,
                             const std::int32_t* HWY_RESTRICT bias, int shift,
                             std::int32_t* HWY_RESTRICT out) {
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::int8_t* const base = rows + block * sources_of_all * kWordBlock;
    alignas(64) std::int32_t sums[kWordBlock];
    add_source_pairs(base, sources_of_all * kWordBlock, sources, values, sums);
    const std::size_t first = block * kWordBlock;
    complete_lanes(sums, scale + first, bias + first, shift, equations::kStateLimit, kWordBlock,
                   out + first);
  }
}

CellKernels<float> PickFloatCells() {
  return {&complete, &egru, &egru_paper, &gru, &lstm, &collect<float>, &paper_gate};
}
CellKernels<std::int32_t> PickIntegerCells() {
  return {&complete, &egru, nullptr, nullptr, nullptr, &collect<std::int32_t>, nullptr};
}
DecoderKernels<float> PickFloatDecoder() { return {&decode<std::int8_t>, &decode<float>}; }
DecoderKernels<std::int32_t> PickIntegerDecoder() { return {&decode_integer, nullptr}; }

}  // namespace spikeloom::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

HWY_EXPORT(PickFloatCells);
HWY_EXPORT(PickIntegerCells);
HWY_EXPORT(PickFloatDecoder);
HWY_EXPORT(PickIntegerDecoder);

template <>
CellKernels<float> cell_kernels() {
  return HWY_DYNAMIC_DISPATCH(PickFloatCells)();
}
template <>
CellKernels<std::int32_t> cell_kernels() {
  return HWY_DYNAMIC_DISPATCH(PickIntegerCells)();
}
template <>
DecoderKernels<float> decoder_kernels() {
  return HWY_DYNAMIC_DISPATCH(PickFloatDecoder)();
}
template <>
DecoderKernels<std::int32_t> decoder_kernels() {
  return HWY_DYNAMIC_DISPATCH(PickIntegerDecoder)();
}

}  // namespace spikeloom::cpu
#endif
