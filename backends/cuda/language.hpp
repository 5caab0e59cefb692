#pragma once
/// Language layers in a machine's memory.

#include "backends/cuda/kernels/gates.hpp"
#include "backends/cuda/machine.hpp"
#include "snn/integer.hpp"
#include "snn/program.hpp"

namespace spikeloom::cuda {

/// Weights of 8 bits are kept as such, others as float.
template <typename V>
struct EmbeddingImage {
  Buffer<std::int8_t> narrow;
  Buffer<float> real;
  Buffer<V> scale;
  std::int32_t shift = 1;
};

template <typename V>
struct GateImage {
  Buffer<std::uint64_t> start;
  Buffer<std::uint16_t> source, place;
  Buffer<std::int8_t> narrow;
  Buffer<float> real;
  Buffer<std::uint32_t> pivot, fan_out;
  std::uint32_t sources = 0, gates = 0;
  std::uint64_t synapses = 0, entries = 0;  ///< stored; walked by a step of real numbers
  bool adds = false;

  template <typename W>
  GateMatrix<W> matrix(const W* weight) const {
    return {start.data(),   source.data(), weight, place.data(), pivot.data(),
            fan_out.data(), sources,       gates,  adds};
  }
};

template <typename V>
struct RecurrentImage {
  GateImage<V> kernel, recurrent;
  GateImage<V> candidate;  ///< the paper's form; recurrent is then the gates z and r
  Buffer<V> kernel_scale, recurrent_scale, bias, recurrent_bias, threshold;
  std::int32_t kernel_shift = 1, recurrent_shift = 1;
  Buffer<std::int32_t> tables;  ///< sigmoid's and tanh's, integers only
};

/// `integer` is null in float32. kUnsupported: more sources than a block's shared memory holds.
template <typename V>
Result<EmbeddingImage<V>> make_embedding(const op::Embedding& embedding, const IntegerNode* integer,
                                         Machine& machine);
template <typename V>
Result<RecurrentImage<V>> make_recurrent(const op::Recurrent& layer, const IntegerNode* integer,
                                         double sharpen, Machine& machine);

/// Weights of a language layer as float, whatever the tensor holds.
std::vector<float> as_floats(const Tensor& tensor);

}  // namespace spikeloom::cuda
