#include "backends/simulation/detail/neuron_kernels.hpp"

#include <bit>
#include <cstring>
#include <string>
#include <type_traits>

#include "snn/simulation/neuron_equations.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "backends/simulation/detail/neuron_kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace spikeloom::simulation::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr std::size_t kNeurons = 64;

/// Block<V> number j of columns.
template <class Block, typename V, std::size_t N>
HWY_INLINE Block gathered(const std::array<V*, N>& columns, std::size_t j) {
  std::array<std::remove_const_t<V>, N> values;
  for (std::size_t k = 0; k < N; ++k) values[k] = columns[k][j];
  return std::bit_cast<Block>(values);
}

template <class Model, typename V, bool kOwn>
HWY_ATTR void step_model(const ModelArrays& a) {
  using State = typename Model::template State<V>;
  using Coefficients = typename Model::template Coefficients<V>;
  constexpr std::size_t kStates = sizeof(State) / sizeof(V);
  constexpr std::size_t kCoefficients = sizeof(Coefficients) / sizeof(V);
  static_assert(kStates <= kMostColumns);
  using Flag = std::conditional_t<sizeof(V) == 4, std::int32_t, std::int64_t>;

  Coefficients shared = {};
  if constexpr (!kOwn) std::memcpy(&shared, a.coefficients, sizeof shared);
  const V unit = static_cast<V>(a.unit), current = static_cast<V>(a.current);
  for (std::size_t first = 0; first < a.size; first += kNeurons) {
    std::array<V*, kStates> state;
    for (std::size_t k = 0; k < kStates; ++k) state[k] = static_cast<V*>(a.state[k]) + first;
    std::array<const V*, kCoefficients> own = {};
    if constexpr (kOwn) {
      for (std::size_t k = 0; k < kCoefficients; ++k) {
        own[k] = static_cast<const V*>(a.coefficients) + k * a.size + first;
      }
    }
    alignas(64) V input[2][kNeurons] = {};
    alignas(64) V next[kStates][kNeurons];
    alignas(64) Flag fires[kNeurons];
    for (std::size_t j = 0; j < kNeurons; ++j) {
      input[0][j] = unit * static_cast<V>(a.excitatory[first + j]);
      a.excitatory[first + j] = 0;
    }
    if (a.inhibitory != nullptr) {
      for (std::size_t j = 0; j < kNeurons; ++j) {
        input[1][j] = unit * static_cast<V>(a.inhibitory[first + j]);
        a.inhibitory[first + j] = 0;
      }
    }
    for (std::size_t j = 0; j < kNeurons; ++j) {
      State s = gathered<State>(state, j);
      const NeuronInput<V> in{input[0][j], input[1][j], current};
      if constexpr (kOwn) {
        fires[j] = Model::step(s, in, gathered<Coefficients>(own, j)) ? 1 : 0;
      } else {
        fires[j] = Model::step(s, in, shared) ? 1 : 0;
      }
      const auto values = std::bit_cast<std::array<V, kStates>>(s);
      for (std::size_t k = 0; k < kStates; ++k) next[k][j] = values[k];
    }
    for (std::size_t k = 0; k < kStates; ++k) std::memcpy(state[k], next[k], sizeof next[k]);
    Flag any = 0;
    for (std::size_t j = 0; j < kNeurons; ++j) any |= fires[j];
    std::uint64_t bits = 0;
    if (any != 0) {
      for (std::size_t j = 0; j < kNeurons; ++j) bits |= static_cast<std::uint64_t>(fires[j]) << j;
    }
    a.fired[first / kNeurons] = bits;
  }
}

/// float, double, float with own coefficients, double with own coefficients.
template <class Model>
ModelKernel pick(bool in_double, bool own) {
  if (own) return in_double ? &step_model<Model, double, true> : &step_model<Model, float, true>;
  return in_double ? &step_model<Model, double, false> : &step_model<Model, float, false>;
}

ModelKernel find_kernel(const char* model, bool in_double, bool own) {
  ModelKernel found = nullptr;
  with_model(model, [&]<typename Model>() { found = pick<Model>(in_double, own); });
  return found;
}

HWY_ATTR void whole_currents(const WholeCurrentArrays& a) {
  const hn::ScalableTag<float> d;
  const hn::RebindToSigned<decltype(d)> di;
  constexpr std::size_t kLanes = hn::MaxLanes(hn::ScalableTag<float>());
  const auto decay = hn::Set(d, a.decay), gain = hn::Set(d, a.gain), drive = hn::Set(d, a.drive);
  const auto current_decay = hn::Set(d, a.current_decay);
  const auto threshold = hn::Set(d, a.threshold), reset = hn::Set(d, a.reset);
  for (std::size_t first = 0; first < a.size; first += kNeurons) {
    const std::uint64_t refractory = a.refractory[first / kNeurons];
    std::uint64_t fired = 0;
    for (std::size_t j = 0; j < kNeurons; j += kLanes) {
      const std::size_t i = first + j;
      const std::uint64_t bits = refractory >> j;
      std::uint8_t bytes[8];
      std::memcpy(bytes, &bits, sizeof bits);
      const auto v = hn::Load(d, a.membrane + i);
      const auto current = hn::ConvertTo(d, hn::Load(di, a.current + i));
      const auto moved = hn::Add(hn::Mul(decay, v), hn::Add(hn::Mul(gain, current), drive));
      const auto next = hn::IfThenElse(hn::LoadMaskBits(d, bytes), v, moved);
      const auto fires = hn::Ge(next, threshold);
      hn::Store(hn::IfThenElse(fires, reset, next), d, a.membrane + i);
      const auto left = hn::NearestInt(hn::Mul(current, current_decay));
      hn::Store(hn::Add(left, hn::Load(di, a.input + i)), di, a.current + i);
      hn::Store(hn::Zero(di), di, a.input + i);
      std::uint8_t mask[8] = {};
      hn::StoreMaskBits(d, fires, mask);
      std::uint64_t word = 0;
      std::memcpy(&word, mask, (kLanes + 7) / 8);
      if constexpr (kLanes < 8) word &= (1U << kLanes) - 1;
      fired |= word << j;
    }
    a.fired[first / kNeurons] = fired;
  }
}

}  // namespace spikeloom::simulation::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace spikeloom::simulation {

HWY_EXPORT(find_kernel);
HWY_EXPORT(whole_currents);

ModelKernel model_kernel(std::string_view model, bool in_double, bool own) {
  return HWY_DYNAMIC_DISPATCH(find_kernel)(std::string(model).c_str(), in_double, own);
}

void step_whole_currents(const WholeCurrentArrays& neurons) {
  HWY_DYNAMIC_DISPATCH(whole_currents)(neurons);
}

}  // namespace spikeloom::simulation
#endif
