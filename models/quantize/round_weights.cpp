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
void round_rows(Tensor& weight, std::optional<Tensor>& scale, double most) {
  const std::int64_t rows = weight.shape().empty() ? 0 : weight.dim(0);
  if (rows == 0) return;
  const std::int64_t columns = weight.size() / rows;
  std::vector<std::int8_t> made(static_cast<std::size_t>(weight.size()));
  std::vector<float> scales(static_cast<std::size_t>(rows), 1.0F);
  for (std::int64_t r = 0; r < rows; ++r) {
    const double stored = scale ? scale->at(scale->size() == 1 ? 0 : r) : 1.0;
    double largest = 0.0;
    for (std::int64_t c = 0; c < columns; ++c) {
      largest = std::max(largest, std::abs(weight.at(r * columns + c) * stored));
    }
    if (largest == 0.0) continue;
    const auto step = static_cast<float>(largest / most);
    scales[static_cast<std::size_t>(r)] = step;
    for (std::int64_t c = 0; c < columns; ++c) {
      const double q = std::nearbyint(weight.at(r * columns + c) * stored / step);
      made[static_cast<std::size_t>(r * columns + c)] =
          static_cast<std::int8_t>(std::clamp(q, -most, most));
    }
  }
  weight = Tensor::of<std::int8_t>(weight.shape(), made);
  scale = Tensor::of<float>({rows}, scales);
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
  return detail::rebuild(network, [&](const std::string&, const Node& node) -> Result<NodeKind> {
    NodeKind kind = node.kind;
    std::visit(
        [&](auto& k) {
          using Kind = std::decay_t<decltype(k)>;
          if constexpr (std::is_same_v<Kind, node::Linear> || std::is_same_v<Kind, node::Affine> ||
                        std::is_same_v<Kind, node::Conv1d> || std::is_same_v<Kind, node::Conv2d>) {
            round_rows(k.weight, k.weight_scale, most);
          } else if constexpr (std::is_same_v<Kind, node::Egru>) {
            round_rows(k.kernel, k.kernel_scale, most);
            round_rows(k.recurrent, k.recurrent_scale, most);
          }
        },
        kind);
    return kind;
  });
}

}  // namespace spikeloom
