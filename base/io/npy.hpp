#pragma once
/// NumPy arrays: .npy (format versions 1.0, 2.0, 3.0) and .npz.
///
/// Format: NumPy's `numpy/lib/format.py` (magic "\x93NUMPY", a header that is a Python literal
/// with descr, fortran_order and shape, then the elements). Read: bool, signed and unsigned
/// integers of 1 to 8 bytes, float16 (widened to float32), float32 and float64, either byte order,
/// C and Fortran order (turned into C order). Complex, text, dates, structured and object arrays
/// are kUnsupported and named; an object array would hold pickled code, which is never run.
///
/// Other errors: kNotFound, kIo, kFormat (not a .npy, bytes missing or left over), kResource.

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/io/file.hpp"
#include "base/result.hpp"
#include "base/tensor.hpp"

namespace spikeloom::io {

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

Result<Tensor> read_npy(const std::string& path, std::uint64_t max_bytes = kDefaultMaxFileBytes);
/// `name` is what errors call the bytes.
Result<Tensor> parse_npy(std::span<const std::byte> bytes, const std::string& name);

/// Version 1.0 (2.0 for a header over 65,535 bytes), C order, native byte order.
std::vector<std::byte> to_npy(const Tensor& tensor);
Status write_npy(const std::string& path, const Tensor& tensor);

/// The arrays of a .npz in the archive's order, without the ".npy" of their names.
Result<NamedTensors> read_npz(const std::string& path,
                              std::uint64_t max_bytes = kDefaultMaxFileBytes);
Result<NamedTensors> parse_npz(std::span<const std::byte> bytes, const std::string& name,
                               std::uint64_t max_bytes = kDefaultMaxFileBytes);
/// As numpy.savez: stored, not compressed. At most 65,535 arrays and 4 GiB (kResource).
Status write_npz(const std::string& path, const NamedTensors& tensors);

}  // namespace spikeloom::io
