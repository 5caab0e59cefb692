#include "snn/network.hpp"

#include <algorithm>
#include <unordered_map>

#include "snn/detail/digraph.hpp"

namespace spikeloom {

struct Network::Representation {
  std::vector<Node> nodes;
  std::vector<Edge> edges;
  std::unordered_map<std::string, std::uint32_t> by_name;
  // Edge ids grouped by target and by source; node i owns [start[i], start[i + 1]).
  std::vector<EdgeId> incoming, outgoing;
  std::vector<std::uint32_t> incoming_start, outgoing_start;
  std::vector<detail::Arc> arcs;
  Metadata metadata;
  std::string producer_version;
};

namespace {

/// Groups edge ids by one end, keeping edge order within a group.
void group_edges(std::size_t node_count, const std::vector<Edge>& edges, NodeId Edge::*end,
                 std::vector<EdgeId>& grouped, std::vector<std::uint32_t>& start) {
  start.assign(node_count + 1, 0);
  for (const Edge& edge : edges) ++start[(edge.*end).value + 1];
  for (std::size_t i = 0; i < node_count; ++i) start[i + 1] += start[i];
  grouped.resize(edges.size());
  std::vector<std::uint32_t> next(start.begin(), start.end() - 1);
  for (std::uint32_t e = 0; e < edges.size(); ++e) {
    grouped[next[(edges[e].*end).value]++] = EdgeId{e};
  }
}

}  // namespace

bool operator==(const MetadataItem& a, const MetadataItem& b) {
  return a.name == b.name && a.value == b.value;
}

Network::Network() : representation_(std::make_shared<Representation>()) {}
Network::Network(std::shared_ptr<const Representation> representation)
    : representation_(std::move(representation)) {}
Network::~Network() = default;
Network::Network(const Network&) = default;
Network::Network(Network&&) noexcept = default;
Network& Network::operator=(const Network&) = default;
Network& Network::operator=(Network&&) noexcept = default;

std::span<const Node> Network::nodes() const { return representation_->nodes; }
std::span<const Edge> Network::edges() const { return representation_->edges; }

std::span<const EdgeId> Network::in_edges(NodeId id) const {
  const auto& start = representation_->incoming_start;
  return std::span(representation_->incoming)
      .subspan(start[id.value], start[id.value + 1] - start[id.value]);
}

std::span<const EdgeId> Network::out_edges(NodeId id) const {
  const auto& start = representation_->outgoing_start;
  return std::span(representation_->outgoing)
      .subspan(start[id.value], start[id.value + 1] - start[id.value]);
}

std::optional<NodeId> Network::find(std::string_view name) const {
  const auto found = representation_->by_name.find(std::string(name));
  if (found == representation_->by_name.end()) return std::nullopt;
  return NodeId{found->second};
}

std::vector<std::vector<NodeId>> Network::strong_components() const {
  const auto count = static_cast<std::uint32_t>(nodes().size());
  const auto component = detail::strong_component_of(count, representation_->arcs);
  std::vector<std::vector<NodeId>> groups(
      count == 0 ? 0 : *std::max_element(component.begin(), component.end()) + 1);
  for (std::uint32_t node = 0; node < count; ++node) groups[component[node]].push_back({node});
  return groups;
}

const Metadata& Network::metadata() const { return representation_->metadata; }
const std::string& Network::producer_version() const { return representation_->producer_version; }

NodeId NetworkBuilder::add(std::string name, NodeKind kind, Metadata metadata) {
  nodes_.push_back({std::move(name), std::move(kind), std::move(metadata)});
  return NodeId{static_cast<std::uint32_t>(nodes_.size() - 1)};
}

void NetworkBuilder::connect(NodeId source, NodeId target) { edges_.emplace_back(source, target); }

void NetworkBuilder::connect(std::string_view source, std::string_view target) {
  edges_.emplace_back(std::string(source), std::string(target));
}

void NetworkBuilder::set_metadata(Metadata metadata) { metadata_ = std::move(metadata); }
void NetworkBuilder::set_producer_version(std::string version) {
  producer_version_ = std::move(version);
}

Result<Network> NetworkBuilder::build() && {
  auto made = std::make_shared<Network::Representation>();
  for (std::uint32_t i = 0; i < nodes_.size(); ++i) {
    const std::string& name = nodes_[i].name;
    if (name.empty() || name.find('/') != std::string::npos) {
      return Error{.what = "a node name is empty or holds a '/'",
                   .where = "node " + std::to_string(i),
                   .got = "\"" + name + "\"",
                   .next = "rename the node"};
    }
    if (!made->by_name.emplace(name, i).second) {
      return Error{.what = "two nodes have the same name",
                   .where = "node \"" + name + "\"",
                   .next = "rename one of them"};
    }
    if (const auto* nested = std::get_if<node::Subgraph>(&nodes_[i].kind);
        nested != nullptr && nested->network == nullptr) {
      return Error{.what = "a nested graph holds no network", .where = "node \"" + name + "\""};
    }
  }
  const auto resolve = [&](const Endpoint& end) -> Result<NodeId> {
    if (const auto* id = std::get_if<NodeId>(&end); id != nullptr && id->value < nodes_.size()) {
      return *id;
    }
    if (const auto* name = std::get_if<std::string>(&end)) {
      const auto found = made->by_name.find(*name);
      if (found != made->by_name.end()) return NodeId{found->second};
      return Error{.code = ErrorCode::kNotFound,
                   .what = "an edge names a node that does not exist",
                   .got = "\"" + *name + "\"",
                   .next = "add the node or drop the edge"};
    }
    return Error{.code = ErrorCode::kNotFound, .what = "an edge has a node id out of range"};
  };
  for (const auto& [source_end, target_end] : edges_) {
    SPIKELOOM_TRY(const NodeId source, resolve(source_end));
    SPIKELOOM_TRY(const NodeId target, resolve(target_end));
    made->edges.push_back({source, target});
    made->arcs.emplace_back(source.value, target.value);
  }
  made->nodes = std::move(nodes_);
  group_edges(made->nodes.size(), made->edges, &Edge::target, made->incoming, made->incoming_start);
  group_edges(made->nodes.size(), made->edges, &Edge::source, made->outgoing, made->outgoing_start);
  made->metadata = std::move(metadata_);
  made->producer_version = std::move(producer_version_);
  return Network(std::move(made));
}

Tensor shape_tensor(const Shape& shape) {
  return Tensor::of<std::int64_t>({static_cast<std::int64_t>(shape.size())}, shape);
}

}  // namespace spikeloom
