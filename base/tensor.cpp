#include "base/tensor.hpp"

#include <cmath>
#include <cstring>

namespace spikeloom {
namespace {

constexpr std::int64_t kMaxElements = std::int64_t{1} << 48;

/// Calls `f` with a value of the C++ type of `dtype`.
template <typename F>
auto visit_dtype(DType dtype, F f) {
  switch (dtype) {
    case DType::kBool:
      return f(std::uint8_t{});
    case DType::kInt8:
      return f(std::int8_t{});
    case DType::kInt16:
      return f(std::int16_t{});
    case DType::kInt32:
      return f(std::int32_t{});
    case DType::kInt64:
      return f(std::int64_t{});
    case DType::kUInt8:
      return f(std::uint8_t{});
    case DType::kUInt16:
      return f(std::uint16_t{});
    case DType::kUInt32:
      return f(std::uint32_t{});
    case DType::kUInt64:
      return f(std::uint64_t{});
    case DType::kFloat32:
      return f(float{});
    case DType::kFloat64:
      break;
  }
  return f(double{});
}

}  // namespace

std::size_t size_of(DType dtype) {
  return visit_dtype(dtype, [](auto value) { return sizeof(value); });
}

const char* to_string(DType dtype) {
  switch (dtype) {
    case DType::kBool:
      return "bool";
    case DType::kInt8:
      return "int8";
    case DType::kInt16:
      return "int16";
    case DType::kInt32:
      return "int32";
    case DType::kInt64:
      return "int64";
    case DType::kUInt8:
      return "uint8";
    case DType::kUInt16:
      return "uint16";
    case DType::kUInt32:
      return "uint32";
    case DType::kUInt64:
      return "uint64";
    case DType::kFloat32:
      return "float32";
    case DType::kFloat64:
      return "float64";
  }
  return "unknown";
}

std::string to_string(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  if (shape.size() == 1) text += ",";
  return text + ")";
}

Result<std::int64_t> element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0) {
      return Error{
          .code = ErrorCode::kShape, .what = "a dimension is negative", .got = to_string(shape)};
    }
    if (__builtin_mul_overflow(count, extent, &count) || count > kMaxElements) {
      return Error{.code = ErrorCode::kResource,
                   .what = "the shape has more elements than can be held",
                   .expected = "at most 2^48",
                   .got = to_string(shape)};
    }
  }
  return count;
}

Result<Tensor> Tensor::from_bytes(DType dtype, Shape shape, std::vector<std::byte> bytes) {
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  if (static_cast<std::size_t>(count) * size_of(dtype) != bytes.size()) {
    return Error{.code = ErrorCode::kShape,
                 .what = "the number of bytes does not fit the shape",
                 .expected = std::to_string(count * static_cast<std::int64_t>(size_of(dtype))) +
                             " bytes for " + to_string(shape) + " " + to_string(dtype),
                 .got = std::to_string(bytes.size())};
  }
  Tensor tensor;
  tensor.dtype_ = dtype;
  tensor.shape_ = std::move(shape);
  tensor.size_ = count;
  tensor.bytes_ = std::make_shared<const std::vector<std::byte>>(std::move(bytes));
  return tensor;
}

Tensor Tensor::full(Shape shape, float value) {
  const auto count = element_count(shape);
  assert(count.ok());
  return of<float>(std::move(shape), std::vector<float>(static_cast<std::size_t>(*count), value));
}

std::span<const std::byte> Tensor::bytes() const {
  return bytes_ ? std::span<const std::byte>(*bytes_) : std::span<const std::byte>();
}

double Tensor::at(std::int64_t index) const {
  assert(index >= 0 && index < size_);
  return visit_dtype(dtype_, [&](auto value) {
    std::memcpy(&value, bytes_->data() + static_cast<std::size_t>(index) * sizeof(value),
                sizeof(value));
    return static_cast<double>(value);
  });
}

std::vector<double> Tensor::to_doubles() const {
  std::vector<double> values(static_cast<std::size_t>(size_));
  visit_dtype(dtype_, [&](auto value) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      std::memcpy(&value, bytes_->data() + i * sizeof(value), sizeof(value));
      values[i] = static_cast<double>(value);
    }
  });
  return values;
}

Result<std::vector<std::int64_t>> Tensor::to_integers() const {
  std::vector<std::int64_t> values;
  values.reserve(static_cast<std::size_t>(size_));
  for (const double value : to_doubles()) {
    if (!(std::abs(value) <= 9007199254740992.0) || value != std::floor(value)) {
      return Error{.code = ErrorCode::kInvalidArgument,
                   .what = "not an integer",
                   .expected = "integers up to 2^53",
                   .got = std::to_string(value)};
    }
    values.push_back(static_cast<std::int64_t>(value));
  }
  return values;
}

Result<double> Tensor::to_scalar() const {
  if (size_ != 1) {
    return Error{.code = ErrorCode::kShape,
                 .what = "not a scalar",
                 .expected = "one element",
                 .got = "shape " + to_string(shape_)};
  }
  return at(0);
}

Tensor Tensor::reshaped(Shape shape) const {
  assert(element_count(shape).ok() && *element_count(shape) == size_);
  Tensor tensor = *this;
  tensor.shape_ = std::move(shape);
  return tensor;
}

bool operator==(const Tensor& a, const Tensor& b) {
  if (a.dtype_ != b.dtype_ || a.shape_ != b.shape_) return false;
  const auto left = a.bytes();
  const auto right = b.bytes();
  return left.size() == right.size() &&
         (left.empty() || std::memcmp(left.data(), right.data(), left.size()) == 0);
}

}  // namespace spikeloom
