#include "sensors/detail/event_block.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sensors/event_block.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Of `count` > 0 times: none lies before the one in front of it.
bool times_ascend(const Time* time, std::size_t count) {
  const hn::ScalableTag<std::int64_t> d;
  const std::size_t lanes = hn::Lanes(d);
  auto back = hn::Lt(hn::Zero(d), hn::Zero(d));
  std::size_t i = 1;
  for (; i + lanes <= count; i += lanes) {
    back = hn::Or(back, hn::Lt(hn::LoadU(d, time + i), hn::LoadU(d, time + i - 1)));
  }
  bool ascends = hn::AllFalse(d, back);
  for (; i < count; ++i) ascends = ascends && time[i] >= time[i - 1];
  return ascends;
}

std::uint32_t largest(const std::uint16_t* values, std::size_t count) {
  const hn::ScalableTag<std::uint16_t> d;
  const std::size_t lanes = hn::Lanes(d);
  auto most = hn::Zero(d);
  std::size_t i = 0;
  for (; i + lanes <= count; i += lanes) most = hn::Max(most, hn::LoadU(d, values + i));
  HWY_ALIGN std::uint16_t lane[hn::MaxLanes(hn::ScalableTag<std::uint16_t>())];
  hn::Store(most, d, lane);
  std::uint32_t result = 0;
  for (std::size_t k = 0; k < lanes; ++k) result = HWY_MAX(result, lane[k]);
  for (; i < count; ++i) result = HWY_MAX(result, values[i]);
  return result;
}

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::detail {

HWY_EXPORT(times_ascend);
HWY_EXPORT(largest);

bool block_obeys(const EventBlock& block, bool sorted, Time last, std::uint32_t width,
                 std::uint32_t height) {
  const std::size_t count = block.size;
  if (count == 0) return true;
  if (sorted &&
      (block.time[0] < last || !HWY_DYNAMIC_DISPATCH(times_ascend)(block.time.data(), count))) {
    return false;
  }
  return width == 0 || (HWY_DYNAMIC_DISPATCH(largest)(block.x.data(), count) < width &&
                        HWY_DYNAMIC_DISPATCH(largest)(block.y.data(), count) < height);
}

void EventBlock::append_to(EventPacket& packet, std::size_t count) const {
  const auto add = [count](auto& column, const auto& from) {
    column.insert(column.end(), from.begin(), from.begin() + static_cast<std::ptrdiff_t>(count));
  };
  add(packet.time, time);
  add(packet.x, x);
  add(packet.y, y);
  add(packet.polarity, polarity);
}

}  // namespace spikeloom::detail
#endif  // HWY_ONCE
