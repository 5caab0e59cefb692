#include "sensors/detail/evt3_words.hpp"

#include <algorithm>
#include <bit>

#include "sensors/detail/lane_gather.hpp"
#include "sensors/detail/load.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sensors/evt3_words.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kWordBytes = 2;

#if HWY_MAX_BYTES < 32

/// Registers too narrow to be worth it: the loop below takes every word by itself.
inline std::size_t plain_words(const std::byte*, std::size_t, detail::Evt3State&,
                               detail::EventBlock&) {
  return 0;
}

#else

/// Microseconds of eight lanes, as nanoseconds from `high` on.
template <class V>
inline void store_times(V us, Time high, Time* out) {
  const hn::Full128<std::uint16_t> d16;
  const hn::Rebind<std::uint32_t, decltype(d16)> d32;
  const hn::CappedTag<std::uint64_t, 8> d64;
  const hn::RebindToSigned<decltype(d64)> i64;
  const auto base = hn::Set(i64, high);
  const auto ns = hn::Mul(hn::PromoteTo(d32, us), hn::Set(d32, 1000U));
  const auto store = [&](auto part, Time* to) {
    hn::StoreU(hn::Add(base, hn::BitCast(i64, hn::PromoteTo(d64, part))), i64, to);
  };
#if HWY_MAX_BYTES >= 64
  store(ns, out);
#else
  const hn::Half<decltype(d32)> half;
  store(hn::LowerHalf(half, ns), out);
  store(hn::UpperHalf(half, ns), out + 4);
#endif
}

/// Words of the kinds y, x and time low, eight at a time and without a branch: each lane finds the
/// last row and the last time at or before it, then the lanes that are events move to the front.
/// Stops at the first word of another kind, or when less than eight words are left.
inline std::size_t plain_words(const std::byte* words, std::size_t count, detail::Evt3State& state,
                               detail::EventBlock& block) {
  constexpr std::size_t kLanes = 8;
  const hn::Full128<std::uint16_t> d16;
  const hn::Full128<std::uint8_t> d8;
  const auto fill = [&d16](std::uint32_t value) {
    return hn::Set(d16, static_cast<std::uint16_t>(value));
  };
  const auto none = fill(0);
  const auto place = hn::Iota(d16, 1);
  auto last_y = fill(state.y);
  auto last_low = fill(state.low_us);
  std::size_t made = block.size;
  std::size_t i = 0;
  std::size_t good = kLanes;
  while (i + kLanes <= count && made < detail::EventBlock::kEvents && good == kLanes) {
    const auto word =
        hn::LoadU(d16, reinterpret_cast<const std::uint16_t*>(words + i * kWordBytes));
    const auto kind = hn::ShiftRight<12>(word);
    const auto is_y = hn::Eq(kind, fill(detail::kEvt3Y));
    const auto is_x = hn::Eq(kind, fill(detail::kEvt3X));
    const auto is_low = hn::Eq(kind, fill(detail::kEvt3TimeLow));
    // The place of the last row in the lower byte of each lane, of the last time in the upper; 0:
    // before this register.
    auto last = hn::BitCast(d8, hn::Or(hn::IfThenElseZero(is_y, place),
                                       hn::IfThenElseZero(is_low, hn::ShiftLeft<8>(place))));
    last = hn::Max(last, hn::ShiftLeftBytes<2>(d8, last));
    last = hn::Max(last, hn::ShiftLeftBytes<4>(d8, last));
    last = hn::Max(last, hn::ShiftLeftBytes<8>(d8, last));
    const auto y_place = hn::And(hn::BitCast(d16, last), fill(0xFF));
    const auto low_place = hn::ShiftRight<8>(hn::BitCast(d16, last));
    const auto word_at = [&](auto at) {  // bytes 2 at - 2 and 2 at - 1; none of place 0
      const auto bytes = hn::Sub(hn::Mul(at, fill(0x0202)), fill(0x0102));
      return hn::TableLookupBytesOr0(word, bytes);
    };
    const auto y =
        hn::IfThenElse(hn::Eq(y_place, none), last_y, hn::And(word_at(y_place), fill(0x7FF)));
    const auto low =
        hn::IfThenElse(hn::Eq(low_place, none), last_low, hn::And(word_at(low_place), fill(0xFFF)));
    std::uint8_t bits[8] = {};
    hn::StoreMaskBits(d16, is_x, bits);
    std::uint32_t events = bits[0];
    const std::intptr_t other = hn::FindFirstTrue(d16, hn::Not(hn::Or(is_y, hn::Or(is_x, is_low))));
    if (other >= 0) {
      good = static_cast<std::size_t>(other);
      events &= (1U << good) - 1U;
    }
    const auto gather = hn::LoadU(d8, detail::kLaneGather[events].data());
    const auto event = hn::TableLookupBytes(word, hn::BitCast(d16, gather));
    hn::StoreU(hn::And(event, fill(0x7FF)), d16, block.x.data() + made);
    hn::StoreU(hn::TableLookupBytes(y, hn::BitCast(d16, gather)), d16, block.y.data() + made);
    const hn::Half<decltype(d8)> half8;
    const auto polarity = hn::And(hn::ShiftRight<11>(event), fill(1));
    hn::StoreU(hn::DemoteTo(half8, hn::BitCast(hn::RebindToSigned<decltype(d16)>(), polarity)),
               half8, block.polarity.data() + made);
    store_times(hn::TableLookupBytes(low, hn::BitCast(d16, gather)), state.high,
                block.time.data() + made);
    made += static_cast<std::size_t>(std::popcount(events));
    i += good;
    // What the next register goes on from: the last lane, or the last in front of the other word.
    if (good == kLanes) {
      last_y = hn::Broadcast<kLanes - 1>(y);
      last_low = hn::Broadcast<kLanes - 1>(low);
    } else if (good > 0) {
      std::uint16_t lanes[kLanes];
      hn::StoreU(y, d16, lanes);
      last_y = fill(lanes[good - 1]);
      hn::StoreU(low, d16, lanes);
      last_low = fill(lanes[good - 1]);
    }
  }
  state.y = hn::GetLane(last_y);
  state.low_us = hn::GetLane(last_low);
  block.size = made;
  return i;
}

#endif

/// The events of a vector of `pixels`; false when it goes beyond the format's coordinates.
inline bool vector_word(std::uint32_t mask, std::uint32_t pixels, detail::Evt3State& state,
                        detail::EventBlock& block) {
  if (state.base_x == detail::kEvt3NoBase) {
    state.without_base += pixels == 32 ? 3 : 1;
    return true;
  }
  const auto top = 31U - static_cast<std::uint32_t>(std::countl_zero(mask | 1U));
  if (mask != 0 && state.base_x + top >= detail::kEvt3Pixels) return false;
  const Time time = state.high + state.low_us * kMicrosecond;
  const std::size_t end = block.size + static_cast<std::size_t>(std::popcount(mask));
  const auto next_pixel = [&] {
    block.push(time, state.base_x + static_cast<std::uint32_t>(std::countr_zero(mask)), state.y,
               state.base_polarity);
    mask &= mask - 1;
  };
  // Most vectors have few events: four are written without asking, and count if they are there.
  for (int k = 0; k < 4; ++k) next_pixel();
  while (mask != 0) next_pixel();
  block.size = end;
  state.base_x = std::min(state.base_x + pixels, 2 * detail::kEvt3Pixels);
  return true;
}

/// Cameras send vectors of 12, 12 and 8 pixels together: one mask of 32. 0 when that is not what
/// comes, or not all of it, or when it is wrong; else 3.
inline std::size_t whole_vector(const std::byte* words, std::size_t count, detail::Evt3State& state,
                                detail::EventBlock& block) {
  if (count < 3) return 0;
  const std::uint32_t first = detail::load_little<std::uint16_t>(words);
  const std::uint32_t second = detail::load_little<std::uint16_t>(words + 2);
  const std::uint32_t third = detail::load_little<std::uint16_t>(words + 4);
  if (first >> 12 != detail::kEvt3Vector12 || second >> 12 != detail::kEvt3Vector12 ||
      third >> 12 != detail::kEvt3Vector8) {
    return 0;
  }
  const std::uint32_t mask = (first & 0xFFFU) | (second & 0xFFFU) << 12 | (third & 0xFFU) << 24;
  return vector_word(mask, 32, state, block) ? 3 : 0;
}

/// One word, or a base and the vectors behind it; returns how many words that was, 0 for a word of
/// another kind or a wrong one.
inline std::size_t one_word(const std::byte* words, std::size_t count, detail::Evt3State& state,
                            detail::EventBlock& block) {
  const std::uint32_t word = detail::load_little<std::uint16_t>(words);
  switch (word >> 12) {
    case detail::kEvt3BaseX:
      state.base_x = word & 0x7FFU;
      state.base_polarity = word >> 11 & 1U;
      return 1 + whole_vector(words + kWordBytes, count - 1, state, block);
    case detail::kEvt3Vector12: {
      const std::size_t used = whole_vector(words, count, state, block);
      return used > 0 ? used : vector_word(word & 0xFFFU, 12, state, block) ? 1 : 0;
    }
    case detail::kEvt3Vector8:
      return vector_word(word & 0xFFU, 8, state, block) ? 1 : 0;
    case detail::kEvt3Y:
      state.y = word & 0x7FFU;
      return 1;
    case detail::kEvt3X:
      block.push(state.high + state.low_us * kMicrosecond, word & 0x7FFU, state.y, word >> 11 & 1U);
      return 1;
    case detail::kEvt3TimeLow:
      state.low_us = word & 0xFFFU;
      return 1;
    default:
      return 0;
  }
}

std::size_t evt3_run(const std::byte* words, std::size_t count, detail::Evt3State& state,
                     detail::EventBlock& block) {
  std::size_t i = 0;
  while (true) {
    i += plain_words(words + i * kWordBytes, count - i, state, block);
    if (i == count || block.full()) return i;
    const std::size_t used = one_word(words + i * kWordBytes, count - i, state, block);
    if (used == 0) return i;
    i += used;
  }
}

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::detail {

HWY_EXPORT(evt3_run);

std::size_t decode_evt3_run(const std::byte* words, std::size_t count, Evt3State& state,
                            EventBlock& block) {
  return HWY_DYNAMIC_DISPATCH(evt3_run)(words, count, state, block);
}

}  // namespace spikeloom::detail
#endif  // HWY_ONCE
