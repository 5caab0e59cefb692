#pragma once
/// Geometry of convolutions and pools: NIR's parameters to op::Convolution and op::Pool.

#include "base/result.hpp"
#include "snn/node_kinds.hpp"
#include "snn/program.hpp"

namespace spikeloom::detail {

/// Everything but weights, scales and bias is filled in. `in` is (C, H, W).
Result<op::Convolution> convolution_geometry(const node::Conv2d& conv, const Shape& in);
/// `in` is (C, N); rows are 1.
Result<op::Convolution> convolution_geometry(const node::Conv1d& conv, const Shape& in);
/// `in` is (C, H, W); `Kind` is a pooling node.
template <typename Kind>
Result<op::Pool> pool_geometry(const Kind& pool, op::PoolKind kind, const Shape& in);

}  // namespace spikeloom::detail
