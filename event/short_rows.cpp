#include "event/short_rows.hpp"

#include <algorithm>
#include <limits>
#include <string>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "event/short_rows.cpp"
// clang-format off: foreach_target has to come first.
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

#include "event/detail/lanes-inl.inc"

#ifndef SPIKELOOM_SHORT_ROWS_ONCE
#define SPIKELOOM_SHORT_ROWS_ONCE
namespace spikeloom {

/// Synapses whose products are made together; as many may be read behind the last one.
inline constexpr std::size_t kGroup = 16;

template <typename W, typename A>
struct ShortRowsCall {
  const std::uint32_t* start;
  const std::uint16_t* target;
  const W* weight;
  const std::uint32_t* rows;
  std::size_t count;
  const A* values;
  A* acc;
};

}  // namespace spikeloom
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {

#if SPIKELOOM_PLAIN_LOOPS

template <bool kSigned, typename W, typename A>
void walk_short(const ShortRowsCall<W, A>& c) {
  for (std::size_t k = 0; k < c.count; ++k) {
    const A value = c.values[k];
    for (std::uint32_t i = c.start[c.rows[k]]; i < c.start[c.rows[k] + 1]; ++i) {
      c.acc[c.target[i]] +=
          kSigned ? (c.weight[i] < W{0} ? -value : value) : static_cast<A>(c.weight[i]) * value;
    }
  }
}

#else

/// w x, or x with the sign of w.
template <bool kSigned, class D>
HWY_INLINE hn::Vec<D> product(D d, hn::Vec<D> weight, hn::Vec<D> value) {
  if constexpr (!kSigned) {
    return hn::Mul(weight, value);
  } else if constexpr (std::is_same_v<hn::TFromD<D>, float>) {
    return hn::Xor(value, hn::And(weight, hn::SignBit(d)));
  } else {
    const auto minus = hn::BroadcastSignBit(weight);
    return hn::Sub(hn::Xor(value, minus), minus);
  }
}

/// Rows ahead of the one being added, whose cache lines are asked for.
constexpr std::size_t kRowsAhead = 2;

template <typename T>
HWY_INLINE void prefetch_lines(const T* first, const T* last) {
  const auto* const end = reinterpret_cast<const char*>(last);
  for (const auto* p = reinterpret_cast<const char*>(first); p < end; p += 64) hwy::Prefetch(p);
}

template <bool kSigned, typename W, typename A>
HWY_ATTR void walk_short(const ShortRowsCall<W, A>& c) {
  const hn::CappedTag<A, kGroup> d;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  const std::uint16_t* const targets = c.target;
  A* const acc = c.acc;
  alignas(64) A products[kGroup];
  for (std::size_t k = 0; k < c.count; ++k) {
    if (k + kRowsAhead < c.count) {
      const std::uint32_t row = c.rows[k + kRowsAhead];
      prefetch_lines(targets + c.start[row], targets + c.start[row + 1]);
      prefetch_lines(c.weight + c.start[row], c.weight + c.start[row + 1]);
    }
    const auto value = hn::Set(d, c.values[k]);
    const std::size_t end = c.start[c.rows[k] + 1];
    for (std::size_t i = c.start[c.rows[k]]; i < end; i += kGroup) {
      for (std::size_t j = 0; j < kGroup; j += kLanes) {
        const std::size_t rest = end - i > j ? end - i - j : 0;
        const auto made = product<kSigned>(d, widened(d, c.weight + i + j), value);
        const auto inside = hn::FirstN(d, std::min(rest, kLanes));
        hn::Store(hn::IfThenElseZero(inside, made), d, products + j);
      }
#pragma GCC unroll 16
      for (std::size_t j = 0; j < kGroup; ++j) acc[targets[i + j]] += products[j];
    }
  }
}

#endif

void short_int8_float(const ShortRowsCall<std::int8_t, float>& c) { walk_short<false>(c); }
void short_float_float(const ShortRowsCall<float, float>& c) { walk_short<false>(c); }
void short_int8_int(const ShortRowsCall<std::int8_t, std::int32_t>& c) { walk_short<false>(c); }
void sign_int8_float(const ShortRowsCall<std::int8_t, float>& c) { walk_short<true>(c); }
void sign_float_float(const ShortRowsCall<float, float>& c) { walk_short<true>(c); }
void sign_int8_int(const ShortRowsCall<std::int8_t, std::int32_t>& c) { walk_short<true>(c); }

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom {
namespace {

HWY_EXPORT(short_int8_float);
HWY_EXPORT(short_float_float);
HWY_EXPORT(short_int8_int);
HWY_EXPORT(sign_int8_float);
HWY_EXPORT(sign_float_float);
HWY_EXPORT(sign_int8_int);

void dispatch(const ShortRowsCall<std::int8_t, float>& c, bool sign) {
  sign ? HWY_DYNAMIC_DISPATCH(sign_int8_float)(c) : HWY_DYNAMIC_DISPATCH(short_int8_float)(c);
}
void dispatch(const ShortRowsCall<float, float>& c, bool sign) {
  sign ? HWY_DYNAMIC_DISPATCH(sign_float_float)(c) : HWY_DYNAMIC_DISPATCH(short_float_float)(c);
}
void dispatch(const ShortRowsCall<std::int8_t, std::int32_t>& c, bool sign) {
  sign ? HWY_DYNAMIC_DISPATCH(sign_int8_int)(c) : HWY_DYNAMIC_DISPATCH(short_int8_int)(c);
}

}  // namespace

template <typename W, typename A>
Result<ShortRows<W, A>> ShortRows<W, A>::make(std::uint32_t targets,
                                              std::span<const std::int64_t> row_start,
                                              std::span<const std::uint32_t> target,
                                              std::span<const W> weight) {
  const auto bad = [](std::string what) {
    return Error{.code = ErrorCode::kShape, .what = std::move(what), .where = "short rows"};
  };
  if (target.size() > std::numeric_limits<std::uint32_t>::max()) {
    return Error{.code = ErrorCode::kResource, .what = "more than 2^32 - 1 synapses"};
  }
  if (targets > kMostTargets) return bad("more than 65,536 targets");
  if (row_start.empty() || target.size() != weight.size() || row_start.front() != 0 ||
      row_start.back() != static_cast<std::int64_t>(target.size()) ||
      !std::is_sorted(row_start.begin(), row_start.end())) {
    return bad("row starts, targets and weights do not fit each other");
  }
  if (std::any_of(target.begin(), target.end(), [&](auto t) { return t >= targets; })) {
    return bad("a target is out of range");
  }
  ShortRows made;
  made.targets_ = targets;
  made.start_ = AlignedBuffer<std::uint32_t>(row_start.size());
  std::copy(row_start.begin(), row_start.end(), made.start_.begin());
  made.target_ = AlignedBuffer<std::uint16_t>(target.size() + kGroup);
  std::copy(target.begin(), target.end(), made.target_.begin());
  made.weight_ = AlignedBuffer<W>(weight.size() + kGroup);
  std::copy(weight.begin(), weight.end(), made.weight_.begin());
  return made;
}

template <typename W, typename A>
void ShortRows<W, A>::multiply_add(std::span<const std::uint32_t> rows, std::span<const A> values,
                                   A* acc) const {
  dispatch(
      {start_.data(), target_.data(), weight_.data(), rows.data(), rows.size(), values.data(), acc},
      false);
}

template <typename W, typename A>
void ShortRows<W, A>::signed_add(std::span<const std::uint32_t> rows, std::span<const A> values,
                                 A* acc) const {
  dispatch(
      {start_.data(), target_.data(), weight_.data(), rows.data(), rows.size(), values.data(), acc},
      true);
}

template class ShortRows<std::int8_t, float>;
template class ShortRows<float, float>;
template class ShortRows<std::int8_t, std::int32_t>;

}  // namespace spikeloom
#endif
