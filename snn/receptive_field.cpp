#include "snn/receptive_field.hpp"

#include <numeric>

namespace spikeloom {
namespace {

FieldAxis behind(const FieldAxis& field, std::int64_t stride, std::int64_t pad, std::int64_t taps,
                 std::int64_t dilation) {
  return {.stride = stride * field.stride,
          .pad = pad * field.stride + field.pad,
          .extent = (taps - 1) * dilation * field.stride + field.extent};
}

/// `channels` and `groups`: of what the operation reads.
template <typename Op>
ReceptiveField behind(const std::optional<ReceptiveField>& field, const Op& op,
                      std::int64_t channels, std::int64_t groups, const op::Extent& dilation) {
  ReceptiveField made = field.value_or(ReceptiveField{});
  made.rows = behind(made.rows, op.stride.rows, op.pad_before.rows, op.kernel.rows, dilation.rows);
  made.columns = behind(made.columns, op.stride.columns, op.pad_before.columns, op.kernel.columns,
                        dilation.columns);
  const bool channels_apart = !field || field->groups == channels;
  if (channels_apart) {
    made.groups = static_cast<std::uint32_t>(groups);
  } else if (groups != channels) {
    made.groups = std::gcd(made.groups, static_cast<std::uint32_t>(groups));
  }
  return made;
}

}  // namespace

std::optional<ReceptiveField> field_through(const std::optional<ReceptiveField>& field,
                                            const Operation& operation) {
  if (const auto* pool = std::get_if<op::Pool>(&operation)) {
    return behind(field, *pool, pool->channels, pool->channels, {});
  }
  if (const auto* conv = std::get_if<op::Convolution>(&operation)) {
    ReceptiveField made = behind(field, *conv, conv->in_channels, conv->groups, conv->dilation);
    made.taps = static_cast<std::uint32_t>(conv->kernel.rows * conv->kernel.columns);
    return made;
  }
  return field;
}

}  // namespace spikeloom
