#include "models/quantize/detail/weight_view.hpp"

#include <algorithm>
#include <type_traits>

namespace spikeloom::detail {
namespace {

template <typename Op>
void fill_rows(const Op& o, WeightView& view) {
  if constexpr (std::is_same_v<Op, op::Sparse>) {
    view.rows = static_cast<std::size_t>(o.outputs);
    view.row.resize(view.value.size());
    for (std::size_t r = 0; r < view.rows; ++r) {
      std::fill(view.row.begin() + o.row_start[r], view.row.begin() + o.row_start[r + 1], r);
    }
    view.sources = static_cast<std::size_t>(o.inputs);
    view.source.assign(o.column.begin(), o.column.end());
  } else {
    if constexpr (std::is_same_v<Op, op::Dense>) {
      view.rows = static_cast<std::size_t>(o.outputs);
      view.channels = o.repeats == 1;
    } else {
      view.rows = static_cast<std::size_t>(o.out_channels);
    }
    const std::size_t length =
        view.rows == 0 ? 1 : std::max<std::size_t>(view.value.size() / view.rows, 1);
    for (std::size_t k = 0; k < view.value.size(); ++k) view.row.push_back(k / length);
    if constexpr (std::is_same_v<Op, op::Dense>) {
      view.sources = static_cast<std::size_t>(o.inputs);
      for (std::size_t k = 0; k < view.value.size(); ++k) view.source.push_back(k % length);
    } else {
      view.sources = static_cast<std::size_t>(o.in_channels);
      const auto group = static_cast<std::size_t>(o.in_channels / o.groups);
      const std::size_t rows_of_group = view.rows / static_cast<std::size_t>(o.groups);
      const std::size_t taps = length / group;
      for (std::size_t k = 0; k < view.value.size(); ++k) {
        const std::size_t first = view.row[k] / rows_of_group * group;
        view.source.push_back(first + k % length / taps);
      }
    }
  }
}

}  // namespace

std::optional<WeightView> view_weights(const Operation& operation) {
  return std::visit(
      [](const auto& o) -> std::optional<WeightView> {
        using Op = std::decay_t<decltype(o)>;
        WeightView view;
        if constexpr (std::is_same_v<Op, op::RandomSparse>) {
          for (const auto& group : o.groups) view.value.push_back(group.weight);
          view.row.assign(view.value.size(), 0);
          view.rows = 1;
          view.channels = false;
          return view;
        } else if constexpr (std::is_same_v<Op, op::Sparse>) {
          view.value = o.value;
          view.row_scale = o.row_scale;
          view.bias = o.bias;
          fill_rows(o, view);
          return view;
        } else if constexpr (std::is_same_v<Op, op::Dense> || std::is_same_v<Op, op::Convolution>) {
          view.value = o.weight;
          view.row_scale = o.row_scale;
          view.bias = o.bias;
          fill_rows(o, view);
          return view;
        } else {
          return std::nullopt;
        }
      },
      operation);
}

InputActivity moments(const WeightView& view, const InputActivity& activity, bool channels) {
  constexpr double kUnseen = 0.1;
  InputActivity made{std::vector<double>(view.sources), std::vector<double>(view.sources)};
  const std::size_t share = activity.mean.size() / view.sources;
  double all = 0.0;
  for (std::size_t i = 0; i < activity.mean.size(); ++i) {
    const std::size_t source = channels ? i / share : i % view.sources;
    made.mean[source] += activity.mean[i] / static_cast<double>(share);
    made.square[source] += activity.square[i] / static_cast<double>(share);
    all += activity.square[i] / static_cast<double>(activity.mean.size());
  }
  for (double& square : made.square) square += kUnseen * all;
  return made;
}

}  // namespace spikeloom::detail
