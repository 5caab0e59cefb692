#include <cstring>

#include <fmt/format.h>
#include <zlib.h>

#include "base/io/npy.hpp"
#include "base/io/zip.hpp"

namespace spikeloom::io {
namespace {

void put(std::string& out, std::uint64_t value, int size) {
  for (int i = 0; i < size; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

/// What local and central header share: version 2.0, UTF-8 names, stored, 1980-01-01, so that
/// equal arrays give equal bytes.
std::string common_header(std::uint32_t crc, std::size_t bytes, std::size_t name_size) {
  std::string out;
  put(out, 20, 2);
  put(out, 0x800, 2);
  put(out, 0, 2);
  put(out, 0, 2);
  put(out, 0x21, 2);
  put(out, crc, 4);
  put(out, bytes, 4);
  put(out, bytes, 4);
  put(out, name_size, 2);
  put(out, 0, 2);
  return out;
}

Result<NamedTensors> read_arrays(const ZipArchive& archive, const std::string& name) {
  NamedTensors tensors;
  for (const ZipEntry& entry : archive.entries()) {
    const std::string where = name + ": " + entry.name;
    if (!entry.name.ends_with(".npy")) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "the archive holds something other than arrays",
                   .where = where,
                   .expected = "names ending in .npy"};
    }
    SPIKELOOM_TRY(const auto bytes, archive.read(entry));
    SPIKELOOM_TRY(Tensor tensor, parse_npy(bytes, where));
    tensors.emplace_back(entry.name.substr(0, entry.name.size() - 4), std::move(tensor));
  }
  return tensors;
}

}  // namespace

Result<NamedTensors> parse_npz(std::span<const std::byte> bytes, const std::string& name,
                               std::uint64_t max_bytes) {
  SPIKELOOM_TRY(const ZipArchive archive, ZipArchive::view(bytes, name, max_bytes));
  return read_arrays(archive, name);
}

Result<NamedTensors> read_npz(const std::string& path, std::uint64_t max_bytes) {
  SPIKELOOM_TRY(const ZipArchive archive, ZipArchive::open(path, max_bytes));
  return read_arrays(archive, path);
}

Status write_npz(const std::string& path, const NamedTensors& tensors) {
  constexpr std::uint64_t kLargest = 0xfffffffe;
  std::uint64_t total = 22;
  for (const auto& [name, tensor] : tensors)
    total += tensor.bytes().size() + 2 * name.size() + 1024;
  if (total > kLargest || tensors.size() > 65535) {
    return Error{.code = ErrorCode::kResource,
                 .what = "too much for one .npz",
                 .where = path,
                 .expected = "at most 65,535 arrays and 4 GiB",
                 .got = fmt::format("{} arrays, {} bytes", tensors.size(), total)};
  }
  std::string out;
  std::string directory;
  for (const auto& [stem, tensor] : tensors) {
    const std::string name = stem + ".npy";
    const std::vector<std::byte> array = to_npy(tensor);
    const auto crc = static_cast<std::uint32_t>(
        crc32_z(0, reinterpret_cast<const Bytef*>(array.data()), array.size()));
    const std::string common = common_header(crc, array.size(), name.size());
    put(directory, 0x02014b50, 4);
    put(directory, 20, 2);
    directory += common;
    directory.append(10, '\0');  // comment, disk, attributes
    put(directory, out.size(), 4);
    directory += name;
    put(out, 0x04034b50, 4);
    out += common + name;
    out.append(reinterpret_cast<const char*>(array.data()), array.size());
  }
  const std::size_t start = out.size();
  out += directory;
  put(out, 0x06054b50, 4);
  put(out, 0, 4);
  put(out, tensors.size(), 2);
  put(out, tensors.size(), 2);
  put(out, directory.size(), 4);
  put(out, start, 4);
  put(out, 0, 2);
  return write_file_atomic(path, out);
}

}  // namespace spikeloom::io
