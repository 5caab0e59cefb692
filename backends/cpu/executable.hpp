#pragma once
/// A program compiled for the cpu backend: orders, kernels, weights re-laid by source.

#include <memory>
#include <optional>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/neuron_kernels.hpp"
#include "backends/cpu/projection.hpp"
#include "backends/cpu/recurrent.hpp"
#include "backends/cpu/signal.hpp"
#include "event/divisor.hpp"

namespace spikeloom::cpu {

/// A link as the session reads it.
struct LinkPlan {
  std::uint32_t source = 0;
  std::uint32_t delay = 0;
  bool in_cycle = false, bias_at_start = false;
  bool same_order = false;  ///< the source's elements lie in the order of this node's neurons
};

/// A population of neurons in physical order.
template <typename V>
struct Population {
  AlignedBuffer<V> values[8];  ///< in the order of NeuronArrays
  AlignedBuffer<std::int32_t> refractory;
  std::vector<V> initial;  ///< membranes at step 0, physical order; empty for 0
  std::size_t neurons = 0;
  NeuronArrays<V> arrays;
  NeuronKernels<V> kernels;
  /// Blocks that have to be updated in every step: they have a drive, or could cross without
  /// input for another reason.
  BlockSet always;
  /// A block may have to be updated again without input, which kernels.awake says.
  bool may_wake = false;
  /// Neurons of the last block that exist.
  std::uint64_t last_block = ~std::uint64_t{0};
  /// Words of blocks (4,096 neurons) that the values of ranged weight nodes are made for at a time.
  std::size_t range_words = 0;
  /// A step without input changes nothing: there is nothing to catch up.
  bool still = false;
  /// At the start, a block may have something to say without input.
  bool starts_awake = false;
};

/// Along one axis of a pool: the outputs that an input coordinate belongs to.
struct PoolReach {
  std::vector<TapRange> outputs;
};

/// What a step does for a node.
enum class NodeWork {
  kNothing,
  kCopy,
  kProjection,
  kNeurons,
  kPool,
  kScale,
  kThreshold,
  kDelay,
  kRecurrent,
  kEmbedding,
  kDecoder,
  kRelu
};

inline constexpr std::uint32_t kNoWindow = ~std::uint32_t{0};

/// Everything about one node that does not change in a run.
template <typename V>
struct NodePlan {
  // Copies of what the program says and every step asks: its nodes are large and far apart.
  NodeWork work = NodeWork::kNothing;
  bool early = false;
  bool restarts = false;  ///< neurons go back to the start now and then
  std::uint64_t dense_macs = 0;
  std::uint64_t out_size = 0;
  /// Elements before each thread's part, as a Plan has them: threads + 1 numbers; empty: even.
  std::vector<std::size_t> cuts;
  bool dense = false;       ///< form of the output
  bool only_events = true;  ///< form of every input
  /// A population whose spikes only pools read, in the same step: they need not ascend.
  bool any_order = false;
  std::uint32_t depth = 1;  ///< steps of output kept: longest outgoing delay + 1
  Order order;              ///< of the dense output, or of the neurons
  std::vector<LinkPlan> links;
  std::unique_ptr<Projection<V>> projection;  ///< weight nodes
  bool has_choice = false;     ///< something else than rows was asked for, or may pay
  bool cheap_weights = false;  ///< graded events add or shift, docs/counting.md
  /// A weight node that only one population reads, in the same step: the population counts and
  /// clears its values block by block while they are in cache.
  bool fused = false;
  /// A fused one whose values never lie in memory as a whole: the population makes them range by
  /// range.
  bool ranged = false;
  AlignedBuffer<V> scale, bias;                 ///< of a weight node, physical order; may be empty
  std::unique_ptr<Population<V>> population;    ///< neurons
  std::unique_ptr<RecurrentPlan<V>> recurrent;  ///< language layers
  std::unique_ptr<EmbeddingPlan<V>> embedding;
  std::unique_ptr<DecoderPlan<V>> decoder;
  /// The Input whose word this layer reads through an Embedding and nothing else.
  std::optional<std::uint32_t> word_source;
  bool skipped = false;                   ///< an Output that is not recorded
  double unit = 1.0;                      ///< real value of 1 in the output
  std::vector<V> factor;                  ///< Scale
  PoolReach pool_rows, pool_columns;      ///< Pool
  detail::Divisor pool_plane, pool_line;  ///< Pool: elements of a plane and of a row
  /// Pool whose windows do not overlap: the output of a position in its plane, or kNoWindow.
  std::vector<std::uint32_t> pool_window;
  std::vector<V> threshold;              ///< Threshold
  bool all_thresholds_positive = false;  ///< silence stays silent
  std::vector<Variable> records;
};

template <typename V>
class CpuExecutable : public Executable {
 public:
  CpuExecutable(Program program, RunOptions options, std::vector<NodePlan<V>> plans,
                double input_limit);
  const Program& program() const override { return program_; }
  const RunOptions& options() const override { return options_; }
  Result<std::unique_ptr<Session>> open(std::uint32_t batch) const override;

  const std::vector<NodePlan<V>>& plans() const { return plans_; }
  /// Kernels that do not depend on a population: add and tally.
  const NeuronKernels<V>& kernels() const { return kernels_; }
  /// Integer runs: the largest value of an input element in a step.
  double input_limit() const { return input_limit_; }

 private:
  Program program_;
  RunOptions options_;
  std::vector<NodePlan<V>> plans_;
  NeuronKernels<V> kernels_;
  double input_limit_;
};

/// Compiles for float32 (V = float) or integer (V = int32). `owners` is by node: NodePlan::cuts.
template <typename V>
Result<std::shared_ptr<const Executable>> compile_cpu(
    const Program& program, const RunOptions& options,
    const std::vector<std::vector<std::size_t>>& owners = {});

}  // namespace spikeloom::cpu
