#include "snn/program.hpp"

#include <algorithm>

namespace spikeloom {

std::optional<std::uint32_t> Program::find(std::string_view name) const {
  std::optional<std::uint32_t> by_last;
  bool several = false;
  for (std::uint32_t i = 0; i < nodes.size(); ++i) {
    const std::string_view path = nodes[i].name;
    if (path == name) return i;
    if (path.size() > name.size() && path.ends_with(name) &&
        path[path.size() - name.size() - 1] == '/') {
      several = by_last.has_value();
      by_last = i;
    }
  }
  return several ? std::nullopt : by_last;
}

TapRange taps_in_bounds(std::int64_t position, std::int64_t input, std::int64_t kernel,
                        std::int64_t stride, std::int64_t dilation, std::int64_t pad_before) {
  const std::int64_t start = position * stride - pad_before;  // input index of tap 0
  const auto ceil_div = [](std::int64_t a, std::int64_t b) { return (a + b - 1) / b; };
  const std::int64_t first = start < 0 ? ceil_div(-start, dilation) : 0;
  const std::int64_t last = start >= input ? 0 : ceil_div(input - start, dilation);
  return {std::min(first, kernel), std::clamp(last, std::min(first, kernel), kernel)};
}

bool is_weight_operation(const Operation& operation) {
  return std::holds_alternative<op::Dense>(operation) ||
         std::holds_alternative<op::Sparse>(operation) ||
         std::holds_alternative<op::RandomSparse>(operation) ||
         std::holds_alternative<op::Convolution>(operation);
}

WeightClass weight_class(const Operation& operation) {
  return std::visit(
      [](const auto& o) {
        if constexpr (requires { o.weight_class; }) {
          return o.weight_class;
        } else {
          return WeightClass::kGeneral;
        }
      },
      operation);
}

}  // namespace spikeloom
