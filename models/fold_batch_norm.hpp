#pragma once
/// Batch normalisation of a trained network, folded into the layer before it.
///
/// At inference y = gamma (W x + b - mean) / sqrt(variance + eps) + beta, per output channel
/// (Ioffe and Szegedy, ICML 2015, algorithm 2), which is the layer W', b' with
/// W' = W gamma / sqrt(variance + eps), b' = (b - mean) gamma / sqrt(variance + eps) + beta.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "base/tensor.hpp"
#include "models/tensors/tensor_file.hpp"

namespace spikeloom {

/// One value per output channel each; absent gamma is 1 and absent beta 0 (affine=False).
struct BatchNorm {
  Tensor mean, variance;
  std::optional<Tensor> gamma, beta;
  double eps = 1e-5;  ///< PyTorch's default
};

struct FoldedWeights {
  Tensor weight, bias;
};

/// `weight` has its outputs first: (out, in) or (out, in / groups, kernel...); an absent bias is 0.
/// Computed in double and rounded once, to float64 if the weight is float64, else to float32.
/// kShape: sizes that differ. kInvalidArgument: variance + eps not above 0.
Result<FoldedWeights> fold_batch_norm(const Tensor& weight, const std::optional<Tensor>& bias,
                                      const BatchNorm& norm);

struct FoldOptions {
  double eps = 1e-5;
  /// (prefix of the normalisation, prefix of its layer), as in ("bn1", "conv1"); without an entry
  /// the layer is the last one before it in the list.
  std::vector<std::pair<std::string, std::string>> layers = {};
};

/// Folds every group "P.running_mean", "P.running_var", optional "P.weight" and "P.bias" of a state
/// dictionary into "L.weight" and "L.bias" and drops it ("P.num_batches_tracked" too).
/// kAmbiguous: the layer before has another number of outputs; name it in `layers`.
Result<std::vector<NamedTensor>> fold_batch_norms(std::vector<NamedTensor> tensors,
                                                  const FoldOptions& options = {});

}  // namespace spikeloom
