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

/// Non-zero values and their sum.
template <typename V>
struct Tally {
  std::uint64_t nonzero = 0;
  double sum = 0.0;
};

/// One step of some of the 4,096 neurons from `first` on: what goes in and what comes out. Input,
/// state and coefficients are those of these neurons; bit b of `blocks` stands for 64 of them.
template <typename V>
struct BlockRun {
  std::size_t first = 0;
  std::uint64_t blocks = 0;
  const V* input = nullptr;  ///< null for silence
  V* owned = nullptr;        ///< the input again, if it is to be cleared behind; or null
  bool counted = false;      ///< whether the tally is wanted
  NeuronBlock<V> state;
  std::uint32_t* index = nullptr;  ///< room for 4,096: receives the neurons that spiked, ascending
  V* value = nullptr;              ///< the same for their number of spikes; may be null
  // Results.
  std::size_t spikes = 0;
  Tally<V> tally;  ///< of the input
};

template <typename V>
using AdvanceBlocks = void (*)(const NeuronArrays<V>& arrays, BlockRun<V>& run);

template <typename V>
struct NeuronKernels {
  AdvanceBlocks<V> advance = nullptr;
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
  Tally<V> (*tally)(const V* x) = nullptr;  ///< of a block
  void (*clear)(V* x) = nullptr;            ///< 64 zeros
  /// Lists the members of a bitmap, ascending, and leaves zeros in it; their number. `index` has
  /// room for kListSlack more.
  std::size_t (*list)(std::uint64_t* bitmap, std::size_t words, std::uint32_t* index) = nullptr;
};

inline constexpr std::size_t kListSlack = 4;

/// The kernels for these neurons on this processor.
NeuronKernels<float> neuron_kernels(const NeuronArrays<float>& arrays);
NeuronKernels<std::int32_t> neuron_kernels(const NeuronArrays<std::int32_t>& arrays);

}  // namespace spikeloom::cpu
