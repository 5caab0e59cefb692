#pragma once
/// A launch: which kernel, and how many blocks of how many threads with how much shared memory.

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <variant>
#include <vector>

#include "backends/cuda/kernels/bit_rows.hpp"
#include "backends/cuda/kernels/circuit.hpp"
#include "backends/cuda/kernels/convolution.hpp"
#include "backends/cuda/kernels/dense.hpp"
#include "backends/cuda/kernels/elementwise.hpp"
#include "backends/cuda/kernels/embedding.hpp"
#include "backends/cuda/kernels/exchange.hpp"
#include "backends/cuda/kernels/gates.hpp"
#include "backends/cuda/kernels/layer.hpp"
#include "backends/cuda/kernels/layer_pool.hpp"
#include "backends/cuda/kernels/log_bits.hpp"
#include "backends/cuda/kernels/neurons.hpp"
#include "backends/cuda/kernels/product.hpp"
#include "backends/cuda/kernels/sparse.hpp"

namespace spikeloom::cuda {

using Kernel = std::variant<
    Product, NarrowProduct, FinishProductKernel<float>, FinishProductKernel<std::int32_t>,
    SplitKernel<float>, SplitKernel<std::int32_t>, SpreadKernel<float>, SpreadKernel<std::int32_t>,
    ElementwiseKernel<float>, ElementwiseKernel<std::int32_t>, PoolKernel<float>,
    PoolKernel<std::int32_t>, DelayKernel<float>, DelayKernel<std::int32_t>, ClearKernel<float>,
    ClearKernel<std::int32_t>, MarkKernel<float>, MarkKernel<std::int32_t>, LogKernel<float>,
    LogKernel<std::int32_t>, LogBitsKernel<float>, LogBitsKernel<std::int32_t>, InputKernel<float>,
    InputKernel<std::int32_t>, NeuronKernel<float>, NeuronKernel<std::int32_t>,
    PublishKernel<float>, PublishKernel<std::int32_t>, DenseKernel<float, float, 1>,
    DenseKernel<float, float, 4>, DenseKernel<float, std::int8_t, 1>,
    DenseKernel<float, std::int8_t, 4>, DenseKernel<std::int32_t, std::int8_t, 1>,
    DenseKernel<std::int32_t, std::int8_t, 4>, DenseKernel<std::int32_t, std::int16_t, 1>,
    DenseKernel<std::int32_t, std::int16_t, 4>, ConvolutionKernel<float, float>,
    ConvolutionKernel<std::int32_t, std::int8_t>, ConvolutionKernel<std::int32_t, std::int16_t>,
    SparseGatherKernel<float>, EmptyListsKernel, CompactKernel<std::int32_t>, RowsKernel<2, 4>,
    BitRowsKernel, Gather, PackKernel<float>, PackKernel<std::int32_t>, UnpackKernel<float>,
    UnpackKernel<std::int32_t>, CircuitKernel, EmbeddingKernel<float, float>,
    EmbeddingKernel<float, std::int8_t>, EmbeddingKernel<std::int32_t, std::int8_t>,
    GateKernel<float, float>, GateKernel<float, std::int8_t>, GateKernel<std::int32_t, std::int8_t>,
    LayerInputKernel<float>, LayerInputKernel<std::int32_t>, GeneralLayer<float>,
    GeneralLayer<std::int32_t>, WindowLayer<float, 1, LayerForm::kMembrane>,
    WindowLayer<std::int32_t, 1, LayerForm::kMembrane>, WindowLayer<float, 8, LayerForm::kMembrane>,
    WindowLayer<std::int32_t, 8, LayerForm::kMembrane>,
    WindowLayer<float, 16, LayerForm::kMembrane>,
    WindowLayer<std::int32_t, 16, LayerForm::kMembrane>,
    WindowLayer<float, 1, LayerForm::kLateCurrent>,
    WindowLayer<std::int32_t, 1, LayerForm::kLateCurrent>,
    WindowLayer<float, 8, LayerForm::kLateCurrent>,
    WindowLayer<std::int32_t, 8, LayerForm::kLateCurrent>,
    WindowLayer<float, 16, LayerForm::kLateCurrent>,
    WindowLayer<std::int32_t, 16, LayerForm::kLateCurrent>,
    RowLayer<float, 1, LayerForm::kMembrane>, RowLayer<float, 4, LayerForm::kMembrane>,
    RowLayer<std::int32_t, 1, LayerForm::kMembrane>,
    RowLayer<std::int32_t, 4, LayerForm::kMembrane>, RowLayer<float, 1, LayerForm::kLateCurrent>,
    RowLayer<float, 4, LayerForm::kLateCurrent>, RowLayer<std::int32_t, 1, LayerForm::kLateCurrent>,
    RowLayer<std::int32_t, 4, LayerForm::kLateCurrent>, LinkLayer<float, LayerForm::kMembrane>,
    LinkLayer<std::int32_t, LayerForm::kMembrane>, LinkLayer<float, LayerForm::kLateCurrent>,
    LinkLayer<std::int32_t, LayerForm::kLateCurrent>, PoolLayer<float, LayerForm::kNone>,
    PoolLayer<std::int32_t, LayerForm::kNone>, PoolLayer<float, LayerForm::kMembrane>,
    PoolLayer<std::int32_t, LayerForm::kMembrane>, PoolLayer<float, LayerForm::kLateCurrent>,
    PoolLayer<std::int32_t, LayerForm::kLateCurrent>,
    WindowLayer<float, 1, LayerForm::kOwnMembrane>,
    WindowLayer<std::int32_t, 1, LayerForm::kOwnMembrane>,
    WindowLayer<float, 8, LayerForm::kOwnMembrane>,
    WindowLayer<std::int32_t, 8, LayerForm::kOwnMembrane>,
    WindowLayer<float, 16, LayerForm::kOwnMembrane>,
    WindowLayer<std::int32_t, 16, LayerForm::kOwnMembrane>,
    RowLayer<float, 1, LayerForm::kOwnMembrane>, RowLayer<std::int32_t, 1, LayerForm::kOwnMembrane>,
    RowLayer<float, 4, LayerForm::kOwnMembrane>, RowLayer<std::int32_t, 4, LayerForm::kOwnMembrane>,
    WindowLayer<float, 1, LayerForm::kOwnLateCurrent>,
    WindowLayer<std::int32_t, 1, LayerForm::kOwnLateCurrent>,
    WindowLayer<float, 8, LayerForm::kOwnLateCurrent>,
    WindowLayer<std::int32_t, 8, LayerForm::kOwnLateCurrent>,
    WindowLayer<float, 16, LayerForm::kOwnLateCurrent>,
    WindowLayer<std::int32_t, 16, LayerForm::kOwnLateCurrent>,
    RowLayer<float, 1, LayerForm::kOwnLateCurrent>,
    RowLayer<std::int32_t, 1, LayerForm::kOwnLateCurrent>,
    RowLayer<float, 4, LayerForm::kOwnLateCurrent>,
    RowLayer<std::int32_t, 4, LayerForm::kOwnLateCurrent>>;

struct KernelCall {
  Kernel kernel;
  std::uint32_t blocks = 0, threads = kTile;
  std::size_t shared = 0;  ///< bytes
  /// Calls of one branch are done in order, branches side by side, each call after those that it
  /// waits for: earlier ones of the sequence.
  std::uint32_t branch = 0;
  std::vector<std::uint32_t> waits_for = {};
};

/// A product; `blocks` only says that there is something to do.
inline KernelCall call(const Product& product) {
  return {product, product.rows == 0 || product.outputs == 0 ? 0U : 1U, 1, 0};
}

inline KernelCall call(const NarrowProduct& product) {
  return {product, product.rows == 0 || product.outputs == 0 ? 0U : 1U, 1, 0};
}

/// An exchange among the devices of a team; alone, a device has nobody to tell anything.
inline KernelCall call(const Gather& gather) { return {gather, gather.words == 0 ? 0U : 1U, 1, 0}; }

/// Bytes of shared memory and threads that go with a kernel.
template <typename K>
KernelCall call(const K& kernel) {
  KernelCall made{kernel, kernel.blocks(), kTile, 0};
  if constexpr (requires { kernel.threads(); }) made.threads = kernel.threads();
  if constexpr (requires { kernel.shared_bytes(); }) {
    made.shared = kernel.shared_bytes();
  } else if constexpr (requires { typename K::Shared; }) {
    made.shared = sizeof(typename K::Shared);
  } else if constexpr (requires { kernel.neurons; }) {
    made.shared = sizeof(NeuronShared<std::remove_reference_t<decltype(*kernel.out.value)>>);
  } else if constexpr (requires { kernel.out; }) {
    made.shared = sizeof(TileShared<std::remove_reference_t<decltype(*kernel.out.value)>>);
  }
  return made;
}

}  // namespace spikeloom::cuda
