#include "models/detail/file_kind.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include <fmt/format.h>

#include "base/io/hdf5.hpp"
#include "base/io/idx.hpp"

namespace spikeloom::detail {
namespace {

using Bytes = std::span<const std::byte>;

std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool starts_with(Bytes bytes, std::string_view prefix) {
  return as_text(bytes).starts_with(prefix);
}

/// Little-endian unsigned integer at `at`; the caller has checked the size.
std::uint64_t little_endian(Bytes bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (std::size_t i = size; i-- > 0;) {
    value = value << 8 | std::to_integer<std::uint64_t>(bytes[at + i]);
  }
  return value;
}

/// A local file header (APPNOTE.TXT 4.3.7): name length at 26, name at 30. torch.save puts
/// `<name>/data.pkl` first, numpy.savez puts `<name>.npy`.
FileKind zip_kind(Bytes start) {
  if (start.size() < 30) return FileKind::kZip;
  const std::size_t length = std::min<std::size_t>(little_endian(start, 26, 2), start.size() - 30);
  const std::string_view name = as_text(start.subspan(30, length));
  if (name.ends_with("data.pkl") || name.ends_with("/.format_version")) return FileKind::kTorchZip;
  return name.ends_with(".npy") ? FileKind::kNpz : FileKind::kZip;
}

/// 8 bytes of header length, then a JSON object that many bytes long.
bool is_safetensors(Bytes start) {
  if (start.size() < 10) return false;
  constexpr std::uint64_t kLargestHeader = 100'000'000;  // the reference reader's limit
  const std::uint64_t header = little_endian(start, 0, 8);
  return header >= 2 && header <= kLargestHeader && as_text(start.subspan(8)).starts_with("{\"");
}

/// Pickle protocol 2 and later starts with PROTO (0x80) and the protocol number.
FileKind pickle_kind(Bytes start) {
  // The LONG1 of ten bytes that legacy torch.save pickles first: 0x1950a86a20f9469cfc6c.
  constexpr std::string_view kTorchMagic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  return as_text(start.subspan(2)).starts_with(kTorchMagic) ? FileKind::kTorchPickle
                                                            : FileKind::kPickle;
}

bool is_text(Bytes start) {
  return std::all_of(start.begin(), start.end(), [](std::byte byte) {
    const auto c = std::to_integer<unsigned char>(byte);
    return c >= 0x20 ? c != 0x7f : c == '\n' || c == '\r' || c == '\t' || c == '\f';
  });
}

}  // namespace

FileKind identify(Bytes start) {
  if (start.empty()) return FileKind::kEmpty;
  if (io::looks_like_hdf5(start)) return FileKind::kHdf5;
  if (starts_with(start, "PK\x03\x04") || starts_with(start, "PK\x05\x06")) return zip_kind(start);
  if (starts_with(start, "\x93NUMPY")) return FileKind::kNpy;
  if (io::looks_like_idx(start)) return FileKind::kIdx;
  // Before pickles: the length of a header may begin with the bytes of PROTO.
  if (is_safetensors(start)) return FileKind::kSafetensors;
  if (start.size() >= 2 && start[0] == std::byte{0x80} && start[1] >= std::byte{2} &&
      start[1] <= std::byte{5}) {
    return pickle_kind(start);
  }
  return is_text(start) ? FileKind::kText : FileKind::kUnknown;
}

std::string_view describe(FileKind kind) {
  switch (kind) {
    case FileKind::kHdf5:
      return "an HDF5 file";
    case FileKind::kTorchZip:
      return "a PyTorch file (zip)";
    case FileKind::kTorchPickle:
      return "a PyTorch file (pickle, before version 1.6)";
    case FileKind::kPickle:
      return "a Python pickle";
    case FileKind::kNpz:
      return "a NumPy .npz archive";
    case FileKind::kNpy:
      return "a NumPy .npy array";
    case FileKind::kIdx:
      return "an IDX array, or gzip";
    case FileKind::kZip:
      return "a zip archive";
    case FileKind::kSafetensors:
      return "a safetensors file";
    case FileKind::kText:
      return "a text file";
    case FileKind::kEmpty:
      return "an empty file";
    case FileKind::kUnknown:
      break;
  }
  return "a file of unknown format";
}

Result<std::vector<std::byte>> read_start(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (status.type() == std::filesystem::file_type::not_found) {
    return Error{.code = ErrorCode::kNotFound,
                 .what = "there is no such file",
                 .where = path,
                 .next = "check the path"};
  }
  if (std::filesystem::is_directory(status)) {
    return Error{.code = ErrorCode::kIo,
                 .what = "this is a folder, not a file",
                 .where = path,
                 .next = "name a file in it"};
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    return Error{.code = ErrorCode::kIo,
                 .what = "the file cannot be opened",
                 .where = path,
                 .got = std::generic_category().message(errno),
                 .next = "check the permissions"};
  }
  std::vector<std::byte> start(kIdentifyBytes);
  stream.read(reinterpret_cast<char*>(start.data()), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<std::size_t>(stream.gcount()));
  return start;
}

Error not_a_network(const std::string& path, FileKind kind) {
  Error error{.code = ErrorCode::kFormat,
              .what = fmt::format("this is {}, not a network", describe(kind)),
              .where = path,
              .expected = "NIR (.nir) or a spikeloom model file (.sloom), both HDF5"};
  switch (kind) {
    case FileKind::kTorchZip:
    case FileKind::kTorchPickle:
    case FileKind::kSafetensors:
    case FileKind::kNpz:
      error.next =
          "such files hold weights only, without the graph: export the network to NIR with its "
          "training framework, or put them into a network with spikeloom convert NETWORK OUT "
          "--weights FILE";
      break;
    case FileKind::kPickle:
      error.next =
          "a pickle can run code and is never opened: export the network to NIR with the program "
          "that wrote it";
      break;
    case FileKind::kNpy:
    case FileKind::kIdx:
      error.next = "an array is an input recording or a weight, not a network";
      break;
    case FileKind::kZip:
      error.next = "unpack it and name the network inside";
      break;
    case FileKind::kText:
      error.next = "if it is a script or a configuration, export the network it describes to NIR";
      break;
    case FileKind::kEmpty:
      error.next = "the export or the download did not finish; get the file again";
      break;
    case FileKind::kHdf5:
    case FileKind::kUnknown:
      error.next = "export the network to NIR with its training framework";
  }
  return error;
}

}  // namespace spikeloom::detail
