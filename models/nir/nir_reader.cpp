#include "models/nir/nir_reader.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <new>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "base/io/hdf5.hpp"
#include "models/detail/file_kind.hpp"
#include "models/detail/kind_table.hpp"
#include "models/detail/metadata_io.hpp"
#include "models/detail/node_checks.hpp"
#include "models/nir/detail/nir_fields.hpp"

namespace spikeloom {
namespace {

using detail::Note;
using io::Hdf5Group;
using io::Hdf5Kind;

/// At most this many names are listed in an error.
constexpr std::size_t kNamesShown = 12;

std::string name_list(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kNamesShown); ++i) {
    text += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", names[i]);
  }
  if (names.size() > kNamesShown) text += fmt::format(" and {} more", names.size() - kNamesShown);
  return text.empty() ? "no nodes" : text;
}

/// A node whose name begins like `wanted`, or that `wanted` begins like, if there is just one.
std::string similar_name(const std::vector<std::string>& names, const std::string& wanted) {
  std::string found;
  for (const std::string& name : names) {
    if (!name.starts_with(wanted) && !wanted.starts_with(name)) continue;
    if (!found.empty()) return {};
    found = name;
  }
  return found;
}

class Reader {
 public:
  Reader(std::string file, std::uint64_t file_size, const NirReadOptions& options)
      : file_(std::move(file)), options_(options), budget_(file_size, options.max_bytes) {
    report_.file = file_;
    report_.format = "nir";
  }

  Result<LoadedModel> read(const Hdf5Group& root) {
    auto network = read_root(root);
    if (options_.report != nullptr) *options_.report = report_;
    if (!network.ok()) return std::move(network).error();
    return LoadedModel{.network = *std::move(network), .report = std::move(report_)};
  }

 private:
  Result<Network> read_root(const Hdf5Group& root) {
    SPIKELOOM_CHECK(check_is_nir(root));
    read_version(root);
    SPIKELOOM_TRY(const Hdf5Group node, root.group("node"));
    note_extra(root, {"node", "version"}, [&](ImportStatus, const std::string& message) {
      report_.warnings.push_back(message);
    });
    SPIKELOOM_TRY(const std::string type, read_type(node));
    std::optional<Network> network;
    if (type == node::Subgraph::kName) {
      network = read_graph(node, "", 0, nullptr);
      if (network) warn_about_ports(*network);
    } else {
      network = read_bare(node, type);
    }
    if (!refusals_.empty()) return first_refusal();
    return *std::move(network);
  }

  Error first_refusal() {
    Error error = std::move(refusals_.front());
    if (refusals_.size() > 1) {
      error.next +=
          fmt::format("{}{} more in this file {} refused too", error.next.empty() ? "" : "; ",
                      refusals_.size() - 1, refusals_.size() == 2 ? "is" : "are");
    }
    return error;
  }

  Status check_is_nir(const Hdf5Group& root) {
    if (root.has("node")) return {};
    const auto marker = root.attribute("__type__");
    const std::string* type = marker.ok() ? marker->as_string() : nullptr;
    if (type != nullptr && type->starts_with("NIR")) {
      return Error{.code = ErrorCode::kUnsupported,
                   .what = fmt::format("this is recorded data ({}), not a network", *type),
                   .where = file_,
                   .expected = "a NIR network: the group /node",
                   .next =
                       "give the .nir file of the network; such data can be exported to .npy "
                       "and used as an input"};
    }
    const auto names = root.children();
    return Error{.code = ErrorCode::kFormat,
                 .what = "this HDF5 file is not a NIR network",
                 .where = file_,
                 .expected = "the group /node",
                 .got = names.ok() ? name_list(*names) : names.error().message(),
                 .next = "export the network to NIR with its training framework"};
  }

  void read_version(const Hdf5Group& root) {
    if (!root.has("version")) {
      report_.warnings.push_back("the file does not say which version of nir wrote it");
      return;
    }
    auto version = root.read_string("version");
    if (version.ok()) {
      report_.producer_version = *std::move(version);
    } else {
      report_.warnings.push_back("unreadable version: " + version.error().message());
    }
  }

  Result<std::string> read_type(const Hdf5Group& group) const {
    if (!group.has("type")) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "the node does not say what kind it is",
                   .where = detail::place(file_, group),
                   .expected = "a string dataset \"type\"",
                   .next = "export the network again"};
    }
    return group.read_string("type");
  }

  std::size_t add_entry(const std::string& path, const std::string& kind) {
    ImportEntry entry;
    entry.path = path;
    entry.kind = kind;
    report_.nodes.push_back(std::move(entry));
    return report_.nodes.size() - 1;
  }

  void refuse(ImportEntry* entry, Error error) {
    if (!error.where.starts_with(file_)) error = std::move(error).in(file_);
    if (entry != nullptr) entry->note(ImportStatus::kRefused, error.message());
    refusals_.push_back(std::move(error));
  }

  /// A graph whose nodes were all readable; otherwise nothing, and the refusals say why.
  /// `path` is "" for the outermost graph; `entry` is the index + 1 of a nested graph's entry.
  std::optional<Network> read_graph(const Hdf5Group& group, const std::string& path, int nesting,
                                    const std::size_t* entry) {
    const auto refuse_graph = [&](Error error) -> std::optional<Network> {
      refuse(entry == nullptr ? nullptr : &report_.nodes[*entry], std::move(error));
      return std::nullopt;
    };
    const Note note = [&](ImportStatus status, const std::string& message) {
      if (entry == nullptr) {
        report_.warnings.push_back(message);
      } else {
        report_.nodes[*entry].note(status, message);
      }
    };
    if (nesting > options_.max_nesting) {
      return refuse_graph(Error{.code = ErrorCode::kResource,
                                .what = "graphs are nested too deeply, or in a cycle",
                                .where = detail::place(file_, group),
                                .expected = fmt::format("at most {} levels", options_.max_nesting),
                                .next = "flatten the network before exporting it"});
    }
    auto nodes = group.group("nodes");
    if (!nodes.ok()) return refuse_graph(std::move(nodes).error());
    auto names = nodes->children();
    if (!names.ok()) return refuse_graph(std::move(names).error());

    // HDF5 stores links in order, but a damaged file may not.
    std::sort(names->begin(), names->end());

    NetworkBuilder builder;
    const std::size_t refused_before = refusals_.size();
    for (const std::string& name : *names) {
      if (auto status = budget_.take_node(); !status.ok()) {
        return refuse_graph(std::move(status).error().in(detail::place(file_, *nodes, name)));
      }
      auto node = read_node(*nodes, name, path.empty() ? name : path + "/" + name, nesting);
      if (node)
        builder.add(std::move(node->name), std::move(node->kind), std::move(node->metadata));
    }
    if (auto status = read_edges(group, *names, builder, note); !status.ok()) {
      return refuse_graph(std::move(status).error());
    }
    auto metadata = read_metadata(group, note);
    if (!metadata.ok()) return refuse_graph(std::move(metadata).error());
    builder.set_metadata(*std::move(metadata));
    note_extra(group, {"edges", "metadata", "nodes", "type"}, note);
    if (path.empty()) builder.set_producer_version(report_.producer_version);
    if (refusals_.size() > refused_before) return std::nullopt;
    auto network = std::move(builder).build();
    if (!network.ok())
      return refuse_graph(std::move(network).error().in(detail::place(file_, group)));
    return *std::move(network);
  }

  std::optional<Network> read_bare(const Hdf5Group& group, const std::string& type) {
    auto node = read_typed_node(group, kBareNodeName, kBareNodeName, type, 0);
    if (!node) return std::nullopt;
    report_.warnings.push_back(fmt::format(
        "the file holds a single {} node and no graph: it has no Input and no Output", type));
    NetworkBuilder builder;
    builder.add(std::move(node->name), std::move(node->kind), std::move(node->metadata));
    builder.set_producer_version(report_.producer_version);
    auto network = std::move(builder).build();
    if (network.ok()) return *std::move(network);
    refuse(nullptr, std::move(network).error().in(file_));
    return std::nullopt;
  }

  std::optional<Node> read_node(const Hdf5Group& nodes, const std::string& name,
                                const std::string& path, int nesting) {
    auto group = nodes.group(name);
    if (!group.ok()) {
      add_entry(path, "");
      refuse(&report_.nodes.back(), std::move(group).error());
      return std::nullopt;
    }
    auto type = read_type(*group);
    if (!type.ok()) {
      add_entry(path, "");
      refuse(&report_.nodes.back(), std::move(type).error());
      return std::nullopt;
    }
    return read_typed_node(*group, name, path, *type, nesting);
  }

  std::optional<Node> read_typed_node(const Hdf5Group& group, const std::string& name,
                                      const std::string& path, const std::string& type,
                                      int nesting) {
    const std::size_t entry = add_entry(path, type);
    const auto refuse_node = [&](Error error) -> std::optional<Node> {
      refuse(&report_.nodes[entry], std::move(error));
      return std::nullopt;
    };
    const Note note = [&](ImportStatus status, const std::string& message) {
      report_.nodes[entry].note(status, message);
    };
    auto kind = detail::make_kind(type, true);
    if (!kind) {
      return refuse_node(Error{.code = ErrorCode::kUnsupported,
                               .what = fmt::format("unknown node kind \"{}\"", type),
                               .where = detail::place(file_, group),
                               .expected = detail::kind_list(true),
                               .next = "replace the node by kinds NIR has and export again"});
    }
    if (auto* nested = std::get_if<node::Subgraph>(&*kind)) {
      auto network = read_graph(group, path, nesting + 1, &entry);
      if (!network) return std::nullopt;
      nested->network = std::make_shared<const Network>(*std::move(network));
      return Node{name, *std::move(kind), {}};
    }
    if (auto status = detail::read_nir_fields(file_, group, *kind, budget_, note); !status.ok()) {
      return refuse_node(std::move(status).error());
    }
    std::vector<std::string> warnings;
    if (auto status = detail::check_node(*kind, warnings); !status.ok()) {
      Error error = std::move(status).error();
      error.where = detail::place(file_, group, error.where);
      return refuse_node(std::move(error));
    }
    for (std::string& warning : warnings) note(ImportStatus::kRead, warning);
    auto metadata = read_metadata(group, note);
    if (!metadata.ok()) return refuse_node(std::move(metadata).error());
    return Node{name, *std::move(kind), *std::move(metadata)};
  }

  Result<Metadata> read_metadata(const Hdf5Group& group, const Note& note) {
    if (group.kind("metadata") != Hdf5Kind::kGroup) return Metadata{};
    SPIKELOOM_TRY(const Hdf5Group metadata, group.group("metadata"));
    std::vector<std::string> dropped;
    auto items = detail::read_metadata(metadata, budget_, dropped);
    for (const std::string& reason : dropped) {
      note(ImportStatus::kApproximated, "metadata left out: " + reason);
    }
    return items;
  }

  void note_extra(const Hdf5Group& group, std::initializer_list<std::string_view> known,
                  const Note& note) {
    const auto names = group.children();
    if (!names.ok()) return;
    for (const std::string& name : *names) {
      if (std::find(known.begin(), known.end(), name) != known.end()) continue;
      note(ImportStatus::kApproximated,
           fmt::format("\"{}\" is not part of NIR and is ignored", name));
    }
  }

  /// `names` are those of the nodes, sorted.
  Status read_edges(const Hdf5Group& group, const std::vector<std::string>& names,
                    NetworkBuilder& builder, const Note& note) {
    const std::string where = detail::place(file_, group, "edges");
    if (!group.has("edges")) {
      note(ImportStatus::kDefaulted, "the graph has no edge list: taken as no edges");
      return {};
    }
    SPIKELOOM_TRY(const auto info, group.info("edges"));
    SPIKELOOM_TRY(const std::int64_t count, element_count(info.shape));
    // An empty Python list is stored as an array of float64.
    if (count == 0) return {};
    if (!info.is_string || info.shape.size() != 2 || info.shape[1] != 2) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "the edge list is not a table of names",
                   .where = where,
                   .expected = "strings of shape (E, 2), rows (source, target)",
                   .got = fmt::format("{} of shape {}", info.type, to_string(info.shape)),
                   .next = "export the network again"};
    }
    if (auto status = budget_.take_edges(info.shape[0]); !status.ok()) {
      return std::move(status).error().in(where);
    }
    SPIKELOOM_CHECK(budget_.take_bytes(info));
    SPIKELOOM_TRY(const auto rows, group.read_strings("edges"));
    std::vector<std::pair<std::string_view, std::string_view>> seen;
    std::size_t dangling = 0;
    Error first;
    for (std::size_t row = 0; row + 1 < rows.values.size(); row += 2) {
      const std::string& source = rows.values[row];
      const std::string& target = rows.values[row + 1];
      for (const std::string& end : {std::cref(source), std::cref(target)}) {
        if (std::binary_search(names.begin(), names.end(), end)) continue;
        if (dangling++ == 0) first = dangling_edge(where, row / 2, source, target, end, names);
      }
      builder.connect(source, target);
      seen.emplace_back(source, target);
    }
    if (dangling > 0) {
      if (dangling > 1) {
        first.next +=
            fmt::format("; {} more ends of edges in this graph have no node", dangling - 1);
      }
      return first;
    }
    note_duplicates(std::move(seen), note);
    return {};
  }

  static Error dangling_edge(const std::string& where, std::size_t row, const std::string& source,
                             const std::string& target, const std::string& end,
                             const std::vector<std::string>& names) {
    const std::string similar = similar_name(names, end);
    return Error{
        .code = ErrorCode::kFormat,
        .what = fmt::format("edge (\"{}\", \"{}\") names a node that this graph does not have",
                            source, target),
        .where = fmt::format("{} row {}", where, row),
        .expected = "one of " + name_list(names),
        .got = "\"" + end + "\"",
        .next = similar.empty()
                    ? "correct the edge list, or name the node as the edge does"
                    : fmt::format("correct the edge list; did it mean \"{}\"?", similar)};
  }

  static void note_duplicates(std::vector<std::pair<std::string_view, std::string_view>> edges,
                              const Note& note) {
    std::sort(edges.begin(), edges.end());
    for (auto at = edges.begin(); at != edges.end();) {
      const auto next =
          std::find_if(at, edges.end(), [&](const auto& edge) { return edge != *at; });
      if (next - at > 1) {
        note(
            ImportStatus::kRead,
            fmt::format("edge (\"{}\", \"{}\") occurs {} times: kept; whether it counts once is an "
                        "option of the run",
                        at->first, at->second, next - at));
      }
      at = next;
    }
  }

  void warn_about_ports(const Network& network) {
    const auto has = [&]<typename Kind>(std::type_identity<Kind>) {
      return std::any_of(network.nodes().begin(), network.nodes().end(),
                         [](const Node& node) { return std::holds_alternative<Kind>(node.kind); });
    };
    if (!has(std::type_identity<node::Input>{})) {
      report_.warnings.push_back("the graph has no Input node");
    }
    if (!has(std::type_identity<node::Output>{})) {
      report_.warnings.push_back("the graph has no Output node");
    }
  }

  std::string file_;
  const NirReadOptions& options_;
  detail::ReadBudget budget_;
  ImportReport report_;
  std::vector<Error> refusals_;
};

/// Two groups per level of nesting ("nodes" and the node), and room for metadata.
io::Hdf5Limits limits_for(const NirReadOptions& options) {
  return {.max_bytes = options.max_bytes, .max_depth = 2 * options.max_nesting + 16};
}

template <typename Read>
Result<LoadedModel> guarded(const std::string& name, const NirReadOptions& options, Read read) {
  if (options.report != nullptr) {
    *options.report = ImportReport();
    options.report->file = name;
  }
  try {
    auto model = read();
    if (!model.ok() && options.report != nullptr) {
      options.report->refusal = model.error().message();
    }
    return model;
  } catch (const std::bad_alloc&) {
    return Error{.code = ErrorCode::kResource,
                 .what = "not enough memory for the network",
                 .where = name,
                 .next = "free memory or use a larger machine"};
  }
}

}  // namespace

Result<LoadedModel> read_nir(const std::string& path, const NirReadOptions& options) {
  return guarded(path, options, [&]() -> Result<LoadedModel> {
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

Result<LoadedModel> read_nir_bytes(std::span<const std::byte> bytes, const std::string& name,
                                   const NirReadOptions& options) {
  return guarded(name, options, [&]() -> Result<LoadedModel> {
    const auto start = bytes.first(std::min(bytes.size(), detail::kIdentifyBytes));
    if (const auto kind = detail::identify(start); kind != detail::FileKind::kHdf5) {
      return detail::not_a_network(name, kind);
    }
    SPIKELOOM_TRY(const auto file, io::Hdf5File::open_bytes(bytes, name, limits_for(options)));
    return Reader(name, bytes.size(), options).read(file.root());
  });
}

}  // namespace spikeloom
