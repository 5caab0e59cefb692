#pragma once
/// What a file is, told from its first bytes, so that a wrong file is refused by name.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace spikeloom::detail {

enum class FileKind {
  kHdf5,
  kTorchZip,     ///< torch.save since 1.6
  kTorchPickle,  ///< torch.save before 1.6
  kPickle,
  kNpz,
  kNpy,
  kIdx,  ///< MNIST's format, or gzip
  kZip,
  kSafetensors,
  kText,  ///< YAML, JSON, TOML, CSV, ...
  kEmpty,
  kUnknown,
};

/// How many bytes identify() wants to see; fewer are fine for a shorter file.
inline constexpr std::size_t kIdentifyBytes = 4096;

FileKind identify(std::span<const std::byte> start);

/// "a PyTorch file (zip)".
std::string_view describe(FileKind kind);

/// The first kIdentifyBytes of a file. kNotFound or kIo with the reason.
Result<std::vector<std::byte>> read_start(const std::string& path);

/// Refusal of a file that is `kind` where a network was expected: what it is and what to do.
Error not_a_network(const std::string& path, FileKind kind);

}  // namespace spikeloom::detail
