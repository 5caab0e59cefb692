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

/// Rows added together, and bits of a count: 31 times 8 rows stay below 256.
constexpr std::size_t kRows = 8;
constexpr std::size_t kPlanes = 8;
constexpr std::size_t kMostRows = 31 * kRows;
/// Targets of one cache line of a row, and the lines whose counts lie in the L1 cache together.
constexpr std::size_t kTargets = 512;
constexpr std::size_t kLineWords = kTargets / 64;
constexpr std::size_t kLines = 32;

/// Counts of the targets of one line: bit t % 64 of word t / 64 of plane j is bit j of a count.
struct Line {
  alignas(64) std::uint64_t plane[kPlanes][kLineWords];
};

alignas(64) constexpr std::uint64_t kNoRow[kLines * kLineWords] = {};

using D = hn::ScalableTag<std::uint64_t>;
using V = hn::VFromD<D>;

/// Adds the bits b and c to the sums' lowest bit a; returns the carries.
HWY_INLINE V carry_save(V& a, V b, V c) {
  const V either = hn::Xor(a, b);
  const V carry = hn::Or(hn::And(a, b), hn::And(either, c));
  a = hn::Xor(either, c);
  return carry;
}

/// Adds eight rows to the counts of `lines` lines. Rows are walked from end to end, as memory likes
/// it, and the same stretch of the eight rows after them is asked for. `planes` is the number of
/// bits that the counts may have after this.
HWY_INLINE void count_rows(const std::uint64_t* const (&rows)[kRows],
                           const std::uint64_t* const (&next)[kRows], std::size_t lines,
                           std::size_t planes, Line* counts) {
  const D d;
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  for (std::size_t line = 0; line < lines; ++line) {
    for (const std::uint64_t* const row : next) hwy::Prefetch(row + line * kLineWords);
    for (std::size_t word = 0; word < kLineWords; word += kLanes) {
      std::uint64_t(*const plane)[kLineWords] = counts[line].plane;
      const auto bits = [&](std::size_t j)
                            HWY_ATTR { return hn::LoadU(d, rows[j] + line * kLineWords + word); };
      V ones = hn::Load(d, plane[0] + word);
      V twos = hn::Load(d, plane[1] + word);
      V fours = hn::Load(d, plane[2] + word);
      const V two_a = carry_save(ones, bits(0), bits(1));
      const V two_b = carry_save(ones, bits(2), bits(3));
      const V four_a = carry_save(twos, two_a, two_b);
      const V two_c = carry_save(ones, bits(4), bits(5));
      const V two_d = carry_save(ones, bits(6), bits(7));
      const V four_b = carry_save(twos, two_c, two_d);
      V carry = carry_save(fours, four_a, four_b);
      hn::Store(ones, d, plane[0] + word);
      hn::Store(twos, d, plane[1] + word);
      hn::Store(fours, d, plane[2] + word);
      for (std::size_t p = 3; p < planes; ++p) {
        const V before = hn::Load(d, plane[p] + word);
        hn::Store(hn::Xor(before, carry), d, plane[p] + word);
        carry = hn::And(before, carry);
      }
    }
  }
}

/// One byte per target of 64 bits in each of the planes in use.
HWY_INLINE void spread(const Line& line, std::size_t word, std::size_t used, std::uint8_t* counts) {
#if HWY_TARGET == HWY_SCALAR || HWY_TARGET == HWY_EMU128
  for (std::size_t t = 0; t < 64; ++t) {
    unsigned sum = 0;
    for (std::size_t p = 0; p < used; ++p) {
      sum |= static_cast<unsigned>(line.plane[p][word] >> t & 1) << p;
    }
    counts[t] = static_cast<std::uint8_t>(sum);
  }
#else
  const hn::ScalableTag<std::uint8_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<std::uint8_t>());
  for (std::size_t t = 0; t < 64; t += kLanes) {
    auto sum = hn::Zero(d);
    for (std::size_t p = 0; p < used; ++p) {
      const auto* const bits = reinterpret_cast<const std::uint8_t*>(line.plane[p] + word) + t / 8;
      const auto bit = hn::Set(d, static_cast<std::uint8_t>(1U << p));
      sum = hn::Or(sum, hn::IfThenElseZero(hn::LoadMaskBits(d, bits), bit));
    }
    hn::StoreU(sum, d, counts + t);
  }
#endif
}

template <typename A>
HWY_INLINE void add_counts(const std::uint8_t* HWY_RESTRICT counts, std::size_t targets, A weight,
                           A* HWY_RESTRICT acc) {
  for (std::size_t t = 0; t < targets; ++t) {
    acc[t] += weight * static_cast<A>(static_cast<std::int32_t>(counts[t]));
  }
}

/// The counts of the targets [first, last), times the weight, into the accumulators.
template <typename A>
HWY_INLINE void read_out(const Line* counts, std::size_t planes, std::size_t targets, A weight,
                         A* acc) {
  for (std::size_t t = 0; t < targets; t += 64) {
    std::uint8_t bytes[64];
    spread(counts[t / kTargets], t % kTargets / 64, planes, bytes);
    if (t + 64 <= targets) {
      add_counts(bytes, 64, weight, acc + t);
    } else {
      add_counts(bytes, targets - t, weight, acc + t);
    }
  }
}

template <typename A>
void walk(const BitmaskCall<A>& call) {
  Line counts[kLines];
  for (std::size_t first = call.first; first < call.last; first += kLines * kTargets) {
    const std::size_t targets = std::min<std::size_t>(call.last - first, kLines * kTargets);
    const std::size_t lines = (targets + kTargets - 1) / kTargets;
    const std::uint64_t* const bits = call.bits + first / 64;
    for (std::size_t begin = 0; begin < call.count; begin += kMostRows) {
      const std::size_t count = std::min(kMostRows, call.count - begin);
      std::fill_n(&counts[0].plane[0][0], lines * kPlanes * kLineWords, std::uint64_t{0});
      const std::uint64_t* rows[2][kRows];
      const auto look_up = [&](std::size_t k, const std::uint64_t*(&pointers)[kRows]) {
        for (std::size_t j = 0; j < kRows; ++j) {
          pointers[j] = k + j < count ? bits + call.rows[begin + k + j] * call.words : kNoRow;
        }
      };
      look_up(0, rows[0]);
      for (std::size_t k = 0; k < count; k += kRows) {
        const std::size_t turn = k / kRows % 2;
        look_up(k + kRows, rows[1 - turn]);
        count_rows(rows[turn], rows[1 - turn], lines, std::bit_width(k + kRows), counts);
      }
      read_out(counts, std::bit_width(count), targets, call.weight,
               call.acc + (first - call.first));
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
