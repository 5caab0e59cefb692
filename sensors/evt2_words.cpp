#include "sensors/detail/evt2_words.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sensors/evt2_words.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

#if HWY_TARGET == HWY_SCALAR

/// Without registers of several words the caller's loop is as good.
std::size_t evt2_run(const std::byte*, std::size_t, Time, detail::EventBlock&) { return 0; }

#else

/// A register of words at a time: all are decoded and stored, and the block grows by those in front
/// of the first that is no CD word. There is no branch within a register.
std::size_t evt2_run(const std::byte* words, std::size_t count, Time high,
                     detail::EventBlock& block) {
  const hn::ScalableTag<std::uint32_t> d32;
  const hn::Rebind<std::uint16_t, decltype(d32)> d16;
  const hn::Rebind<std::uint8_t, decltype(d32)> d8;
  const hn::Repartition<std::int64_t, decltype(d32)> d64;
  const hn::Half<decltype(d32)> half;
  const hn::Repartition<std::uint64_t, decltype(d32)> du64;
  const std::size_t lanes = hn::Lanes(d32);
  static_assert(hn::MaxLanes(hn::ScalableTag<std::uint32_t>()) <= detail::EventBlock::kSlack);
  const auto base = hn::Set(d64, high);
  std::size_t made = block.size;
  std::size_t i = 0;
  while (i + lanes <= count && made < detail::EventBlock::kEvents) {
    const auto word =
        hn::LoadU(d32, reinterpret_cast<const std::uint32_t*>(words + i * sizeof(std::uint32_t)));
    const auto kind = hn::ShiftRight<28>(word);
    const auto x = hn::And(hn::ShiftRight<11>(word), hn::Set(d32, 0x7FFU));
    const auto y = hn::And(word, hn::Set(d32, 0x7FFU));
    const auto low = hn::And(hn::ShiftRight<22>(word), hn::Set(d32, 0x3FU));
    const auto ns = hn::Mul(low, hn::Set(d32, 1000U));
    const auto first = hn::BitCast(d64, hn::PromoteTo(du64, hn::LowerHalf(half, ns)));
    const auto second = hn::BitCast(d64, hn::PromoteTo(du64, hn::UpperHalf(half, ns)));
    hn::StoreU(hn::Add(base, first), d64, block.time.data() + made);
    hn::StoreU(hn::Add(base, second), d64, block.time.data() + made + hn::Lanes(d64));
    hn::StoreU(hn::DemoteTo(d16, hn::BitCast(hn::RebindToSigned<decltype(d32)>(), x)), d16,
               block.x.data() + made);
    hn::StoreU(hn::DemoteTo(d16, hn::BitCast(hn::RebindToSigned<decltype(d32)>(), y)), d16,
               block.y.data() + made);
    hn::StoreU(hn::DemoteTo(d8, hn::BitCast(hn::RebindToSigned<decltype(d32)>(), kind)), d8,
               block.polarity.data() + made);
    const std::intptr_t other = hn::FindFirstTrue(d32, hn::Gt(kind, hn::Set(d32, 1U)));
    const std::size_t good = other < 0 ? lanes : static_cast<std::size_t>(other);
    made += good;
    i += good;
    if (good < lanes) break;
  }
  block.size = made;
  return i;
}

#endif

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::detail {

HWY_EXPORT(evt2_run);

std::size_t decode_evt2_run(const std::byte* words, std::size_t count, Time high,
                            EventBlock& block) {
  return HWY_DYNAMIC_DISPATCH(evt2_run)(words, count, high, block);
}

}  // namespace spikeloom::detail
#endif  // HWY_ONCE
