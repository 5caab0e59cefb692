#include "backends/reference/operators.hpp"

#include <algorithm>

#include "snn/random_connectivity.hpp"

namespace spikeloom::reference {
namespace {

template <typename Real>
void count_pairs(Real value, std::int64_t pairs, PairCount& count) {
  auto& slot = value == Real{1} || value == Real{-1} ? count.unit : count.graded;
  slot += static_cast<std::uint64_t>(pairs);
}

/// out <- scale out + bias, one scale and bias per output or per group of `repeat` outputs.
template <typename Real>
void scale_and_bias(const Weights<Real>& w, std::size_t outputs, std::size_t repeat,
                    std::vector<Real>& out) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::size_t o = i / repeat % outputs;
    if (!w.row_scale.empty()) out[i] *= w.row_scale[o];
    if (!w.bias.empty()) out[i] += w.bias[o];
  }
}

/// The output position that a tap of the input position belongs to, or -1.
std::int64_t output_position(std::int64_t input, std::int64_t tap, std::int64_t stride,
                             std::int64_t dilation, std::int64_t pad_before, std::int64_t outputs) {
  const std::int64_t shifted = input + pad_before - tap * dilation;
  if (shifted < 0 || shifted % stride != 0) return -1;
  const std::int64_t position = shifted / stride;
  return position < outputs ? position : -1;
}

}  // namespace

template <typename Real>
PairCount apply(const op::Dense& dense, const Weights<Real>& w, const std::vector<Real>& in,
                std::vector<Real>& out) {
  PairCount count;
  std::fill(out.begin(), out.end(), Real{0});
  for (std::int64_t row = 0; row < dense.repeats; ++row) {
    for (std::int64_t i = 0; i < dense.inputs; ++i) {
      const Real value = in[static_cast<std::size_t>(row * dense.inputs + i)];
      if (value == Real{0}) continue;
      for (std::int64_t o = 0; o < dense.outputs; ++o) {
        out[static_cast<std::size_t>(row * dense.outputs + o)] +=
            w.weight[static_cast<std::size_t>(o * dense.inputs + i)] * value;
      }
      count_pairs(value, dense.outputs, count);
    }
  }
  if (dense.outputs > 0) scale_and_bias(w, static_cast<std::size_t>(dense.outputs), 1, out);
  return count;
}

template <typename Real>
PairCount apply(const op::Sparse& sparse, const Weights<Real>& w, const std::vector<Real>& in,
                std::vector<Real>& out) {
  PairCount count;
  for (std::int64_t o = 0; o < sparse.outputs; ++o) {
    const auto row = static_cast<std::size_t>(o);
    out[row] = Real{0};
    for (auto k = static_cast<std::size_t>(sparse.row_start[row]);
         k < static_cast<std::size_t>(sparse.row_start[row + 1]); ++k) {
      const Real value = in[static_cast<std::size_t>(sparse.column[k])];
      if (value == Real{0}) continue;
      out[row] += w.weight[k] * value;
      count_pairs(value, 1, count);
    }
  }
  if (sparse.outputs > 0) scale_and_bias(w, static_cast<std::size_t>(sparse.outputs), 1, out);
  return count;
}

template <typename Real>
SourceRows<Real> expand(const op::RandomSparse& rule) {
  SourceRows<Real> rows;
  rows.row_start.assign(static_cast<std::size_t>(rule.inputs) + 1, 0);
  for_each_synapse(rule, 0, rule.outputs, [&](std::int64_t, std::uint32_t source, std::size_t) {
    ++rows.row_start[source + 1];
  });
  for (std::size_t i = 1; i < rows.row_start.size(); ++i) {
    rows.row_start[i] += rows.row_start[i - 1];
  }
  rows.target.resize(static_cast<std::size_t>(rows.row_start.back()));
  rows.weight.resize(rows.target.size());
  std::vector<std::int64_t> next = rows.row_start;
  for_each_synapse(rule, 0, rule.outputs,
                   [&](std::int64_t target, std::uint32_t source, std::size_t group) {
                     const auto at = static_cast<std::size_t>(next[source]++);
                     rows.target[at] = static_cast<std::uint32_t>(target);
                     rows.weight[at] = static_cast<Real>(rule.groups[group].weight);
                   });
  return rows;
}

template <typename Real>
PairCount apply(const SourceRows<Real>& rows, const std::vector<Real>& in, std::vector<Real>& out) {
  PairCount count;
  std::fill(out.begin(), out.end(), Real{0});
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] == Real{0}) continue;
    const std::int64_t first = rows.row_start[i];
    const std::int64_t last = rows.row_start[i + 1];
    for (auto k = static_cast<std::size_t>(first); k < static_cast<std::size_t>(last); ++k) {
      out[rows.target[k]] += rows.weight[k] * in[i];
    }
    count_pairs(in[i], last - first, count);
  }
  return count;
}

template <typename Real>
PairCount apply(const op::Convolution& conv, const Weights<Real>& w, const std::vector<Real>& in,
                std::vector<Real>& out) {
  PairCount count;
  std::fill(out.begin(), out.end(), Real{0});
  const std::int64_t in_group = conv.in_channels / conv.groups;
  const std::int64_t out_group = conv.out_channels / conv.groups;
  const std::int64_t in_plane = conv.input.rows * conv.input.columns;
  const std::int64_t out_plane = conv.output.rows * conv.output.columns;
  const std::int64_t taps = conv.kernel.rows * conv.kernel.columns;
  for (std::int64_t source = 0; source < conv.in_channels * in_plane; ++source) {
    const Real value = in[static_cast<std::size_t>(source)];
    if (value == Real{0}) continue;
    const std::int64_t channel = source / in_plane;
    const std::int64_t row = source % in_plane / conv.input.columns;
    const std::int64_t column = source % conv.input.columns;
    const std::int64_t first_out = channel / in_group * out_group;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const std::int64_t out_row =
          output_position(row, tap / conv.kernel.columns, conv.stride.rows, conv.dilation.rows,
                          conv.pad_before.rows, conv.output.rows);
      const std::int64_t out_column =
          output_position(column, tap % conv.kernel.columns, conv.stride.columns,
                          conv.dilation.columns, conv.pad_before.columns, conv.output.columns);
      if (out_row < 0 || out_column < 0) continue;
      for (std::int64_t o = first_out; o < first_out + out_group; ++o) {
        const auto weight =
            static_cast<std::size_t>((o * in_group + channel % in_group) * taps + tap);
        const auto target =
            static_cast<std::size_t>(o * out_plane + out_row * conv.output.columns + out_column);
        out[target] += w.weight[weight] * value;
      }
      count_pairs(value, out_group, count);
    }
  }
  if (out_plane > 0) {
    scale_and_bias(w, static_cast<std::size_t>(conv.out_channels),
                   static_cast<std::size_t>(out_plane), out);
  }
  return count;
}

template <typename Real>
void apply(const op::Pool& pool, const std::vector<Real>& in, std::vector<Real>& out) {
  std::size_t next = 0;
  const auto area = static_cast<Real>(pool.kernel.rows * pool.kernel.columns);
  for (std::int64_t channel = 0; channel < pool.channels; ++channel) {
    for (std::int64_t r = 0; r < pool.output.rows; ++r) {
      const TapRange rows = taps_in_bounds(r, pool.input.rows, pool.kernel.rows, pool.stride.rows,
                                           1, pool.pad_before.rows);
      for (std::int64_t c = 0; c < pool.output.columns; ++c) {
        const TapRange columns = taps_in_bounds(c, pool.input.columns, pool.kernel.columns,
                                                pool.stride.columns, 1, pool.pad_before.columns);
        Real sum = 0;
        Real largest = 0;
        bool any = false;
        for (std::int64_t kr = rows.first; kr < rows.last; ++kr) {
          for (std::int64_t kc = columns.first; kc < columns.last; ++kc) {
            const std::int64_t row = r * pool.stride.rows - pool.pad_before.rows + kr;
            const std::int64_t column = c * pool.stride.columns - pool.pad_before.columns + kc;
            const Real value = in[static_cast<std::size_t>(
                (channel * pool.input.rows + row) * pool.input.columns + column)];
            sum += value;
            largest = any ? std::max(largest, value) : value;
            any = true;
          }
        }
        Real result = sum;
        if (pool.kind == op::PoolKind::kAverage) result = sum / area;
        if (pool.kind == op::PoolKind::kMax) result = largest;
        out[next++] = result;
      }
    }
  }
}

template PairCount apply(const op::Dense&, const Weights<float>&, const std::vector<float>&,
                         std::vector<float>&);
template PairCount apply(const op::Dense&, const Weights<double>&, const std::vector<double>&,
                         std::vector<double>&);
template PairCount apply(const op::Sparse&, const Weights<float>&, const std::vector<float>&,
                         std::vector<float>&);
template PairCount apply(const op::Sparse&, const Weights<double>&, const std::vector<double>&,
                         std::vector<double>&);
template SourceRows<float> expand(const op::RandomSparse&);
template SourceRows<double> expand(const op::RandomSparse&);
template PairCount apply(const SourceRows<float>&, const std::vector<float>&, std::vector<float>&);
template PairCount apply(const SourceRows<double>&, const std::vector<double>&,
                         std::vector<double>&);
template PairCount apply(const op::Convolution&, const Weights<float>&, const std::vector<float>&,
                         std::vector<float>&);
template PairCount apply(const op::Convolution&, const Weights<double>&, const std::vector<double>&,
                         std::vector<double>&);
template void apply(const op::Pool&, const std::vector<float>&, std::vector<float>&);
template void apply(const op::Pool&, const std::vector<double>&, std::vector<double>&);
template PairCount apply(const op::Dense&, const Weights<std::int32_t>&,
                         const std::vector<std::int32_t>&, std::vector<std::int32_t>&);
template PairCount apply(const op::Sparse&, const Weights<std::int32_t>&,
                         const std::vector<std::int32_t>&, std::vector<std::int32_t>&);
template SourceRows<std::int32_t> expand(const op::RandomSparse&);
template PairCount apply(const SourceRows<std::int32_t>&, const std::vector<std::int32_t>&,
                         std::vector<std::int32_t>&);
template PairCount apply(const op::Convolution&, const Weights<std::int32_t>&,
                         const std::vector<std::int32_t>&, std::vector<std::int32_t>&);
template void apply(const op::Pool&, const std::vector<std::int32_t>&, std::vector<std::int32_t>&);

}  // namespace spikeloom::reference
