#include "models/slayer/slayer_reader.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/io/file.hpp"
#include "base/io/yaml.hpp"
#include "models/detail/loihi_neuron.hpp"
#include "models/slayer/slayer_inference.hpp"
#include "models/slayer/slayer_topology.hpp"
#include "models/slayer/slayer_weights.hpp"
#include "snn/discretisation.hpp"
#include "snn/input_coding.hpp"

namespace spikeloom {
namespace {

constexpr std::uint64_t kMaxYamlBytes = 1 << 20;
constexpr double kDecayUnits = 4096.0;

struct Description {
  double step_ms = 1.0;
  std::int64_t steps = 0;
  double threshold = 0.0;
  double membrane_decay = 0.0, current_decay = 0.0;
  double weight_exponent = 0.0;
};

Error missing(std::string_view key, const std::string& expected) {
  return Error{.code = ErrorCode::kFormat,
               .what = fmt::format("'{}' is missing or out of range", key),
               .expected = expected};
}

Result<double> number_of(const Value& section, std::string_view key, double lowest, double highest,
                         std::optional<double> fallback = {}) {
  const Value* value = section.find(key);
  if (value == nullptr && fallback) return *fallback;
  const bool fits = value != nullptr && value->is_number() && value->number() >= lowest &&
                    value->number() <= highest;
  if (!fits) return missing(key, fmt::format("a number from {} to {}", lowest, highest));
  return value->number();
}

Result<double> whole_number_of(const Value& section, std::string_view key, double lowest,
                               double highest, std::optional<double> fallback = {}) {
  SPIKELOOM_TRY(const double value, number_of(section, key, lowest, highest, fallback));
  if (value != std::trunc(value)) {
    return missing(key, fmt::format("a whole number from {} to {}", lowest, highest));
  }
  return value;
}

Result<Description> describe(const Value& yaml) {
  const Value* simulation = yaml.find("simulation");
  const Value* neuron = yaml.find("neuron");
  if (simulation == nullptr || neuron == nullptr) {
    return missing("simulation, neuron", "SLAYER's sections of these names");
  }
  const Value* type = neuron->find("type");
  if (type == nullptr || type->as_string() == nullptr) return missing("neuron: type", "LOIHI");
  if (*type->as_string() != "LOIHI") {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = fmt::format("the neuron type {} is not read", *type->as_string()),
                 .expected = "LOIHI",
                 .next = "export the network to NIR"};
  }
  Description d;
  SPIKELOOM_TRY(d.step_ms, number_of(*simulation, "Ts", 1e-6, 1e6));
  SPIKELOOM_TRY(const double length, number_of(*simulation, "tSample", 1e-6, 1e9));
  d.steps = std::llround(length / d.step_ms);
  if (d.steps < 1 || d.steps > 100000000) return missing("tSample / Ts", "1 to 100000000 steps");
  SPIKELOOM_TRY(d.threshold, whole_number_of(*neuron, "vThMant", 1, 131071));
  SPIKELOOM_TRY(d.membrane_decay, whole_number_of(*neuron, "vDecay", 0, kDecayUnits));
  SPIKELOOM_TRY(d.current_decay, whole_number_of(*neuron, "iDecay", 0, kDecayUnits));
  SPIKELOOM_TRY(d.weight_exponent, whole_number_of(*neuron, "wgtExp", -6, 8, 0.0));
  return d;
}

node::CubaLif neuron_node(const Description& d) {
  detail::LoihiNeuron neuron;
  neuron.step = d.step_ms;
  neuron.threshold = d.threshold;
  neuron.current_decay = d.current_decay;
  neuron.membrane_decay = d.membrane_decay;
  neuron.weight_exponent = d.weight_exponent;
  return detail::loihi_neuron(neuron);
}

Tensor integer(std::int64_t value) { return Tensor::scalar<std::int64_t>(value); }

NodeKind synapse_node(const SlayerLayer& layer, const Shape& input,
                      const std::vector<double>& values) {
  if (layer.kind == SlayerKind::kDense) {
    std::int64_t inputs = 1;
    for (const std::int64_t side : input) inputs *= side;
    return node::Linear{detail::weight_tensor({layer.outputs, inputs}, values), {}};
  }
  node::Conv2d conv;
  const std::int64_t k = layer.kernel;
  conv.stride = integer(layer.stride);
  conv.padding.value = integer(layer.padding);
  conv.input_shape = shape_tensor({input[1], input[2]});
  if (layer.kind == SlayerKind::kPool) {
    std::vector<double> repeated;
    for (std::int64_t c = 0; c < input[0]; ++c) {
      repeated.insert(repeated.end(), values.begin(), values.end());
    }
    conv.weight = detail::weight_tensor({input[0], 1, k, k}, repeated);
    conv.groups = integer(input[0]);
  } else {
    conv.weight = detail::weight_tensor({layer.outputs, input[0], k, k}, values);
  }
  return conv;
}

/// The weights of each layer, in order; kinds are numbered one by one.
Result<std::vector<const SlayerWeights*>> assign(const SlayerTopology& topology,
                                                 const std::vector<SlayerWeights>& files) {
  SPIKELOOM_TRY(const auto counts, slayer_weight_counts(topology));
  std::vector<const SlayerWeights*> assigned;
  for (std::size_t i = 0; i < topology.layers.size(); ++i) {
    const SlayerKind kind = topology.layers[i].kind;
    const auto number =
        1 + std::count_if(topology.layers.begin(),
                          topology.layers.begin() + static_cast<std::ptrdiff_t>(i),
                          [&](const SlayerLayer& layer) { return layer.kind == kind; });
    const auto file = std::find_if(files.begin(), files.end(), [&](const SlayerWeights& f) {
      return f.kind == kind && f.number == number;
    });
    const std::string place = fmt::format("layer {} of '{}'", i + 1, to_string(topology));
    if (file == files.end()) {
      const char* name = kind == SlayerKind::kPool          ? "pool"
                         : kind == SlayerKind::kConvolution ? "conv"
                                                            : "fc";
      return Error{.code = ErrorCode::kNotFound,
                   .what = fmt::format("there is no {}{}.txt for this layer", name, number),
                   .where = place,
                   .next = "check --layers and the folder of the weights"};
    }
    if (static_cast<std::int64_t>(file->values.size()) != counts[i]) {
      return Error{.code = ErrorCode::kShape,
                   .what = fmt::format("{} does not fit its layer", file->path),
                   .where = place,
                   .expected = fmt::format("{} weights", counts[i]),
                   .got = std::to_string(file->values.size()),
                   .next = "check --layers and the folder of the weights"};
    }
    assigned.push_back(&*file);
  }
  if (assigned.size() != files.size()) {
    const auto unused = std::find_if(files.begin(), files.end(), [&](const SlayerWeights& f) {
      return std::find(assigned.begin(), assigned.end(), &f) == assigned.end();
    });
    return Error{.code = ErrorCode::kShape,
                 .what = "the layers leave a weight file over",
                 .where = unused->path,
                 .expected = fmt::format("a layer for it in '{}'", to_string(topology)),
                 .next = "add the layer to --layers"};
  }
  return assigned;
}

Result<Network> build(const SlayerTopology& topology,
                      const std::vector<const SlayerWeights*>& files,
                      const Description& description) {
  SPIKELOOM_TRY(const auto shapes, slayer_shapes(topology));
  NetworkBuilder builder;
  std::string last = "input";
  builder.add(last, node::Input{shape_tensor(topology.input)});
  const auto append = [&](const std::string& name, NodeKind kind) {
    builder.add(name, std::move(kind));
    builder.connect(last, name);
    last = name;
  };
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Shape& input = i == 0 ? topology.input : shapes[i - 1];
    const bool dense = topology.layers[i].kind == SlayerKind::kDense;
    if (dense && input.size() > 1) append("flatten", node::Flatten{integer(0), integer(-1), {}});
    append(files[i]->name + ".synapse", synapse_node(topology.layers[i], input, files[i]->values));
    append(files[i]->name, neuron_node(description));
  }
  append("output", node::Output{shape_tensor(shapes.back())});
  return std::move(builder).build();
}

Result<Value> settings_of(const Description& d) {
  SPIKELOOM_TRY(Discretisation discretisation, make_preset("slayer"));
  discretisation.dt = d.step_ms;
  discretisation.time_unit = TimeUnit::kMilliseconds;
  InputCoding coding = preset_input_coding("slayer").value_or(InputCoding{});
  coding.steps = d.steps;
  Value settings = Value::map();
  settings.set("discretisation", to_value(discretisation));
  settings.set("input_coding", to_value(coding));
  settings.set("read_out", "count");
  return settings;
}

Result<SlayerTopology> topology_of(const std::string& path, const SlayerReadOptions& options,
                                   const std::vector<SlayerWeights>& files, ImportReport& report) {
  if (!options.layers.empty()) return parse_slayer_topology(options.layers);
  if (!options.input) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "SLAYER's files do not hold the layers, and the input's size is unknown",
                 .where = path,
                 .next = "give --layers, e.g. '2x128x128 4a 16c5z 2a 32c3z 2a 512 11'"};
  }
  std::vector<SlayerWeightCount> counts;
  for (const SlayerWeights& file : files) {
    counts.push_back({file.kind, file.number, static_cast<std::int64_t>(file.values.size())});
  }
  SPIKELOOM_TRY(SlayerTopology topology, infer_slayer_topology(counts, *options.input));
  report.warnings.push_back(
      fmt::format("layers inferred from the names and sizes of the weight files: --layers '{}'",
                  to_string(topology)));
  return topology;
}

}  // namespace

bool is_slayer_description(const Value& yaml) {
  return yaml.find("simulation") != nullptr && yaml.find("neuron") != nullptr;
}

Result<LoadedModel> read_slayer(const std::string& path, const SlayerReadOptions& options) {
  SPIKELOOM_TRY(const std::string text, io::read_text_file(path, kMaxYamlBytes));
  SPIKELOOM_TRY(const Value yaml, io::parse_yaml(text, path));
  auto description = describe(yaml);
  if (!description.ok()) return std::move(description).error().in(path);
  if (options.weights.empty()) {
    return Error{.code = ErrorCode::kAmbiguous,
                 .what = "a SLAYER network's weights are in a folder of their own",
                 .where = path,
                 .next = "give --weights DIR"};
  }
  LoadedModel model;
  model.report.file = path;
  model.report.format = "slayer";
  std::vector<std::string> others;
  SPIKELOOM_TRY(const auto files, read_slayer_weights(options.weights, others));
  SPIKELOOM_TRY(const SlayerTopology topology, topology_of(path, options, files, model.report));
  SPIKELOOM_TRY(const auto assigned, assign(topology, files));
  SPIKELOOM_TRY(model.network, build(topology, assigned, *description));
  SPIKELOOM_TRY(model.run_settings, settings_of(*description));
  for (const Node& node : model.network.nodes()) {
    model.report.nodes.push_back(
        {node.name, std::string(kind_name(node.kind)), ImportStatus::kRead, {}});
  }
  for (const std::string& other : others) {
    model.report.warnings.push_back(fmt::format("{}: no weights, ignored", other));
  }
  return model;
}

}  // namespace spikeloom
