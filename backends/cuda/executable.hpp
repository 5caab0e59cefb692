#pragma once
/// A program in a machine's memory: weights laid out for the kernels, neurons' coefficients.

#include <memory>
#include <vector>

#include "backends/backend.hpp"
#include "backends/cuda/language.hpp"
#include "backends/cuda/machine.hpp"
#include "backends/cuda/parts.hpp"
#include "backends/cuda/share.hpp"
#include "backends/cuda/tuning.hpp"
#include "snn/integer.hpp"

namespace spikeloom::cuda {

/// Weights of a weight node; what does not belong to its operation is empty.
template <typename V>
struct WeightImage {
  Buffer<float> real;
  Buffer<std::int8_t> narrow;
  Buffer<std::int16_t> wide;
  Buffer<V> scale, bias;                       ///< one per output or channel; empty for 1 and 0
  Buffer<Reach> row_reach, column_reach;       ///< Convolution
  std::uint32_t channels = 1, band = 1;        ///< Convolution: of a block
  std::uint32_t threads_per_channel = 1;       ///< Convolution
  std::int32_t row_span = 1, column_span = 1;  ///< Convolution
  Buffer<std::int64_t> start;                  ///< Sparse, RandomSparse in float32
  Buffer<std::uint32_t> source;                ///< the same
  Buffer<std::uint64_t> block_start;           ///< in integers
  Buffer<std::uint32_t> pivot, synapse, fan_out;
  /// For NarrowProduct, (factor_outputs, factor_inputs); empty where there is no such product.
  /// Dense behind spikes: three parts whose sum is the weight, or the weight in integers. Decoder:
  /// weights of 8 bits, and in integers their sums.
  Buffer<Factor<V>> factor[3];
  Buffer<std::int32_t> factor_sums;
  std::uint32_t factor_inputs = 0, factor_outputs = 0;
  std::int32_t shift = 0;           ///< Decoder in integers: sum x scale / 2^shift + bias; else 0
  std::uint32_t block_targets = 1;  ///< Sparse in integers; with a Plan, Dense: most of a block
  // Sparse in integers as bits, instead (bit_weights.hpp); besides, fan_out.
  Buffer<std::uint32_t> bits;
  Buffer<std::uint8_t> class_of;
  Buffer<std::int32_t> class_weight;
  std::uint32_t bit_words = 0;
  // With a Plan: what each block owns (Convolution: rows).
  Buffer<std::uint32_t> bound, order;
  std::uint32_t parts = 0;

  Parts blocks() const { return {bound.data(), order.data(), parts}; }
};

template <typename V>
struct NodeImage {
  WeightImage<V> weights;
  Buffer<V> parameter;          ///< Scale, Threshold
  Buffer<std::uint32_t> delay;  ///< Delay
  std::uint32_t longest_delay = 0;
  // Neurons.
  Buffer<V> coefficient[8], initial;
  Buffer<std::int32_t> refractory;
  NeuronRef<V> neurons;
  EmbeddingImage<V> embedding;
  RecurrentImage<V> recurrent;
  double unit = 1.0;  ///< real value of 1 in the output
};

template <typename V>
class CudaExecutable : public Executable {
 public:
  CudaExecutable(Program program, RunOptions options, std::string backend,
                 std::shared_ptr<Machine> machine, std::vector<NodeImage<V>> images,
                 double input_limit, std::vector<Exchange> exchanges, Tuning::Way way)
      : program_(std::move(program)),
        options_(std::move(options)),
        backend_(std::move(backend)),
        machine_(std::move(machine)),
        images_(std::move(images)),
        input_limit_(input_limit),
        exchanges_(std::move(exchanges)),
        way_(way) {}
  const Program& program() const override { return program_; }
  const RunOptions& options() const override { return options_; }
  Result<std::unique_ptr<Session>> open(std::uint32_t batch) const override;

  const std::string& backend() const { return backend_; }
  Machine& machine() const { return *machine_; }
  const std::vector<NodeImage<V>>& images() const { return images_; }
  double input_limit() const { return input_limit_; }
  /// Null for nodes that are none: all but those of a device's part.
  const Exchange* exchange(std::uint32_t node) const {
    return exchanges_.empty() || !exchanges_[node].here ? nullptr : &exchanges_[node];
  }
  /// How sessions launch it: as asked, or launches per node where that cannot be.
  Tuning::Way way() const { return way_; }
  /// Whether an element is one image (Resident).
  bool takes_layers() const { return way_ == Tuning::Way::kLayers; }

 private:
  Program program_;
  RunOptions options_;
  std::string backend_;
  std::shared_ptr<Machine> machine_;  ///< outlives the images, and is not used but to free them
  std::vector<NodeImage<V>> images_;
  double input_limit_;
  std::vector<Exchange> exchanges_;  ///< by node, or empty
  Tuning::Way way_;
};

/// Weights of an operation for the kernels; `integer` is null in float32. Blocks own what `share`
/// says. `schedule`: kRows where no bits will do.
template <typename V>
Result<WeightImage<V>> make_weights(const ProgramNode& node, const IntegerNode* integer,
                                    const Share& share, Schedule schedule, Machine& machine);
/// Whether what a node reads is one signal of 0 and 1.
bool reads_units(const Program& program, std::size_t node);

/// Whether what a node sends is 0 or 1.
bool sends_units(const ProgramNode& node, const Discretisation& d);
/// Layers smaller than this are not worth sums in another order.
inline constexpr std::int64_t kWorthProduct = 1 << 20;
/// Fills `image.factor` where the node is worth a product of spikes.
template <typename V>
Status make_factors(const Program& program, std::size_t node, const RunOptions& options,
                    const IntegerNode* integer, Machine& machine, WeightImage<V>& image);

/// The same for a Decoder; `weight` is (words, size).
template <typename V>
Status make_factors(const op::Decoder& decoder, const std::vector<float>& weight, Machine& machine,
                    WeightImage<V>& image);

/// Rows by source; 8 bits where they fit.
template <typename V>
Result<WeightImage<V>> make_decoder(const op::Decoder& decoder, const RunOptions& options,
                                    const IntegerNode* integer, Machine& machine);

/// What a device runs, for its machine. `exchanges` by node, or empty for a whole program.
template <typename V>
Result<std::shared_ptr<const CudaExecutable<V>>> compile_part(
    const Part& part, const RunOptions& options, std::string backend,
    std::shared_ptr<Machine> machine, std::vector<Exchange> exchanges,
    Tuning::Way way = Tuning::Way::kChunks);

/// Compiles for float32 (V = float) or integer (V = int32) on a machine; `shares` by node, or none.
template <typename V>
Result<std::shared_ptr<const Executable>> compile_cuda(const Program& program,
                                                       const RunOptions& options,
                                                       std::string backend,
                                                       std::shared_ptr<Machine> machine,
                                                       const std::vector<Share>& shares = {},
                                                       Tuning::Way way = Tuning::Way::kLayers);

}  // namespace spikeloom::cuda
