#include "cli/model_info.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <type_traits>

#include <fmt/format.h>

#include "cli/table.hpp"
#include "snn/lowering.hpp"
#include "snn/resolve.hpp"

namespace spikeloom::cli {
namespace {

Value shape_value(const Shape& shape) {
  Value list = Value::list();
  for (const std::int64_t side : shape) list.push(side);
  return list;
}

Value tensor_value(const Tensor& tensor) {
  Value value = Value::map();
  value.set("dtype", to_string(tensor.dtype())).set("shape", shape_value(tensor.shape()));
  if (tensor.size() == 0) return value;
  double smallest = tensor.at(0);
  double largest = smallest;
  for (std::int64_t i = 1; i < tensor.size(); ++i) {
    smallest = std::min(smallest, tensor.at(i));
    largest = std::max(largest, tensor.at(i));
  }
  return value.set("smallest", smallest).set("largest", largest);
}

void set_parameter(Value& parameters, std::string_view name, const Tensor& tensor) {
  parameters.set(name, tensor_value(tensor));
}
void set_parameter(Value& parameters, std::string_view name, const std::optional<Tensor>& tensor) {
  parameters.set(name, tensor ? tensor_value(*tensor) : Value());
}
void set_parameter(Value& parameters, std::string_view name, const Padding& padding) {
  if (const auto* tensor = std::get_if<Tensor>(&padding.value)) {
    parameters.set(name, tensor_value(*tensor));
  } else {
    parameters.set(name, std::get<std::string>(padding.value));
  }
}

Value parameters_value(const NodeKind& kind) {
  Value parameters = Value::map();
  std::visit(
      [&](const auto& k) {
        for_each_field(k, [&](std::string_view name, const auto& member, bool in_nir) {
          // Parameters that NIR does not have are shown only where they are used.
          if constexpr (std::is_same_v<std::decay_t<decltype(member)>, std::optional<Tensor>>) {
            if (!in_nir && !member) return;
          }
          set_parameter(parameters, name, member);
        });
      },
      kind);
  return parameters;
}

/// Shapes and sizes by path, from lowering; a placeholder step stands in for an unknown dt.
struct Lowered {
  std::map<std::string, const ProgramNode*> nodes;
  Program program;
};

void add_nodes(const Network& network, const std::string& prefix, const Lowered& lowered,
               Value& nodes) {
  for (const Node& node : network.nodes()) {
    const std::string path = prefix + node.name;
    Value entry = Value::map();
    entry.set("name", path).set("kind", kind_name(node.kind));
    if (const auto found = lowered.nodes.find(path); found != lowered.nodes.end()) {
      const ProgramNode& layer = *found->second;
      entry.set("in_shape", shape_value(layer.in_shape));
      entry.set("out_shape", shape_value(layer.out_shape));
      entry.set("weights", layer.weights).set("dense_macs", layer.dense_macs);
      entry.set("state_values", layer.state_values);
    }
    entry.set("parameters", parameters_value(node.kind));
    nodes.push(std::move(entry));
    if (const auto* graph = std::get_if<node::Subgraph>(&node.kind)) {
      add_nodes(*graph->network, path + "/", lowered, nodes);
    }
  }
}

void add_edges(const Network& network, const std::string& prefix, Value& edges) {
  for (const Edge& edge : network.edges()) {
    Value pair = Value::list();
    pair.push(prefix + network[edge.source].name).push(prefix + network[edge.target].name);
    edges.push(std::move(pair));
  }
  for (const Node& node : network.nodes()) {
    if (const auto* graph = std::get_if<node::Subgraph>(&node.kind)) {
      add_edges(*graph->network, prefix + node.name + "/", edges);
    }
  }
}

/// Lowers with what the file says; `info` gets the discretisation, its notes and questions.
void lower_for_info(const LoadedModel& model, Lowered& lowered, Value& info) {
  DiscretisationRequest request;
  if (const Value* declared = model.run_settings.find("discretisation")) {
    if (auto parsed = discretisation_from_value(*declared); parsed.ok()) request.declared = *parsed;
  }
  Value notes = Value::list();
  auto resolved = resolve_discretisation(model.network, request);
  if (resolved.ok()) {
    for (const std::string& note : resolved->notes) notes.push(note);
    info.set("discretisation", to_value(resolved->discretisation));
  } else {
    notes.push(resolved.error().message());
    info.set("discretisation", Value());
    // Shapes do not depend on the step; any will do to see them.
    request.options.emplace_back("dt", "0.001");
    resolved = resolve_discretisation(model.network, request);
  }
  if (resolved.ok()) {
    auto program = lower(model.network, resolved->discretisation);
    if (program.ok()) {
      lowered.program = *std::move(program);
      for (const std::string& note : lowered.program.notes) notes.push(note);
      for (const ProgramNode& node : lowered.program.nodes) lowered.nodes[node.name] = &node;
    } else {
      notes.push("this network cannot be run: " + program.error().message());
    }
  }
  info.set("notes", std::move(notes));
}

std::string shape_text(const Value* shape) {
  if (shape == nullptr || shape->as_list() == nullptr) return "-";
  Shape sides;
  for (const Value& side : *shape->as_list()) sides.push_back(*side.as_integer());
  return to_string(sides);
}

std::string range_text(const Value& tensor) {
  const Value* smallest = tensor.find("smallest");
  const Value* largest = tensor.find("largest");
  if (smallest == nullptr || largest == nullptr) return "empty";
  if (*smallest == *largest) return fmt::format("{:.6g}", smallest->number());
  return fmt::format("{:.6g} .. {:.6g}", smallest->number(), largest->number());
}

std::string parameters_text(const Value& parameters) {
  std::string text;
  for (const auto& [name, value] : *parameters.as_map()) {
    if (value.is_null()) continue;
    if (!text.empty()) text += ", ";
    if (const std::string* word = value.as_string()) {
      text += fmt::format("{} {}", name, *word);
      continue;
    }
    text += fmt::format("{} {} {}", name, shape_text(value.find("shape")), range_text(value));
  }
  return text;
}

std::string integer_cell(const Value& node, const char* key) {
  const Value* value = node.find(key);
  if (value == nullptr || value->as_integer() == nullptr) return "-";
  return with_commas(static_cast<std::uint64_t>(*value->as_integer()));
}

}  // namespace

Value model_info(const LoadedModel& model) {
  Value info = Value::map();
  info.set("kind", "model").set("file", model.report.file).set("format", model.report.format);
  info.set("producer_version",
           model.report.producer_version.empty() ? Value() : Value(model.report.producer_version));
  Lowered lowered;
  lower_for_info(model, lowered, info);
  Value nodes = Value::list();
  add_nodes(model.network, "", lowered, nodes);
  info.set("nodes", std::move(nodes));
  Value edges = Value::list();
  add_edges(model.network, "", edges);
  info.set("edges", std::move(edges));
  std::int64_t weights = 0;
  std::int64_t dense_macs = 0;
  for (const ProgramNode& node : lowered.program.nodes) {
    weights += node.weights;
    dense_macs += node.dense_macs;
  }
  info.set("weights", weights).set("dense_macs_per_step", dense_macs);
  info.set("run_settings", model.run_settings);
  info.set("model_card", model.model_card.empty() ? Value() : Value(model.model_card));
  info.set("import", model.report.to_value());
  return info;
}

std::string model_info_text(const Value& info) {
  std::string text = fmt::format("{}: network, format {}", *info.find("file")->as_string(),
                                 *info.find("format")->as_string());
  if (const std::string* version = info.find("producer_version")->as_string()) {
    text += fmt::format(", written by version {}", *version);
  }
  text += "\n\n";
  Table table({"node", "kind", "in", "out", "weights", "dense macs", "state"}, 4);
  for (const Value& node : *info.find("nodes")->as_list()) {
    table.row({*node.find("name")->as_string(), *node.find("kind")->as_string(),
               shape_text(node.find("in_shape")), shape_text(node.find("out_shape")),
               integer_cell(node, "weights"), integer_cell(node, "dense_macs"),
               integer_cell(node, "state_values")});
  }
  text += table.text() + "\nparameters (shape, range)\n";
  for (const Value& node : *info.find("nodes")->as_list()) {
    const std::string parameters = parameters_text(*node.find("parameters"));
    if (parameters.empty()) continue;
    text += fmt::format("  {}: {}\n", *node.find("name")->as_string(), parameters);
  }
  text += "\nedges\n ";
  for (const Value& edge : *info.find("edges")->as_list()) {
    text += fmt::format(" {} -> {};", *(*edge.as_list())[0].as_string(),
                        *(*edge.as_list())[1].as_string());
  }
  text += "\n\nhow it would run\n";
  for (const Value& note : *info.find("notes")->as_list()) {
    text += fmt::format("  {}\n", *note.as_string());
  }
  const Value* import = info.find("import");
  text += fmt::format("\nimport: {}\n", *import->find("status")->as_string());
  for (const Value& node : *import->find("nodes")->as_list()) {
    for (const Value& message : *node.find("messages")->as_list()) {
      text += fmt::format("  {} ({}) {}: {}\n", *node.find("path")->as_string(),
                          *node.find("kind")->as_string(), *node.find("status")->as_string(),
                          *message.as_string());
    }
  }
  for (const Value& warning : *import->find("warnings")->as_list()) {
    text += fmt::format("  warning: {}\n", *warning.as_string());
  }
  return text;
}

}  // namespace spikeloom::cli
