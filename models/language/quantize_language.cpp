#include "models/language/quantize_language.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

#include "models/detail/rebuild.hpp"

namespace spikeloom {
namespace {

struct Row {
  float scale = 1.0F;
  std::vector<std::int8_t> q;
};

Row int8_row(const std::vector<float>& weights) {
  Row row;
  float largest = 0.0F;
  for (const float w : weights) largest = std::max(largest, std::abs(w));
  // A scale below the smallest float would be 0: such weights round to 0 in the unit 1.
  if (largest / 127.0F > 0.0F) row.scale = largest / 127.0F;
  for (const float w : weights) {
    const float q = std::clamp(std::nearbyint(w / row.scale), -127.0F, 127.0F);
    row.q.push_back(static_cast<std::int8_t>(q));
  }
  return row;
}

Row ternary_row(const std::vector<float>& weights) {
  Row row;
  double sum = 0.0;
  std::size_t count = 0;
  for (const float w : weights) {
    if (w == 0.0F) continue;
    sum += std::abs(static_cast<double>(w));
    ++count;
  }
  const auto cut = static_cast<float>(count > 0 ? 0.7 * (sum / static_cast<double>(count)) : 0.0);
  double kept_sum = 0.0;
  std::size_t kept = 0;
  for (const float w : weights) {
    const bool stays = std::abs(w) > cut;
    row.q.push_back(static_cast<std::int8_t>(!stays ? 0 : w > 0.0F ? 1 : -1));
    if (!stays) continue;
    kept_sum += std::abs(static_cast<double>(w));
    ++kept;
  }
  if (kept > 0) row.scale = static_cast<float>(kept_sum / static_cast<double>(kept));
  return row;
}

Status round_matrix(RowRounding rounding, Tensor& matrix, std::optional<Tensor>& scale) {
  if (scale) return {};
  if (matrix.rank() != 2) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the weight is not a matrix",
                 .expected = "(rows, columns)",
                 .got = to_string(matrix.shape())};
  }
  const std::int64_t columns = matrix.dim(1);
  std::vector<std::int8_t> q;
  std::vector<float> scales;
  std::vector<float> weights(static_cast<std::size_t>(columns));
  for (std::int64_t r = 0; r < matrix.dim(0); ++r) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const auto weight = static_cast<float>(matrix.at(r * columns + c));
      if (!std::isfinite(weight)) {
        return Error{.code = ErrorCode::kInvalidArgument,
                     .what = "a weight has no value in float32",
                     .expected = "finite numbers",
                     .got = fmt::format("{} in row {}", matrix.at(r * columns + c), r),
                     .next = "the training diverged or the file is damaged: export it again"};
      }
      weights[static_cast<std::size_t>(c)] = weight;
    }
    const Row row = rounding == RowRounding::kInt8 ? int8_row(weights) : ternary_row(weights);
    q.insert(q.end(), row.q.begin(), row.q.end());
    scales.push_back(row.scale);
  }
  scale = Tensor::of<float>({matrix.dim(0)}, scales);
  matrix = Tensor::of<std::int8_t>(matrix.shape(), q);
  return {};
}

}  // namespace

bool is_language_network(const Network& network) {
  return std::any_of(network.nodes().begin(), network.nodes().end(), [](const Node& node) {
    return std::visit(
        [](const auto& k) {
          return std::is_same_v<std::decay_t<decltype(k)>, node::Decoder> || requires {
            k.recurrent;
          };
        },
        node.kind);
  });
}

Result<Network> quantize_language(const Network& network, RowRounding stack) {
  const auto change = [&](const std::string& path, const Node& node) -> Result<NodeKind> {
    NodeKind made = node.kind;
    const Status status = std::visit(
        [&](auto& k) -> Status {
          using Kind = std::decay_t<decltype(k)>;
          if constexpr (std::is_same_v<Kind, node::Embedding> ||
                        std::is_same_v<Kind, node::Decoder>) {
            return round_matrix(RowRounding::kInt8, k.weight, k.weight_scale);
          } else if constexpr (requires { k.recurrent; }) {
            SPIKELOOM_CHECK(round_matrix(stack, k.kernel, k.kernel_scale));
            return round_matrix(stack, k.recurrent, k.recurrent_scale);
          } else {
            return {};
          }
        },
        made);
    if (!status.ok()) return Error(status.error()).in(fmt::format("node \"{}\"", path));
    return made;
  };
  return detail::rebuild(network, change);
}

}  // namespace spikeloom
