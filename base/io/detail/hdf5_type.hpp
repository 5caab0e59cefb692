#pragma once
/// HDF5 data types, dataspaces and the values they describe. Not installed.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/io/detail/hdf5_object.hpp"
#include "base/result.hpp"
#include "base/tensor.hpp"

namespace spikeloom::io::detail {

/// What a stored element is, and what it becomes.
struct Hdf5Type {
  enum class Kind { kNumber, kBool, kHalf, kFixedText, kVariableText, kOther };
  enum class Padding { kNullTerminated, kNullPadded, kSpacePadded };

  Kind kind = Kind::kOther;
  std::string words;  ///< "big-endian int32", "compound"
  DType dtype = DType::kFloat64;
  std::size_t size = 0;  ///< bytes of an element as stored
  bool swapped = false;  ///< big-endian
  Padding padding = Padding::kNullTerminated;
  std::shared_ptr<const Hdf5Type> element = {};  ///< of a variable-length sequence, a kOther

  bool is_text() const { return kind == Kind::kFixedText || kind == Kind::kVariableText; }
};

/// A type that is understood but not read has kind kOther; see unsupported_type().
Result<Hdf5Type> parse_type(std::span<const std::byte> body);
Error unsupported_type(const Hdf5Type& type);

/// The shape, and how far it may grow (kUndefined: without limit). A null dataspace has the shape
/// of an empty vector, (0).
struct Hdf5Space {
  Shape shape;
  std::vector<std::uint64_t> most;
};
Result<Hdf5Space> parse_dataspace(std::span<const std::byte> body, std::size_t length_size);

/// count x size, kResource when over `limit`.
Result<std::uint64_t> guarded_bytes(const Shape& shape, std::size_t element_size,
                                    std::uint64_t limit);

/// Raw elements as the tensor they describe; the type is a number, bool or half.
Result<Tensor> to_tensor(const Hdf5Type& type, const Shape& shape, Bytes raw);

/// Raw elements as text. `limit` bounds the sum of all lengths.
Result<std::vector<std::string>> to_strings(const Source& source, const Hdf5Type& type,
                                            std::span<const std::byte> raw, std::uint64_t limit);

/// The elements of one variable-length sequence, given its reference as stored.
Result<Tensor> to_sequence(const Source& source, const Hdf5Type& type,
                           std::span<const std::byte> reference, std::uint64_t limit);

}  // namespace spikeloom::io::detail
