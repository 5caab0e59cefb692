#include "sensors/detail/dvs_kernel.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "sensors/dvs_kernel.cpp"
// foreach_target has to come first.
// clang-format off
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
#include <hwy/contrib/math/math-inl.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace spikeloom::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<double>;
using DU = hn::ScalableTag<std::uint64_t>;
using V = hn::Vec<D>;
using VU = hn::Vec<DU>;

/// Philox4x32-10 (Salmon et al., SC'11), a block in every 64-bit lane: word k of the blocks is in
/// the lower halves of c[k].
struct Blocks {
  VU c[4];
};

VU product(VU a, std::uint32_t b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(DU(), hn::GetLane(a) * b);
#else
  const hn::Repartition<std::uint32_t, DU> d32;
  return hn::MulEven(hn::BitCast(d32, a), hn::BitCast(d32, hn::Set(DU(), b)));
#endif
}

Blocks philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t first) {
  constexpr std::uint32_t kMultiplyA = 0xD2511F53, kMultiplyB = 0xCD9E8D57;
  constexpr std::uint32_t kWeylA = 0x9E3779B9, kWeylB = 0xBB67AE85;
  const DU du;
  const auto low = hn::Set(du, 0xFFFFFFFFU);
  const VU index = hn::Add(hn::Set(du, first), hn::Iota(du, 0));
  VU c0 = hn::And(index, low), c1 = hn::ShiftRight<32>(index);
  VU c2 = hn::Set(du, stream & 0xFFFFFFFFU), c3 = hn::Set(du, stream >> 32);
  auto key_a = static_cast<std::uint32_t>(seed);
  auto key_b = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const VU a = product(c0, kMultiplyA), b = product(c2, kMultiplyB);
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(b), c1), hn::Set(du, key_a));
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(a), c3), hn::Set(du, key_b));
    c1 = hn::And(b, low);
    c3 = hn::And(a, low);
    key_a += kWeylA;
    key_b += kWeylB;
  }
  return {{c0, c1, c2, c3}};
}

/// Two words as a real in [0, 1): 52 bits, as the fraction of a number from 1 to 2.
V unit(VU high, VU low) {
  const DU du;
  const VU bits = hn::ShiftRight<12>(hn::Or(hn::ShiftLeft<32>(high), low));
  return hn::Sub(hn::BitCast(D(), hn::Or(bits, hn::Set(du, 0x3FF0000000000000U))),
                 hn::Set(D(), 1.0));
}

/// One draw for a pixel of each half.
struct Pair {
  V first, second;
};

Pair uniforms(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const Blocks words = philox(seed, stream, index);
  return {unit(words.c[0], words.c[1]), unit(words.c[2], words.c[3])};
}

/// Box and Muller's two normal draws from two uniform ones.
Pair normals(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const D d;
  const Pair u = uniforms(seed, stream, index);
  const V log = hn::Log(d, hn::Sub(hn::Set(d, 1.0), u.first));  // of a number in (0, 1]
  const V radius = hn::Sqrt(hn::Mul(hn::Set(d, -2.0), log));
  const V angle = hn::Mul(hn::Set(d, 2.0 * std::numbers::pi), u.second);
  return {hn::Mul(radius, hn::Cos(d, angle)), hn::Mul(radius, hn::Sin(d, angle))};
}

constexpr std::uint64_t kLeakStream = 0x6476736c65616b00;  // "dvsleak"
constexpr std::uint64_t kShotStream = 0x64767373686f7400;  // "dvsshot"

void keep_candidates(const detail::DvsPixels& p, std::size_t at, std::uint64_t mask, V start, V end,
                     detail::DvsFound& found) {
  const D d;
  HWY_ALIGN double starts[hn::MaxLanes(D())];
  HWY_ALIGN double ends[hn::MaxLanes(D())];
  hn::Store(start, d, starts);
  hn::Store(end, d, ends);
  constexpr double kMost = 2147483647.0;
  for (std::size_t lane = 0; mask != 0; ++lane, mask >>= 1) {
    if ((mask & 1U) == 0) continue;
    const std::size_t pixel = at + lane;
    const double difference = ends[lane];
    const double count =
        std::floor(difference > 0 ? difference / p.on[pixel] : -difference / p.off[pixel]);
    const auto whole = static_cast<std::int32_t>(std::min(count, kMost));
    found.candidates.push_back({static_cast<std::uint32_t>(pixel), difference > 0 ? whole : -whole,
                                starts[lane], difference});
  }
}

void keep_shots(std::size_t at, std::uint64_t mask, std::uint8_t polarity,
                detail::DvsFound& found) {
  for (std::size_t lane = 0; mask != 0; ++lane, mask >>= 1) {
    if ((mask & 1U) != 0) found.shots.push_back({static_cast<std::uint32_t>(at + lane), polarity});
  }
}

std::uint64_t bits_of(hn::Mask<D> mask) {
  std::uint8_t bytes[8] = {};
  hn::StoreMaskBits(D(), mask, bytes);
  return bytes[0];
}

/// A register of pixels from `at` on, with a normal and a uniform draw for each.
void step_pixels(const detail::DvsFrame& f, const detail::DvsPixels& p, std::size_t at, V normal,
                 V uniform, detail::DvsFound& found) {
  const D d;
  const hn::Rebind<float, D> df;
  const auto set = [&](double value) { return hn::Set(d, value); };
  const V x = hn::PromoteTo(d, hn::LoadU(df, p.frame + at));
  const V linear = hn::Mul(x, set(0.14978661367769955));  // ln(20) / 20
  const V log = hn::Log(d, hn::Max(x, set(1.0)));
  const V exact = hn::IfThenElse(hn::Gt(x, set(20.0)), log, linear);
  const V y = hn::Div(hn::Round(hn::Mul(exact, set(1e8))), set(1e8));
  if (f.first) {
    hn::StoreU(y, d, p.lp + at);
    hn::StoreU(y, d, p.base + at);
    return;
  }
  const V before = hn::LoadU(d, p.lp + at);
  const V remembered = hn::LoadU(d, p.base + at);
  const V on = hn::LoadU(d, p.on + at), off = hn::LoadU(d, p.off + at);
  V lp = y;
  if (f.filter > 0) {
    const V a = hn::Min(set(1.0), hn::Mul(hn::Add(x, set(20.0)), set(f.filter)));
    lp = hn::Add(hn::Mul(hn::Sub(set(1.0), a), before), hn::Mul(a, y));
  }
  V base = remembered;
  if (f.leak > 0) {
    const V rate = hn::Mul(set(f.leak), hn::LoadU(d, p.eta + at));
    const V jittered = hn::Mul(rate, hn::Sub(set(1.0), hn::Mul(set(f.jitter), normal)));
    base = hn::Sub(base, hn::Mul(jittered, on));
  }
  hn::StoreU(lp, d, p.lp + at);
  hn::StoreU(base, d, p.base + at);
  const V end = hn::Sub(lp, base);
  const auto reached = hn::Or(hn::Ge(end, on), hn::Ge(hn::Neg(end), off));
  if (!hn::AllFalse(d, reached)) {
    keep_candidates(p, at, bits_of(reached), hn::Sub(before, remembered), end, found);
  }
  if (f.shot > 0) {
    const V dimmed = hn::Mul(hn::Add(x, set(20.0)), set(0.75 / 275.0));
    const V chance = hn::Mul(set(f.shot), hn::Sub(set(1.0), dimmed));
    // The rules of the header, multiplied by the pixel's threshold.
    const auto fires_on =
        hn::Lt(hn::Mul(hn::Sub(set(1.0), uniform), on), hn::Mul(chance, set(f.threshold_on)));
    const auto fires_off = hn::Lt(hn::Mul(uniform, off), hn::Mul(chance, set(f.threshold_off)));
    if (!hn::AllFalse(d, hn::Or(fires_on, fires_off))) {
      keep_shots(at, bits_of(fires_on), 1, found);
      keep_shots(at, bits_of(fires_off), 0, found);
    }
  }
}

void dvs_blocks(const detail::DvsFrame& f, const detail::DvsPixels& p, std::size_t begin,
                std::size_t end, detail::DvsFound& found) {
  const D d;
  const bool jitters = f.leak > 0 && f.jitter > 0;
  for (std::size_t block = begin; block < end; ++block) {
    const std::size_t first = block * detail::kDvsBlock;
    for (std::size_t j = 0; j < detail::kDvsHalf; j += hn::Lanes(d)) {
      const std::uint64_t index = f.counter + block * detail::kDvsHalf + j;
      const Pair normal =
          jitters ? normals(f.seed, kLeakStream, index) : Pair{hn::Zero(d), hn::Zero(d)};
      const Pair uniform =
          f.shot > 0 ? uniforms(f.seed, kShotStream, index) : Pair{hn::Zero(d), hn::Zero(d)};
      step_pixels(f, p, first + j, normal.first, uniform.first, found);
      step_pixels(f, p, first + detail::kDvsHalf + j, normal.second, uniform.second, found);
    }
  }
}

}  // namespace spikeloom::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom {
HWY_EXPORT(dvs_blocks);

void detail::dvs_step(const DvsFrame& frame, const DvsPixels& pixels, std::size_t begin,
                      std::size_t end, DvsFound& found) {
  HWY_DYNAMIC_DISPATCH(dvs_blocks)(frame, pixels, begin, end, found);
}

}  // namespace spikeloom
#endif
