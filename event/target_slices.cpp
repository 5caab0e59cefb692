#include "event/target_slices.hpp"

#include <algorithm>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "event/target_slices.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "event/detail/lanes-inl.inc"

#ifndef SPIKELOOM_TARGET_SLICES_ONCE
#define SPIKELOOM_TARGET_SLICES_ONCE
namespace spikeloom {

inline constexpr std::size_t kSliceTargets = 16;

template <typename W, typename A>
struct SliceCall {
  const std::uint64_t* start;
  std::size_t slices;
  const std::uint16_t* source;
  const W* weight;
  const std::uint32_t* target;
  std::size_t targets;
  const A* x;
  A* sums;
};

}  // namespace spikeloom
#endif

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {
// Loads one by one and put together beat the gather instruction (docs/language.md).
template <class D, typename A, std::size_t... kLane>
HWY_INLINE hn::Vec<D> gathered(D d, const std::uint16_t* index, const A* x,
                               std::index_sequence<kLane...>) {
  // The intrinsics name the last lane first.
  [[maybe_unused]] constexpr std::size_t kLast = sizeof...(kLane) - 1;
#if HWY_TARGET == HWY_AVX3
  static_cast<void>(d);
  if constexpr (std::is_same_v<A, float>) {
    return hn::Vec<D>{_mm512_set_ps(x[index[kLast - kLane]]...)};
  } else {
    return hn::Vec<D>{_mm512_set_epi32(x[index[kLast - kLane]]...)};
  }
#elif HWY_TARGET == HWY_AVX2
  static_cast<void>(d);
  if constexpr (std::is_same_v<A, float>) {
    return hn::Vec<D>{_mm256_set_ps(x[index[kLast - kLane]]...)};
  } else {
    return hn::Vec<D>{_mm256_set_epi32(x[index[kLast - kLane]]...)};
  }
#else
  HWY_ALIGN const A values[] = {x[index[kLane]]...};
  return hn::Load(d, values);
#endif
}

template <typename W, typename A>
HWY_ATTR void run_slices(const SliceCall<W, A>& c) {
  const hn::CappedTag<A, kSliceTargets> d;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  constexpr std::size_t kVectors = kSliceTargets / kLanes;
  using Lanes = std::make_index_sequence<kLanes>;
  alignas(64) A sums[kSliceTargets];
  for (std::size_t slice = 0; slice < c.slices; ++slice) {
    hn::Vec<decltype(d)> sum[kVectors];
    for (std::size_t v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
    for (std::size_t i = c.start[slice]; i < c.start[slice + 1]; i += kSliceTargets) {
      for (std::size_t v = 0; v < kVectors; ++v) {
        const auto x = gathered(d, c.source + i + v * kLanes, c.x, Lanes());
        sum[v] = hn::Add(sum[v], hn::Mul(widened(d, c.weight + i + v * kLanes), x));
      }
    }
    for (std::size_t v = 0; v < kVectors; ++v) hn::Store(sum[v], d, sums + v * kLanes);
    const std::size_t first = slice * kSliceTargets;
    const std::size_t count = std::min(kSliceTargets, c.targets - first);
    for (std::size_t j = 0; j < count; ++j) c.sums[c.target[first + j]] = sums[j];
  }
}

void slices_int8_float(const SliceCall<std::int8_t, float>& c) { run_slices(c); }
void slices_float_float(const SliceCall<float, float>& c) { run_slices(c); }
void slices_int8_int(const SliceCall<std::int8_t, std::int32_t>& c) { run_slices(c); }

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom {
namespace {

HWY_EXPORT(slices_int8_float);
HWY_EXPORT(slices_float_float);
HWY_EXPORT(slices_int8_int);

void dispatch(const SliceCall<std::int8_t, float>& c) {
  HWY_DYNAMIC_DISPATCH(slices_int8_float)(c);
}
void dispatch(const SliceCall<float, float>& c) { HWY_DYNAMIC_DISPATCH(slices_float_float)(c); }
void dispatch(const SliceCall<std::int8_t, std::int32_t>& c) {
  HWY_DYNAMIC_DISPATCH(slices_int8_int)(c);
}

}  // namespace

template <typename W, typename A>
Result<TargetSlices<W, A>> TargetSlices<W, A>::make(std::uint32_t targets,
                                                    std::span<const std::int64_t> row_start,
                                                    std::span<const std::uint32_t> target,
                                                    std::span<const W> weight) {
  const auto bad = [](std::string what) {
    return Error{.code = ErrorCode::kShape, .what = std::move(what), .where = "target slices"};
  };
  if (row_start.empty() || row_start.size() - 1 > kMostSources) {
    return bad("no sources, or more than 65,535");
  }
  if (target.size() != weight.size() || row_start.front() != 0 ||
      row_start.back() != static_cast<std::int64_t>(target.size()) ||
      !std::is_sorted(row_start.begin(), row_start.end())) {
    return bad("row starts, targets and weights do not fit each other");
  }
  std::vector<std::uint32_t> synapses(targets, 0);
  for (const std::uint32_t t : target) {
    if (t >= targets) return bad("a target is out of range");
    ++synapses[t];
  }
  std::vector<std::uint32_t> order(targets);
  std::iota(order.begin(), order.end(), 0U);
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return synapses[a] > synapses[b]; });
  TargetSlices made;
  made.sources_ = static_cast<std::uint32_t>(row_start.size()) - 1;
  made.targets_ = targets;
  const std::size_t slices = (targets + kSliceTargets - 1) / kSliceTargets;
  made.start_ = AlignedBuffer<std::uint64_t>(slices + 1);
  made.target_ = AlignedBuffer<std::uint32_t>(slices * kSliceTargets);
  std::vector<std::uint64_t> place(targets);  // of each target's next synapse
  for (std::size_t s = 0; s < slices; ++s) {
    // The first target of a slice has the most synapses.
    made.start_[s + 1] = made.start_[s] + synapses[order[s * kSliceTargets]] * kSliceTargets;
    for (std::size_t j = 0; j < kSliceTargets && s * kSliceTargets + j < targets; ++j) {
      const std::uint32_t t = order[s * kSliceTargets + j];
      made.target_[s * kSliceTargets + j] = t;
      place[t] = made.start_[s] + j;
    }
  }
  made.source_ = AlignedBuffer<std::uint16_t>(made.start_[slices]);
  made.weight_ = AlignedBuffer<W>(made.start_[slices]);
  // Empty places read the 0 behind the vector.
  std::fill(made.source_.begin(), made.source_.end(), static_cast<std::uint16_t>(made.sources_));
  for (std::uint32_t i = 0; i < made.sources_; ++i) {
    for (auto k = static_cast<std::size_t>(row_start[i]);
         k < static_cast<std::size_t>(row_start[i + 1]); ++k) {
      const std::uint64_t at = place[target[k]];
      made.source_[at] = static_cast<std::uint16_t>(i);
      made.weight_[at] = weight[k];
      place[target[k]] += kSliceTargets;
    }
  }
  return made;
}

template <typename W, typename A>
void TargetSlices<W, A>::multiply(const A* x, A* sums) const {
  dispatch({start_.data(), start_.size() - 1, source_.data(), weight_.data(), target_.data(),
            targets_, x, sums});
}

template class TargetSlices<std::int8_t, float>;
template class TargetSlices<float, float>;
template class TargetSlices<std::int8_t, std::int32_t>;

}  // namespace spikeloom
#endif
