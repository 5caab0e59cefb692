#include "models/detail/node_checks.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include "snn/random_connectivity.hpp"

namespace spikeloom::detail {
namespace {

using node::OptionalTensor;

Error wrong(std::string_view field, std::string what, std::string expected, std::string got,
            ErrorCode code = ErrorCode::kShape) {
  return Error{.code = code,
               .what = std::move(what),
               .where = std::string(field),
               .expected = std::move(expected),
               .got = std::move(got),
               .next = "export the node again with a correct value"};
}

Status check_numeric(std::string_view field, const Tensor& tensor) {
  if (tensor.dtype() != DType::kBool) return {};
  return wrong(field, "the parameter is not numeric", "integers or floats", "bool",
               ErrorCode::kFormat);
}

Status check_weight(std::string_view field, const Tensor& tensor, std::size_t least_rank,
                    std::size_t most_rank, const char* meaning) {
  SPIKELOOM_CHECK(check_numeric(field, tensor));
  if (tensor.rank() < least_rank || tensor.rank() > most_rank || tensor.size() == 0) {
    return wrong(field, "the weight has the wrong rank or is empty", meaning,
                 to_string(tensor.shape()));
  }
  return {};
}

/// One value, or `count` values along the last axis.
Status check_per_output(std::string_view field, const OptionalTensor& tensor, std::int64_t count) {
  if (!tensor) return {};
  SPIKELOOM_CHECK(check_numeric(field, *tensor));
  if (tensor->size() == 1 || (tensor->rank() >= 1 && tensor->shape().back() == count)) return {};
  return wrong(field, "the parameter does not fit the weight's outputs",
               fmt::format("1 or {} values", count), "shape " + to_string(tensor->shape()));
}

/// Integers from `least` upwards, their number among `counts`; returns them.
Result<std::vector<std::int64_t>> integers(std::string_view field, const Tensor& tensor,
                                           std::int64_t least,
                                           std::initializer_list<std::int64_t> counts) {
  const bool count_fits =
      counts.size() == 0 || std::find(counts.begin(), counts.end(), tensor.size()) != counts.end();
  if (tensor.dtype() == DType::kBool || tensor.rank() > 1 || !count_fits) {
    return wrong(
        field, "the parameter has the wrong type or size",
        fmt::format("{} integer(s)", counts.size() == 0 ? "a vector of" : "1 or one per axis:"),
        fmt::format("{} of shape {}", to_string(tensor.dtype()), to_string(tensor.shape())));
  }
  auto values = tensor.to_integers();
  if (!values.ok()) return std::move(values).error().in(std::string(field));
  for (const std::int64_t value : *values) {
    if (value < least) {
      return wrong(field, "the parameter is out of range", fmt::format("at least {}", least),
                   std::to_string(value), ErrorCode::kInvalidArgument);
    }
  }
  return values;
}

Status check_shape(std::string_view field, const Tensor& shape) {
  SPIKELOOM_TRY(const auto extents, integers(field, shape, 0, {}));
  auto count = element_count(extents);
  if (!count.ok()) return std::move(count).error().in(std::string(field));
  return {};
}

template <typename Conv>
Status check_conv(const Conv& conv, std::size_t axes, std::vector<std::string>& warnings) {
  const auto rank = axes + 2;
  const auto n = static_cast<std::int64_t>(axes);
  SPIKELOOM_CHECK(check_weight("weight", conv.weight, rank, rank,
                               axes == 1 ? "(out, in / groups, K)" : "(out, in / groups, KH, KW)"));
  SPIKELOOM_CHECK(integers("stride", conv.stride, 1, {1, n}));
  SPIKELOOM_CHECK(integers("dilation", conv.dilation, 1, {1, n}));
  SPIKELOOM_TRY(const auto groups, integers("groups", conv.groups, 1, {1}));
  const std::int64_t outputs = conv.weight.dim(0);
  if (outputs % groups[0] != 0) {
    return wrong("groups", "the groups do not divide the outputs",
                 fmt::format("a divisor of {}", outputs), std::to_string(groups[0]));
  }
  if (const auto* word = std::get_if<std::string>(&conv.padding.value)) {
    if (*word != "same" && *word != "valid") {
      return wrong("padding", "the padding is not known", "integers, \"same\" or \"valid\"",
                   "\"" + *word + "\"", ErrorCode::kUnsupported);
    }
  } else {
    SPIKELOOM_CHECK(integers("padding", std::get<Tensor>(conv.padding.value), 0, {1, n}));
  }
  if (conv.input_shape) {
    SPIKELOOM_TRY(const auto extents, integers("input_shape", *conv.input_shape, 0, {n}));
    if (std::find(extents.begin(), extents.end(), 0) != extents.end()) {
      warnings.push_back("input_shape holds zeros");
    }
    auto count = element_count(extents);
    if (!count.ok()) return std::move(count).error().in("input_shape");
  }
  SPIKELOOM_CHECK(check_per_output("bias", conv.bias, outputs));
  return check_per_output("weight_scale", conv.weight_scale, outputs);
}

template <typename Pool>
Status check_pool(const Pool& pool) {
  SPIKELOOM_CHECK(integers("kernel_size", pool.kernel_size, 1, {1, 2}));
  SPIKELOOM_CHECK(integers("stride", pool.stride, 1, {1, 2}));
  SPIKELOOM_CHECK(integers("padding", pool.padding, 0, {1, 2}));
  return {};
}

/// Compressed rows from a file: every index is used later without a further look.
Status check_sparse(const node::SparseLinear& sparse) {
  SPIKELOOM_TRY(const auto shape, integers("shape", sparse.shape, 1, {2}));
  SPIKELOOM_TRY(const auto starts, integers("row_start", sparse.row_start, 0, {}));
  SPIKELOOM_TRY(const auto columns, integers("column", sparse.column, 0, {}));
  SPIKELOOM_CHECK(check_numeric("value", sparse.value));
  const std::int64_t entries = sparse.column.size();
  if (sparse.value.rank() != 1 || sparse.value.size() != entries) {
    return wrong("value", "values and columns differ in number",
                 "shape " + to_string(sparse.column.shape()), to_string(sparse.value.shape()));
  }
  if (static_cast<std::int64_t>(starts.size()) - 1 != shape[0] || starts.front() != 0 ||
      starts.back() != entries || !std::is_sorted(starts.begin(), starts.end())) {
    return wrong("row_start", "the row starts do not describe the rows",
                 fmt::format("{} ascending numbers from 0 to {}", shape[0] + 1, entries),
                 fmt::format("{} numbers", starts.size()), ErrorCode::kFormat);
  }
  const auto largest = std::max_element(columns.begin(), columns.end());
  if (largest != columns.end() && *largest >= shape[1]) {
    return wrong("column", "a column is beyond the inputs", fmt::format("below {}", shape[1]),
                 std::to_string(*largest), ErrorCode::kFormat);
  }
  SPIKELOOM_CHECK(check_per_output("bias", sparse.bias, shape[0]));
  return check_per_output("weight_scale", sparse.weight_scale, shape[0]);
}

Status check_time_constant(std::string_view field, const Tensor& tau,
                           std::vector<std::string>& warnings) {
  std::int64_t negative = 0;
  for (const double value : tau.to_doubles()) {
    if (value == 0.0 || std::isnan(value)) {
      return wrong(field, "a time constant is zero or not a number", "a non-zero number",
                   fmt::format("{}", value), ErrorCode::kInvalidArgument);
    }
    negative += value < 0.0 ? 1 : 0;
  }
  if (negative > 0) {
    warnings.push_back(fmt::format("{} has {} of {} values below zero: the state grows by itself",
                                   field, negative, tau.size()));
  }
  return {};
}

Status check_duration(std::string_view field, const Tensor& duration) {
  for (const double value : duration.to_doubles()) {
    if (value >= 0.0 && std::isfinite(value)) continue;
    return wrong(field, "a duration is negative or not a number", "zero or more",
                 fmt::format("{}", value), ErrorCode::kInvalidArgument);
  }
  return {};
}

/// Neuron parameters have one shape; a single value stands for all neurons.
template <typename Kind>
Status check_neuron(const Kind& kind, std::vector<std::string>& warnings) {
  const Shape* shape = nullptr;
  std::string_view shape_field;
  Status status;
  for_each_field(kind, [&](std::string_view name, const auto& member, bool) {
    if (!status.ok()) return;
    const Tensor* tensor = nullptr;
    if constexpr (std::is_same_v<std::decay_t<decltype(member)>, OptionalTensor>) {
      if (!member) return;
      tensor = &*member;
    } else {
      tensor = &member;
    }
    status = check_numeric(name, *tensor);
    if (!status.ok()) return;
    if (tensor->size() == 0) {
      status = wrong(name, "the parameter is empty", "one value per neuron", "none");
    } else if (name.starts_with("tau")) {
      status = check_time_constant(name, *tensor, warnings);
    } else if (name == "delay" || name == "t_ref") {
      status = check_duration(name, *tensor);
    }
    if (!status.ok() || tensor->size() == 1) return;
    if (shape == nullptr) {
      shape = &tensor->shape();
      shape_field = name;
    } else if (*shape != tensor->shape()) {
      status = wrong(name, "parameters of one node differ in shape",
                     fmt::format("{} as in {}, or a single value", to_string(*shape), shape_field),
                     to_string(tensor->shape()));
    }
  });
  return status;
}

template <typename Kind>
Status check_words(const Tensor& weight, const Kind& kind) {
  SPIKELOOM_CHECK(check_weight("weight", weight, 2, 2, "(words, size)"));
  return check_per_output("weight_scale", kind.weight_scale, weight.dim(0));
}

/// Matrices, biases and scales of a recurrent layer with that many gates.
template <typename Kind>
Status check_gates(const Kind& kind, std::int64_t gates) {
  SPIKELOOM_CHECK(check_weight("kernel", kind.kernel, 2, 2, "(gates h, inputs)"));
  SPIKELOOM_CHECK(check_weight("recurrent", kind.recurrent, 2, 2, "(gates h, h)"));
  const std::int64_t rows = gates * kind.recurrent.dim(1);
  for (const Tensor* matrix : {&kind.kernel, &kind.recurrent}) {
    if (matrix->dim(0) == rows) continue;
    return wrong(matrix == &kind.kernel ? "kernel" : "recurrent",
                 fmt::format("the matrix does not have {} gates below each other", gates),
                 fmt::format("{} rows", rows), to_string(matrix->shape()));
  }
  SPIKELOOM_CHECK(check_per_output("bias", kind.bias, rows));
  SPIKELOOM_CHECK(check_per_output("recurrent_bias", kind.recurrent_bias, rows));
  SPIKELOOM_CHECK(check_per_output("kernel_scale", kind.kernel_scale, rows));
  return check_per_output("recurrent_scale", kind.recurrent_scale, rows);
}

struct Checker {
  std::vector<std::string>& warnings;

  Status operator()(const node::Input& n) const { return check_shape("shape", n.shape); }
  Status operator()(const node::Output& n) const { return check_shape("shape", n.shape); }
  Status operator()(const node::Affine& n) const {
    SPIKELOOM_CHECK(check_weight("weight", n.weight, 2, 32, "(out, in)"));
    const std::int64_t outputs = n.weight.dim(n.weight.rank() - 2);
    SPIKELOOM_CHECK(check_per_output("bias", n.bias, outputs));
    return check_per_output("weight_scale", n.weight_scale, outputs);
  }
  Status operator()(const node::Linear& n) const {
    SPIKELOOM_CHECK(check_weight("weight", n.weight, 2, 32, "(out, in)"));
    return check_per_output("weight_scale", n.weight_scale, n.weight.dim(n.weight.rank() - 2));
  }
  Status operator()(const node::SparseLinear& n) const { return check_sparse(n); }
  Status operator()(const node::RandomSparse& n) const {
    SPIKELOOM_CHECK(check_numeric("weight", n.weight));
    SPIKELOOM_CHECK(random_rule(n));
    return {};
  }
  Status operator()(const node::Conv1d& n) const { return check_conv(n, 1, warnings); }
  Status operator()(const node::Conv2d& n) const { return check_conv(n, 2, warnings); }
  Status operator()(const node::SumPool2d& n) const { return check_pool(n); }
  Status operator()(const node::AvgPool2d& n) const { return check_pool(n); }
  Status operator()(const node::MaxPool2d& n) const { return check_pool(n); }
  Status operator()(const node::Flatten& n) const {
    SPIKELOOM_CHECK(integers("start_dim", n.start_dim, -32, {1}));
    SPIKELOOM_CHECK(integers("end_dim", n.end_dim, -32, {1}));
    if (!n.input_type) return {};
    SPIKELOOM_TRY(const auto extents, integers("input_type", *n.input_type, 0, {}));
    if (std::find(extents.begin(), extents.end(), 0) != extents.end()) {
      warnings.push_back("input_type holds zeros: the shape has to come from the nodes before");
    }
    auto count = element_count(extents);
    if (!count.ok()) return std::move(count).error().in("input_type");
    return {};
  }
  Status operator()(const node::Embedding& n) const { return check_words(n.weight, n); }
  Status operator()(const node::Decoder& n) const {
    SPIKELOOM_CHECK(check_words(n.weight, n));
    return check_per_output("bias", n.bias, n.weight.dim(0));
  }
  Status operator()(const node::Egru& n) const {
    SPIKELOOM_CHECK(check_gates(n, 3));
    SPIKELOOM_CHECK(check_per_output("threshold", n.threshold, n.recurrent.dim(1)));
    SPIKELOOM_CHECK(integers("form", n.form, 0, {1}));
    return {};
  }
  Status operator()(const node::Gru& n) const { return check_gates(n, 3); }
  Status operator()(const node::Lstm& n) const { return check_gates(n, 4); }
  Status operator()(const node::Relu&) const { return {}; }
  Status operator()(const node::Subgraph&) const { return {}; }
  template <typename Neuron>
  Status operator()(const Neuron& n) const {
    return check_neuron(n, warnings);
  }
};

/// Walks the bytes, because a copy as doubles of a large weight would triple the memory.
template <typename T>
std::int64_t not_finite(const Tensor& tensor) {
  std::int64_t count = 0;
  const auto bytes = tensor.bytes();
  for (std::size_t at = 0; at < bytes.size(); at += sizeof(T)) {
    T value;
    std::memcpy(&value, bytes.data() + at, sizeof(T));
    if (!std::isfinite(value)) ++count;
  }
  return count;
}

template <typename Kind>
void warn_not_finite(const Kind& kind, std::vector<std::string>& warnings) {
  for_each_field(kind, [&](std::string_view name, const auto& member, bool) {
    const Tensor* tensor = nullptr;
    using Member = std::decay_t<decltype(member)>;
    if constexpr (std::is_same_v<Member, OptionalTensor>) {
      if (member) tensor = &*member;
    } else if constexpr (std::is_same_v<Member, Tensor>) {
      tensor = &member;
    }
    if (tensor == nullptr) return;
    const std::int64_t count = tensor->dtype() == DType::kFloat32   ? not_finite<float>(*tensor)
                               : tensor->dtype() == DType::kFloat64 ? not_finite<double>(*tensor)
                                                                    : 0;
    if (count > 0) {
      warnings.push_back(
          fmt::format("{} has {} of {} values that are not finite", name, count, tensor->size()));
    }
  });
}

}  // namespace

Status check_node(const NodeKind& kind, std::vector<std::string>& warnings) {
  SPIKELOOM_CHECK(std::visit(Checker{warnings}, kind));
  std::visit([&](const auto& known) { warn_not_finite(known, warnings); }, kind);
  return {};
}

}  // namespace spikeloom::detail
