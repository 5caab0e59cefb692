#include "backends/cpu/neuron_kernels.hpp"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/cpu/neuron_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace spikeloom::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using equations::Coefficients;
using equations::State;
using equations::StepOptions;

constexpr std::size_t kNeurons = 64;

template <typename V>
HWY_ATTR std::uint64_t nonzero_set(const V* values) {
  const hn::ScalableTag<V> d;
  const std::size_t lanes = hn::Lanes(d);
  std::uint64_t set = 0;
  for (std::size_t j = 0; j < kNeurons; j += lanes) {
    std::uint8_t bits[8] = {};
    hn::StoreMaskBits(d, hn::Ne(hn::Load(d, values + j), hn::Zero(d)), bits);
    std::uint64_t word = 0;
    std::memcpy(&word, bits, sizeof word);
    if (lanes < 64) word &= (std::uint64_t{1} << lanes) - 1;
    set |= word << j;
  }
  return set;
}

template <typename V>
HWY_INLINE Coefficients<V> coefficients(const NeuronArrays<V>& a, const StepOptions& o,
                                        std::size_t i) {
  Coefficients<V> c;
  c.decay = a.decay[i];
  c.gain = a.gain[i];
  c.drive = a.drive[i];
  c.clamp = a.clamp[i];
  if (o.has_current) {
    c.current_decay = a.current_decay[i];
    c.current_gain = a.current_gain[i];
  }
  if (o.spiking) {
    c.threshold = a.threshold[i];
    c.reset = a.reset[i];
  }
  return c;
}

/// The loop that every variant shares; `o` is a constant where the caller knows it.
template <bool kUniform, bool kRefractory, typename V>
HWY_INLINE void run_block(const StepOptions& o, const NeuronArrays<V>& a, std::size_t first,
                          const V* HWY_RESTRICT x, const NeuronBlock<V>& block,
                          V* HWY_RESTRICT spikes) {
  V* HWY_RESTRICT membrane = block.membrane;
  V* HWY_RESTRICT current = block.current;
  const Coefficients<V> common = coefficients(a, o, 0);
  std::int32_t* HWY_RESTRICT countdown = block.countdown;
  const std::int32_t common_period = kRefractory ? a.refractory[0] : 0;
  for (std::size_t j = 0; j < kNeurons; ++j) {
    const Coefficients<V> c = kUniform ? common : coefficients(a, o, first + j);
    State<V> s{o.has_current ? current[j] : V{0}, membrane[j]};
    V before;
    V count = equations::step(s, x[j], c, o, before);
    if constexpr (kRefractory) {
      const std::int32_t left = countdown[j];
      const std::int32_t period = kUniform ? common_period : a.refractory[first + j];
      const bool waits = left > 0;
      const std::int32_t started = count != V{0} ? period : 0;
      countdown[j] = waits ? left - 1 : started;
      count = waits ? V{0} : count;
      membrane[j] = waits ? membrane[j] : s.membrane;
    } else {
      membrane[j] = s.membrane;
    }
    spikes[j] = count;
    if (o.has_current) current[j] = s.current;
  }
}

template <bool kHasCurrent, bool kRefractory, SpikeRule kRule, Reset kReset, bool kUniform,
          typename V>
HWY_ATTR std::uint64_t update_fast(const NeuronArrays<V>& a, std::size_t first, const V* x,
                                   const NeuronBlock<V>& block, V* spikes) {
  constexpr StepOptions o{
      .has_current = kHasCurrent, .spiking = true, .clamped = true, .reset = kReset, .rule = kRule};
  run_block<kUniform, kRefractory>(o, a, first, x, block, spikes);
  return nonzero_set(spikes);
}

/// CubaLIF in Loihi's fixed point, as SLAYER and Lava run it.
template <bool kLate>
constexpr StepOptions kLoihi{.has_current = true,
                             .spiking = true,
                             .clamped = true,
                             .late = kLate,
                             .reset = Reset::kToVReset,
                             .rule = SpikeRule::kGreater,
                             .fixed_point = FixedPoint::kLoihi};

bool is_loihi(const StepOptions& o) {
  return o.spiking && o.has_current && !o.sigma_delta && !o.refractory && !o.substep &&
         o.fixed_point == FixedPoint::kLoihi && o.reset == Reset::kToVReset &&
         o.rule == SpikeRule::kGreater && o.order == CubaOrder::kNewCurrent;
}

template <bool kUniform, typename V>
HWY_ATTR std::uint64_t update_loihi(const NeuronArrays<V>& a, std::size_t first, const V* x,
                                    const NeuronBlock<V>& block, V* spikes) {
  run_block<kUniform, false>(kLoihi<false>, a, first, x, block, spikes);
  return nonzero_set(spikes);
}

/// The spikes have left at the beginning of the step, in `late`.
template <bool kUniform, typename V>
HWY_ATTR std::uint64_t update_late_loihi(const NeuronArrays<V>& a, std::size_t first,
                                         const V* HWY_RESTRICT x, const NeuronBlock<V>& block, V*) {
  constexpr StepOptions o = kLoihi<true>;
  V* HWY_RESTRICT membrane = block.membrane;
  V* HWY_RESTRICT current = block.current;
  V* HWY_RESTRICT late = block.late;
  const Coefficients<V> common = coefficients(a, o, 0);
  for (std::size_t j = 0; j < kNeurons; ++j) {
    const Coefficients<V> c = kUniform ? common : coefficients(a, o, first + j);
    State<V> s{current[j], membrane[j]};
    equations::step_after_late_spikes(s, late[j], x[j], c, o);
    membrane[j] = s.membrane;
    current[j] = s.current;
    late[j] = 0;
  }
  return 0;
}

/// Any options; a loop of branches.
template <typename V>
HWY_ATTR std::uint64_t update_any(const NeuronArrays<V>& a, std::size_t first, const V* x,
                                  const NeuronBlock<V>& block, V* spikes) {
  const StepOptions& o = a.options;
  for (std::size_t j = 0; j < kNeurons; ++j) {
    const std::size_t i = a.uniform ? 0 : first + j;
    const Coefficients<V> c = coefficients(a, o, i);
    State<V> s{o.has_current ? block.current[j] : V{0}, block.membrane[j]};
    V before = s.membrane;
    V count = 0;
    if (block.countdown != nullptr && block.countdown[j] > 0) {
      --block.countdown[j];
    } else if (o.late) {
      count = block.late[j];
      block.late[j] = 0;  // the next step's are published only if the block is awake
      equations::step_after_late_spikes(s, count, x[j], c, o);
    } else {
      count = equations::step(s, x[j], c, o, before);
      if (block.countdown != nullptr && count != V{0}) block.countdown[j] = a.refractory[first + j];
    }
    block.membrane[j] = s.membrane;
    if (o.has_current) block.current[j] = s.current;
    if (block.before != nullptr) block.before[j] = before;
    spikes[j] = count;
  }
  return nonzero_set(spikes);
}

template <bool kUniform, typename V>
HWY_INLINE void sleep_with(const StepOptions& o, const NeuronArrays<V>& a, std::size_t first,
                           const NeuronBlock<V>& block, std::int64_t steps) {
  const Coefficients<V> common = coefficients(a, o, 0);
  for (std::int64_t k = 0; k < steps; ++k) {
    V changed = 0;
    for (std::size_t j = 0; j < kNeurons; ++j) {
      const Coefficients<V> c = kUniform ? common : coefficients(a, o, first + j);
      State<V> s{o.has_current ? block.current[j] : V{0}, block.membrane[j]};
      equations::quiet_step(s, c, o);
      changed = s.membrane != block.membrane[j] ? V{1} : changed;
      block.membrane[j] = s.membrane;
      if (o.has_current) {
        changed = s.current != block.current[j] ? V{1} : changed;
        block.current[j] = s.current;
      }
    }
    if (changed == V{0}) return;
  }
}

template <typename V>
HWY_ATTR void sleep(const NeuronArrays<V>& a, std::size_t first, const NeuronBlock<V>& block,
                    std::int64_t steps) {
  if (a.uniform) {
    sleep_with<true>(a.options, a, first, block, steps);
  } else {
    sleep_with<false>(a.options, a, first, block, steps);
  }
}

template <bool kUniform, typename V>
HWY_ATTR void sleep_loihi(const NeuronArrays<V>& a, std::size_t first, const NeuronBlock<V>& block,
                          std::int64_t steps) {
  sleep_with<kUniform>(kLoihi<false>, a, first, block, steps);
}

template <typename V>
HWY_ATTR std::uint64_t due(const NeuronArrays<V>& a, std::size_t first,
                           const NeuronBlock<V>& block) {
  const SpikeRule rule = a.options.rule;
  for (std::size_t j = 0; j < kNeurons; ++j) {
    const V threshold = a.threshold[a.uniform ? 0 : first + j];
    block.late[j] = equations::spike_count(block.membrane[j], threshold, rule);
  }
  return nonzero_set(block.late);
}

template <typename V>
HWY_ATTR bool awake(const NeuronArrays<V>& a, std::size_t first, const NeuronBlock<V>& block) {
  bool any = false;
  if (a.options.sigma_delta) {
    for (std::size_t j = 0; j < kNeurons; ++j) {
      const Coefficients<V> c = coefficients(a, a.options, a.uniform ? 0 : first + j);
      any |= equations::sigma_delta_waits({block.current[j], block.membrane[j]}, c, a.options);
    }
    return any;
  }
  for (std::size_t j = 0; j < kNeurons; ++j) {
    if (a.options.spiking) any |= block.membrane[j] >= a.threshold[a.uniform ? 0 : first + j];
    if (block.current != nullptr) any |= block.current[j] != V{0};
    if (block.countdown != nullptr) any |= block.countdown[j] > 0;
  }
  return any;
}

template <typename V>
HWY_ATTR void add(const V* HWY_RESTRICT value, const V* scale, const V* bias, bool first,
                  V* HWY_RESTRICT x) {
  for (std::size_t j = 0; j < kNeurons; ++j) {
    V y = value[j];
    if (scale != nullptr) y = y * scale[j];
    if (bias != nullptr) y = y + bias[j];
    x[j] = first ? y : x[j] + y;
  }
}

/// Summed in double, lane by lane: exact wherever the reference's sum is.
HWY_ATTR Tally<float> tally(const float* x) {
  const hn::ScalableTag<double> wide;
  const hn::Rebind<float, decltype(wide)> half;
  const std::size_t lanes = hn::Lanes(half);
  auto sum = hn::Zero(wide);
  std::size_t nonzero = 0;
  for (std::size_t j = 0; j < kNeurons; j += lanes) {
    const auto v = hn::Load(half, x + j);
    sum = hn::Add(sum, hn::PromoteTo(wide, v));
    nonzero += hn::CountTrue(half, hn::Ne(v, hn::Zero(half)));
  }
  return {static_cast<std::uint32_t>(nonzero), hn::GetLane(hn::SumOfLanes(wide, sum))};
}

HWY_ATTR Tally<std::int32_t> tally(const std::int32_t* x) {
  const hn::ScalableTag<std::int32_t> d;
  const hn::Repartition<std::int64_t, decltype(d)> wide;
  const hn::Rebind<std::int32_t, decltype(wide)> half;
  const std::size_t lanes = hn::Lanes(half);
  auto sum = hn::Zero(wide);
  std::size_t nonzero = 0;
  for (std::size_t j = 0; j < kNeurons; j += lanes) {
    const auto v = hn::Load(half, x + j);
    sum = hn::Add(sum, hn::PromoteTo(wide, v));
    nonzero += hn::CountTrue(half, hn::Ne(v, hn::Zero(half)));
  }
  return {static_cast<std::uint32_t>(nonzero),
          static_cast<double>(hn::GetLane(hn::SumOfLanes(wide, sum)))};
}

/// A call of memset for so little costs more than the stores.
template <typename V>
HWY_ATTR void clear(V* x) {
  const hn::ScalableTag<V> d;
  for (std::size_t j = 0; j < kNeurons; j += hn::Lanes(d)) hn::Store(hn::Zero(d), d, x + j);
}

template <bool kHasCurrent, SpikeRule kRule, Reset kReset, typename V>
UpdateBlock<V> pick_uniform(bool uniform) {
  return uniform ? &update_fast<kHasCurrent, false, kRule, kReset, true, V>
                 : &update_fast<kHasCurrent, false, kRule, kReset, false, V>;
}

template <bool kHasCurrent, SpikeRule kRule, typename V>
UpdateBlock<V> pick_reset(const NeuronArrays<V>& a) {
  if (a.options.reset == Reset::kToVReset) {
    return pick_uniform<kHasCurrent, kRule, Reset::kToVReset, V>(a.uniform);
  }
  return pick_uniform<kHasCurrent, kRule, Reset::kSubtract, V>(a.uniform);
}

template <bool kHasCurrent, typename V>
UpdateBlock<V> pick_rule(const NeuronArrays<V>& a) {
  switch (a.options.rule) {
    case SpikeRule::kGreater:
      return pick_reset<kHasCurrent, SpikeRule::kGreater, V>(a);
    case SpikeRule::kGreaterEqual:
      return pick_reset<kHasCurrent, SpikeRule::kGreaterEqual, V>(a);
    case SpikeRule::kMultiple:
      break;
  }
  return pick_reset<kHasCurrent, SpikeRule::kMultiple, V>(a);
}

template <SpikeRule kRule, typename V>
UpdateBlock<V> pick_refractory(bool uniform) {
  return uniform ? &update_fast<false, true, kRule, Reset::kToVReset, true, V>
                 : &update_fast<false, true, kRule, Reset::kToVReset, false, V>;
}

template <typename V>
UpdateBlock<V> pick_update(const NeuronArrays<V>& a) {
  const StepOptions& o = a.options;
  if (is_loihi(o) && !a.traced) {
    if (o.late) return a.uniform ? &update_late_loihi<true, V> : &update_late_loihi<false, V>;
    return a.uniform ? &update_loihi<true, V> : &update_loihi<false, V>;
  }
  const bool grid = o.spiking && !a.traced && !o.late && !o.substep && !o.sigma_delta;
  const bool plain = o.fixed_point == FixedPoint::kNone && o.order == CubaOrder::kNewCurrent;
  if (!grid || !plain) return &update_any<V>;
  if (o.refractory) {
    const bool known = !o.has_current && o.reset == Reset::kToVReset;
    if (!known || o.rule == SpikeRule::kMultiple) return &update_any<V>;
    return o.rule == SpikeRule::kGreater ? pick_refractory<SpikeRule::kGreater, V>(a.uniform)
                                         : pick_refractory<SpikeRule::kGreaterEqual, V>(a.uniform);
  }
  if (o.reset != Reset::kToVReset && o.reset != Reset::kSubtract) return &update_any<V>;
  return o.has_current ? pick_rule<true, V>(a) : pick_rule<false, V>(a);
}

template <typename V>
NeuronKernels<V> pick(const NeuronArrays<V>& a) {
  NeuronKernels<V> k;
  k.update = pick_update(a);
  k.sleep = &sleep<V>;
  if (is_loihi(a.options)) k.sleep = a.uniform ? &sleep_loihi<true, V> : &sleep_loihi<false, V>;
  k.due = &due<V>;
  k.awake = &awake<V>;
  k.add = &add<V>;
  k.clear = &clear<V>;
  k.tally = static_cast<Tally<V> (*)(const V*)>(&tally);
  return k;
}

NeuronKernels<float> PickFloat(const NeuronArrays<float>& a) { return pick(a); }
NeuronKernels<std::int32_t> PickInteger(const NeuronArrays<std::int32_t>& a) { return pick(a); }

}  // namespace spikeloom::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::cpu {

HWY_EXPORT(PickFloat);
HWY_EXPORT(PickInteger);

NeuronKernels<float> neuron_kernels(const NeuronArrays<float>& arrays) {
  return HWY_DYNAMIC_DISPATCH(PickFloat)(arrays);
}
NeuronKernels<std::int32_t> neuron_kernels(const NeuronArrays<std::int32_t>& arrays) {
  return HWY_DYNAMIC_DISPATCH(PickInteger)(arrays);
}

}  // namespace spikeloom::cpu
#endif
