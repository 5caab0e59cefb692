#include "backends/cpu/neuron_kernels.hpp"

#include <bit>
#include <cstring>
#include <type_traits>

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

/// One bit a lane.
template <class D, class M>
HWY_INLINE std::uint64_t mask_bits(D d, M mask) {
  constexpr std::size_t kLanes = hn::MaxLanes(D());
  static_assert(kLanes <= 16);
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(d, mask, bytes);
  std::conditional_t<kLanes <= 8, std::uint8_t, std::uint16_t> bits = 0;
  std::memcpy(&bits, bytes, sizeof bits);
  return kLanes < 8 ? bits & ((1U << kLanes) - 1) : bits;
}

template <typename V>
HWY_ATTR std::uint64_t nonzero_set(const V* values) {
  const hn::ScalableTag<V> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<V>());
  auto any = hn::Zero(d);
  for (std::size_t j = 0; j < kNeurons; j += kLanes) any = hn::Or(any, hn::Load(d, values + j));
  if (hn::AllTrue(d, hn::Eq(any, hn::Zero(d)))) return 0;
  std::uint64_t set = 0;
  for (std::size_t j = 0; j < kNeurons; j += kLanes) {
    set |= mask_bits(d, hn::Ne(hn::Load(d, values + j), hn::Zero(d))) << j;
  }
  return set;
}

/// Tallies many blocks; floats are summed in double, lane by lane: exact wherever the reference's
/// sum is. Two sums, so that an addition need not wait for the one before.
template <typename V>
class Counter {
 public:
  HWY_INLINE Counter()
      : low_(hn::Zero(Wide())), high_(hn::Zero(Wide())), nonzero_(hn::Zero(Whole())) {}
  HWY_INLINE void add(const V* x) {
    const Lanes d;
    const hn::Rebind<V, Wide> half;
    constexpr std::size_t kHalf = hn::MaxLanes(Wide());
    for (std::size_t j = 0; j < kNeurons; j += 2 * kHalf) {
      low_ = hn::Add(low_, hn::PromoteTo(Wide(), hn::Load(half, x + j)));
      high_ = hn::Add(high_, hn::PromoteTo(Wide(), hn::Load(half, x + j + kHalf)));
    }
    for (std::size_t j = 0; j < kNeurons; j += hn::MaxLanes(Lanes())) {
      const auto differs = hn::VecFromMask(d, hn::Ne(hn::Load(d, x + j), hn::Zero(d)));
      nonzero_ = hn::Sub(nonzero_, hn::BitCast(Whole(), differs));
    }
  }
  HWY_INLINE Tally<V> result() const {
    return {static_cast<std::uint64_t>(hn::GetLane(hn::SumOfLanes(Whole(), nonzero_))),
            static_cast<double>(hn::GetLane(hn::SumOfLanes(Wide(), hn::Add(low_, high_))))};
  }

 private:
  using Lanes = hn::ScalableTag<V>;
  using Whole = hn::ScalableTag<std::int32_t>;
  using Wide = hn::ScalableTag<std::conditional_t<std::is_same_v<V, float>, double, std::int64_t>>;
  hn::VFromD<Wide> low_, high_;
  hn::VFromD<Whole> nonzero_;
};

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

/// A call of memset for so little costs more than the stores.
template <typename V>
HWY_ATTR void clear(V* x) {
  const hn::ScalableTag<V> d;
  for (std::size_t j = 0; j < kNeurons; j += hn::Lanes(d)) hn::Store(hn::Zero(d), d, x + j);
}

/// Writes the members of `set`, four at a time: how many there are is then seldom mispredicted.
/// What is written behind them has no meaning. Returns their number.
HWY_INLINE std::size_t write_members(std::uint64_t set, std::size_t first, std::uint32_t* out) {
  const auto count = static_cast<std::size_t>(std::popcount(set));
  for (std::size_t k = 0; k < count; k += 4) {
    for (std::size_t j = k; j < k + 4; ++j) {
      out[j] =
          static_cast<std::uint32_t>(first) + static_cast<std::uint32_t>(std::countr_zero(set));
      set &= set - 1;
    }
  }
  return count;
}

HWY_ATTR std::size_t list(std::uint64_t* bitmap, std::size_t words, std::uint32_t* index) {
  std::size_t count = 0;
  const hn::ScalableTag<std::uint64_t> d;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<std::uint64_t>());
  std::size_t w = 0;
  for (; w + 64 <= words; w += 64) {
    std::uint64_t filled = 0;
    for (std::size_t j = 0; j < 64; j += kLanes) {
      filled |= mask_bits(d, hn::Ne(hn::LoadU(d, bitmap + w + j), hn::Zero(d))) << j;
    }
    for (; filled != 0; filled &= filled - 1) {
      const std::size_t at = w + static_cast<std::size_t>(std::countr_zero(filled));
      count += write_members(bitmap[at], at * 64, index + count);
      bitmap[at] = 0;
    }
  }
  for (; w < words; ++w) {
    count += write_members(bitmap[w], w * 64, index + count);
    bitmap[w] = 0;
  }
  return count;
}

/// Steps through the blocks of a run. `step(first, x, state, spikes)` advances 64 neurons and says
/// which of them spiked; where a neuron may spike several times, `spikes` has their number.
template <typename V, class Step>
HWY_INLINE void walk_blocks(BlockRun<V>& run, Step&& step) {
  alignas(64) static constexpr V kSilence[kNeurons] = {};
  alignas(64) V spikes[kNeurons];
  std::uint64_t sets[64];
  std::uint64_t filled = 0;
  V* value = run.value;
  Counter<V> counter;
  for (std::uint64_t bits = run.blocks; bits != 0; bits &= bits - 1) {
    const std::size_t offset = static_cast<std::size_t>(std::countr_zero(bits)) * kNeurons;
    const V* const x = run.input == nullptr ? kSilence : run.input + offset;
    const auto part = [offset](auto* values)
                          HWY_ATTR { return values == nullptr ? nullptr : values + offset; };
    const NeuronBlock<V>& s = run.state;
    const std::uint64_t set = step(run.first + offset, x,
                                   NeuronBlock<V>{part(s.current), part(s.membrane), part(s.late),
                                                  part(s.countdown), part(s.before)},
                                   spikes);
    sets[offset / kNeurons] = set;
    filled |= std::uint64_t{set != 0} << (offset / kNeurons);
    for (std::uint64_t left = run.value != nullptr ? set : 0; left != 0; left &= left - 1) {
      *value++ = spikes[std::countr_zero(left)];
    }
    if (run.counted) counter.add(x);
    if (run.owned != nullptr) clear(run.owned + offset);
  }
  if (run.counted) run.tally = counter.result();
  for (; filled != 0; filled &= filled - 1) {
    const auto b = static_cast<std::size_t>(std::countr_zero(filled));
    run.spikes += write_members(sets[b], run.first + b * kNeurons, run.index + run.spikes);
  }
}

/// The loop that every variant shares; `o` is a constant where the caller knows it.
template <bool kUniform, bool kRefractory, typename V>
HWY_INLINE std::uint64_t run_block(const StepOptions& o, const NeuronArrays<V>& a,
                                   std::size_t first, const V* HWY_RESTRICT x,
                                   const NeuronBlock<V>& block, V* HWY_RESTRICT spikes) {
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
  return nonzero_set(spikes);
}

template <bool kHasCurrent, bool kRefractory, SpikeRule kRule, Reset kReset, bool kUniform,
          typename V>
HWY_ATTR void advance_fast(const NeuronArrays<V>& a, BlockRun<V>& run) {
  static constexpr StepOptions o{
      .has_current = kHasCurrent, .spiking = true, .clamped = true, .reset = kReset, .rule = kRule};
  walk_blocks(run,
              [&a](std::size_t first, const V* x, const NeuronBlock<V>& block, V* spikes) HWY_ATTR {
                return run_block<kUniform, kRefractory>(o, a, first, x, block, spikes);
              });
}

template <SpikeRule kRule, class Vec>
HWY_INLINE auto crosses(Vec v, Vec threshold) {
  if constexpr (kRule == SpikeRule::kGreater) {
    return hn::Gt(v, threshold);
  } else if constexpr (hwy::IsFloat<hn::TFromV<Vec>>()) {
    return hn::Ge(v, threshold);
  } else {
    return hn::Not(hn::Lt(v, threshold));
  }
}

/// Neurons alike, without current and refractory time, that spike at most once a step, and whose
/// clamp lies below the threshold. The steps are those of equations::step, without a branch that
/// a spike decides. `kPlain`: gain 1, no clamp.
template <SpikeRule kRule, Reset kReset, bool kPlain, typename V>
HWY_ATTR void advance_lean(const NeuronArrays<V>& a, BlockRun<V>& run) {
  static constexpr StepOptions o{
      .spiking = true, .clamped = !kPlain, .reset = kReset, .rule = kRule};
  Coefficients<V> common = coefficients(a, o, 0);
  if (kPlain) common.gain = V{1};
  const hn::ScalableTag<V> d;
  walk_blocks(run, [common, d](std::size_t, const V* HWY_RESTRICT x, const NeuronBlock<V>& block,
                               V*) HWY_ATTR {
    const Coefficients<V> c = common;
    V* HWY_RESTRICT membrane = block.membrane;
    for (std::size_t j = 0; j < kNeurons; ++j) {
      const V v = equations::integrated(membrane[j], x[j], c, o);
      membrane[j] = o.clamped ? equations::largest(v, c.clamp) : v;
    }
    const auto threshold = hn::Set(d, c.threshold), clamp = hn::Set(d, c.clamp);
    std::uint64_t crossed = 0;
    for (std::size_t j = 0; j < kNeurons; j += hn::MaxLanes(hn::ScalableTag<V>())) {
      const auto v = hn::Load(d, membrane + j);
      const auto spikes = crosses<kRule>(v, threshold);
      crossed |= mask_bits(d, spikes) << j;
      auto after = kReset == Reset::kToVReset ? hn::Set(d, c.reset) : hn::Sub(v, threshold);
      if (o.clamped) after = hn::IfThenElse(hn::Lt(after, clamp), clamp, after);
      hn::Store(hn::IfThenElse(spikes, after, v), d, membrane + j);
    }
    return crossed;
  });
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
HWY_ATTR void advance_loihi(const NeuronArrays<V>& a, BlockRun<V>& run) {
  walk_blocks(run,
              [&a](std::size_t first, const V* x, const NeuronBlock<V>& block, V* spikes) HWY_ATTR {
                return run_block<kUniform, false>(kLoihi<false>, a, first, x, block, spikes);
              });
}

/// The spikes have left at the beginning of the step, in `late`.
template <bool kUniform, typename V>
HWY_ATTR void advance_late_loihi(const NeuronArrays<V>& a, BlockRun<V>& run) {
  walk_blocks(run, [&a](std::size_t first, const V* HWY_RESTRICT x, const NeuronBlock<V>& block,
                        V*) HWY_ATTR {
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
    return std::uint64_t{0};
  });
}

/// Any options; a loop of branches.
template <typename V>
HWY_INLINE std::uint64_t run_any_block(const NeuronArrays<V>& a, std::size_t first, const V* x,
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

template <typename V>
HWY_ATTR void advance_any(const NeuronArrays<V>& a, BlockRun<V>& run) {
  walk_blocks(run, [&a](std::size_t first, const V* x, const NeuronBlock<V>& block, V* spikes)
                       HWY_ATTR { return run_any_block(a, first, x, block, spikes); });
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

/// Whether it holds for a neuron of the block; without a branch for each.
template <typename V, typename Holds>
HWY_INLINE bool any_neuron(Holds holds) {
  V any = 0;
  for (std::size_t j = 0; j < kNeurons; ++j) any = holds(j) ? V{1} : any;
  return any != V{0};
}

template <typename V>
HWY_ATTR bool awake(const NeuronArrays<V>& a, std::size_t first, const NeuronBlock<V>& block) {
  const V* membrane = block.membrane;
  const V* current = block.current;
  if (a.options.sigma_delta) {
    return any_neuron<V>([&](std::size_t j) {
      const Coefficients<V> c = coefficients(a, a.options, a.uniform ? 0 : first + j);
      return equations::sigma_delta_waits({current[j], membrane[j]}, c, a.options);
    });
  }
  // A current is what mostly keeps a block awake.
  if (current != nullptr && any_neuron<V>([=](std::size_t j) { return current[j] != V{0}; })) {
    return true;
  }
  if (a.options.spiking) {
    const V* threshold = a.threshold + (a.uniform ? 0 : first);
    const V common = threshold[0];
    const bool reached =
        a.uniform ? any_neuron<V>([=](std::size_t j) { return membrane[j] >= common; })
                  : any_neuron<V>([=](std::size_t j) { return membrane[j] >= threshold[j]; });
    if (reached) return true;
  }
  if (block.countdown == nullptr) return false;
  for (std::size_t j = 0; j < kNeurons; ++j) {
    if (block.countdown[j] > 0) return true;
  }
  return false;
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

template <typename V>
HWY_ATTR Tally<V> tally(const V* x) {
  Counter<V> counter;
  counter.add(x);
  return counter.result();
}

template <bool kHasCurrent, SpikeRule kRule, Reset kReset, typename V>
AdvanceBlocks<V> pick_uniform(const NeuronArrays<V>& a) {
  if (!a.uniform) return &advance_fast<kHasCurrent, false, kRule, kReset, false, V>;
  if constexpr (!kHasCurrent && kRule != SpikeRule::kMultiple) {
    const bool plain = a.gain[0] == V{1} && !a.options.clamped;
    if (plain) return &advance_lean<kRule, kReset, true, V>;
    if (a.clamp[0] < a.threshold[0]) return &advance_lean<kRule, kReset, false, V>;
  }
  return &advance_fast<kHasCurrent, false, kRule, kReset, true, V>;
}

template <bool kHasCurrent, SpikeRule kRule, typename V>
AdvanceBlocks<V> pick_reset(const NeuronArrays<V>& a) {
  if (a.options.reset == Reset::kToVReset) {
    return pick_uniform<kHasCurrent, kRule, Reset::kToVReset, V>(a);
  }
  return pick_uniform<kHasCurrent, kRule, Reset::kSubtract, V>(a);
}

template <bool kHasCurrent, typename V>
AdvanceBlocks<V> pick_rule(const NeuronArrays<V>& a) {
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
AdvanceBlocks<V> pick_refractory(bool uniform) {
  return uniform ? &advance_fast<false, true, kRule, Reset::kToVReset, true, V>
                 : &advance_fast<false, true, kRule, Reset::kToVReset, false, V>;
}

template <typename V>
AdvanceBlocks<V> pick_advance(const NeuronArrays<V>& a) {
  const StepOptions& o = a.options;
  if (is_loihi(o) && !a.traced) {
    if (o.late) return a.uniform ? &advance_late_loihi<true, V> : &advance_late_loihi<false, V>;
    return a.uniform ? &advance_loihi<true, V> : &advance_loihi<false, V>;
  }
  const bool grid = o.spiking && !a.traced && !o.late && !o.substep && !o.sigma_delta;
  const bool plain = o.fixed_point == FixedPoint::kNone && o.order == CubaOrder::kNewCurrent;
  if (!grid || !plain) return &advance_any<V>;
  if (o.refractory) {
    const bool known = !o.has_current && o.reset == Reset::kToVReset;
    if (!known || o.rule == SpikeRule::kMultiple) return &advance_any<V>;
    return o.rule == SpikeRule::kGreater ? pick_refractory<SpikeRule::kGreater, V>(a.uniform)
                                         : pick_refractory<SpikeRule::kGreaterEqual, V>(a.uniform);
  }
  if (o.reset != Reset::kToVReset && o.reset != Reset::kSubtract) return &advance_any<V>;
  return o.has_current ? pick_rule<true, V>(a) : pick_rule<false, V>(a);
}

template <typename V>
NeuronKernels<V> pick(const NeuronArrays<V>& a) {
  NeuronKernels<V> k;
  k.advance = pick_advance(a);
  k.sleep = &sleep<V>;
  if (is_loihi(a.options)) k.sleep = a.uniform ? &sleep_loihi<true, V> : &sleep_loihi<false, V>;
  k.due = &due<V>;
  k.awake = &awake<V>;
  k.add = &add<V>;
  k.clear = &clear<V>;
  k.tally = &tally<V>;
  k.list = &list;
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
