#include "models/model_file/detail/ternary.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

// Below this the group around the codes takes more than packing saves.
constexpr std::int64_t kLeastElements = 256;

}  // namespace

bool is_packable(const Tensor& tensor) {
  if (tensor.dtype() != DType::kInt8 || tensor.size() < kLeastElements) return false;
  const auto bytes = tensor.bytes();
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte byte) {
    return byte == std::byte{0} || byte == std::byte{1} || byte == std::byte{0xff};
  });
}

Tensor pack_ternary(const Tensor& tensor) {
  const auto bytes = tensor.bytes();
  std::vector<std::uint8_t> codes((bytes.size() + 3) / 4);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const unsigned code = bytes[i] == std::byte{0} ? 0U : bytes[i] == std::byte{1} ? 1U : 2U;
    codes[i / 4] = static_cast<std::uint8_t>(codes[i / 4] | code << (2 * (i % 4)));
  }
  return Tensor::of<std::uint8_t>({static_cast<std::int64_t>(codes.size())}, codes);
}

Result<Tensor> unpack_ternary(const Tensor& codes, const Shape& shape) {
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  const std::int64_t wanted = count / 4 + (count % 4 != 0 ? 1 : 0);
  if (codes.dtype() != DType::kUInt8 || codes.rank() != 1 || codes.size() != wanted) {
    return Error{
        .code = ErrorCode::kShape,
        .what = "the packed codes do not fit the shape",
        .expected = fmt::format("uint8 of shape ({},)", wanted),
        .got = fmt::format("{} of shape {}", to_string(codes.dtype()), to_string(codes.shape())),
        .next = "write the file again"};
  }
  const auto packed = codes.bytes();
  std::vector<std::byte> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const unsigned code = std::to_integer<unsigned>(packed[i / 4]) >> (2 * (i % 4)) & 3U;
    if (code == 3) {
      return Error{.code = ErrorCode::kFormat,
                   .what = "a packed code has no meaning",
                   .expected = "0, 1 or 2",
                   .got = fmt::format("3 at element {}", i),
                   .next = "write the file again"};
    }
    values[i] = code == 0 ? std::byte{0} : code == 1 ? std::byte{1} : std::byte{0xff};
  }
  return Tensor::from_bytes(DType::kInt8, shape, std::move(values));
}

}  // namespace spikeloom::detail
