#include "energy/layer_description.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace spikeloom {
namespace {

struct WeightFacts {
  std::int64_t nonzero = 0;
  int bits = 8;
};

template <typename Number>
WeightFacts facts_of(const std::vector<Number>& weights) {
  WeightFacts facts;
  for (const Number stored : weights) {
    const auto weight = static_cast<double>(stored);
    if (weight != 0.0) ++facts.nonzero;
    if (weight != std::floor(weight) || std::abs(weight) > 32767.0) {
      facts.bits = 32;
    } else if (std::abs(weight) > 127.0) {
      facts.bits = std::max(facts.bits, 16);
    }
  }
  return facts;
}

void set_facts(LayerDescription& layer, const std::vector<double>& weights, std::size_t biases) {
  const WeightFacts facts = facts_of(weights);
  layer.nonzero_weights = facts.nonzero;
  layer.weight_bits = facts.bits;
  layer.biases = static_cast<std::int64_t>(biases);
  layer.bias_adds = biases > 0 ? layer.out_size : 0;
}

void describe_weights(const ProgramNode& node, LayerDescription& layer) {
  layer.role = LayerRole::kWeights;
  layer.nonzero_weights = node.weights;
  if (const auto* dense = std::get_if<op::Dense>(&node.operation)) {
    layer.fully_connected = true;
    layer.in_channels = dense->inputs;
    layer.out_channels = dense->outputs;
    set_facts(layer, dense->weight, dense->bias.size());
  } else if (const auto* sparse = std::get_if<op::Sparse>(&node.operation)) {
    set_facts(layer, sparse->value, sparse->bias.size());
  } else if (const auto* random = std::get_if<op::RandomSparse>(&node.operation)) {
    std::vector<double> weights;
    for (const auto& group : random->groups) weights.push_back(group.weight);
    layer.weight_bits = facts_of(weights).bits;
  } else if (const auto* conv = std::get_if<op::Convolution>(&node.operation)) {
    layer.in_channels = conv->in_channels;
    layer.out_channels = conv->out_channels;
    layer.groups = conv->groups;
    layer.kernel_rows = conv->kernel.rows;
    layer.kernel_columns = conv->kernel.columns;
    layer.stride_rows = conv->stride.rows;
    layer.stride_columns = conv->stride.columns;
    // One bias per channel is stored, whatever the size of the plane.
    set_facts(layer, conv->weight, conv->bias.size());
  }
}

void describe_neurons(const op::Neuron& neuron, LayerDescription& layer) {
  const NeuronCoefficients& c = neuron.coefficients;
  layer.role = LayerRole::kNeurons;
  layer.spiking = c.spiking;
  layer.has_current = c.has_current;
  layer.leaky = std::any_of(c.decay.begin(), c.decay.end(), [](double d) { return d != 1.0; });
  if (layer.leaky) layer.update_macs = layer.has_current ? 2 : 1;
}

int bits_of(const Tensor& weight) {
  if (weight.dtype() == DType::kInt8) return 8;
  return weight.dtype() == DType::kInt16 ? 16 : 32;
}

void describe_language(const Operation& operation, LayerDescription& layer) {
  if (const auto* recurrent = std::get_if<op::Recurrent>(&operation)) {
    const WeightFacts kernel = facts_of(recurrent->kernel.value);
    const WeightFacts own = facts_of(recurrent->recurrent.value);
    layer.nonzero_weights = kernel.nonzero + own.nonzero;
    layer.weight_bits = std::max(kernel.bits, own.bits);
  } else if (const auto* decoder = std::get_if<op::Decoder>(&operation)) {
    layer.fully_connected = true;
    layer.out_channels = decoder->words;
    layer.nonzero_weights = layer.weights;
    layer.weight_bits = bits_of(decoder->weight);
  } else if (const auto* embedding = std::get_if<op::Embedding>(&operation)) {
    layer.weight_bits = bits_of(embedding->weight);
  }
}

/// A recurrent layer that is one node (gated units): emits events, keeps its value and its output.
/// An update is three products, z h + (1 - z) g and r R; sigmoid and tanh are not counted.
void describe_gated_units(LayerDescription& layer) {
  layer.spiking = layer.leaky = layer.has_current = true;
  layer.update_macs = 3;
  layer.temporal = true;
}

LayerDescription describe(const ProgramNode& node) {
  LayerDescription layer;
  layer.name = node.name;
  layer.kind = node.kind;
  layer.in_shape = node.in_shape;
  layer.out_shape = node.out_shape;
  layer.in_size = node.in_size;
  layer.out_size = node.out_size;
  layer.dense_macs = node.dense_macs;
  layer.weights = node.weights;
  layer.state_values = node.state_values;
  if (std::holds_alternative<op::Input>(node.operation)) layer.role = LayerRole::kInput;
  if (std::holds_alternative<op::Output>(node.operation)) layer.role = LayerRole::kOutput;
  if (is_weight_operation(node.operation)) describe_weights(node, layer);
  if (const auto* neuron = std::get_if<op::Neuron>(&node.operation)) {
    describe_neurons(*neuron, layer);
  }
  describe_language(node.operation, layer);
  layer.temporal = std::holds_alternative<op::Delay>(node.operation);
  if (node.dense_macs > 0) layer.role = LayerRole::kWeights;
  if (layer.role == LayerRole::kWeights && layer.state_values > 0) describe_gated_units(layer);
  for (const Link& link : node.inputs) {
    layer.inputs.push_back(link.source);
    layer.temporal = layer.temporal || link.in_cycle;
  }
  return layer;
}

void set_groups(std::vector<LayerDescription>& layers) {
  for (std::uint32_t i = 0; i < layers.size(); ++i) {
    layers[i].group = i;
    if (layers[i].role == LayerRole::kWeights || layers[i].role == LayerRole::kInput) continue;
    for (const std::uint32_t source : layers[i].inputs) {
      const std::uint32_t group = source < i ? layers[source].group : source;
      if (layers[group].role != LayerRole::kWeights) continue;
      layers[i].group = group;
      break;
    }
  }
}

constexpr std::array<std::pair<LayerRole, const char*>, 5> kRoles = {{
    {LayerRole::kInput, "input"},
    {LayerRole::kOutput, "output"},
    {LayerRole::kWeights, "weights"},
    {LayerRole::kNeurons, "neurons"},
    {LayerRole::kOther, "other"},
}};

struct IntegerField {
  const char* key;
  std::int64_t LayerDescription::*member;
};
constexpr std::array kIntegers = {
    IntegerField{"in_size", &LayerDescription::in_size},
    IntegerField{"out_size", &LayerDescription::out_size},
    IntegerField{"dense_macs", &LayerDescription::dense_macs},
    IntegerField{"weights", &LayerDescription::weights},
    IntegerField{"nonzero_weights", &LayerDescription::nonzero_weights},
    IntegerField{"biases", &LayerDescription::biases},
    IntegerField{"bias_adds", &LayerDescription::bias_adds},
    IntegerField{"state_values", &LayerDescription::state_values},
    IntegerField{"update_macs", &LayerDescription::update_macs},
    IntegerField{"in_channels", &LayerDescription::in_channels},
    IntegerField{"out_channels", &LayerDescription::out_channels},
    IntegerField{"groups", &LayerDescription::groups},
    IntegerField{"kernel_rows", &LayerDescription::kernel_rows},
    IntegerField{"kernel_columns", &LayerDescription::kernel_columns},
    IntegerField{"stride_rows", &LayerDescription::stride_rows},
    IntegerField{"stride_columns", &LayerDescription::stride_columns},
};
struct FlagField {
  const char* key;
  bool LayerDescription::*member;
};
constexpr std::array kFlags = {
    FlagField{"fully_connected", &LayerDescription::fully_connected},
    FlagField{"spiking", &LayerDescription::spiking},
    FlagField{"leaky", &LayerDescription::leaky},
    FlagField{"has_current", &LayerDescription::has_current},
    FlagField{"temporal", &LayerDescription::temporal},
};

Value shape_value(const Shape& shape) {
  Value list = Value::list();
  for (const std::int64_t side : shape) list.push(side);
  return list;
}

Result<Shape> shape_from(const Value* value, const std::string& where) {
  Shape shape;
  if (value != nullptr && value->as_list() != nullptr) {
    for (const Value& side : *value->as_list()) {
      if (side.as_integer() == nullptr || *side.as_integer() < 0) break;
      shape.push_back(*side.as_integer());
    }
    if (shape.size() == value->as_list()->size()) return shape;
  }
  return Error{.code = ErrorCode::kFormat, .what = "a shape is missing or damaged", .where = where};
}

Result<LayerDescription> layer_from(const Value& value, std::size_t number, std::size_t count) {
  const std::string where = "layer " + std::to_string(number);
  const auto damaged = [&](const char* key) {
    return Error{.code = ErrorCode::kFormat,
                 .what = std::string("'") + key + "' is missing or damaged",
                 .where = where};
  };
  LayerDescription layer;
  for (const auto& [key, member] :
       {std::pair{"name", &LayerDescription::name}, std::pair{"kind", &LayerDescription::kind}}) {
    const Value* text = value.find(key);
    if (text == nullptr || text->as_string() == nullptr) return damaged(key);
    layer.*member = *text->as_string();
  }
  const Value* role = value.find("role");
  if (role == nullptr || role->as_string() == nullptr) return damaged("role");
  const auto found = std::find_if(kRoles.begin(), kRoles.end(), [&](const auto& known) {
    return *role->as_string() == known.second;
  });
  if (found == kRoles.end()) return damaged("role");
  layer.role = found->first;
  SPIKELOOM_TRY(layer.in_shape, shape_from(value.find("in_shape"), where));
  SPIKELOOM_TRY(layer.out_shape, shape_from(value.find("out_shape"), where));
  for (const IntegerField& field : kIntegers) {
    const Value* integer = value.find(field.key);
    if (integer == nullptr) continue;
    if (integer->as_integer() == nullptr || *integer->as_integer() < 0) return damaged(field.key);
    layer.*(field.member) = *integer->as_integer();
  }
  for (const FlagField& field : kFlags) {
    const Value* flag = value.find(field.key);
    layer.*(field.member) = flag != nullptr && flag->as_bool() != nullptr && *flag->as_bool();
  }
  if (layer.groups < 1 || layer.stride_rows < 1 || layer.stride_columns < 1) {
    return damaged("groups or strides");
  }
  if (const Value* width = value.find("weight_bits"))
    layer.weight_bits = static_cast<int>(width->number());
  const Value* group = value.find("group");
  if (group == nullptr || group->as_integer() == nullptr) return damaged("group");
  const auto index_of = [&](const Value& index) -> std::optional<std::uint32_t> {
    const std::int64_t* integer = index.as_integer();
    if (integer == nullptr || *integer < 0 || *integer >= static_cast<std::int64_t>(count)) {
      return std::nullopt;
    }
    return static_cast<std::uint32_t>(*integer);
  };
  const auto group_index = index_of(*group);
  if (!group_index) return damaged("group");
  layer.group = *group_index;
  const Value* inputs = value.find("inputs");
  if (inputs == nullptr || inputs->as_list() == nullptr) return damaged("inputs");
  for (const Value& input : *inputs->as_list()) {
    const auto index = index_of(input);
    if (!index) return damaged("inputs");
    layer.inputs.push_back(*index);
  }
  return layer;
}

}  // namespace

std::vector<LayerDescription> describe_layers(const Program& program) {
  std::vector<LayerDescription> layers;
  for (const ProgramNode& node : program.nodes) layers.push_back(describe(node));
  set_groups(layers);
  return layers;
}

bool needs_every_step(std::span<const LayerDescription> layers) {
  return std::any_of(layers.begin(), layers.end(),
                     [](const LayerDescription& layer) { return layer.temporal; });
}

Value to_value(std::span<const LayerDescription> layers) {
  Value list = Value::list();
  for (const LayerDescription& layer : layers) {
    Value value = Value::map();
    value.set("name", layer.name).set("kind", layer.kind);
    for (const auto& [role, name] : kRoles) {
      if (role == layer.role) value.set("role", name);
    }
    value.set("in_shape", shape_value(layer.in_shape));
    value.set("out_shape", shape_value(layer.out_shape));
    const LayerDescription plain;
    for (const IntegerField& field : kIntegers) {
      if (layer.*(field.member) != plain.*(field.member)) {
        value.set(field.key, layer.*(field.member));
      }
    }
    if (layer.weights > 0) value.set("weight_bits", layer.weight_bits);
    for (const FlagField& field : kFlags) {
      if (layer.*(field.member)) value.set(field.key, true);
    }
    value.set("group", layer.group);
    Value inputs = Value::list();
    for (const std::uint32_t input : layer.inputs) inputs.push(input);
    value.set("inputs", std::move(inputs));
    list.push(std::move(value));
  }
  return list;
}

Result<std::vector<LayerDescription>> layers_from_value(const Value& value) {
  if (value.as_list() == nullptr) {
    return Error{.code = ErrorCode::kFormat, .what = "the description of the network is no list"};
  }
  std::vector<LayerDescription> layers;
  const std::size_t count = value.as_list()->size();
  for (const Value& item : *value.as_list()) {
    SPIKELOOM_TRY(LayerDescription layer, layer_from(item, layers.size(), count));
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace spikeloom
