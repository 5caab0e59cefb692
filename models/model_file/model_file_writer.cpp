#include <new>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/build_info.hpp"
#include "base/io/hdf5.hpp"
#include "base/io/json.hpp"
#include "models/detail/metadata_io.hpp"
#include "models/detail/node_checks.hpp"
#include "models/model_file/detail/tensor_pool.hpp"
#include "models/model_file/detail/ternary.hpp"
#include "models/model_file/model_file.hpp"

namespace spikeloom {
namespace {

using io::Hdf5OutGroup;

class Writer {
 public:
  explicit Writer(const ModelFileWriteOptions& options)
      : options_(options),
        compression_(options.compress ? io::Hdf5Compression::kDeflate
                                      : io::Hdf5Compression::kNone) {}

  Status write_graph(Hdf5OutGroup& group, const Network& network) {
    SPIKELOOM_TRY(auto nodes, group.create_group("nodes"));
    std::size_t index = 0;
    for (const Node& node : network.nodes()) {
      SPIKELOOM_TRY(auto out, nodes.create_group(std::to_string(index++)));
      if (auto status = write_node(out, node); !status.ok()) {
        return std::move(status).error().in(fmt::format("node \"{}\"", node.name));
      }
    }
    std::vector<std::int64_t> rows;
    for (const Edge& edge : network.edges()) {
      rows.push_back(edge.source.value);
      rows.push_back(edge.target.value);
    }
    const auto count = static_cast<std::int64_t>(network.edges().size());
    SPIKELOOM_CHECK(group.write_tensor("edges", Tensor::of<std::int64_t>({count, 2}, rows)));
    if (!network.producer_version().empty()) {
      SPIKELOOM_CHECK(group.write_string("producer_version", network.producer_version()));
    }
    return write_metadata(group, network.metadata());
  }

 private:
  Status write_node(Hdf5OutGroup& group, const Node& node) {
    std::vector<std::string> ignored;
    SPIKELOOM_CHECK(detail::check_node(node.kind, ignored));
    SPIKELOOM_CHECK(group.write_string("name", node.name));
    SPIKELOOM_CHECK(group.write_string("kind", kind_name(node.kind)));
    SPIKELOOM_CHECK(write_metadata(group, node.metadata));
    if (const auto* nested = std::get_if<node::Subgraph>(&node.kind)) {
      SPIKELOOM_TRY(auto inner, group.create_group("network"));
      return write_graph(inner, *nested->network);
    }
    SPIKELOOM_TRY(auto fields, group.create_group("fields"));
    Status status;
    std::visit(
        [&](const auto& kind) {
          for_each_field(kind, [&](std::string_view name, const auto& member, bool) {
            if (status.ok()) status = write_field(fields, name, member);
          });
        },
        node.kind);
    return status;
  }

  Status write_field(Hdf5OutGroup& group, std::string_view name, const Tensor& tensor) {
    const std::string path = group.path() + "/" + std::string(name);
    if (const auto* known = pool_.find_or_add(tensor, path)) {
      return group.link(name, known->second);
    }
    if (!options_.pack_ternary || !detail::is_packable(tensor)) {
      return group.write_tensor(name, tensor, compression_);
    }
    SPIKELOOM_TRY(auto packed, group.create_group(name));
    SPIKELOOM_CHECK(packed.write_string("encoding", "ternary"));
    SPIKELOOM_CHECK(packed.write_tensor("shape", shape_tensor(tensor.shape())));
    return packed.write_tensor("codes", detail::pack_ternary(tensor), compression_);
  }

  Status write_field(Hdf5OutGroup& group, std::string_view name,
                     const std::optional<Tensor>& tensor) {
    return tensor ? write_field(group, name, *tensor) : Status();
  }

  Status write_field(Hdf5OutGroup& group, std::string_view name, const Padding& padding) {
    if (const auto* word = std::get_if<std::string>(&padding.value)) {
      return group.write_string(name, *word);
    }
    return write_field(group, name, std::get<Tensor>(padding.value));
  }

  Status write_metadata(Hdf5OutGroup& group, const Metadata& metadata) const {
    if (metadata.empty()) return {};
    SPIKELOOM_TRY(auto out, group.create_group("metadata"));
    return detail::write_metadata(out, metadata, compression_);
  }

  const ModelFileWriteOptions& options_;
  io::Hdf5Compression compression_;
  detail::TensorPool pool_;
};

Status write_file(const Network& network, const std::string& path,
                  const ModelFileWriteOptions& options) {
  SPIKELOOM_TRY(auto file, io::Hdf5Writer::create(path));
  auto root = file.root();
  SPIKELOOM_CHECK(root.write_string("format", kModelFileFormat));
  SPIKELOOM_CHECK(root.write_tensor("format_version", Tensor::scalar(kModelFileVersion)));
  SPIKELOOM_CHECK(root.write_string("producer", fmt::format("spikeloom {}", build_info::version)));
  if (!options.run_settings.is_null()) {
    SPIKELOOM_CHECK(root.write_string("run_settings", io::to_json(options.run_settings)));
  }
  if (!options.model_card.empty()) {
    SPIKELOOM_CHECK(root.write_string("model_card", options.model_card));
  }
  SPIKELOOM_TRY(auto graph, root.create_group("network"));
  SPIKELOOM_CHECK(Writer(options).write_graph(graph, network));
  return file.commit();
}

}  // namespace

Status write_model_file(const Network& network, const std::string& path,
                        const ModelFileWriteOptions& options) {
  if (!options.run_settings.is_null() && options.run_settings.as_map() == nullptr) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "the run settings are not a map",
                 .where = path,
                 .expected = "a map with discretisation, input_coding, read_out"};
  }
  try {
    auto status = write_file(network, path, options);
    if (status.ok()) return status;
    Error error = std::move(status).error();
    return error.where.starts_with(path) ? std::move(error) : std::move(error).in(path);
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "not enough memory to write the model",
                 .where = path,
                 .next = "free memory or use a larger machine"};
  }
}

}  // namespace spikeloom
