#include "sensors/detail/aedat4_records.hpp"

#include <limits>

#include "sensors/detail/load.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sensors/aedat4_records.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

bool aedat4_records(const std::byte* records, std::size_t count, detail::EventBlock& block) {
  constexpr std::int64_t kMost = std::numeric_limits<Time>::max() / kMicrosecond;
  constexpr std::size_t kBytes = 16;
  const hn::ScalableTag<std::uint64_t> d64;
  const hn::RebindToSigned<decltype(d64)> i64;
  const hn::Rebind<std::uint16_t, decltype(d64)> d16;
  const hn::Rebind<std::uint8_t, decltype(d64)> d8;
  const std::size_t lanes = hn::Lanes(d64);
  const auto most = hn::Set(i64, kMost);
  auto beyond = hn::Lt(most, most);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    hn::Vec<decltype(d64)> us;
    hn::Vec<decltype(d64)> rest;
    hn::LoadInterleaved2(d64, reinterpret_cast<const std::uint64_t*>(records + i * kBytes), us,
                         rest);
    const auto signed_us = hn::BitCast(i64, us);
    beyond = hn::Or(beyond, hn::Or(hn::Gt(signed_us, most), hn::Lt(signed_us, hn::Neg(most))));
    // 1000 = 1024 - 16 - 8: not every processor multiplies 64 bits.
    const auto ns =
        hn::Sub(hn::ShiftLeft<10>(us), hn::Add(hn::ShiftLeft<4>(us), hn::ShiftLeft<3>(us)));
    hn::StoreU(hn::BitCast(i64, ns), i64, block.time.data() + i);
    hn::StoreU(hn::TruncateTo(d16, rest), d16, block.x.data() + i);
    hn::StoreU(hn::TruncateTo(d16, hn::ShiftRight<16>(rest)), d16, block.y.data() + i);
    const auto polarity = hn::And(hn::ShiftRight<32>(rest), hn::Set(d64, 0xFFU));
    const auto on = hn::IfThenElseZero(hn::Ne(polarity, hn::Zero(d64)), hn::Set(d64, 1U));
    hn::StoreU(hn::TruncateTo(d8, on), d8, block.polarity.data() + i);
  }
  bool fits = hn::AllFalse(i64, beyond);
  block.size = i;
  for (; i < count; ++i) {
    const auto us = detail::load_little<std::int64_t>(records + i * kBytes);
    const auto rest = detail::load_little<std::uint64_t>(records + i * kBytes + 8);
    fits = fits && us <= kMost && us >= -kMost;
    block.push(static_cast<Time>(static_cast<std::uint64_t>(us) * kMicrosecond),
               static_cast<std::uint32_t>(rest), static_cast<std::uint32_t>(rest >> 16),
               (rest >> 32 & 0xFFU) != 0 ? 1 : 0);
  }
  return fits;
}

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::detail {

HWY_EXPORT(aedat4_records);

bool decode_aedat4_records(const std::byte* records, std::size_t count, EventBlock& block) {
  return HWY_DYNAMIC_DISPATCH(aedat4_records)(records, count, block);
}

}  // namespace spikeloom::detail
#endif  // HWY_ONCE
