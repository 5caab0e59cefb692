#include "models/fold_batch_norm.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string_view>

#include <fmt/format.h>

namespace spikeloom {
namespace {

constexpr std::string_view kMean = ".running_mean";

Status check_size(const char* name, const Tensor& tensor, std::int64_t outputs) {
  if (tensor.size() == outputs) return {};
  return Error{.code = ErrorCode::kShape,
               .what = fmt::format("the normalisation's {} does not fit the layer", name),
               .expected = fmt::format("{} values, one per output", outputs),
               .got = "shape " + to_string(tensor.shape()),
               .next = "name the layer that the normalisation follows"};
}

Tensor rounded(const Shape& shape, const std::vector<double>& values, DType like) {
  if (like == DType::kFloat64) return Tensor::of<double>(shape, values);
  return Tensor::of<float>(shape, std::vector<float>(values.begin(), values.end()));
}

const NamedTensor* find(const std::vector<NamedTensor>& tensors, const std::string& name) {
  const auto found = std::find_if(tensors.begin(), tensors.end(),
                                  [&](const NamedTensor& entry) { return entry.name == name; });
  return found == tensors.end() ? nullptr : &*found;
}

std::optional<Tensor> find_copy(const std::vector<NamedTensor>& tensors, const std::string& name) {
  const NamedTensor* found = find(tensors, name);
  return found == nullptr ? std::nullopt : std::optional(found->tensor);
}

/// The prefix of the last layer before position `at`, or "" if there is none.
std::string layer_before(const std::vector<NamedTensor>& tensors, std::size_t at) {
  constexpr std::string_view kWeight = ".weight";
  for (std::size_t i = at; i-- > 0;) {
    const std::string& name = tensors[i].name;
    if (name.ends_with(kWeight) && tensors[i].tensor.rank() >= 2) {
      return name.substr(0, name.size() - kWeight.size());
    }
  }
  return {};
}

}  // namespace

Result<FoldedWeights> fold_batch_norm(const Tensor& weight, const std::optional<Tensor>& bias,
                                      const BatchNorm& norm) {
  if (weight.rank() < 2 || weight.size() == 0) {
    return Error{.code = ErrorCode::kShape,
                 .what = "a normalisation folds into a weight of at least two axes",
                 .got = to_string(weight.shape())};
  }
  const std::int64_t outputs = weight.dim(0);
  SPIKELOOM_CHECK(check_size("mean", norm.mean, outputs));
  SPIKELOOM_CHECK(check_size("variance", norm.variance, outputs));
  if (norm.gamma) SPIKELOOM_CHECK(check_size("gamma", *norm.gamma, outputs));
  if (norm.beta) SPIKELOOM_CHECK(check_size("beta", *norm.beta, outputs));
  if (bias) SPIKELOOM_CHECK(check_size("layer's bias", *bias, outputs));

  std::vector<double> weights = weight.to_doubles();
  std::vector<double> biases(static_cast<std::size_t>(outputs));
  const std::int64_t inner = weight.size() / outputs;
  for (std::int64_t o = 0; o < outputs; ++o) {
    const double spread = norm.variance.at(o) + norm.eps;
    if (!(spread > 0.0)) {
      return Error{.what = "a variance plus eps is not above zero",
                   .got = fmt::format("{} at channel {}", spread, o),
                   .next = "give the eps the network was trained with"};
    }
    const double gain = (norm.gamma ? norm.gamma->at(o) : 1.0) / std::sqrt(spread);
    for (std::int64_t i = o * inner; i < (o + 1) * inner; ++i) {
      weights[static_cast<std::size_t>(i)] *= gain;
    }
    biases[static_cast<std::size_t>(o)] = ((bias ? bias->at(o) : 0.0) - norm.mean.at(o)) * gain +
                                          (norm.beta ? norm.beta->at(o) : 0.0);
  }
  return FoldedWeights{rounded(weight.shape(), weights, weight.dtype()),
                       rounded({outputs}, biases, weight.dtype())};
}

Result<std::vector<NamedTensor>> fold_batch_norms(std::vector<NamedTensor> tensors,
                                                  const FoldOptions& options) {
  std::vector<NamedTensor> folded = tensors;
  std::set<std::string> dropped;
  for (std::size_t at = 0; at < tensors.size(); ++at) {
    const std::string& name = tensors[at].name;
    if (!name.ends_with(kMean)) continue;
    const std::string prefix = name.substr(0, name.size() - kMean.size());
    const auto variance = find_copy(tensors, prefix + ".running_var");
    if (!variance) continue;
    const auto given = std::find_if(options.layers.begin(), options.layers.end(),
                                    [&](const auto& entry) { return entry.first == prefix; });
    const std::string layer =
        given != options.layers.end() ? given->second : layer_before(tensors, at);
    const auto weight = find_copy(folded, layer + ".weight");
    if (!weight || weight->rank() < 2 || weight->dim(0) != variance->size()) {
      return Error{.code = ErrorCode::kAmbiguous,
                   .what = fmt::format("no layer is known that \"{}\" normalises", prefix),
                   .expected = fmt::format("a weight with {} outputs", variance->size()),
                   .got = weight ? fmt::format("\"{}.weight\" of shape {}", layer,
                                               to_string(weight->shape()))
                                 : "none before it",
                   .next = "name the layer of this normalisation"};
    }
    const BatchNorm norm{tensors[at].tensor, *variance, find_copy(tensors, prefix + ".weight"),
                         find_copy(tensors, prefix + ".bias"), options.eps};
    auto made = fold_batch_norm(*weight, find_copy(folded, layer + ".bias"), norm);
    if (!made.ok()) return std::move(made).error().in(prefix);
    for (std::size_t i = 0; i < folded.size(); ++i) {
      if (folded[i].name != layer + ".weight") continue;
      folded[i].tensor = made->weight;
      if (find(folded, layer + ".bias") == nullptr) {
        folded.insert(folded.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                      NamedTensor{layer + ".bias", made->bias});
      }
      break;
    }
    for (NamedTensor& entry : folded) {
      if (entry.name == layer + ".bias") entry.tensor = made->bias;
    }
    for (const char* part :
         {".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked"}) {
      dropped.insert(prefix + part);
    }
  }
  std::erase_if(folded, [&](const NamedTensor& entry) { return dropped.contains(entry.name); });
  return folded;
}

}  // namespace spikeloom
