#pragma once
/// Program: a network lowered to flat operations, in execution order, with explicit delays.
///
/// Nested graphs are inlined, shapes are known, parameters are discrete; nothing depends on a
/// backend. One step of a Program: every operation, in `order`, adds up its links (a link of
/// delay d carries its source's value of d steps ago) and computes its output; an operation
/// marked `early` publishes its output, which depends on its state only, before that.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/tensor.hpp"
#include "snn/discretisation.hpp"
#include "snn/neuron_coefficients.hpp"
#include "snn/recurrent_operations.hpp"

namespace spikeloom {

namespace op {

struct Input {
  std::uint32_t port = 0;
};  ///< index into Program::inputs
struct Output {
  std::uint32_t port = 0;
};                   ///< index into Program::outputs
struct Identity {};  ///< Flatten and the ports of nested graphs

/// y[r, o] = row_scale[o] sum_i weight[o, i] x[r, i] + bias[o], for each of `repeats` rows r.
struct Dense {
  std::int64_t outputs = 0, inputs = 0, repeats = 1;
  std::vector<double> weight;     ///< (outputs, inputs), as stored
  std::vector<double> row_scale;  ///< one per output, or empty for 1
  std::vector<double> bias;       ///< one per output, or empty
  WeightClass weight_class = WeightClass::kGeneral;
};

/// Dense with absent entries; output-major compressed rows.
struct Sparse {
  std::int64_t outputs = 0, inputs = 0;
  std::vector<std::int64_t> row_start, column;
  std::vector<double> value, row_scale, bias;
  WeightClass weight_class = WeightClass::kGeneral;
};

/// Random connections by rule (random_connectivity.hpp lists them): each output has `degree`
/// sources of every group. y[o] = sum over groups and o's draws of weight x[source].
struct RandomSparse {
  struct Group {
    std::int64_t source_start = 0, source_count = 0, degree = 0;
    double weight = 0.0;
    bool repeats = true;  ///< drawn with replacement
  };
  std::int64_t outputs = 0, inputs = 0;
  std::vector<Group> groups;
  std::uint64_t seed = 0;
  WeightClass weight_class = WeightClass::kGeneral;
};

/// Rows and columns of a two-dimensional window; one-dimensional windows have one row.
struct Extent {
  std::int64_t rows = 1, columns = 1;
};

/// Cross-correlation: y[o, r, c] = row_scale[o] sum weight[o, i, kr, kc] x[g + i, r', c'] + bias,
/// r' = r stride - pad_before + kr dilation; taps outside the input do not exist.
struct Convolution {
  std::int64_t in_channels = 0, out_channels = 0, groups = 1;
  Extent input, output, kernel, stride, dilation, pad_before;
  std::vector<double> weight;  ///< (out_channels, in_channels / groups, rows, columns)
  std::vector<double> row_scale, bias;
  WeightClass weight_class = WeightClass::kGeneral;
};

enum class PoolKind { kSum, kAverage, kMax };
/// Windows over each channel; taps outside the input count as 0 (ignored by kMax).
struct Pool {
  PoolKind kind = PoolKind::kSum;
  std::int64_t channels = 0;
  Extent input, output, kernel, stride, pad_before;
};

struct Scale {
  std::vector<double> factor;
};  ///< one per element
struct Delay {
  std::vector<std::uint32_t> steps;
};  ///< one per element
struct Threshold {
  std::vector<double> threshold;
};  ///< one per element
struct Neuron {
  NeuronCoefficients coefficients;
  /// At steps s with (s - reset_phase) mod reset_period = 0 the state is that of the start; never
  /// for a period of 0 (`reset_every` of the discretisation).
  std::int64_t reset_period = 0, reset_phase = 0;

  bool restarts_at(std::int64_t step) const {
    return reset_period > 0 && (step - reset_phase) % reset_period == 0;
  }
};

}  // namespace op

using Operation =
    std::variant<op::Input, op::Output, op::Identity, op::Dense, op::Sparse, op::RandomSparse,
                 op::Convolution, op::Pool, op::Scale, op::Delay, op::Threshold, op::Neuron,
                 op::Embedding, op::Recurrent, op::Decoder, op::Relu>;

/// One incoming connection of an operation.
struct Link {
  std::uint32_t source = 0;  ///< index into Program::nodes
  std::uint32_t delay = 0;   ///< steps
  /// Both ends lie on one cycle.
  bool in_cycle = false;
  /// Before step 0 the link holds what the weight nodes of its cycle give when its neurons and
  /// everything outside are silent (their biases), instead of 0.
  bool bias_at_start = false;
};

/// A layer of the lowered network.
struct ProgramNode {
  std::string name;  ///< path in the file: "outer/inner" for nested graphs
  std::string kind;  ///< NIR's class name
  Operation operation;
  Shape in_shape, out_shape;
  std::int64_t in_size = 0, out_size = 0;
  std::vector<Link> inputs;
  /// Publishes its output before the step: a neuron whose spikes are emitted one step after
  /// their crossing, or a Delay of at least one step everywhere.
  bool early = false;
  // Static descriptors, per step.
  std::int64_t dense_macs = 0;  ///< in-bounds pairs of input element and weight (padding excluded)
  std::int64_t weights = 0;     ///< stored weights; of a rule, the synapses it stands for
  std::int64_t state_values = 0;
};

struct Program {
  std::vector<ProgramNode> nodes;      ///< in execution order, which is topological
  std::vector<std::uint32_t> inputs;   ///< indices of the Input nodes, in file order
  std::vector<std::uint32_t> outputs;  ///< indices of the Output nodes, in file order
  Discretisation discretisation;
  std::vector<std::string> notes;  ///< what was assumed or bent on the way

  /// Index of the node with this path, or nothing. "lif1" also finds the only node whose last
  /// path component it is.
  std::optional<std::uint32_t> find(std::string_view name) const;
};

/// Taps of a window over one axis at output position `position`: [first, last) of the kernel.
struct TapRange {
  std::int64_t first = 0, last = 0;
};
TapRange taps_in_bounds(std::int64_t position, std::int64_t input, std::int64_t kernel,
                        std::int64_t stride, std::int64_t dilation, std::int64_t pad_before);

/// True for operations that hold weights: the only ones that synaptic operations count for.
bool is_weight_operation(const Operation& operation);
/// Class of the stored weights of an operation that has any.
WeightClass weight_class(const Operation& operation);

}  // namespace spikeloom
