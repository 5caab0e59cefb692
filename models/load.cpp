#include "models/load.hpp"

#include <utility>

#include <fmt/format.h>

#include "base/io/hdf5.hpp"
#include "models/detail/file_kind.hpp"
#include "models/language/language_model.hpp"
#include "models/model_file/model_file.hpp"
#include "models/netx/netx_reader.hpp"
#include "models/nir/nir_reader.hpp"

namespace spikeloom {
namespace {

/// Refusal of an HDF5 file that holds no network, by the groups its root holds.
Error other_hdf5(const std::string& path, const io::Hdf5Group& root) {
  Error error{.code = ErrorCode::kUnsupported,
              .where = path,
              .expected =
                  "NIR (a group /node), a spikeloom model file (a dataset /format) or a "
                  "lava-dl network (a group /layer)"};
  if (root.has("spikes") || root.has("events")) {
    error.what = "this HDF5 file holds recorded events, not a network";
    error.next = "use it as an input, not as the model";
    return error;
  }
  std::string names;
  if (const auto children = root.children(); children.ok()) {
    for (std::size_t i = 0; i < children->size() && i < 8; ++i) {
      names += fmt::format("{}\"{}\"", i == 0 ? "" : ", ", (*children)[i]);
    }
  }
  error.code = ErrorCode::kFormat;
  error.what = "this HDF5 file holds no network that is known here";
  error.got = names.empty() ? "an empty file" : names;
  error.next = "export the network to NIR with its training framework";
  return error;
}

/// safetensors writers put the metadata at the start of the header.
bool names_language_model(std::span<const std::byte> start) {
  const std::string_view text(reinterpret_cast<const char*>(start.data()), start.size());
  return text.find("\"spikeloom-language-1\"") != std::string_view::npos;
}

}  // namespace

Result<LoadedModel> load_model(const std::string& path) {
  SPIKELOOM_TRY(const auto start, detail::read_start(path));
  if (const auto kind = detail::identify(start); kind != detail::FileKind::kHdf5) {
    if (kind == detail::FileKind::kSafetensors && names_language_model(start)) {
      return read_language_model(path);
    }
    return detail::not_a_network(path, kind);
  }
  bool is_model_file = false;
  bool is_netx = false;
  {
    SPIKELOOM_TRY(const auto file, io::Hdf5File::open(path));
    const io::Hdf5Group root = file.root();
    is_model_file = root.has("format");
    const bool is_nir = root.has("node") || root.attribute("__type__").ok();
    is_netx = !is_model_file && !is_nir && root.has("layer");
    if (!is_model_file && !is_nir && !is_netx) return other_hdf5(path, root);
  }
  if (is_netx) return read_netx(path);
  return is_model_file ? read_model_file(path) : read_nir(path);
}

}  // namespace spikeloom
