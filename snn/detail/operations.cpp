#include "snn/detail/operations.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "snn/detail/recurrent.hpp"
#include "snn/detail/windows.hpp"
#include "snn/neuron_coefficients.hpp"
#include "snn/random_connectivity.hpp"

namespace spikeloom::detail {
namespace {

Error shape_error(std::string what, std::string expected, std::string got) {
  return Error{.code = ErrorCode::kShape,
               .what = std::move(what),
               .expected = std::move(expected),
               .got = std::move(got),
               .next = "check this layer in the program that wrote the file"};
}

/// Counts from 0, negative from the end; nothing when out of range.
std::optional<std::size_t> axis_index(double axis, std::size_t rank) {
  if (axis < 0) axis += static_cast<double>(rank);
  if (!(axis >= 0 && axis < static_cast<double>(rank)) || axis != std::floor(axis)) return {};
  return static_cast<std::size_t>(axis);
}

Result<Shape> flattened(const node::Flatten& flatten, const Shape& in) {
  SPIKELOOM_TRY(const double start, flatten.start_dim.to_scalar());
  SPIKELOOM_TRY(const double end, flatten.end_dim.to_scalar());
  // A vector has nothing to merge; files that flatten one say start_dim 1.
  if (in.size() <= 1) return in;
  const auto first = axis_index(start, in.size());
  const auto last = axis_index(end, in.size());
  if (!first || !last || *first > *last) {
    return shape_error("start_dim and end_dim do not fit the input",
                       fmt::format("axes of {}", to_string(in)),
                       fmt::format("{} .. {}", start, end));
  }
  Shape out(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(*first));
  std::int64_t merged = 1;
  for (std::size_t i = *first; i <= *last; ++i) merged *= in[i];
  out.push_back(merged);
  out.insert(out.end(), in.begin() + static_cast<std::ptrdiff_t>(*last) + 1, in.end());
  return out;
}

/// Rows and columns of a dense weight, or an error for other ranks.
Result<std::pair<std::int64_t, std::int64_t>> matrix_size(const Tensor& weight) {
  if (weight.rank() != 2) {
    return shape_error("the weight is not a matrix", "(out, in)", to_string(weight.shape()));
  }
  return std::pair{weight.dim(0), weight.dim(1)};
}

Result<std::pair<std::int64_t, std::int64_t>> matrix_size(const node::SparseLinear& sparse) {
  SPIKELOOM_TRY(const auto size, sparse.shape.to_integers());
  if (size.size() != 2 || size[0] < 0 || size[1] < 0 || size[0] > INT32_MAX ||
      size[1] > INT32_MAX) {
    return shape_error("the shape of a sparse weight is (out, in)", "two sizes below 2^31",
                       to_string(sparse.shape.shape()));
  }
  return std::pair{size[0], size[1]};
}

std::optional<Shape> matrix_output(std::int64_t outputs, std::int64_t inputs,
                                   const std::optional<Shape>& in) {
  if (!in || in->size() < 2 || in->back() != inputs) return Shape{outputs};
  Shape out = *in;
  out.back() = outputs;
  return out;
}

WeightClass classify(const std::vector<double>& weights) {
  bool ternary = true;
  for (const double weight : weights) {
    if (weight == 0.0) continue;
    int exponent = 0;
    if (std::abs(std::frexp(weight, &exponent)) != 0.5) return WeightClass::kGeneral;
    ternary = ternary && std::abs(weight) == 1.0;
  }
  return ternary ? WeightClass::kTernary : WeightClass::kPowerOfTwo;
}

Result<std::vector<double>> per_output(std::string_view name, const std::optional<Tensor>& tensor,
                                       std::int64_t outputs) {
  if (!tensor) return std::vector<double>();
  if (tensor->size() == 1) {
    return std::vector<double>(static_cast<std::size_t>(outputs), tensor->at(0));
  }
  if (tensor->size() != outputs) {
    return shape_error(fmt::format("'{}' does not have one value per output", name),
                       std::to_string(outputs), to_string(tensor->shape()));
  }
  return tensor->to_doubles();
}

template <typename Kind>
Result<Operation> make_dense(const Kind& kind, const Shape& in, std::vector<std::string>& notes) {
  SPIKELOOM_TRY(const auto size, matrix_size(kind.weight));
  SPIKELOOM_TRY(const std::int64_t elements, element_count(in));
  op::Dense dense;
  std::tie(dense.outputs, dense.inputs) = size;
  if (in.empty() || in.back() != dense.inputs) {
    if (elements != dense.inputs) {
      return shape_error("the weight does not fit its input",
                         fmt::format("{} inputs", dense.inputs), to_string(in));
    }
    if (in.size() > 1) notes.push_back(fmt::format("input {} is read as a vector", to_string(in)));
  } else {
    dense.repeats = dense.inputs == 0 ? 1 : elements / dense.inputs;
  }
  dense.weight = kind.weight.to_doubles();
  SPIKELOOM_TRY(dense.row_scale, per_output("weight_scale", kind.weight_scale, dense.outputs));
  if constexpr (requires { kind.bias; }) {
    SPIKELOOM_TRY(dense.bias, per_output("bias", kind.bias, dense.outputs));
  }
  dense.weight_class = classify(dense.weight);
  return Operation(std::move(dense));
}

Result<Operation> make_sparse(const node::SparseLinear& kind, const Shape& in) {
  SPIKELOOM_TRY(const auto size, matrix_size(kind));
  SPIKELOOM_TRY(const std::int64_t elements, element_count(in));
  op::Sparse sparse;
  std::tie(sparse.outputs, sparse.inputs) = size;
  if (elements != sparse.inputs) {
    return shape_error("the weight does not fit its input", fmt::format("{} inputs", sparse.inputs),
                       to_string(in));
  }
  SPIKELOOM_TRY(sparse.row_start, kind.row_start.to_integers());
  SPIKELOOM_TRY(sparse.column, kind.column.to_integers());
  sparse.value = kind.value.to_doubles();
  const auto& start = sparse.row_start;
  const bool rows_fit = static_cast<std::int64_t>(start.size()) == sparse.outputs + 1 &&
                        start.front() == 0 && std::is_sorted(start.begin(), start.end()) &&
                        start.back() == static_cast<std::int64_t>(sparse.value.size()) &&
                        sparse.column.size() == sparse.value.size();
  const bool columns_fit = std::all_of(sparse.column.begin(), sparse.column.end(),
                                       [&](std::int64_t c) { return c >= 0 && c < sparse.inputs; });
  if (!rows_fit || !columns_fit) {
    return shape_error("the compressed rows are inconsistent",
                       "row_start rising from 0 to the number of values, columns in range", "");
  }
  SPIKELOOM_TRY(sparse.row_scale, per_output("weight_scale", kind.weight_scale, sparse.outputs));
  SPIKELOOM_TRY(sparse.bias, per_output("bias", kind.bias, sparse.outputs));
  sparse.weight_class = classify(sparse.value);
  return Operation(std::move(sparse));
}

Result<Operation> make_random_sparse(const node::RandomSparse& kind, const Shape& in) {
  SPIKELOOM_TRY(op::RandomSparse rule, random_rule(kind));
  SPIKELOOM_TRY(const std::int64_t elements, element_count(in));
  if (elements != rule.inputs) {
    return shape_error("the weight does not fit its input", fmt::format("{} inputs", rule.inputs),
                       to_string(in));
  }
  rule.weight_class = classify(kind.weight.to_doubles());
  return Operation(std::move(rule));
}

template <typename Kind>
Result<Operation> make_convolution(const Kind& kind, const Shape& in) {
  SPIKELOOM_TRY(op::Convolution c, convolution_geometry(kind, in));
  c.weight = kind.weight.to_doubles();
  SPIKELOOM_TRY(c.row_scale, per_output("weight_scale", kind.weight_scale, c.out_channels));
  SPIKELOOM_TRY(c.bias, per_output("bias", kind.bias, c.out_channels));
  c.weight_class = classify(c.weight);
  return Operation(std::move(c));
}

/// One value per element from a parameter of one, of all, or of trailing axes' elements.
Result<std::vector<double>> per_element(std::string_view name, const Tensor& tensor,
                                        const Shape& in) {
  SPIKELOOM_TRY(const std::int64_t elements, element_count(in));
  if (tensor.size() == 1) {
    return std::vector<double>(static_cast<std::size_t>(elements), tensor.at(0));
  }
  if (tensor.size() != elements) {
    return shape_error(fmt::format("'{}' does not have one value per element", name), to_string(in),
                       to_string(tensor.shape()));
  }
  return tensor.to_doubles();
}

void note_rounding(std::string_view what, const Tensor& times, double dt,
                   std::vector<std::string>& notes) {
  double worst = 0.0;
  for (const double time : times.to_doubles()) {
    const double exact = time == 0.0 ? 0.0 : time / dt;
    worst = std::max(worst, std::abs(exact - std::nearbyint(exact)));
  }
  if (worst > 1e-3) {
    notes.push_back(fmt::format("{} rounded to whole steps (by up to {:.3g} steps)", what, worst));
  }
}

Result<Operation> make_delay(const node::Delay& kind, const Shape& in, const Discretisation& d,
                             std::vector<std::string>& notes) {
  constexpr double kMaxSteps = 1e6;
  SPIKELOOM_TRY(const auto delays, per_element("delay", kind.delay, in));
  op::Delay delay;
  for (const double value : delays) {
    if (value != 0.0 && !(d.dt > 0.0)) {
      return Error{.code = ErrorCode::kAmbiguous,
                   .what = "the time step is unknown, so a delay has no number of steps",
                   .next = "give --dt (seconds)"};
    }
    const double exact = value == 0.0 ? 0.0 : value / d.dt;
    if (!(exact >= -0.5 && exact <= kMaxSteps)) {
      return Error{.what = "a delay is out of range",
                   .expected = fmt::format("0 to {} steps", kMaxSteps),
                   .got = fmt::format("{} steps", exact),
                   .next = "check the delay, --dt and --time-unit"};
    }
    delay.steps.push_back(static_cast<std::uint32_t>(std::nearbyint(exact)));
  }
  note_rounding("delays", kind.delay, d.dt, notes);
  return Operation(std::move(delay));
}

}  // namespace

std::optional<Shape> own_input_shape(const NodeKind& kind) {
  const auto from_parameter = [](const Tensor& tensor) -> std::optional<Shape> {
    if (tensor.size() <= 1) return std::nullopt;
    return tensor.shape();
  };
  if (const auto* input = std::get_if<node::Input>(&kind)) {
    const auto shape = input->shape.to_integers();
    if (shape.ok()) return *shape;
    return std::nullopt;
  }
  if (is_neuron(kind)) {
    const Shape shape = parameter_shape(kind);
    if (shape.empty()) return std::nullopt;
    return shape;
  }
  if (const auto* scale = std::get_if<node::Scale>(&kind)) return from_parameter(scale->scale);
  if (const auto* delay = std::get_if<node::Delay>(&kind)) return from_parameter(delay->delay);
  if (const auto* threshold = std::get_if<node::Threshold>(&kind)) {
    return from_parameter(threshold->threshold);
  }
  if (const auto* affine = std::get_if<node::Affine>(&kind); affine && affine->weight.rank() == 2) {
    return Shape{affine->weight.dim(1)};
  }
  if (const auto* linear = std::get_if<node::Linear>(&kind); linear && linear->weight.rank() == 2) {
    return Shape{linear->weight.dim(1)};
  }
  return std::visit(
      [](const auto& k) -> std::optional<Shape> {
        using Kind = std::decay_t<decltype(k)>;
        if constexpr (std::is_same_v<Kind, node::Embedding>) {
          if (k.weight.rank() == 2) return Shape{k.weight.dim(0)};
        } else if constexpr (std::is_same_v<Kind, node::Decoder>) {
          if (k.weight.rank() == 2) return Shape{k.weight.dim(1)};
        } else if constexpr (requires { k.kernel; }) {
          if (k.kernel.rank() == 2) return Shape{k.kernel.dim(1)};
        }
        return std::nullopt;
      },
      kind);
}

Result<std::optional<Shape>> output_shape(const NodeKind& kind, const std::optional<Shape>& in) {
  using Maybe = std::optional<Shape>;
  return std::visit(
      [&](const auto& k) -> Result<Maybe> {
        using Kind = std::decay_t<decltype(k)>;
        if constexpr (std::is_same_v<Kind, node::Affine> || std::is_same_v<Kind, node::Linear>) {
          SPIKELOOM_TRY(const auto size, matrix_size(k.weight));
          return matrix_output(size.first, size.second, in);
        } else if constexpr (std::is_same_v<Kind, node::SparseLinear>) {
          SPIKELOOM_TRY(const auto size, matrix_size(k));
          return Maybe(Shape{size.first});
        } else if constexpr (std::is_same_v<Kind, node::RandomSparse>) {
          SPIKELOOM_TRY(const op::RandomSparse rule, random_rule(k));
          return Maybe(Shape{rule.outputs});
        } else if constexpr (std::is_same_v<Kind, node::Conv2d> ||
                             std::is_same_v<Kind, node::Conv1d>) {
          if (!in) return Maybe();
          SPIKELOOM_TRY(const auto c, convolution_geometry(k, *in));
          if constexpr (std::is_same_v<Kind, node::Conv1d>) {
            return Maybe(Shape{c.out_channels, c.output.columns});
          } else {
            return Maybe(Shape{c.out_channels, c.output.rows, c.output.columns});
          }
        } else if constexpr (std::is_same_v<Kind, node::SumPool2d> ||
                             std::is_same_v<Kind, node::AvgPool2d> ||
                             std::is_same_v<Kind, node::MaxPool2d>) {
          if (!in) return Maybe();
          SPIKELOOM_TRY(const auto p, pool_geometry(k, op::PoolKind::kSum, *in));
          return Maybe(Shape{p.channels, p.output.rows, p.output.columns});
        } else if constexpr (std::is_same_v<Kind, node::Flatten>) {
          if (!in) return Maybe();
          SPIKELOOM_TRY(Shape out, flattened(k, *in));
          return Maybe(std::move(out));
        } else if constexpr (std::is_same_v<Kind, node::Embedding>) {
          SPIKELOOM_TRY(const auto size, matrix_size("weight", k.weight));
          return Maybe(Shape{size.second});
        } else if constexpr (std::is_same_v<Kind, node::Decoder>) {
          SPIKELOOM_TRY(const auto size, matrix_size("weight", k.weight));
          return Maybe(Shape{size.first});
        } else if constexpr (requires { k.recurrent; }) {
          SPIKELOOM_TRY(const auto size, matrix_size("recurrent", k.recurrent));
          return Maybe(Shape{size.second});
        } else {
          return in;
        }
      },
      kind);
}

Result<Operation> make_operation(const NodeKind& kind, const Shape& in,
                                 const Discretisation& discretisation,
                                 std::vector<std::string>& notes) {
  return std::visit(
      [&](const auto& k) -> Result<Operation> {
        using Kind = std::decay_t<decltype(k)>;
        if constexpr (std::is_same_v<Kind, node::Affine> || std::is_same_v<Kind, node::Linear>) {
          return make_dense(k, in, notes);
        } else if constexpr (std::is_same_v<Kind, node::SparseLinear>) {
          return make_sparse(k, in);
        } else if constexpr (std::is_same_v<Kind, node::RandomSparse>) {
          return make_random_sparse(k, in);
        } else if constexpr (std::is_same_v<Kind, node::Conv2d> ||
                             std::is_same_v<Kind, node::Conv1d>) {
          return make_convolution(k, in);
        } else if constexpr (std::is_same_v<Kind, node::SumPool2d>) {
          SPIKELOOM_TRY(auto pool, pool_geometry(k, op::PoolKind::kSum, in));
          return Operation(pool);
        } else if constexpr (std::is_same_v<Kind, node::AvgPool2d>) {
          SPIKELOOM_TRY(auto pool, pool_geometry(k, op::PoolKind::kAverage, in));
          return Operation(pool);
        } else if constexpr (std::is_same_v<Kind, node::MaxPool2d>) {
          SPIKELOOM_TRY(auto pool, pool_geometry(k, op::PoolKind::kMax, in));
          return Operation(pool);
        } else if constexpr (std::is_same_v<Kind, node::Scale>) {
          SPIKELOOM_TRY(auto factor, per_element("scale", k.scale, in));
          return Operation(op::Scale{std::move(factor)});
        } else if constexpr (std::is_same_v<Kind, node::Delay>) {
          return make_delay(k, in, discretisation, notes);
        } else if constexpr (std::is_same_v<Kind, node::Threshold>) {
          SPIKELOOM_TRY(auto threshold, per_element("threshold", k.threshold, in));
          return Operation(op::Threshold{std::move(threshold)});
        } else if constexpr (std::is_same_v<Kind, node::Embedding>) {
          SPIKELOOM_TRY(auto made, make_embedding(k));
          return Operation(std::move(made));
        } else if constexpr (std::is_same_v<Kind, node::Decoder>) {
          SPIKELOOM_TRY(auto made, make_decoder(k));
          return Operation(std::move(made));
        } else if constexpr (requires { k.recurrent; }) {
          SPIKELOOM_TRY(auto made, make_recurrent(k));
          return Operation(std::move(made));
        } else if constexpr (std::is_same_v<Kind, node::Relu>) {
          return Operation(op::Relu{});
        } else if constexpr (std::is_same_v<Kind, node::Flatten> ||
                             std::is_same_v<Kind, node::Input> ||
                             std::is_same_v<Kind, node::Output>) {
          return Operation(op::Identity{});
        } else if constexpr (std::is_same_v<Kind, node::Subgraph>) {
          return Error{.code = ErrorCode::kUnsupported, .what = "a nested graph was not inlined"};
        } else {
          SPIKELOOM_TRY(auto coefficients, neuron_coefficients(kind, in, discretisation));
          if constexpr (std::is_same_v<Kind, node::Lif>) {
            if (k.t_ref) note_rounding("refractory periods", *k.t_ref, discretisation.dt, notes);
          }
          return Operation(op::Neuron{std::move(coefficients)});
        }
      },
      kind);
}

}  // namespace spikeloom::detail
