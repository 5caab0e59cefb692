#pragma once
/// Neurons in blocks of 64, in vector code for the processor at hand (dispatched at run time).

#include <cstdint>

#include "snn/neuron_equations.hpp"

namespace spikeloom::cpu {

/// Coefficients of a population in physical order, padded to whole blocks; or, `uniform`, one
/// value each. Names as in equations::Coefficients.
template <typename V>
struct NeuronArrays {
  const V* current_decay = nullptr;
  const V* current_gain = nullptr;
  const V* decay = nullptr;
  const V* gain = nullptr;
  const V* drive = nullptr;
  const V* threshold = nullptr;
  const V* reset = nullptr;
  const V* clamp = nullptr;
  const std::int32_t* refractory = nullptr;  ///< steps, one per neuron
  bool uniform = false;
  bool traced = false;  ///< membranes before the reset are wanted
  equations::StepOptions options;
};

/// State of one block; pointers to its 64 values. Absent parts are null.
template <typename V>
struct NeuronBlock {
  V* current = nullptr;
  V* membrane = nullptr;
  V* late = nullptr;                  ///< spikes published at the beginning of the step
  std::int32_t* countdown = nullptr;  ///< refractory steps left
  V* before = nullptr;                ///< receives the membrane before the reset
};

/// Advances the 64 neurons from `first` by one step with input `x`; their spikes go to `spikes`.
/// Returns the set of neurons that spiked.
template <typename V>
using UpdateBlock = std::uint64_t (*)(const NeuronArrays<V>& arrays, std::size_t first, const V* x,
                                      const NeuronBlock<V>& block, V* spikes);

/// Non-zero values of a block and their sum.
template <typename V>
struct Tally {
  std::uint32_t nonzero = 0;
  double sum = 0.0;
};

template <typename V>
struct NeuronKernels {
  UpdateBlock<V> update = nullptr;
  /// `steps` steps without input; stops early where nothing changes any more.
  void (*sleep)(const NeuronArrays<V>& arrays, std::size_t first, const NeuronBlock<V>& block,
                std::int64_t steps) = nullptr;
  /// Spikes due from the membranes as they are (reset timing "next").
  std::uint64_t (*due)(const NeuronArrays<V>& arrays, std::size_t first,
                       const NeuronBlock<V>& block) = nullptr;
  /// Whether a neuron could spike, or has a current or countdown left, without further input.
  bool (*awake)(const NeuronArrays<V>& arrays, std::size_t first,
                const NeuronBlock<V>& block) = nullptr;
  /// x <- (x or 0) + (value scale + bias), 64 values; scale and bias may be null.
  void (*add)(const V* value, const V* scale, const V* bias, bool first, V* x) = nullptr;
  Tally<V> (*tally)(const V* x) = nullptr;
  void (*clear)(V* x) = nullptr;  ///< 64 zeros
};

/// The kernels for these neurons on this processor.
NeuronKernels<float> neuron_kernels(const NeuronArrays<float>& arrays);
NeuronKernels<std::int32_t> neuron_kernels(const NeuronArrays<std::int32_t>& arrays);

}  // namespace spikeloom::cpu
