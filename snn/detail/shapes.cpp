#include "snn/detail/shapes.hpp"

#include <optional>

#include <fmt/format.h>

#include "snn/detail/operations.hpp"

namespace spikeloom::detail {
namespace {

/// A network this large in one layer is a broken file, not a network.
constexpr std::int64_t kMaxLayerElements = std::int64_t{1} << 31;

bool is_output(const FlatNode& node) {
  return std::holds_alternative<node::Output>(*node.kind) && !node.port;
}

std::string quoted(const FlatNode& node) { return fmt::format("node \"{}\"", node.path); }

Result<std::int64_t> layer_elements(const FlatNode& node, const Shape& shape) {
  auto count = element_count(shape);
  if (!count.ok()) return std::move(count).error().in(quoted(node));
  if (*count > kMaxLayerElements) {
    return Error{.code = ErrorCode::kResource,
                 .what = "the layer is too large",
                 .where = quoted(node),
                 .expected = "at most 2^31 elements",
                 .got = to_string(shape)};
  }
  return *count;
}

/// The input shape of a node: what arrives, unless the node itself says something that differs
/// in more than the number of axes.
Result<Shape> settle_input(const FlatNode& node, const std::optional<Shape>& own,
                           const std::optional<Shape>& arriving, std::vector<std::string>& notes) {
  if (!arriving) return *own;
  if (!own || *own == *arriving) return *arriving;
  SPIKELOOM_TRY(const std::int64_t own_count, layer_elements(node, *own));
  SPIKELOOM_TRY(const std::int64_t arriving_count, layer_elements(node, *arriving));
  const bool weights = std::holds_alternative<node::Affine>(*node.kind) ||
                       std::holds_alternative<node::Linear>(*node.kind);
  if (weights) return *arriving;  // checked, with its own message, when the operation is made
  if (is_output(node)) {
    notes.push_back(fmt::format("{} declares shape {} but receives {}; the latter is used",
                                quoted(node), to_string(*own), to_string(*arriving)));
    return *arriving;
  }
  if (own_count == arriving_count) {
    notes.push_back(fmt::format("{} has shape {} but receives {}; the elements are taken in order",
                                quoted(node), to_string(*own), to_string(*arriving)));
    return *arriving;
  }
  return Error{.code = ErrorCode::kShape,
               .what = "the input does not fit the node's parameters",
               .where = quoted(node),
               .expected = to_string(*own),
               .got = to_string(*arriving),
               .next = "check this layer in the program that wrote the file"};
}

}  // namespace

Result<std::vector<NodeShapes>> infer_shapes(const FlatGraph& graph,
                                             std::vector<std::string>& notes) {
  const std::size_t count = graph.nodes.size();
  std::vector<std::optional<Shape>> out(count);
  std::vector<std::optional<Shape>> own(count);
  std::vector<std::vector<std::uint32_t>> sources(count);
  for (const auto& [source, target] : graph.arcs) sources[target].push_back(source);
  // A nested graph's ports only pass on what arrives; their declared shape is a fallback.
  for (std::size_t i = 0; i < count; ++i) own[i] = own_input_shape(*graph.nodes[i].kind);

  const auto arriving = [&](std::size_t i) -> std::optional<Shape> {
    for (const std::uint32_t source : sources[i]) {
      if (out[source]) return out[source];
    }
    return std::nullopt;
  };
  // What arrives comes first: a neuron's own shape may carry a batch axis or be flat. Only where
  // nothing arrives yet, on a cycle, does one node's own shape break the circle.
  const auto settle = [&](std::size_t i, const std::optional<Shape>& in) -> Result<bool> {
    auto shape = output_shape(*graph.nodes[i].kind, in);
    if (!shape.ok()) return std::move(shape).error().in(quoted(graph.nodes[i]));
    if (!*shape) return false;
    SPIKELOOM_CHECK(layer_elements(graph.nodes[i], **shape));
    out[i] = **shape;
    return true;
  };
  bool changed = true;
  while (changed) {
    changed = false;
    for (std::size_t i = 0; i < count; ++i) {
      if (out[i]) continue;
      const auto from_links = arriving(i);
      if (!from_links && !sources[i].empty()) continue;
      SPIKELOOM_TRY(const bool settled, settle(i, from_links ? from_links : own[i]));
      changed = changed || settled;
    }
    for (std::size_t i = 0; i < count && !changed; ++i) {
      if (out[i]) continue;
      SPIKELOOM_TRY(changed, settle(i, own[i]));
    }
  }
  std::vector<NodeShapes> shapes(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto from_links = arriving(i);
    if (!out[i] || (!from_links && !own[i])) {
      return Error{.code = ErrorCode::kShape,
                   .what = "nothing determines the shape of this layer",
                   .where = quoted(graph.nodes[i]),
                   .next = "connect it to an Input, or give its parameters their full shape"};
    }
    SPIKELOOM_TRY(shapes[i].in, settle_input(graph.nodes[i], own[i], from_links, notes));
    auto shape = output_shape(*graph.nodes[i].kind, shapes[i].in);
    if (!shape.ok()) return std::move(shape).error().in(quoted(graph.nodes[i]));
    shapes[i].out = **shape;
  }
  for (const auto& [source, target] : graph.arcs) {
    SPIKELOOM_TRY(const auto sent, layer_elements(graph.nodes[source], shapes[source].out));
    SPIKELOOM_TRY(const auto taken, layer_elements(graph.nodes[target], shapes[target].in));
    if (sent != taken) {
      return Error{.code = ErrorCode::kShape,
                   .what = "the shapes at the two ends of an edge differ",
                   .where = fmt::format("edge \"{}\" -> \"{}\"", graph.nodes[source].path,
                                        graph.nodes[target].path),
                   .expected = to_string(shapes[target].in),
                   .got = to_string(shapes[source].out),
                   .next = "check these layers in the program that wrote the file"};
    }
  }
  return shapes;
}

}  // namespace spikeloom::detail
