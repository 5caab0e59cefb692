/// Window arithmetic against the definition, written as four nested loops.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "backends/reference/operators.hpp"
#include "snn/lowering.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

int between(int low, int high) { return *rc::gen::inRange(low, high + 1); }

struct Axis {
  std::int64_t input, kernel, stride, dilation, pad, output;
};

/// An axis whose window fits its padded input at least once.
Axis random_axis() {
  Axis axis{};
  axis.kernel = between(1, 4);
  axis.stride = between(1, 3);
  axis.dilation = between(1, 3);
  axis.pad = between(0, 3);
  const std::int64_t reach = axis.dilation * (axis.kernel - 1) + 1;
  axis.input = between(1, 6) + std::max<std::int64_t>(0, reach - 2 * axis.pad - 1);
  axis.output = (axis.input + 2 * axis.pad - reach) / axis.stride + 1;
  return axis;
}

RC_GTEST_PROP(Windows, TapsInBoundsAreThoseThatReadTheInput, ()) {
  const Axis axis = random_axis();
  for (std::int64_t position = 0; position < axis.output; ++position) {
    const TapRange range =
        taps_in_bounds(position, axis.input, axis.kernel, axis.stride, axis.dilation, axis.pad);
    for (std::int64_t tap = 0; tap < axis.kernel; ++tap) {
      const std::int64_t at = position * axis.stride - axis.pad + tap * axis.dilation;
      const bool inside = at >= 0 && at < axis.input;
      RC_ASSERT(inside == (tap >= range.first && tap < range.last));
    }
  }
}

RC_GTEST_PROP(Windows, ScatteringEventsEqualsTheDefinitionOfCrossCorrelation, ()) {
  const Axis rows = random_axis();
  const Axis columns = random_axis();
  const std::int64_t groups = between(1, 2);
  const std::int64_t in_group = between(1, 2);
  const std::int64_t out_group = between(1, 3);
  op::Convolution conv;
  conv.in_channels = groups * in_group;
  conv.out_channels = groups * out_group;
  conv.groups = groups;
  conv.input = {rows.input, columns.input};
  conv.kernel = {rows.kernel, columns.kernel};
  conv.stride = {rows.stride, columns.stride};
  conv.dilation = {rows.dilation, columns.dilation};
  conv.pad_before = {rows.pad, columns.pad};
  conv.output = {rows.output, columns.output};
  const auto integers_of = [](std::int64_t count) {
    const auto values = *rc::gen::container<std::vector<int>>(static_cast<std::size_t>(count),
                                                              rc::gen::inRange(-2, 3));
    return std::vector<double>(values.begin(), values.end());
  };
  reference::Weights<double> weights;
  weights.weight = integers_of(conv.out_channels * in_group * rows.kernel * columns.kernel);
  const std::vector<double> in = integers_of(conv.in_channels * rows.input * columns.input);
  std::vector<double> out(
      static_cast<std::size_t>(conv.out_channels * rows.output * columns.output));
  const reference::PairCount pairs = reference::apply(conv, weights, in, out);

  std::uint64_t unit = 0;
  std::uint64_t graded = 0;
  std::size_t next = 0;
  for (std::int64_t o = 0; o < conv.out_channels; ++o) {
    for (std::int64_t r = 0; r < rows.output; ++r) {
      for (std::int64_t c = 0; c < columns.output; ++c, ++next) {
        double sum = 0.0;
        for (std::int64_t i = 0; i < in_group; ++i) {
          for (std::int64_t kr = 0; kr < rows.kernel; ++kr) {
            for (std::int64_t kc = 0; kc < columns.kernel; ++kc) {
              const std::int64_t row = r * rows.stride - rows.pad + kr * rows.dilation;
              const std::int64_t column = c * columns.stride - columns.pad + kc * columns.dilation;
              if (row < 0 || row >= rows.input || column < 0 || column >= columns.input) continue;
              const std::int64_t channel = o / out_group * in_group + i;
              const double value = in[static_cast<std::size_t>(
                  (channel * rows.input + row) * columns.input + column)];
              sum += value * weights.weight[static_cast<std::size_t>(
                                 ((o * in_group + i) * rows.kernel + kr) * columns.kernel + kc)];
              if (value == 0.0) continue;
              (value == 1.0 || value == -1.0 ? unit : graded) += 1;
            }
          }
        }
        RC_ASSERT(out[next] == sum);
      }
    }
  }
  RC_ASSERT(pairs.unit == unit);
  RC_ASSERT(pairs.graded == graded);
}

}  // namespace
}  // namespace spikeloom::test
