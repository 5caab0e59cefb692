#pragma once
/// Integer form of a program, and the proof that nothing in it overflows (docs/integer.md).
///
/// to_integer() takes a Program whose numbers are integers in range and hands out the arrays that
/// integer and ring16 runs use, with a bound on the magnitude of every value. All int32 sums of a
/// run that respects `input_limit` are then exact, whatever the order of addition.

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "snn/program.hpp"

namespace spikeloom {

/// Largest magnitude of an event's value: of inputs, spike counts, what a weight node reads.
inline constexpr std::int32_t kEventLimit = 32767;
/// Most spikes of a neuron in one step (rule "multi"); more are lost.
inline constexpr std::int32_t kMostSpikes = 255;
/// Currents and membranes saturate at plus and minus this.
inline constexpr std::int32_t kIntegerStateLimit = (1 << 29) - 1;
/// Decays are multiples of 1 / kDecayUnit.
inline constexpr std::int32_t kDecayUnit = 4096;
/// A ring16 slot stops here.
inline constexpr std::int32_t kRingLimit = 65535;

/// Coefficients of a neuron node, one entry per neuron; decays in units of 1 / kDecayUnit.
/// Absent parts are empty, as in NeuronCoefficients.
struct IntegerNeurons {
  std::vector<std::int32_t> current_decay, current_gain;
  std::vector<std::int32_t> decay, gain, drive;
  std::vector<std::int32_t> threshold, reset, clamp;
  std::vector<std::int32_t> initial;      ///< membrane before the first step
  std::vector<std::uint32_t> refractory;  ///< whole steps
};

/// Left shifts of ring16's two accumulators.
struct RingShift {
  int excitatory = 0, inhibitory = 0;
  friend bool operator==(const RingShift&, const RingShift&) = default;
};

/// One positive factor per row: multiplier[row] / 2^shift, shift at least 1.
struct IntegerScale {
  std::vector<std::int32_t> multiplier;
  int shift = 1;
};

/// The integers of one program node; what does not belong to its operation is empty.
struct IntegerNode {
  /// op::Dense, Sparse, Convolution: in the program's order; RandomSparse: one per group.
  std::vector<std::int16_t> weight;
  bool fits_int8 = false;          ///< every weight is within -128 .. 127
  std::vector<std::int32_t> bias;  ///< one per output (channel), or empty
  RingShift ring;
  std::vector<std::int16_t> factor;     ///< op::Scale, one per element
  std::vector<std::int32_t> threshold;  ///< op::Threshold, one per element: x > threshold
  IntegerNeurons neurons;               ///< op::Neuron
  // Language layers; their weights are the program's own. `bias` and `threshold` as above.
  IntegerScale scale;                        ///< op::Embedding, Decoder; Recurrent: of the kernel
  IntegerScale recurrent_scale;              ///< op::Recurrent
  std::vector<std::int32_t> recurrent_bias;  ///< op::Recurrent
  std::int64_t row_sum = 0;                  ///< largest sum of abs(weight) over a row
  int exponent = 0;                          ///< an output of 1 stands for 2^-exponent
  std::int64_t in_bound = 0;                 ///< magnitude of the summed input of an element
  std::int64_t out_bound = 0;                ///< magnitude of an element of the output
};

struct IntegerProgram {
  std::vector<IntegerNode> nodes;  ///< as Program::nodes
  /// Largest magnitude that an input element may have in a step, 1 .. kEventLimit.
  std::int32_t input_limit = kEventLimit;
};

/// kUnsupported: the program is not integer, or would not be exact; names the node, the row or
/// element, what was found and the next step (the `quantize` command for a float model).
Result<IntegerProgram> to_integer(const Program& program);

/// Thresholds of a recurrent layer in units of 2^-15 after RunOptions::sharpen, within 0 .. 32768.
std::vector<std::int32_t> sharpened(const IntegerNode& node, double sharpen);

/// A weight's magnitude as ring16 holds it: |weight| / 2^shift to nearest, ties to even.
std::int32_t ring_weight(std::int16_t weight, int shift);

}  // namespace spikeloom
