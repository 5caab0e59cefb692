#include <algorithm>
#include <filesystem>
#include <memory>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/io/hdf5.hpp"
#include "base/io/json.hpp"
#include "models/detail/file_kind.hpp"
#include "models/detail/kind_table.hpp"
#include "models/detail/metadata_io.hpp"
#include "models/detail/node_checks.hpp"
#include "models/model_file/detail/tensor_pool.hpp"
#include "models/model_file/detail/ternary.hpp"
#include "models/model_file/model_file.hpp"

namespace spikeloom {
namespace {

using io::Hdf5Group;
using io::Hdf5Kind;

class Reader {
 public:
  Reader(std::string file, std::uint64_t file_size, const ModelFileReadOptions& options)
      : file_(std::move(file)), options_(options), budget_(file_size, options.max_bytes) {}

  Result<LoadedModel> read(const Hdf5Group& root) {
    auto model = read_root(root);
    if (model.ok() || model.error().where.starts_with(file_)) return model;
    return std::move(model).error().in(file_);
  }

 private:
  Result<LoadedModel> read_root(const Hdf5Group& root) {
    SPIKELOOM_CHECK(check_format(root));
    LoadedModel model;
    report_.file = file_;
    report_.format = kModelFileFormat;
    if (root.has("producer")) {
      SPIKELOOM_TRY(report_.producer_version, root.read_string("producer"));
    }
    if (root.has("model_card")) {
      SPIKELOOM_TRY(model.model_card, root.read_string("model_card"));
    }
    if (root.has("run_settings")) {
      SPIKELOOM_TRY(model.run_settings, read_settings(root));
    }
    SPIKELOOM_TRY(const Hdf5Group graph, root.group("network"));
    SPIKELOOM_TRY(model.network, read_graph(graph, "", 0));
    SPIKELOOM_CHECK(warn_extra(
        root, {"format", "format_version", "producer", "model_card", "run_settings", "network"}));
    model.report = std::move(report_);
    return model;
  }

  Error wrong(const Hdf5Group& group, std::string_view name, std::string what, std::string expected,
              std::string got, ErrorCode code = ErrorCode::kFormat) const {
    return Error{.code = code,
                 .what = std::move(what),
                 .where = detail::place(file_, group, name),
                 .expected = std::move(expected),
                 .got = std::move(got),
                 .next = "write the file again; docs/formats.md has its layout"};
  }

  Status check_format(const Hdf5Group& root) const {
    auto format = root.read_string("format");
    if (!format.ok() || *format != kModelFileFormat) {
      return wrong(root, "format", "this HDF5 file is not a spikeloom model file",
                   fmt::format("\"{}\"", kModelFileFormat),
                   format.ok() ? "\"" + *format + "\"" : "nothing");
    }
    SPIKELOOM_TRY(const Tensor tensor, root.read_tensor("format_version"));
    auto version = tensor.to_scalar();
    if (version.ok() && *version >= 1 && *version <= static_cast<double>(kModelFileVersion)) {
      return {};
    }
    Error error =
        wrong(root, "format_version", "this version of the model file is not known",
              fmt::format("1 to {}", kModelFileVersion),
              version.ok() ? fmt::format("{}", *version) : "no number", ErrorCode::kUnsupported);
    error.next = "update spikeloom, or write the file with an older one";
    return error;
  }

  Result<Value> read_settings(const Hdf5Group& root) const {
    SPIKELOOM_TRY(const std::string text, root.read_string("run_settings"));
    auto value = io::parse_json(text, detail::place(file_, root, "run_settings"));
    if (!value.ok()) {
      Error error = std::move(value).error();
      error.next = "write the file again; run_settings is JSON";
      return error;
    }
    if (value->as_map() != nullptr) return value;
    return wrong(root, "run_settings", "the run settings are not a JSON object", "{...}",
                 text.substr(0, 40));
  }

  Status warn_extra(const Hdf5Group& group, const std::vector<std::string_view>& known) {
    SPIKELOOM_TRY(const auto names, group.children());
    for (const std::string& name : names) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      report_.warnings.push_back(fmt::format("{} is not part of the format and is ignored",
                                             detail::place(file_, group, name)));
    }
    return {};
  }

  Result<Network> read_graph(const Hdf5Group& group, const std::string& prefix, int nesting) {
    if (nesting > options_.max_nesting) {
      return wrong(group, {}, "graphs are nested too deeply, or in a cycle",
                   fmt::format("at most {} levels", options_.max_nesting), "more",
                   ErrorCode::kResource);
    }
    SPIKELOOM_CHECK(warn_extra(group, {"nodes", "edges", "producer_version", "metadata"}));
    SPIKELOOM_TRY(const Hdf5Group nodes, group.group("nodes"));
    SPIKELOOM_TRY(const auto names, nodes.children());
    NetworkBuilder builder;
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string number = std::to_string(i);
      if (auto status = budget_.take_node(); !status.ok()) {
        return std::move(status).error().in(detail::place(file_, nodes));
      }
      if (nodes.kind(number) != Hdf5Kind::kGroup) {
        return wrong(nodes, number, "the nodes are not numbered from 0 on",
                     fmt::format("groups \"0\" to \"{}\"", names.size() - 1), "no such group");
      }
      SPIKELOOM_TRY(const Hdf5Group node, nodes.group(number));
      SPIKELOOM_TRY(Node made, read_node(node, prefix, nesting));
      builder.add(std::move(made.name), std::move(made.kind), std::move(made.metadata));
    }
    if (group.has("edges")) SPIKELOOM_CHECK(read_edges(group, names.size(), builder));
    SPIKELOOM_TRY(Metadata metadata, read_metadata(group, nullptr));
    builder.set_metadata(std::move(metadata));
    if (group.has("producer_version")) {
      SPIKELOOM_TRY(std::string version, group.read_string("producer_version"));
      builder.set_producer_version(std::move(version));
    }
    auto network = std::move(builder).build();
    if (!network.ok()) return std::move(network).error().in(detail::place(file_, group));
    return network;
  }

  Status read_edges(const Hdf5Group& group, std::size_t nodes, NetworkBuilder& builder) {
    SPIKELOOM_TRY(const Tensor edges, detail::read_tensor(group, "edges", budget_));
    auto ends = edges.to_integers();
    if (edges.rank() != 2 || edges.dim(1) != 2 || !ends.ok()) {
      return wrong(
          group, "edges", "the edge list is not a table of node numbers",
          "integers of shape (E, 2)",
          fmt::format("{} of shape {}", to_string(edges.dtype()), to_string(edges.shape())));
    }
    if (auto status = budget_.take_edges(edges.dim(0)); !status.ok()) {
      return std::move(status).error().in(detail::place(file_, group, "edges"));
    }
    for (std::size_t i = 0; i + 1 < ends->size(); i += 2) {
      const std::int64_t source = (*ends)[i];
      const std::int64_t target = (*ends)[i + 1];
      const auto valid = [&](std::int64_t end) {
        return end >= 0 && static_cast<std::uint64_t>(end) < nodes;
      };
      if (!valid(source) || !valid(target)) {
        return wrong(group, "edges", fmt::format("row {} names a node that does not exist", i / 2),
                     fmt::format("numbers below {}", nodes),
                     fmt::format("({}, {})", source, target));
      }
      builder.connect(NodeId{static_cast<std::uint32_t>(source)},
                      NodeId{static_cast<std::uint32_t>(target)});
    }
    return {};
  }

  Result<Metadata> read_metadata(const Hdf5Group& group, ImportEntry* entry) {
    if (!group.has("metadata")) return Metadata{};
    SPIKELOOM_TRY(const Hdf5Group metadata, group.group("metadata"));
    std::vector<std::string> dropped;
    SPIKELOOM_TRY(Metadata items, detail::read_metadata(metadata, budget_, dropped));
    for (const std::string& reason : dropped) {
      const std::string message = "metadata left out: " + reason;
      if (entry != nullptr) {
        entry->note(ImportStatus::kApproximated, message);
      } else {
        report_.warnings.push_back(message);
      }
    }
    return items;
  }

  Result<Node> read_node(const Hdf5Group& group, const std::string& prefix, int nesting) {
    Node node;
    SPIKELOOM_TRY(node.name, group.read_string("name"));
    SPIKELOOM_TRY(const std::string kind_text, group.read_string("kind"));
    ImportEntry entry;
    entry.path = prefix + node.name;
    entry.kind = kind_text;
    SPIKELOOM_TRY(node.metadata, read_metadata(group, &entry));
    auto kind = detail::make_kind(kind_text, false);
    if (!kind) {
      Error error =
          wrong(group, "kind", fmt::format("unknown node kind of \"{}\"", entry.path),
                detail::kind_list(false), "\"" + kind_text + "\"", ErrorCode::kUnsupported);
      error.next = "update spikeloom, or replace the node";
      return error;
    }
    node.kind = *std::move(kind);
    if (auto* nested = std::get_if<node::Subgraph>(&node.kind)) {
      report_.nodes.push_back(std::move(entry));
      SPIKELOOM_CHECK(warn_extra(group, {"name", "kind", "metadata", "network"}));
      SPIKELOOM_TRY(const Hdf5Group inner, group.group("network"));
      SPIKELOOM_TRY(Network network, read_graph(inner, prefix + node.name + "/", nesting + 1));
      nested->network = std::make_shared<const Network>(std::move(network));
      return node;
    }
    SPIKELOOM_CHECK(warn_extra(group, {"name", "kind", "metadata", "fields"}));
    SPIKELOOM_TRY(const Hdf5Group fields, group.group("fields"));
    SPIKELOOM_CHECK(read_fields(fields, node.kind, entry));
    std::vector<std::string> warnings;
    if (auto status = detail::check_node(node.kind, warnings); !status.ok()) {
      Error error = std::move(status).error();
      error.where =
          fmt::format("{} (node \"{}\")", detail::place(file_, fields, error.where), entry.path);
      return error;
    }
    for (std::string& warning : warnings) entry.note(ImportStatus::kRead, std::move(warning));
    report_.nodes.push_back(std::move(entry));
    return node;
  }

  Status read_fields(const Hdf5Group& group, NodeKind& kind, ImportEntry& entry) {
    std::vector<std::string_view> known;
    Status status;
    std::visit(
        [&](auto& fields) {
          for_each_field(fields, [&](std::string_view name, auto& member, bool) {
            known.push_back(name);
            if (status.ok()) status = read_field(group, name, member, entry);
          });
        },
        kind);
    SPIKELOOM_CHECK(std::move(status));
    return warn_extra(group, known);
  }

  Status read_field(const Hdf5Group& group, std::string_view name, Tensor& member,
                    ImportEntry& entry) {
    if (!group.has(name)) {
      if (!detail::has_default(member)) {
        return wrong(group, name, fmt::format("a parameter of \"{}\" is missing", entry.path),
                     entry.kind + "." + std::string(name), "nothing");
      }
      entry.note(ImportStatus::kDefaulted, fmt::format("{} absent: {}", name, member.at(0)));
      return {};
    }
    SPIKELOOM_TRY(member, read_shared(group, name));
    return {};
  }

  Status read_field(const Hdf5Group& group, std::string_view name, node::OptionalTensor& member,
                    ImportEntry&) {
    if (!group.has(name)) return {};
    SPIKELOOM_TRY(member, read_shared(group, name));
    return {};
  }

  Status read_field(const Hdf5Group& group, std::string_view name, Padding& member,
                    ImportEntry& entry) {
    if (group.kind(name) == Hdf5Kind::kDataset) {
      SPIKELOOM_TRY(const auto info, group.info(name));
      if (info.is_string) {
        SPIKELOOM_TRY(member.value, group.read_string(name));
        return {};
      }
    }
    return read_field(group, name, std::get<Tensor>(member.value), entry);
  }

  /// A tensor in either encoding; the storage is that of an equal one read before.
  Result<Tensor> read_shared(const Hdf5Group& group, std::string_view name) {
    SPIKELOOM_TRY(Tensor tensor, read_stored(group, name));
    if (const auto* known = pool_.find_or_add(tensor, {})) return known->first;
    return tensor;
  }

  Result<Tensor> read_stored(const Hdf5Group& group, std::string_view name) {
    if (group.kind(name) != Hdf5Kind::kGroup) return detail::read_tensor(group, name, budget_);
    SPIKELOOM_TRY(const Hdf5Group packed, group.group(name));
    SPIKELOOM_TRY(const std::string encoding, packed.read_string("encoding"));
    if (encoding != "ternary") {
      return wrong(packed, "encoding", "this encoding is not known", "\"ternary\"",
                   "\"" + encoding + "\"", ErrorCode::kUnsupported);
    }
    SPIKELOOM_TRY(const Tensor shape, detail::read_tensor(packed, "shape", budget_));
    SPIKELOOM_TRY(const Tensor codes, detail::read_tensor(packed, "codes", budget_));
    const auto at = [&](Error error) { return std::move(error).in(detail::place(file_, packed)); };
    auto extents = shape.to_integers();
    if (!extents.ok()) return at(std::move(extents).error());
    auto tensor = detail::unpack_ternary(codes, *extents);
    if (!tensor.ok()) return at(std::move(tensor).error());
    return tensor;
  }

  std::string file_;
  const ModelFileReadOptions& options_;
  detail::ReadBudget budget_;
  detail::TensorPool pool_;
  ImportReport report_;
};

/// Three groups per level of nesting ("nodes", its number, "network"), and room for metadata.
io::Hdf5Limits limits_for(const ModelFileReadOptions& options) {
  return {.max_bytes = options.max_bytes, .max_depth = 3 * options.max_nesting + 16};
}

template <typename Read>
Result<LoadedModel> guarded(const std::string& name, Read read) {
  try {
    return read();
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "not enough memory for the model",
                 .where = name,
                 .next = "free memory or use a larger machine"};
  }
}

}  // namespace

Result<LoadedModel> read_model_file(const std::string& path, const ModelFileReadOptions& options) {
  return guarded(path, [&]() -> Result<LoadedModel> {
    SPIKELOOM_TRY(const auto start, detail::read_start(path));
    if (const auto kind = detail::identify(start); kind != detail::FileKind::kHdf5) {
      return detail::not_a_network(path, kind);
    }
    std::error_code ignored;
    const auto size = std::filesystem::file_size(path, ignored);
    SPIKELOOM_TRY(const auto file, io::Hdf5File::open(path, limits_for(options)));
    return Reader(path, ignored ? 0 : size, options).read(file.root());
  });
}

Result<LoadedModel> read_model_file_bytes(std::span<const std::byte> bytes, const std::string& name,
                                          const ModelFileReadOptions& options) {
  return guarded(name, [&]() -> Result<LoadedModel> {
    const auto start = bytes.first(std::min(bytes.size(), detail::kIdentifyBytes));
    if (const auto kind = detail::identify(start); kind != detail::FileKind::kHdf5) {
      return detail::not_a_network(name, kind);
    }
    SPIKELOOM_TRY(const auto file, io::Hdf5File::open_bytes(bytes, name, limits_for(options)));
    return Reader(name, bytes.size(), options).read(file.root());
  });
}

}  // namespace spikeloom
