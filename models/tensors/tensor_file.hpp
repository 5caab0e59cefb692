#pragma once
/// Files that hold named tensors and no network: .safetensors, PyTorch .pt/.pth, .npz, .npy.
///
/// read_tensor_file() tells them apart by content, never by the name's ending. None of the readers
/// runs anything a file contains. float16 and bfloat16 are widened to float32 (exact).
///
/// Errors: kNotFound and kIo (the file), kFormat (damaged or unknown), kUnsupported (understood but
/// not read; the message names the type or class), kResource (claims more than the file can hold,
/// or more than the limit).

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/io/file.hpp"
#include "base/result.hpp"
#include "base/tensor.hpp"
#include "base/value.hpp"

namespace spikeloom {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

struct TensorFile {
  std::string format;                ///< "safetensors", "torch", "npz" or "npy"
  std::vector<NamedTensor> tensors;  ///< in the file's order
  /// What else the file holds: safetensors' text entries, a PyTorch file's plain values.
  Value metadata = Value::map();

  /// Nullptr when there is none.
  const Tensor* find(std::string_view name) const;
};

struct TensorFileOptions {
  std::uint64_t max_bytes = io::kDefaultMaxFileBytes;  ///< of the file, and of all its tensors
};

Result<TensorFile> read_tensor_file(const std::string& path, TensorFileOptions options = {});
/// `name` is what errors call the bytes; a lone .npy array gets the stem of this name.
Result<TensorFile> parse_tensor_file(std::span<const std::byte> bytes, const std::string& name,
                                     TensorFileOptions options = {});

}  // namespace spikeloom
