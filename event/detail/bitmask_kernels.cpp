#include "event/detail/bitmask_kernels.hpp"

#include <algorithm>
#include <bit>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "event/detail/bitmask_kernels.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using detail::BitmaskCall;

/// Eight bits of a count, so at most 255 rows before the counts are read out.
constexpr std::size_t kPlanes = 8;
constexpr std::size_t kMostRows = 255;
/// Targets of one cache line of every row.
constexpr std::size_t kTargets = 512;
constexpr std::size_t kRowsAhead = 8;

using D = hn::ScalableTag<std::uint64_t>;
using V = hn::VFromD<D>;

/// Adds the bits b and c to the sums' lowest bit a; returns the carries.
HWY_INLINE V carry_save(V& a, V b, V c) {
  const V either = hn::Xor(a, b);
  const V carry = hn::Or(hn::And(a, b), hn::And(either, c));
  a = hn::Xor(either, c);
  return carry;
}

/// Counts of one vector of targets: plane j holds bit j.
struct Counts {
  V ones, twos, fours;
  V high[kPlanes - 3];

  HWY_INLINE void clear() {
    ones = twos = fours = hn::Zero(D());
    for (V& plane : high) plane = ones;
  }
  HWY_INLINE void add_eights(V carry) {
    for (V& plane : high) {
      const V next = hn::And(plane, carry);
      plane = hn::Xor(plane, carry);
      carry = next;
    }
  }
  HWY_INLINE void add_eight(const V (&row)[8]) {
    const V two_a = carry_save(ones, row[0], row[1]);
    const V two_b = carry_save(ones, row[2], row[3]);
    const V four_a = carry_save(twos, two_a, two_b);
    const V two_c = carry_save(ones, row[4], row[5]);
    const V two_d = carry_save(ones, row[6], row[7]);
    const V four_b = carry_save(twos, two_c, two_d);
    add_eights(carry_save(fours, four_a, four_b));
  }
};

/// Counts of 512 targets over at most 255 rows, as planes of bits in memory.
HWY_INLINE void count_bits(const std::uint64_t* bits, std::size_t words, const std::uint32_t* rows,
                           std::size_t count, std::uint64_t (&planes)[kPlanes][kTargets / 64]) {
  const D d;
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  for (std::size_t word = 0; word < kTargets / 64; word += kLanes) {
    Counts counts;
    counts.clear();
    const std::uint64_t* const column = bits + word;
    for (std::size_t k = 0; k < count; k += 8) {
      V row[8];
      for (std::size_t j = 0; j < 8; ++j) {
        if (word == 0)
          hwy::Prefetch(column + rows[std::min(k + j + kRowsAhead, count - 1)] * words);
        row[j] = k + j < count ? hn::LoadU(d, column + rows[k + j] * words) : hn::Zero(d);
      }
      counts.add_eight(row);
    }
    hn::StoreU(counts.ones, d, planes[0] + word);
    hn::StoreU(counts.twos, d, planes[1] + word);
    hn::StoreU(counts.fours, d, planes[2] + word);
    for (std::size_t p = 3; p < kPlanes; ++p) hn::StoreU(counts.high[p - 3], d, planes[p] + word);
  }
}

/// One byte per target of 64 bits in each of the planes in use.
HWY_INLINE void spread(const std::uint64_t (&planes)[kPlanes][kTargets / 64], std::size_t word,
                       std::size_t used, std::uint8_t* counts) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  for (std::size_t t = 0; t < 64; ++t) {
    unsigned sum = 0;
    for (std::size_t p = 0; p < used; ++p) {
      sum |= static_cast<unsigned>(planes[p][word] >> t & 1) << p;
    }
    counts[t] = static_cast<std::uint8_t>(sum);
  }
#else
  const hn::ScalableTag<std::uint8_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<std::uint8_t>());
  for (std::size_t t = 0; t < 64; t += kLanes) {
    auto sum = hn::Zero(d);
    for (std::size_t p = 0; p < used; ++p) {
      const auto* const bits = reinterpret_cast<const std::uint8_t*>(planes[p] + word) + t / 8;
      const auto bit = hn::Set(d, static_cast<std::uint8_t>(1U << p));
      sum = hn::Or(sum, hn::IfThenElseZero(hn::LoadMaskBits(d, bits), bit));
    }
    hn::StoreU(sum, d, counts + t);
  }
#endif
}

template <typename A>
void walk(const BitmaskCall<A>& call) {
  for (std::size_t begin = 0; begin < call.count; begin += kMostRows) {
    const std::size_t count = std::min(kMostRows, call.count - begin);
    const std::size_t used = std::bit_width(count);
    for (std::size_t target = call.first; target < call.last; target += kTargets) {
      std::uint64_t planes[kPlanes][kTargets / 64];
      count_bits(call.bits + target / 64, call.words, call.rows + begin, count, planes);
      const std::size_t end = std::min<std::size_t>(call.last - target, kTargets);
      for (std::size_t t = 0; t < end; t += 64) {
        std::uint8_t counts[64];
        spread(planes, t / 64, used, counts);
        A* const acc = call.acc + target + t;
        const std::size_t rest = std::min<std::size_t>(end - t, 64);
        for (std::size_t i = 0; i < rest; ++i) {
          acc[i] += call.weight * static_cast<A>(static_cast<std::int32_t>(counts[i]));
        }
      }
    }
  }
}

// One plain function for each case, for Highway's tables.
void add_float(const BitmaskCall<float>& c) { walk(c); }
void add_int32(const BitmaskCall<std::int32_t>& c) { walk(c); }

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom {
namespace {

HWY_EXPORT(add_float);
HWY_EXPORT(add_int32);

}  // namespace

namespace detail {

void add_bitmask_rows(const BitmaskCall<float>& call) { HWY_DYNAMIC_DISPATCH(add_float)(call); }
void add_bitmask_rows(const BitmaskCall<std::int32_t>& call) {
  HWY_DYNAMIC_DISPATCH(add_int32)(call);
}

}  // namespace detail
}  // namespace spikeloom
#endif
