#include "models/netx/detail/netx_layer.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

using io::Hdf5Group;
using io::Hdf5Kind;

constexpr double kMost = 1e9;

Error refusal(std::string what) {
  return Error{.code = ErrorCode::kUnsupported,
               .what = std::move(what),
               .next = "export the network to NIR, or without it"};
}

Error misplaced(const char* name, std::string expected, std::string got) {
  return Error{.code = ErrorCode::kFormat,
               .what = fmt::format("'{}' is missing or out of range", name),
               .expected = std::move(expected),
               .got = std::move(got)};
}

/// Text that h5py stores as a scalar or as an array of one.
Result<std::string> text_of(const Hdf5Group& group, const char* name) {
  if (group.kind(name) != Hdf5Kind::kDataset) return misplaced(name, "text", "nothing");
  return group.read_string(name);
}

Result<double> number_of(const Hdf5Group& group, const char* name, ReadBudget& budget,
                         double lowest, double highest, std::optional<double> fallback = {}) {
  if (!group.has(name) && fallback) return *fallback;
  if (!group.has(name)) return misplaced(name, "a number", "nothing");
  SPIKELOOM_TRY(const Tensor tensor, read_tensor(group, name, budget));
  SPIKELOOM_TRY(const double value, tensor.to_scalar());
  if (!(value >= lowest && value <= highest) || value != std::trunc(value)) {
    return misplaced(name, fmt::format("a whole number from {} to {}", lowest, highest),
                     fmt::format("{}", value));
  }
  return value;
}

/// One or two whole numbers, as rows and columns.
Result<Shape> pair_of(const Hdf5Group& group, const char* name, ReadBudget& budget,
                      const Shape& fallback) {
  if (!group.has(name)) return fallback;
  SPIKELOOM_TRY(const Tensor tensor, read_tensor(group, name, budget));
  SPIKELOOM_TRY(Shape pair, tensor.to_integers());
  if (pair.size() == 1) pair.push_back(pair[0]);
  if (pair.size() != 2) return misplaced(name, "1 or 2 numbers", to_string(tensor.shape()));
  return pair;
}

/// Numbers cut off to integers.
Result<std::vector<double>> integers_of(const Hdf5Group& group, const char* name,
                                        ReadBudget& budget, Shape& shape, bool& cut) {
  SPIKELOOM_TRY(const Tensor tensor, read_tensor(group, name, budget));
  shape = tensor.shape();
  std::vector<double> values = tensor.to_doubles();
  for (double& value : values) {
    if (!(std::abs(value) <= kMost)) {
      return misplaced(name, fmt::format("numbers within +-{}", kMost), fmt::format("{}", value));
    }
    const double whole = std::trunc(value);
    cut = cut || whole != value;
    value = whole;
  }
  return values;
}

Result<NetxNeuron> read_lif(const Hdf5Group& group, ReadBudget& budget) {
  NetxNeuron neuron;
  SPIKELOOM_TRY(const double graded, number_of(group, "gradedSpike", budget, 0, 1, 0.0));
  if (graded != 0.0) return refusal("graded spikes of LIF neurons are not read");
  SPIKELOOM_TRY(neuron.threshold, number_of(group, "vThMant", budget, 0, 131071));
  SPIKELOOM_TRY(neuron.current_decay, number_of(group, "iDecay", budget, 0, 4096));
  SPIKELOOM_TRY(neuron.membrane_decay, number_of(group, "vDecay", budget, 0, 4096));
  SPIKELOOM_TRY(neuron.weight_exponent, number_of(group, "wgtExp", budget, -6, 8, 0.0));
  return neuron;
}

Result<NetxNeuron> read_neuron(const Hdf5Group& group, ReadBudget& budget) {
  SPIKELOOM_TRY(const std::string type, text_of(group, "type"));
  if (type == "LOIHI" || type == "CUBA") return read_lif(group, budget);
  if (type != "SDNN") return refusal(fmt::format("neurons of type '{}' are not read", type));
  NetxNeuron neuron;
  neuron.kind = NetxNeuron::Kind::kSigmaDelta;
  SPIKELOOM_TRY(neuron.threshold, number_of(group, "vThMant", budget, 0, 131071));
  if (group.has("activation")) {
    SPIKELOOM_TRY(const std::string activation, text_of(group, "activation"));
    if (activation != "relu") {
      return refusal(fmt::format("the activation '{}' is not read", activation));
    }
  }
  SPIKELOOM_TRY(const double sigma, number_of(group, "sigma_output", budget, 0, 1, 0.0));
  if (sigma != 0.0) neuron.kind = NetxNeuron::Kind::kSigma;
  return neuron;
}

/// What no layer of ours may have.
Status check_names(const Hdf5Group& group) {
  SPIKELOOM_TRY(const auto names, group.children());
  for (const std::string& name : names) {
    if (name.find("rec") != std::string::npos) {
      return refusal(fmt::format("recurrent layers ('{}') are not read", name));
    }
    if (name.find("imag") != std::string::npos || name.find("real") != std::string::npos) {
      return refusal(fmt::format("complex layers ('{}') are not read", name));
    }
    if (name == "delay") return refusal("delays are not read");
  }
  const Hdf5Kind weight = group.kind("weight");
  if (weight != Hdf5Kind::kGroup) return {};
  SPIKELOOM_TRY(const Hdf5Group parts, group.group("weight"));
  return refusal(parts.has("real") || parts.has("imag")
                     ? "complex weights are not read"
                     : "weights in parts (weight normalisation) are not read");
}

Status read_weights(const Hdf5Group& group, ReadBudget& budget, NetxLayer& layer) {
  if (group.kind("weight") != Hdf5Kind::kDataset) return misplaced("weight", "numbers", "nothing");
  SPIKELOOM_TRY(layer.weight, integers_of(group, "weight", budget, layer.weight_shape, layer.cut));
  while (layer.weight_shape.size() > 4 && layer.weight_shape.back() == 1) {
    layer.weight_shape.pop_back();
  }
  if (group.has("bias")) {
    Shape unused;
    SPIKELOOM_TRY(layer.bias, integers_of(group, "bias", budget, unused, layer.cut));
    const bool silent = std::all_of(layer.bias.begin(), layer.bias.end(),
                                    [](double value) { return value == 0.0; });
    if (silent) layer.bias.clear();
  }
  if (layer.type != "conv") return {};
  SPIKELOOM_TRY(layer.stride, pair_of(group, "stride", budget, {1, 1}));
  SPIKELOOM_TRY(layer.padding, pair_of(group, "padding", budget, {0, 0}));
  SPIKELOOM_TRY(layer.dilation, pair_of(group, "dilation", budget, {1, 1}));
  SPIKELOOM_TRY(const double groups, number_of(group, "groups", budget, 1, kMost, 1.0));
  layer.groups = static_cast<std::int64_t>(groups);
  return {};
}

Status read_shape(const Hdf5Group& group, ReadBudget& budget, NetxLayer& layer) {
  if (group.kind("shape") != Hdf5Kind::kDataset) return refusal("the layer has no shape");
  SPIKELOOM_TRY(const auto info, group.info("shape"));
  if (info.is_string) return refusal("the layer's shape is no list of numbers");
  SPIKELOOM_TRY(const Tensor tensor, read_tensor(group, "shape", budget));
  SPIKELOOM_TRY(layer.shape, tensor.to_integers());
  const bool fits = (layer.shape.size() == 1 || layer.shape.size() == 3) &&
                    std::all_of(layer.shape.begin(), layer.shape.end(),
                                [](std::int64_t side) { return side > 0 && side < (1 << 24); });
  if (fits) return {};
  return misplaced("shape", "1 or 3 positive numbers", to_string(layer.shape));
}

Status read_parts(const Hdf5Group& group, ReadBudget& budget, NetxLayer& layer) {
  constexpr std::array<std::string_view, 4> kTypes = {"input", "conv", "dense", "flatten"};
  if (std::find(kTypes.begin(), kTypes.end(), layer.type) == kTypes.end()) {
    return refusal(fmt::format("layers of type '{}' are not read", layer.type));
  }
  SPIKELOOM_CHECK(check_names(group));
  if (layer.type == "flatten") return {};
  SPIKELOOM_CHECK(read_shape(group, budget, layer));
  if (group.has("neuron")) {
    SPIKELOOM_TRY(const Hdf5Group neuron, group.group("neuron"));
    SPIKELOOM_TRY(layer.neuron, read_neuron(neuron, budget));
  } else if (layer.type == "conv") {
    return refusal("convolutions without neurons are not read");
  }
  if (layer.type == "input") return {};
  return read_weights(group, budget, layer);
}

}  // namespace

Result<NetxLayer> read_netx_layer(const io::Hdf5Group& layers, std::size_t number,
                                  ReadBudget& budget) {
  NetxLayer layer;
  layer.place = fmt::format("layer {}", number);
  if (layers.kind(std::to_string(number)) != Hdf5Kind::kGroup) {
    return Error{.code = ErrorCode::kFormat,
                 .what = "the layers are not numbered 0, 1, ...",
                 .expected = fmt::format("/layer/{}", number)};
  }
  SPIKELOOM_TRY(const Hdf5Group group, layers.group(std::to_string(number)));
  auto type = text_of(group, "type");
  if (!type.ok()) return std::move(type).error().in(layer.place);
  layer.type = *std::move(type);
  layer.place = fmt::format("layer {} ({})", number, layer.type.substr(0, 40));
  layer.name = fmt::format("{}{}", layer.type, number);
  const Status status = read_parts(group, budget, layer);
  if (!status.ok()) return Error(status.error()).in(layer.place);
  return layer;
}

}  // namespace spikeloom::detail
