#pragma once
/// Dense products for layers that are mostly active: float32, all rows of a chunk at once.

#include "backends/cuda/kernels/elementwise.hpp"
#include "snn/recurrent_equations.hpp"

namespace spikeloom::cuda {

/// out (rows, outputs) <- in (rows, inputs) weight (inputs, outputs). Not a kernel: a device takes
/// cuBLAS. Rows are all those of two rings of one length, so that it makes no difference where in
/// the rings a chunk begins.
struct Product {
  const float* in = nullptr;
  const float* weight = nullptr;
  float* out = nullptr;
  std::uint32_t rows = 0, inputs = 0, outputs = 0;
};

/// Factors of few bits times weights on tensor cores: out (rows, outputs) <- or += in (rows,
/// inputs) x weight (outputs, inputs) transposed. Both factors are int8 with sums of int32, exact;
/// or both are bfloat16 with sums of float. A float is the sum of three of those; a spike is one,
/// and so is a weight of 8 bits: where one side is, every product is exact, and only the order of
/// the additions is the library's. Inputs (and, in integers, outputs) are padded to multiples of
/// kFactorPad.
struct NarrowProduct {
  const void* in = nullptr;
  const void* weight = nullptr;
  void* out = nullptr;
  std::uint32_t rows = 0, inputs = 0, outputs = 0;
  bool whole = false;  ///< int8
  bool adds = false;
};

inline constexpr std::uint32_t kFactorPad = 16;

/// A factor of a NarrowProduct.
template <typename V>
using Factor = std::conditional_t<std::is_integral_v<V>, std::int8_t, std::uint16_t>;
template <typename V>
SPIKELOOM_KERNEL Factor<V> spike_factor() {
  if constexpr (std::is_integral_v<V>) {
    return 1;
  } else {
    return 0x3F80;
  }
}

/// From the bits of a signal to factors, rows where the ring has them.
template <typename V>
struct SpreadKernel {
  struct Local {};
  Rows rows;
  Signal<V> in;
  Factor<V>* to = nullptr;  ///< slots x batch x size

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(in.size, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    const std::uint32_t i = tile * kTile + place.thread;
    if (!rows.exists(row) || i >= in.size) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    const bool spike = (in.masks(step, element)[i / 32] >> (i % 32) & 1) != 0;
    to[in.place(step, element) * in.size + i] = spike ? spike_factor<V>() : Factor<V>{0};
  }
};

/// To nearest, ties to even, and back.
SPIKELOOM_KERNEL std::uint16_t to_bfloat16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  return static_cast<std::uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
SPIKELOOM_KERNEL float of_bfloat16(std::uint16_t bits) {
  return std::bit_cast<float>(std::uint32_t{bits} << 16);
}

/// Parts of a value as factors: x = 256 part 1 + part 0 + 128 in integers of 16 bits, the sum of
/// three in float.
template <typename V>
inline constexpr int kValueParts = std::is_integral_v<V> ? 2 : 3;

/// From the values of a signal to their parts: plane after plane of slots x batch x `stride`.
template <typename V>
struct SplitKernel {
  struct Local {};
  Rows rows;
  Signal<V> in;
  Factor<V>* to = nullptr;
  std::uint32_t stride = 0;

  SPIKELOOM_KERNEL std::uint32_t blocks() const { return tiles(stride, kTile) * rows.count(); }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 1; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t, Local&) const {
    const std::uint32_t row = place.block % rows.count(), tile = place.block / rows.count();
    const std::uint32_t i = tile * kTile + place.thread;
    if (!rows.exists(row) || i >= stride) return;
    const std::int64_t step = rows.step(row);
    const std::uint32_t element = rows.element(row);
    const std::size_t plane = std::size_t{in.slots} * in.batch * stride;
    Factor<V>* const own = to + in.place(step, element) * stride + i;
    V value = i < in.size ? in.values(step, element)[i] : V{0};
    if constexpr (std::is_integral_v<V>) {
      own[0] = static_cast<std::int8_t>((value & 255) - 128);
      own[plane] = static_cast<std::int8_t>(value >> 8);
    } else {
      for (int part = 0; part < kValueParts<V>; ++part) {
        const std::uint16_t factor = to_bfloat16(value);
        own[part * plane] = factor;
        value -= of_bfloat16(factor);
      }
    }
  }
};

/// Of a product of integers in two parts: sums of either part (slots x batch x stride) and the sums
/// of the weights of an output.
struct ScoreParts {
  const std::int32_t* low = nullptr;
  const std::int32_t* high = nullptr;
  const std::int32_t* weights = nullptr;
  std::uint32_t stride = 0;
  std::int32_t shift = 0;

  /// The whole sum fits; what is on the way may not.
  SPIKELOOM_KERNEL std::int32_t sum(std::size_t row, std::uint32_t output) const {
    const std::size_t at = row * stride + output;
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(low[at]) +
                                     256U * static_cast<std::uint32_t>(high[at]) +
                                     128U * static_cast<std::uint32_t>(weights[output]));
  }
};

/// After a product: scale, bias and counts. Blocks of the input's elements count pairs, into
/// `pairs`, where that is not null.
template <typename V>
struct FinishProductKernel {
  struct Shared {
    Tally<V> tally;
  };
  struct Local {
    Tally<V> tally;
  };
  Rows rows;
  Signal<V> in, out;
  Tally<V>* pairs = nullptr;
  const V* scale = nullptr;  ///< one per output; may be null
  const V* bias = nullptr;
  std::uint32_t outputs = 0;  ///< of one repeat
  ScoreParts parts;           ///< a Decoder in integers: the sums lie there

  SPIKELOOM_KERNEL std::uint32_t out_strips() const { return strips(out.size); }
  SPIKELOOM_KERNEL std::uint32_t blocks() const {
    return (out_strips() + (pairs == nullptr ? 0 : strips(in.size))) * rows.count();
  }
  SPIKELOOM_KERNEL std::uint32_t phases() const { return 3; }
  SPIKELOOM_KERNEL void operator()(const Place& place, std::uint32_t phase, Local& local) const {
    auto& shared = *static_cast<Shared*>(place.shared);
    const std::uint32_t row = place.block % rows.count(), strip = place.block / rows.count();
    if (!rows.exists(row)) return;
    const bool finishes = strip < out_strips();
    if (phase == 0) {
      if (place.thread == 0) shared.tally.clear();
      const V* const x = in.values(rows.step(row), rows.element(row));
      for (std::uint32_t t = 0; t < kStrip; ++t) {
        const std::uint32_t tile = (finishes ? strip : strip - out_strips()) * kStrip + t;
        const std::uint32_t i = tile * kTile + place.thread;
        if (finishes) {
          finish(row, i, local);
        } else if (i < in.size) {
          local.tally.count_pairs(x[i], outputs);
        }
      }
    } else if (phase == 1) {
      local.tally.add_up(place, &shared.tally);
    } else if (place.thread == 0) {
      shared.tally.publish(place, finishes ? out.tally : pairs);
    }
  }

 private:
  SPIKELOOM_KERNEL void finish(std::uint32_t row, std::uint32_t o, Local& local) const {
    if (o >= out.size) return;
    V* const y = out.values(rows.step(row), rows.element(row)) + o;
    if constexpr (std::is_integral_v<V>) {
      if (parts.low != nullptr) {
        const V sum = parts.sum(out.place(rows.step(row), rows.element(row)), o);
        *y = equations::score(sum, scale[o], bias[o], parts.shift);
        local.tally.count(*y);
        return;
      }
    }
    *y = completed(*y, scale, bias, o % outputs);
    local.tally.count(*y);
  }
};

}  // namespace spikeloom::cuda
