#include "snn/detail/windows.hpp"

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

constexpr std::int64_t kMaxExtent = std::int64_t{1} << 31;

Error geometry_error(std::string what, std::string expected, std::string got) {
  return Error{.code = ErrorCode::kShape,
               .what = std::move(what),
               .expected = std::move(expected),
               .got = std::move(got),
               .next = "check this layer in the program that wrote the file"};
}

/// One value for both axes, or one per axis.
Result<op::Extent> read_extent(std::string_view name, const Tensor& tensor, std::size_t axes,
                               std::int64_t lowest) {
  SPIKELOOM_TRY(const auto values, tensor.to_integers());
  if (values.size() != 1 && values.size() != axes) {
    return geometry_error(fmt::format("'{}' has the wrong number of values", name),
                          fmt::format("1 or {}", axes), std::to_string(values.size()));
  }
  for (const std::int64_t value : values) {
    if (value < lowest || value > kMaxExtent) {
      return geometry_error(fmt::format("'{}' is out of range", name),
                            fmt::format("at least {}", lowest), std::to_string(value));
    }
  }
  if (axes == 1) return op::Extent{lowest, values[0]};
  return op::Extent{values[0], values.back()};
}

/// Size along one axis after a window; an error when the window does not fit once.
Result<std::int64_t> window_output(std::int64_t input, std::int64_t before, std::int64_t after,
                                   std::int64_t kernel, std::int64_t dilation,
                                   std::int64_t stride) {
  const std::int64_t reach = dilation * (kernel - 1) + 1;
  const std::int64_t padded = input + before + after;
  if (padded < reach) {
    return geometry_error("the window is larger than its padded input",
                          fmt::format("an extent of at least {}", reach), std::to_string(padded));
  }
  return (padded - reach) / stride + 1;
}

Status check_product(const op::Extent& a, const op::Extent& b) {
  std::int64_t unused = 0;
  if (__builtin_mul_overflow(a.rows, b.rows, &unused) ||
      __builtin_mul_overflow(a.columns, b.columns, &unused)) {
    return geometry_error("the window is absurdly large", "", "");
  }
  return {};
}

/// Old exports kept a batch axis of 1 in their shapes; what computes has none.
Shape without_batch_axis(const Shape& shape, std::size_t rank) {
  const bool batched = shape.size() == rank + 1 && shape[0] == 1;
  return batched ? Shape(shape.begin() + 1, shape.end()) : shape;
}

template <typename Conv>
Result<op::Convolution> geometry(const Conv& conv, const Shape& arriving, std::size_t axes) {
  const Shape in = without_batch_axis(arriving, axes + 1);
  if (conv.weight.rank() != axes + 2) {
    return geometry_error("the weight has the wrong rank", std::to_string(axes + 2),
                          to_string(conv.weight.shape()));
  }
  if (in.size() != axes + 1) {
    return geometry_error("the input has the wrong rank",
                          axes == 2 ? "(channels, rows, columns)" : "(channels, length)",
                          to_string(in));
  }
  op::Convolution c;
  SPIKELOOM_TRY(const double groups, conv.groups.to_scalar());
  c.groups = static_cast<std::int64_t>(groups);
  c.in_channels = in[0];
  c.out_channels = conv.weight.dim(0);
  const bool divides = groups >= 1 && groups <= 1e9 && c.in_channels % c.groups == 0 &&
                       c.out_channels % c.groups == 0;
  if (!divides || conv.weight.dim(1) != c.in_channels / c.groups) {
    return geometry_error(
        "channels, groups and weight do not fit each other",
        fmt::format("weight (Cout, {} / groups, ...), groups dividing both", c.in_channels),
        fmt::format("weight {}, {} groups", to_string(conv.weight.shape()), groups));
  }
  if (axes == 2) {
    c.input = {in[1], in[2]};
    c.kernel = {conv.weight.dim(2), conv.weight.dim(3)};
  } else {
    c.input = {1, in[1]};
    c.kernel = {1, conv.weight.dim(2)};
  }
  if (c.kernel.rows < 1 || c.kernel.columns < 1) {
    return geometry_error("the kernel is empty", "", to_string(conv.weight.shape()));
  }
  SPIKELOOM_TRY(c.stride, read_extent("stride", conv.stride, axes, 1));
  SPIKELOOM_TRY(c.dilation, read_extent("dilation", conv.dilation, axes, 1));
  SPIKELOOM_CHECK(check_product(c.dilation, c.kernel));
  op::Extent pad_after;
  if (const auto* mode = std::get_if<std::string>(&conv.padding.value)) {
    if (*mode == "same") {
      if (c.stride.rows != 1 || c.stride.columns != 1) {
        return geometry_error("padding 'same' needs stride 1", "stride 1",
                              fmt::format("({}, {})", c.stride.rows, c.stride.columns));
      }
      // As PyTorch: of an odd total, the extra element goes behind.
      const op::Extent total = {c.dilation.rows * (c.kernel.rows - 1),
                                c.dilation.columns * (c.kernel.columns - 1)};
      c.pad_before = {total.rows / 2, total.columns / 2};
      pad_after = {total.rows - c.pad_before.rows, total.columns - c.pad_before.columns};
    } else if (*mode == "valid") {
      c.pad_before = pad_after = {0, 0};
    } else {
      return geometry_error("unknown padding", "\"same\", \"valid\" or sizes", *mode);
    }
  } else {
    SPIKELOOM_TRY(c.pad_before,
                  read_extent("padding", std::get<Tensor>(conv.padding.value), axes, 0));
    pad_after = c.pad_before;
  }
  SPIKELOOM_TRY(c.output.rows, window_output(c.input.rows, c.pad_before.rows, pad_after.rows,
                                             c.kernel.rows, c.dilation.rows, c.stride.rows));
  SPIKELOOM_TRY(c.output.columns,
                window_output(c.input.columns, c.pad_before.columns, pad_after.columns,
                              c.kernel.columns, c.dilation.columns, c.stride.columns));
  return c;
}

}  // namespace

Result<op::Convolution> convolution_geometry(const node::Conv2d& conv, const Shape& in) {
  return geometry(conv, in, 2);
}

Result<op::Convolution> convolution_geometry(const node::Conv1d& conv, const Shape& in) {
  return geometry(conv, in, 1);
}

template <typename Kind>
Result<op::Pool> pool_geometry(const Kind& pool, op::PoolKind kind, const Shape& arriving) {
  const Shape in = without_batch_axis(arriving, 3);
  if (in.size() != 3) {
    return geometry_error("the input has the wrong rank", "(channels, rows, columns)",
                          to_string(in));
  }
  op::Pool p;
  p.kind = kind;
  p.channels = in[0];
  p.input = {in[1], in[2]};
  SPIKELOOM_TRY(p.kernel, read_extent("kernel_size", pool.kernel_size, 2, 1));
  SPIKELOOM_TRY(p.stride, read_extent("stride", pool.stride, 2, 1));
  SPIKELOOM_TRY(p.pad_before, read_extent("padding", pool.padding, 2, 0));
  SPIKELOOM_TRY(p.output.rows, window_output(p.input.rows, p.pad_before.rows, p.pad_before.rows,
                                             p.kernel.rows, 1, p.stride.rows));
  SPIKELOOM_TRY(p.output.columns,
                window_output(p.input.columns, p.pad_before.columns, p.pad_before.columns,
                              p.kernel.columns, 1, p.stride.columns));
  return p;
}

template Result<op::Pool> pool_geometry(const node::SumPool2d&, op::PoolKind, const Shape&);
template Result<op::Pool> pool_geometry(const node::AvgPool2d&, op::PoolKind, const Shape&);
template Result<op::Pool> pool_geometry(const node::MaxPool2d&, op::PoolKind, const Shape&);

}  // namespace spikeloom::detail
