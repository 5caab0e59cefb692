#include "models/dequantise.hpp"

#include <cstdint>
#include <cstring>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "models/detail/node_checks.hpp"
#include "models/detail/rebuild.hpp"

namespace spikeloom {
namespace {

using node::OptionalTensor;

/// weight[..., o, ...] x scale[o], where `inner` elements share one output.
Tensor scaled(const Tensor& weight, const Tensor& scale, std::int64_t outputs, std::int64_t inner) {
  std::vector<double> product = weight.to_doubles();
  const std::vector<double> factors = scale.to_doubles();
  for (std::size_t i = 0; i < product.size(); ++i) {
    const std::int64_t output = static_cast<std::int64_t>(i) / inner % outputs;
    product[i] *= factors[factors.size() == 1 ? 0 : static_cast<std::size_t>(output)];
  }
  if (scale.dtype() == DType::kFloat64) return Tensor::of<double>(weight.shape(), product);
  return Tensor::of<float>(weight.shape(), std::vector<float>(product.begin(), product.end()));
}

Tensor scaled_matrix(const Tensor& weight, const OptionalTensor& scale) {
  const std::size_t rank = weight.rank();
  if (!scale) return weight;
  return scaled(weight, *scale, weight.dim(rank - 2), weight.dim(rank - 1));
}

Tensor scaled_kernel(const Tensor& weight, const OptionalTensor& scale) {
  if (!scale) return weight;
  return scaled(weight, *scale, weight.dim(0), weight.size() / weight.dim(0));
}

/// The matrix of compressed rows, with the values' bytes as they are.
Result<Tensor> dense(const node::SparseLinear& sparse) {
  SPIKELOOM_TRY(const auto shape, sparse.shape.to_integers());
  SPIKELOOM_TRY(const auto starts, sparse.row_start.to_integers());
  SPIKELOOM_TRY(const auto columns, sparse.column.to_integers());
  SPIKELOOM_TRY(const std::int64_t count, element_count(shape));
  const std::size_t size = size_of(sparse.value.dtype());
  constexpr std::uint64_t kLargest = std::uint64_t{4} << 30;
  if (static_cast<std::uint64_t>(count) > kLargest / size) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the dense form of this sparse matrix is too large",
                 .expected = "at most 4 GiB",
                 .got = fmt::format("{} of {} bytes each", to_string(shape), size),
                 .next = "keep it as a spikeloom model file (.sloom)"};
  }
  std::vector<std::byte> bytes(static_cast<std::size_t>(count) * size);
  const auto values = sparse.value.bytes();
  for (std::int64_t row = 0; row < shape[0]; ++row) {
    const auto end = static_cast<std::size_t>(starts[static_cast<std::size_t>(row) + 1]);
    for (auto i = static_cast<std::size_t>(starts[static_cast<std::size_t>(row)]); i < end; ++i) {
      const auto at = static_cast<std::size_t>(row * shape[1] + columns[i]);
      std::memcpy(bytes.data() + at * size, values.data() + i * size, size);
    }
  }
  return Tensor::from_bytes(sparse.value.dtype(), shape, std::move(bytes));
}

struct Dequantiser {
  Result<NodeKind> operator()(node::Affine n) const {
    n.weight = scaled_matrix(n.weight, std::exchange(n.weight_scale, std::nullopt));
    return NodeKind(std::move(n));
  }
  Result<NodeKind> operator()(node::Linear n) const {
    n.weight = scaled_matrix(n.weight, std::exchange(n.weight_scale, std::nullopt));
    return NodeKind(std::move(n));
  }
  Result<NodeKind> operator()(node::Conv1d n) const { return conv(std::move(n)); }
  Result<NodeKind> operator()(node::Conv2d n) const { return conv(std::move(n)); }
  Result<NodeKind> operator()(const node::SparseLinear& n) const {
    SPIKELOOM_TRY(Tensor weight, dense(n));
    weight = scaled_matrix(weight, n.weight_scale);
    if (n.bias) return NodeKind(node::Affine{std::move(weight), *n.bias, std::nullopt});
    return NodeKind(node::Linear{std::move(weight), std::nullopt});
  }
  template <typename Other>
  Result<NodeKind> operator()(const Other& other) const {
    return NodeKind(other);
  }

  template <typename Conv>
  static Result<NodeKind> conv(Conv n) {
    n.weight = scaled_kernel(n.weight, std::exchange(n.weight_scale, std::nullopt));
    return NodeKind(std::move(n));
  }
};

}  // namespace

Result<Network> dequantise(const Network& network) {
  const auto change = [](const std::string& path, const Node& node) -> Result<NodeKind> {
    std::vector<std::string> ignored;
    const std::string place = fmt::format("node \"{}\"", path);
    if (auto status = detail::check_node(node.kind, ignored); !status.ok()) {
      return std::move(status).error().in(place);
    }
    auto kind = std::visit(Dequantiser{}, node.kind);
    if (!kind.ok()) return std::move(kind).error().in(place);
    return kind;
  };
  return detail::rebuild(network, change);
}

}  // namespace spikeloom
