#include "models/nir/nir_writer.hpp"

#include <new>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/io/hdf5.hpp"
#include "models/dequantise.hpp"
#include "models/detail/kind_table.hpp"
#include "models/detail/metadata_io.hpp"
#include "models/detail/node_checks.hpp"
#include "models/nir/nir_reader.hpp"

namespace spikeloom {
namespace {

using io::Hdf5OutGroup;

constexpr const char* kLayoutVersion = "1.0.7";

/// What NIR lacks in this node, if anything.
Status check_expressible(const std::string& path, const Node& node, bool extensions) {
  const auto refused = [&](std::string what, std::string next) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = std::move(what),
                 .where = fmt::format("node \"{}\"", path),
                 .next = std::move(next)};
  };
  Status status;
  std::visit(
      [&]<typename Kind>(const Kind& kind) {
        if constexpr (std::is_same_v<Kind, node::SparseLinear>) {
          status = refused("NIR has no SparseLinear",
                           "store it dense with --dequantise, or write a spikeloom model file "
                           "(.sloom), which has it");
        } else if constexpr (detail::is_nir_extension<Kind>()) {
          if (extensions) return;
          status = refused(fmt::format("NIR has no {}", Kind::kName),
                           "write it as a node of our own with --extensions, which Python's nir "
                           "refuses, or write a spikeloom model file (.sloom)");
        } else if constexpr (!detail::is_nir_kind<Kind>()) {
          status = refused(fmt::format("NIR has no {}", Kind::kName),
                           "write a spikeloom model file (.sloom), which has it");
        } else {
          for_each_field(kind, [&](std::string_view name, const auto& member, bool in_nir) {
            if constexpr (std::is_same_v<std::decay_t<decltype(member)>, node::OptionalTensor>) {
              if (in_nir || !member) return;
              status = refused(fmt::format("NIR has no {}", name),
                               fmt::format("{}write a spikeloom model file (.sloom), which has it",
                                           name == "weight_scale"
                                               ? "multiply the weights by it with --dequantise, or "
                                               : ""));
            }
          });
        }
      },
      node.kind);
  return status;
}

Status check_network(const Network& network, const std::string& prefix, bool extensions) {
  for (const Node& node : network.nodes()) {
    const std::string path = prefix + node.name;
    SPIKELOOM_CHECK(check_expressible(path, node, extensions));
    std::vector<std::string> ignored;
    if (auto status = detail::check_node(node.kind, ignored); !status.ok()) {
      return std::move(status).error().in(fmt::format("node \"{}\"", path));
    }
    if (const auto* nested = std::get_if<node::Subgraph>(&node.kind)) {
      SPIKELOOM_CHECK(check_network(*nested->network, path + "/", extensions));
    }
  }
  return {};
}

class Writer {
 public:
  explicit Writer(const NirWriteOptions& options)
      : compression_(options.compress ? io::Hdf5Compression::kDeflate
                                      : io::Hdf5Compression::kNone) {}

  Status write_graph(Hdf5OutGroup& group, const Network& network, const Metadata& more) const {
    SPIKELOOM_CHECK(group.write_string("type", node::Subgraph::kName));
    SPIKELOOM_TRY(auto nodes, group.create_group("nodes"));
    for (const Node& node : network.nodes()) {
      SPIKELOOM_TRY(auto out, nodes.create_group(node.name));
      SPIKELOOM_CHECK(write_node(out, node));
    }
    SPIKELOOM_CHECK(write_edges(group, network));
    Metadata metadata = network.metadata();
    metadata.insert(metadata.end(), more.begin(), more.end());
    return write_metadata(group, metadata);
  }

  Status write_node(Hdf5OutGroup& group, const Node& node) const {
    if (const auto* nested = std::get_if<node::Subgraph>(&node.kind)) {
      return write_graph(group, *nested->network, node.metadata);
    }
    SPIKELOOM_CHECK(group.write_string("type", kind_name(node.kind)));
    Status status;
    std::visit(
        [&]<typename Kind>(const Kind& kind) {
          for_each_field(kind, [&](std::string_view name, const auto& member, bool in_nir) {
            const bool written = in_nir || detail::is_nir_extension<Kind>();
            if (written && status.ok()) status = write_field(group, name, member);
          });
          if constexpr (std::is_same_v<Kind, node::Conv1d> || std::is_same_v<Kind, node::Conv2d>) {
            if (!kind.bias && status.ok()) status = write_zero_bias(group, kind.weight);
          }
        },
        node.kind);
    SPIKELOOM_CHECK(std::move(status));
    return write_metadata(group, node.metadata);
  }

 private:
  Status write_field(Hdf5OutGroup& group, std::string_view name, const Tensor& tensor) const {
    return group.write_tensor(name, tensor, compression_);
  }

  Status write_field(Hdf5OutGroup& group, std::string_view name,
                     const std::optional<Tensor>& tensor) const {
    return tensor ? group.write_tensor(name, *tensor, compression_) : Status();
  }

  Status write_field(Hdf5OutGroup& group, std::string_view name, const Padding& padding) const {
    if (const auto* word = std::get_if<std::string>(&padding.value)) {
      return group.write_string(name, *word);
    }
    return group.write_tensor(name, std::get<Tensor>(padding.value), compression_);
  }

  Status write_zero_bias(Hdf5OutGroup& group, const Tensor& weight) const {
    const std::int64_t outputs = weight.dim(0);
    SPIKELOOM_TRY(const Tensor zeros,
                  Tensor::from_bytes(weight.dtype(), {outputs},
                                     std::vector<std::byte>(static_cast<std::size_t>(outputs) *
                                                            size_of(weight.dtype()))));
    return group.write_tensor("bias", zeros, compression_);
  }

  Status write_edges(Hdf5OutGroup& group, const Network& network) const {
    // What h5py makes of an empty Python list.
    if (network.edges().empty()) return group.write_tensor("edges", Tensor());
    std::vector<std::string> names;
    for (const Edge& edge : network.edges()) {
      names.push_back(network[edge.source].name);
      names.push_back(network[edge.target].name);
    }
    return group.write_strings("edges", {static_cast<std::int64_t>(network.edges().size()), 2},
                               names);
  }

  Status write_metadata(Hdf5OutGroup& group, const Metadata& metadata) const {
    if (metadata.empty()) return {};
    SPIKELOOM_TRY(auto out, group.create_group("metadata"));
    return detail::write_metadata(out, metadata, compression_);
  }

  io::Hdf5Compression compression_;
};

bool is_bare(const Network& network) {
  return network.nodes().size() == 1 && network.edges().empty() &&
         network.nodes()[0].name == kBareNodeName;
}

Status write_file(const Network& network, const std::string& path, const NirWriteOptions& options) {
  SPIKELOOM_TRY(auto file, io::Hdf5Writer::create(path));
  auto root = file.root();
  const std::string& version = network.producer_version();
  SPIKELOOM_CHECK(root.write_string("version", version.empty() ? kLayoutVersion : version));
  SPIKELOOM_TRY(auto node, root.create_group("node"));
  const Writer writer(options);
  if (is_bare(network)) {
    SPIKELOOM_CHECK(writer.write_node(node, network.nodes()[0]));
  } else {
    SPIKELOOM_CHECK(writer.write_graph(node, network, {}));
  }
  return file.commit();
}

}  // namespace

Status write_nir(const Network& network, const std::string& path, const NirWriteOptions& options) {
  try {
    Network expressible = network;
    if (options.dequantise) {
      auto plain = dequantise(network);
      if (!plain.ok()) return std::move(plain).error().in(path);
      expressible = *std::move(plain);
    }
    if (auto status = check_network(expressible, "", options.extensions); !status.ok()) {
      return std::move(status).error().in(path);
    }
    return write_file(expressible, path, options);
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "not enough memory to write the network",
                 .where = path,
                 .next = "free memory or use a larger machine"};
  }
}

}  // namespace spikeloom
