#include "models/quantize/round_weights.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "models/detail/rebuild.hpp"

namespace spikeloom {
namespace {

/// `weight` has one output a row of its first axis; `scale` one value, or one for each.
Status round_rows(Tensor& weight, std::optional<Tensor>& scale, double most) {
  const std::int64_t rows = weight.shape().empty() ? 0 : weight.dim(0);
  if (rows == 0) return {};
  const std::int64_t columns = weight.size() / rows;
  std::vector<std::int8_t> made(static_cast<std::size_t>(weight.size()));
  std::vector<float> scales(static_cast<std::size_t>(rows), 1.0F);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double stored = scale ? scale->at(scale->size() == 1 ? 0 : r) : 1.0;
    double largest = 0.0;
    for (std::int64_t c = 0; c < columns; ++c) {
      const double size = std::abs(weight.at(r * columns + c) * stored);
      if (!std::isfinite(static_cast<float>(size))) {
        return Error{.code = ErrorCode::kInvalidArgument,
                     .what = "a weight has no value in float32",
                     .expected = "finite numbers",
                     .got = fmt::format("{} in row {}", size, r),
                     .next = "the training diverged or the file is damaged: export it again"};
      }
      largest = std::max(largest, size);
    }
    const auto step = static_cast<float>(largest / most);
    // Zeros, or weights too small for a step: they round to 0 in the unit 1.
    if (!(step > 0.0F)) continue;
    scales[static_cast<std::size_t>(r)] = step;
    for (std::int64_t c = 0; c < columns; ++c) {
      const double q = std::nearbyint(weight.at(r * columns + c) * stored / step);
      made[static_cast<std::size_t>(r * columns + c)] =
          static_cast<std::int8_t>(std::clamp(q, -most, most));
    }
  }
  weight = Tensor::of<std::int8_t>(weight.shape(), made);
  scale = Tensor::of<float>({rows}, scales);
  return {};
}

}  // namespace

Result<Network> round_weights(const Network& network, int bits) {
  if (bits < 2 || bits > 8) {
    return Error{.code = ErrorCode::kInvalidArgument,
                 .what = "bits of a rounded weight",
                 .expected = "2 to 8",
                 .got = fmt::format("{}", bits)};
  }
  const double most = (1 << (bits - 1)) - 1;
  return detail::rebuild(network,
                         [&](const std::string& path, const Node& node) -> Result<NodeKind> {
                           NodeKind kind = node.kind;
                           const Status status = std::visit(
                               [&](auto& k) -> Status {
                                 using Kind = std::decay_t<decltype(k)>;
                                 if constexpr (std::is_same_v<Kind, node::Linear> ||
                                               std::is_same_v<Kind, node::Affine> ||
                                               std::is_same_v<Kind, node::Conv1d> ||
                                               std::is_same_v<Kind, node::Conv2d>) {
                                   return round_rows(k.weight, k.weight_scale, most);
                                 } else if constexpr (std::is_same_v<Kind, node::Egru>) {
                                   SPIKELOOM_CHECK(round_rows(k.kernel, k.kernel_scale, most));
                                   return round_rows(k.recurrent, k.recurrent_scale, most);
                                 } else {
                                   return {};
                                 }
                               },
                               kind);
                           if (!status.ok())
                             return Error(status.error()).in(fmt::format("node \"{}\"", path));
                           return kind;
                         });
}

}  // namespace spikeloom
