#include "models/tensors/tensor_file.hpp"

#include <algorithm>
#include <cstring>

#include "base/io/hdf5.hpp"
#include "base/io/idx.hpp"
#include "base/io/npy.hpp"
#include "base/io/zip.hpp"
#include "models/tensors/safetensors.hpp"
#include "models/tensors/torch.hpp"

namespace spikeloom {
namespace {

bool starts_with(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

std::string stem_of(const std::string& name) {
  std::string stem = name.substr(name.rfind('/') + 1);  // npos + 1 is 0
  if (stem.ends_with(".npy")) stem.resize(stem.size() - 4);
  return stem.empty() ? "tensor" : stem;
}

Result<TensorFile> from_zip(std::span<const std::byte> bytes, const std::string& name,
                            const TensorFileOptions& options) {
  SPIKELOOM_TRY(const auto archive, io::ZipArchive::view(bytes, name, options.max_bytes));
  const auto& entries = archive.entries();
  const bool arrays = std::all_of(entries.begin(), entries.end(), [](const io::ZipEntry& entry) {
    return entry.name.ends_with(".npy");
  });
  if (!arrays) return parse_torch(bytes, name, options);
  SPIKELOOM_TRY(auto named, io::parse_npz(bytes, name, options.max_bytes));
  TensorFile file;
  file.format = "npz";
  for (auto& [key, tensor] : named) file.tensors.push_back({key, std::move(tensor)});
  return file;
}

}  // namespace

const Tensor* TensorFile::find(std::string_view name) const {
  const auto same = [&](const NamedTensor& entry) { return entry.name == name; };
  const auto found = std::find_if(tensors.begin(), tensors.end(), same);
  return found == tensors.end() ? nullptr : &found->tensor;
}

Result<TensorFile> parse_tensor_file(std::span<const std::byte> bytes, const std::string& name,
                                     TensorFileOptions options) {
  if (io::looks_like_zip(bytes)) return from_zip(bytes, name, options);
  if (starts_with(bytes, "\x93NUMPY")) {
    SPIKELOOM_TRY(Tensor tensor, io::parse_npy(bytes, name));
    TensorFile file;
    file.format = "npy";
    file.tensors.push_back({stem_of(name), std::move(tensor)});
    return file;
  }
  if (io::looks_like_idx(bytes)) {
    SPIKELOOM_TRY(Tensor tensor, io::parse_idx(bytes, name, options.max_bytes));
    TensorFile file;
    file.format = "idx";
    file.tensors.push_back({stem_of(name), std::move(tensor)});
    return file;
  }
  if (looks_like_safetensors(bytes)) return parse_safetensors(bytes, name);
  // PyTorch before 1.6 wrote pickles one after the other, with this number in front, or a tar.
  if (bytes.size() > 2 && bytes[0] == std::byte{0x80} && bytes[1] <= std::byte{5}) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what =
                     "a bare pickle, as PyTorch before 1.6 and pickle.dump write it, "
                     "is not read",
                 .where = name,
                 .next = "load it in PyTorch and write it again with torch.save"};
  }
  if (io::looks_like_hdf5(bytes)) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "an HDF5 file, not a file of named tensors",
                 .where = name,
                 .next = "open it as a network (.nir) or as a recording"};
  }
  return Error{.code = ErrorCode::kFormat,
               .what = "not a tensor file",
               .where = name,
               .expected = "safetensors, PyTorch .pt/.pth, .npz, .npy or IDX"};
}

Result<TensorFile> read_tensor_file(const std::string& path, TensorFileOptions options) {
  SPIKELOOM_TRY(const auto bytes, io::read_file(path, options.max_bytes));
  return parse_tensor_file(bytes, path, options);
}

}  // namespace spikeloom
