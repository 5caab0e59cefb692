#include "backends/cpu/recurrent_kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/recurrent_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

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

HWY_ATTR void complete(std::int32_t* HWY_RESTRICT sums, const std::int32_t* HWY_RESTRICT scale,
                       const std::int32_t* HWY_RESTRICT bias, int shift, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    sums[i] = equations::gate_sum(sums[i], scale[i], bias[i], shift);
  }
}

HWY_ATTR void egru(const CellArrays<std::int32_t>& a, const std::int32_t* HWY_RESTRICT w,
                   const std::int32_t* HWY_RESTRICT r, std::int32_t* HWY_RESTRICT state,
                   std::int32_t* HWY_RESTRICT output) {
  const std::size_t n = a.padded;
  for (std::size_t i = 0; i < n; ++i) {
    const equations::GateSums<std::int32_t> sums{w[i], w[n + i], w[2 * n + i],
                                                 r[i], r[n + i], r[2 * n + i]};
    const equations::Unit<std::int32_t> made = equations::egru(sums, state[i], a.threshold[i]);
    state[i] = made.state;
    output[i] = made.output;
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

/// One block: its sums stay in registers while all sources pass.
template <typename W, std::size_t kVectors>
HWY_INLINE void decode_part(const W* HWY_RESTRICT rows, std::span<const std::uint32_t> sources,
                            const float* HWY_RESTRICT values, const float* scale, const float* bias,
                            float* HWY_RESTRICT out) {
  const hn::ScalableTag<float> d;
  const std::size_t lanes = hn::Lanes(d);
  using V = hn::Vec<decltype(d)>;
  V s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  const std::size_t count = sources.size();
  for (std::size_t k = 0; k < count; ++k) {
    const W* row = rows + sources[k] * kWordBlock;
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
      decode_part<W, kVectors>(base + part, sources, values,
                               scale == nullptr ? nullptr : scale + first + part,
                               bias + first + part, out + first + part);
    }
  }
}

/// Integers: sums are exact in any order.
HWY_ATTR void decode_integer(const std::int8_t* HWY_RESTRICT rows, std::size_t sources_of_all,
                             std::size_t blocks, std::span<const std::uint32_t> sources,
                             const std::int32_t* HWY_RESTRICT values,
                             const std::int32_t* HWY_RESTRICT scale,
                             const std::int32_t* HWY_RESTRICT bias, int shift,
                             std::int32_t* HWY_RESTRICT out) {
  for (std::size_t block = 0; block < blocks; ++block) {
    const std::int8_t* const base = rows + block * sources_of_all * kWordBlock;
    alignas(64) std::int32_t sums[kWordBlock] = {};
    for (std::size_t k = 0; k < sources.size(); ++k) {
      const std::int8_t* HWY_RESTRICT row = base + sources[k] * kWordBlock;
      const std::int32_t x = values[k];
      for (std::size_t j = 0; j < kWordBlock; ++j) sums[j] += row[j] * x;
    }
    const std::size_t first = block * kWordBlock;
    for (std::size_t j = 0; j < kWordBlock; ++j) {
      out[first + j] = equations::score(sums[j], scale[first + j], bias[first + j], shift);
    }
  }
}

CellKernels<float> PickFloatCells() {
  return {&complete, &egru, &egru_paper, &gru, &lstm, &paper_gate};
}
CellKernels<std::int32_t> PickIntegerCells() {
  return {&complete, &egru, nullptr, nullptr, nullptr, nullptr};
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
