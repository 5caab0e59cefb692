#pragma once
/// Putting the tensors of a weights-only file into a network.

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "models/fold_batch_norm.hpp"
#include "models/tensors/tensor_file.hpp"
#include "snn/network.hpp"

namespace spikeloom {

struct WeightMapping {
  /// (tensor name, "node.field"), as in ("lif1.recurrent.weight", "lif1.w_rec.weight"); nodes of
  /// nested graphs as "graph/node.field". An empty target leaves the tensor out.
  std::vector<std::pair<std::string, std::string>> entries = {};
  /// What `entries` leave open: first tensors whose name is "node.field" ('.' also for '/'), then
  /// weights by shape, then the bias beside a weight, then biases by shape.
  bool automatic = true;
  bool ignore_unused_tensors = false;      ///< else a tensor without a place is an error
  bool keep_unmatched_parameters = false;  ///< else a weight or bias without a tensor is an error
  FoldOptions batch_norms = {};            ///< fold_batch_norms() comes first
};

/// The same network with parameters replaced. A bias makes a Linear an Affine; a new float weight
/// takes the place of a quantised one and its weight_scale.
///
/// By shape: tensors and parameters of one shape have to be equal in number. More than one pair of
/// a shape is taken in order, and only if that order is beyond doubt: the nodes lie on one path
/// through the network, and the tensors' order in the file is also that of their names (numbers
/// compared as numbers). Otherwise kAmbiguous, listing tensors and parameters. kNotFound: a name
/// in `entries`, a tensor without a place, a parameter without a tensor. kShape: they differ.
Result<Network> apply_weights(const Network& network, std::span<const NamedTensor> tensors,
                              const WeightMapping& mapping = {});

}  // namespace spikeloom
