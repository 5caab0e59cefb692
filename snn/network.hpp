#pragma once
/// Network: an immutable directed multigraph of layers, and its builder.
///
/// Nodes are layers (never neurons); edges carry their values. Several edges into a node add up.
/// Node and edge order are those of the file or of the builder calls. Nested graphs are kept as
/// they are (node::Subgraph); lowering inlines them. Copies share one representation.
///
///     NetworkBuilder builder;
///     builder.add("in", node::Input{shape({2})});
///     builder.add("neurons", node::Lif{...});
///     builder.connect("in", "neurons");
///     Result<Network> network = std::move(builder).build();

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "snn/node_kinds.hpp"

namespace spikeloom {

/// Index of a node in its Network.
struct NodeId {
  std::uint32_t value = 0;
  friend auto operator<=>(const NodeId&, const NodeId&) = default;
};

/// Index of an edge in its Network.
struct EdgeId {
  std::uint32_t value = 0;
  friend auto operator<=>(const EdgeId&, const EdgeId&) = default;
};

/// An array of strings, row-major.
struct StringArray {
  Shape shape;
  std::vector<std::string> values;
  friend bool operator==(const StringArray&, const StringArray&) = default;
};

/// One entry of free-form metadata: kept and written back, never interpreted.
struct MetadataItem {
  std::string name;
  std::variant<Tensor, std::string, StringArray, std::vector<MetadataItem>> value;
};
bool operator==(const MetadataItem& a, const MetadataItem& b);
using Metadata = std::vector<MetadataItem>;

/// A layer: its name (unique within its graph), kind with parameters, metadata.
struct Node {
  std::string name;
  NodeKind kind;
  Metadata metadata;
};

/// A connection; the same pair may occur more than once.
struct Edge {
  NodeId source;
  NodeId target;
};

class Network {
 public:
  Network();  ///< an empty network
  ~Network();
  Network(const Network&);
  Network(Network&&) noexcept;
  Network& operator=(const Network&);
  Network& operator=(Network&&) noexcept;

  std::span<const Node> nodes() const;
  std::span<const Edge> edges() const;
  const Node& operator[](NodeId id) const { return nodes()[id.value]; }
  const Edge& operator[](EdgeId id) const { return edges()[id.value]; }

  std::span<const EdgeId> in_edges(NodeId id) const;
  std::span<const EdgeId> out_edges(NodeId id) const;
  std::optional<NodeId> find(std::string_view name) const;

  /// Strongly connected components, each sorted by id; a node on no cycle is alone in its own.
  std::vector<std::vector<NodeId>> strong_components() const;

  const Metadata& metadata() const;
  /// Text of the file's `/version`, empty when built in memory.
  const std::string& producer_version() const;

 private:
  friend class NetworkBuilder;
  struct Representation;
  explicit Network(std::shared_ptr<const Representation> representation);
  std::shared_ptr<const Representation> representation_;
};

/// Collects nodes and edges, then checks them all at once.
class NetworkBuilder {
 public:
  NodeId add(std::string name, NodeKind kind, Metadata metadata = {});
  void connect(NodeId source, NodeId target);
  /// By name; the names need to exist when build() is called, not before.
  void connect(std::string_view source, std::string_view target);
  void set_metadata(Metadata metadata);
  void set_producer_version(std::string version);

  /// kInvalidArgument: an empty or repeated name, or a "/" in one. kNotFound: an edge that names
  /// a node that does not exist.
  Result<Network> build() &&;

 private:
  using Endpoint = std::variant<NodeId, std::string>;
  std::vector<Node> nodes_;
  std::vector<std::pair<Endpoint, Endpoint>> edges_;
  Metadata metadata_;
  std::string producer_version_;
};

/// An int64 vector, as Input and Output shapes and kernel sizes are stored.
Tensor shape_tensor(const Shape& shape);

}  // namespace spikeloom
