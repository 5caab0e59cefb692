#pragma once
/// From a node kind to its shape and its operation; private to snn.

#include <optional>

#include "base/result.hpp"
#include "snn/discretisation.hpp"
#include "snn/node_kinds.hpp"
#include "snn/program.hpp"

namespace spikeloom::detail {

/// The input shape that a kind's own parameters determine, or nothing.
std::optional<Shape> own_input_shape(const NodeKind& kind);

/// The output shape for an input shape (nothing: unknown); nothing when it cannot be told yet.
Result<std::optional<Shape>> output_shape(const NodeKind& kind, const std::optional<Shape>& in);

/// The operation of a kind. Input and Output are left to the caller (they need port numbers).
Result<Operation> make_operation(const NodeKind& kind, const Shape& in,
                                 const Discretisation& discretisation,
                                 std::vector<std::string>& notes);

}  // namespace spikeloom::detail
