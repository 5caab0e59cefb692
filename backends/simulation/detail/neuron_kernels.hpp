#pragma once
/// One step of many neurons, as vector code for the processor at hand.

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace spikeloom::simulation {

inline constexpr std::size_t kMostColumns = 8;

/// Neurons of one model, a column a state variable; `size` is a multiple of 64. Reals are float or
/// double, as the kernel that takes it.
struct ModelArrays {
  std::array<void*, kMostColumns> state = {};
  /// One Coefficients<V>; or, for a kernel of own coefficients, columns in its order, each `size`.
  const void* coefficients = nullptr;
  std::int32_t* excitatory = nullptr;  ///< input in units; 0 afterwards
  std::int32_t* inhibitory = nullptr;  ///< null: everything is in `excitatory`
  double unit = 1.0, current = 0.0;
  std::size_t size = 0;
  std::uint64_t* fired = nullptr;  ///< a bit a neuron, written
};
using ModelKernel = void (*)(const ModelArrays&);

/// The kernel of a model of neuron_equations.hpp, for float or double; `own`: every neuron has
/// coefficients of its own. Null for an unknown name.
ModelKernel model_kernel(std::string_view model, bool in_double, bool own);

/// iaf_psc_exp with one time constant for all its synapses, whose currents are whole numbers:
///
///     V' = decay V + (gain I + drive)           float32, each operation rounded; kept in the
///     I' = I * current_decay, rounded to even   refractory time
///     V' >= threshold fires, V' = reset
///
/// The input of the step is then added to I.
struct WholeCurrentArrays {
  float* membrane = nullptr;
  std::int32_t* current = nullptr;
  std::int32_t* input = nullptr;              ///< in units; 0 afterwards
  const std::uint64_t* refractory = nullptr;  ///< a bit a neuron
  std::size_t size = 0;                       ///< a multiple of 64
  float decay = 0, gain = 0, drive = 0, current_decay = 0, threshold = 0, reset = 0;
  std::uint64_t* fired = nullptr;  ///< a bit a neuron, written
};
void step_whole_currents(const WholeCurrentArrays& neurons);

}  // namespace spikeloom::simulation
