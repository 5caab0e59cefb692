#pragma once
/// Tensor: an immutable dense array with shape and element type, as files hold it.
///
/// Row-major (C order). The element type is kept so that a file written back is equal to the file
/// read; computation converts with `to_doubles()` and friends. Copies share the storage.
/// A shape of {} is a scalar (one element); any dimension may be 0.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace spikeloom {

/// Element types. Complex and half precision are readers' business to refuse or widen.
enum class DType : std::uint8_t {
  kBool,
  kInt8,
  kInt16,
  kInt32,
  kInt64,
  kUInt8,
  kUInt16,
  kUInt32,
  kUInt64,
  kFloat32,
  kFloat64
};

std::size_t size_of(DType dtype);    ///< bytes per element
const char* to_string(DType dtype);  ///< NumPy's name: "float32"

using Shape = std::vector<std::int64_t>;

/// "(2, 34, 34)"; a scalar is "()".
std::string to_string(const Shape& shape);

/// Number of elements, or kResource when the product overflows or exceeds 2^48.
Result<std::int64_t> element_count(const Shape& shape);

class Tensor {
 public:
  Tensor() = default;  ///< a float64 tensor of shape (0)

  /// Takes bytes in native order; kShape when their number is not count x size_of(dtype).
  static Result<Tensor> from_bytes(DType dtype, Shape shape, std::vector<std::byte> bytes);

  /// From values; the number must match the shape (asserted: for code, not for files).
  template <typename T>
  static Tensor of(Shape shape, std::span<const T> values);
  template <typename T>
  static Tensor of(Shape shape, const std::vector<T>& values) {
    return of<T>(std::move(shape), std::span<const T>(values));
  }
  template <typename T>
  static Tensor scalar(T value) {
    return of<T>(Shape{}, std::span<const T>(&value, 1));
  }
  /// A float32 tensor with one value everywhere; NIR's usual neuron parameter.
  static Tensor full(Shape shape, float value);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  std::int64_t size() const { return size_; }
  std::int64_t dim(std::size_t axis) const { return shape_[axis]; }
  std::size_t rank() const { return shape_.size(); }
  std::span<const std::byte> bytes() const;

  /// Element `index` of the flattened tensor as double; exact up to 2^53.
  double at(std::int64_t index) const;
  std::vector<double> to_doubles() const;
  /// kInvalidArgument when a value is not an integer or out of range.
  Result<std::vector<std::int64_t>> to_integers() const;
  /// A scalar, or a tensor of one element.
  Result<double> to_scalar() const;

  /// The same elements in another shape of equal count (asserted).
  Tensor reshaped(Shape shape) const;

  /// Same element type, shape and bytes (so NaNs compare by bits).
  friend bool operator==(const Tensor& a, const Tensor& b);

 private:
  DType dtype_ = DType::kFloat64;
  Shape shape_ = {0};
  std::int64_t size_ = 0;
  std::shared_ptr<const std::vector<std::byte>> bytes_;
};

/// The DType of a C++ type.
template <typename T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<bool>() {
  return DType::kBool;
}
template <>
constexpr DType dtype_of<std::int8_t>() {
  return DType::kInt8;
}
template <>
constexpr DType dtype_of<std::int16_t>() {
  return DType::kInt16;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return DType::kInt32;
}
template <>
constexpr DType dtype_of<std::int64_t>() {
  return DType::kInt64;
}
template <>
constexpr DType dtype_of<std::uint8_t>() {
  return DType::kUInt8;
}
template <>
constexpr DType dtype_of<std::uint16_t>() {
  return DType::kUInt16;
}
template <>
constexpr DType dtype_of<std::uint32_t>() {
  return DType::kUInt32;
}
template <>
constexpr DType dtype_of<std::uint64_t>() {
  return DType::kUInt64;
}
template <>
constexpr DType dtype_of<float>() {
  return DType::kFloat32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::kFloat64;
}

template <typename T>
Tensor Tensor::of(Shape shape, std::span<const T> values) {
  const auto raw = std::as_bytes(values);
  auto made = from_bytes(dtype_of<T>(), std::move(shape), {raw.begin(), raw.end()});
  assert(made.ok());
  return *std::move(made);
}

}  // namespace spikeloom
