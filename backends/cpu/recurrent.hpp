#pragma once
/// Language layers compiled for cpu: weights by source, and one step of a layer.
///
/// A recurrent layer walks the rows of the units that emitted (and of its input's events), then
/// updates all units in one pass. Targets of gate g lie at g * padded + unit.

#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <variant>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cpu/recurrent_kernels.hpp"
#include "backends/cpu/signal.hpp"
#include "base/result.hpp"
#include "event/short_rows.hpp"
#include "event/sparse_rows.hpp"
#include "event/target_slices.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::cpu {

/// A form for weights of 8 bits and, in float32, for others.
template <template <typename, typename> class Form, typename V>
using ByWeight =
    std::conditional_t<std::is_integral_v<V>, std::variant<Form<std::int8_t, std::int32_t>>,
                       std::variant<Form<std::int8_t, float>, Form<float, float>>>;

/// Some gates of a matrix: compressed rows by source, or dense ones where few weights are pruned.
template <typename V>
class GateRows {
 public:
  /// The gates [first_gate, last_gate); their targets start at 0. `dense_input`: hardly an input
  /// is ever 0, so that compressed weights lie by target.
  static Result<GateRows> make(const op::SourceMatrix& matrix, std::int64_t units,
                               std::size_t padded, std::size_t first_gate, std::size_t last_gate,
                               bool dense_input = false);
  /// sums[t] = the sum of weight * value over every event and synapse.
  void multiply(const Events<V>& events, V* sums) const;
  std::uint64_t fan_out(std::uint32_t source) const { return fan_out_[source]; }
  std::uint64_t synapses() const { return synapses_; }
  /// Every stored weight is -1 or 1, and rows are added without a multiplication.
  bool adds_only() const { return signs_ && std::holds_alternative<Short>(form_); }
  /// What one synapse takes of the memory that is read.
  std::uint64_t synapse_bytes() const;
  std::uint64_t bytes() const;

 private:
  /// Dense weights: as they are, or 8 bits of an integer run.
  using Weight = std::conditional_t<std::is_integral_v<V>, std::int8_t, V>;
  using Short = ByWeight<ShortRows, V>;
  using Slices = ByWeight<TargetSlices, V>;
  struct Dense {
    AlignedBuffer<Weight> weight;
    std::size_t stride = 0;
  };
  template <typename W>
  Status compress(const op::SourceMatrix& part, bool dense_input);

  /// SparseRows: for more targets than the short forms take.
  std::variant<Dense, Short, Slices, std::optional<SparseRows<V>>> form_;
  bool signs_ = false;
  std::size_t targets_ = 0;
  std::vector<std::uint32_t> fan_out_;  ///< stored weights of each source
  std::uint64_t synapses_ = 0;
};

/// What a recurrent layer keeps from step to step, and its sums.
template <typename V>
struct RecurrentState {
  AlignedBuffer<V> state, output;  ///< padded
  AlignedBuffer<V> w, r, gated;    ///< scratch
  Events<V> events;                ///< the output's, what is not 0
};

/// Operations of one step (docs/counting.md) and those that were made.
struct RecurrentCount {
  std::uint64_t ac = 0, mac = 0, executed_ac = 0, executed_mac = 0, weight_bytes = 0;
};

/// Rows of an Embedding, read where the network holds them.
template <typename V>
class EmbeddingPlan {
 public:
  EmbeddingPlan(op::Embedding embedding, const IntegerNode* integer);
  /// The events' rows added up; bytes of weights read.
  std::uint64_t look_up(const Events<V>& words, Events<V>& out) const;

 private:
  op::Embedding embedding_;
  IntegerScale scale_;  ///< integer runs
};

/// `integer` is the node's part of the IntegerProgram, null in float32.
template <typename V>
class RecurrentPlan {
 public:
  /// `words`: the embedding that this layer reads, for a table of input sums per word; or null.
  static Result<std::unique_ptr<RecurrentPlan>> make(const op::Recurrent& layer,
                                                     const RunOptions& options,
                                                     const IntegerNode* integer,
                                                     const EmbeddingPlan<V>* words,
                                                     std::size_t word_count);

  RecurrentState<V> make_state() const;
  /// One step. `word`: the input is this word's vector and nothing else.
  RecurrentCount step(const Events<V>& in, std::optional<std::uint32_t> word,
                      RecurrentState<V>& state) const;
  bool has_table() const { return !table_.empty(); }
  /// Memory of rows and table.
  std::uint64_t bytes() const;
  std::uint64_t table_bytes() const { return table_.bytes(); }

 private:
  RecurrentPlan() = default;
  void input_sums(const Events<V>& in, V* sums) const;
  void count_executed(const GateRows<V>& rows, std::uint64_t pairs, RecurrentCount& count) const;
  void fill_table(const EmbeddingPlan<V>& words, std::size_t word_count, int threads);
  void paper_step(const V* w, RecurrentState<V>& state) const;

  op::Cell cell_ = op::Cell::kEgru;
  std::size_t units_ = 0, padded_ = 0, gates_ = 0;
  std::optional<GateRows<V>> kernel_, recurrent_;
  std::optional<GateRows<V>> candidate_;  ///< kEgruPaper: recurrent_ is then the gates z and r
  bool cheap_kernel_ = false, cheap_recurrent_ = false;
  bool dense_input_ = false;
  AlignedBuffer<V> kernel_scale_, recurrent_scale_, bias_, recurrent_bias_, threshold_;
  CellArrays<V> arrays_;
  CellKernels<V> kernels_ = {};
  AlignedBuffer<V> table_;  ///< (words, gates x padded), complete sums
};

template <typename V>
class DecoderPlan {
 public:
  static Result<std::unique_ptr<DecoderPlan>> make(const op::Decoder& decoder,
                                                   const IntegerNode* integer);
  /// Complete scores of all words, and of padding up to whole blocks of 64.
  RecurrentCount decode(const Events<V>& in, V* out) const;
  std::uint64_t bytes() const { return bytes_.bytes() + floats_.bytes(); }

 private:
  DecoderPlan() = default;
  std::size_t words_ = 0, size_ = 0, blocks_ = 0;
  AlignedBuffer<std::int8_t> bytes_;  ///< weights of 8 bits, or
  AlignedBuffer<float> floats_;
  AlignedBuffer<V> scale_, bias_;
  int shift_ = 0;
  bool cheap_ = false;
  DecoderKernels<V> kernels_ = {};
};

}  // namespace spikeloom::cpu
