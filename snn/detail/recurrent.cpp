#include "snn/detail/recurrent.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

#include <fmt/format.h>

namespace spikeloom::detail {
namespace {

Error wrong_shape(std::string_view name, std::string what, std::string expected, std::string got) {
  return Error{.code = ErrorCode::kShape,
               .what = std::move(what),
               .where = std::string(name),
               .expected = std::move(expected),
               .got = std::move(got),
               .next = "check this layer in the program that wrote the file"};
}

Error not_finite(std::string_view name, std::int64_t place) {
  return Error{.code = ErrorCode::kInvalidArgument,
               .what = "a weight is infinite or not a number",
               .where = std::string(name),
               .expected = "finite numbers",
               .got = fmt::format("element {}", place),
               .next = "the training diverged or the file is damaged: export the model again"};
}

/// Calls f(i, value) for every element, in order, without a copy of the tensor.
template <typename F>
void for_each_value(const Tensor& tensor, F f) {
  const auto run = [&]<typename T>(T) {
    const auto bytes = tensor.bytes();
    for (std::int64_t i = 0; i < tensor.size(); ++i) {
      T value;
      std::memcpy(&value, bytes.data() + static_cast<std::size_t>(i) * sizeof(T), sizeof(T));
      f(i, static_cast<float>(value));
    }
  };
  switch (tensor.dtype()) {
    case DType::kInt8:
      return run(std::int8_t{});
    case DType::kInt16:
      return run(std::int16_t{});
    case DType::kFloat32:
      return run(float{});
    default:
      for (std::int64_t i = 0; i < tensor.size(); ++i) f(i, static_cast<float>(tensor.at(i)));
  }
}

/// One value per row; a single one stands for all.
Result<std::vector<float>> vector_of(std::string_view name, const Tensor& tensor,
                                     std::int64_t rows) {
  if (tensor.size() != rows && tensor.size() != 1) {
    return wrong_shape(name, "the parameter does not have one value per row", std::to_string(rows),
                       to_string(tensor.shape()));
  }
  std::vector<float> values;
  std::int64_t bad = -1;
  for_each_value(tensor, [&](std::int64_t i, float value) {
    if (!std::isfinite(value) && bad < 0) bad = i;
    values.push_back(value);
  });
  if (bad >= 0) return not_finite(name, bad);
  if (tensor.size() == 1) values.assign(static_cast<std::size_t>(rows), values[0]);
  return values;
}

Result<std::vector<float>> scale_of(std::string_view name, const std::optional<Tensor>& scale,
                                    std::int64_t rows) {
  if (!scale) return std::vector<float>();
  return vector_of(name, *scale, rows);
}

/// Finds the class of weights that come one by one.
class Classifier {
 public:
  void add(float weight) {
    if (weight == 0.0F) return;
    int exponent = 0;
    power_ = power_ && std::abs(std::frexp(weight, &exponent)) == 0.5F;
    ternary_ = ternary_ && std::abs(weight) == 1.0F;
  }
  WeightClass result() const {
    if (ternary_) return WeightClass::kTernary;
    return power_ ? WeightClass::kPowerOfTwo : WeightClass::kGeneral;
  }

 private:
  bool power_ = true, ternary_ = true;
};

Result<op::SourceMatrix> by_source(std::string_view name, const Tensor& matrix,
                                   const std::optional<Tensor>& scale) {
  op::SourceMatrix made;
  SPIKELOOM_TRY(const auto size, matrix_size(name, matrix));
  std::tie(made.outputs, made.inputs) = size;
  SPIKELOOM_TRY(made.scale, scale_of(std::string(name) + "_scale", scale, made.outputs));
  const auto columns = static_cast<std::size_t>(made.inputs);
  made.row_start.assign(columns + 1, 0);
  Classifier classes;
  std::int64_t bad = -1;
  for_each_value(matrix, [&](std::int64_t i, float value) {
    if (!std::isfinite(value) && bad < 0) bad = i;
    if (value == 0.0F) return;
    classes.add(value);
    ++made.row_start[static_cast<std::size_t>(i) % columns + 1];
  });
  if (bad >= 0) return not_finite(name, bad);
  made.weight_class = classes.result();
  for (std::size_t i = 0; i < columns; ++i) made.row_start[i + 1] += made.row_start[i];
  made.target.resize(static_cast<std::size_t>(made.row_start.back()));
  made.value.resize(made.target.size());
  std::vector<std::int64_t> next = made.row_start;
  for_each_value(matrix, [&](std::int64_t i, float value) {
    if (value == 0.0F) return;
    const auto at = static_cast<std::size_t>(next[static_cast<std::size_t>(i) % columns]++);
    made.target[at] = static_cast<std::uint32_t>(i / made.inputs);
    made.value[at] = value;
  });
  return made;
}

template <typename Kind>
Result<op::Recurrent> make(const Kind& kind, op::Cell cell) {
  op::Recurrent made;
  made.cell = cell;
  const std::int64_t gates = op::gate_count(cell);
  SPIKELOOM_TRY(made.kernel, by_source("kernel", kind.kernel, kind.kernel_scale));
  SPIKELOOM_TRY(made.recurrent, by_source("recurrent", kind.recurrent, kind.recurrent_scale));
  made.units = made.recurrent.inputs;
  made.inputs = made.kernel.inputs;
  if (made.recurrent.outputs != gates * made.units) {
    return wrong_shape("recurrent",
                       fmt::format("the matrix does not have {} gates below each other", gates),
                       fmt::format("({} h, h)", gates), to_string(kind.recurrent.shape()));
  }
  if (made.kernel.outputs != gates * made.units) {
    return wrong_shape("kernel", "the two matrices do not have one number of rows",
                       fmt::format("{} rows", gates * made.units), to_string(kind.kernel.shape()));
  }
  SPIKELOOM_TRY(made.bias, vector_of("bias", kind.bias, gates * made.units));
  SPIKELOOM_TRY(made.recurrent_bias,
                vector_of("recurrent_bias", kind.recurrent_bias, gates * made.units));
  return made;
}

Result<std::vector<float>> check_words(const Tensor& weight, const std::optional<Tensor>& scale) {
  std::int64_t bad = -1;
  for_each_value(weight, [&](std::int64_t i, float value) {
    if (!std::isfinite(value) && bad < 0) bad = i;
  });
  if (bad >= 0) return not_finite("weight", bad);
  return scale_of("weight_scale", scale, weight.dim(0));
}

}  // namespace

Result<std::pair<std::int64_t, std::int64_t>> matrix_size(std::string_view name,
                                                          const Tensor& matrix) {
  if (matrix.rank() != 2 || matrix.dim(0) == 0 || matrix.dim(1) == 0 || matrix.dim(0) > INT32_MAX ||
      matrix.dim(1) > INT32_MAX) {
    return wrong_shape(name, "the weight is not a matrix", "two sizes from 1 to 2^31 - 1",
                       to_string(matrix.shape()));
  }
  return std::pair{matrix.dim(0), matrix.dim(1)};
}

Result<op::Recurrent> make_recurrent(const node::Egru& kind) {
  SPIKELOOM_TRY(const double form, kind.form.to_scalar());
  if (form != 0.0 && form != 1.0) {
    return Error{.what = "an EGRU has one of two forms",
                 .where = "form",
                 .expected = "0 (released code) or 1 (paper)",
                 .got = fmt::format("{}", form)};
  }
  SPIKELOOM_TRY(op::Recurrent made,
                make(kind, form == 0.0 ? op::Cell::kEgru : op::Cell::kEgruPaper));
  SPIKELOOM_TRY(made.threshold, vector_of("threshold", kind.threshold, made.units));
  return made;
}

Result<op::Recurrent> make_recurrent(const node::Gru& kind) { return make(kind, op::Cell::kGru); }

Result<op::Recurrent> make_recurrent(const node::Lstm& kind) { return make(kind, op::Cell::kLstm); }

Result<op::Embedding> make_embedding(const node::Embedding& kind) {
  op::Embedding made;
  SPIKELOOM_TRY(const auto size, matrix_size("weight", kind.weight));
  std::tie(made.words, made.size) = size;
  made.weight = kind.weight;
  SPIKELOOM_TRY(made.scale, check_words(kind.weight, kind.weight_scale));
  return made;
}

Result<op::Decoder> make_decoder(const node::Decoder& kind) {
  op::Decoder made;
  SPIKELOOM_TRY(const auto size, matrix_size("weight", kind.weight));
  std::tie(made.words, made.size) = size;
  made.weight = kind.weight;
  SPIKELOOM_TRY(made.scale, check_words(kind.weight, kind.weight_scale));
  SPIKELOOM_TRY(made.bias, vector_of("bias", kind.bias, made.words));
  Classifier classes;
  for_each_value(kind.weight, [&](std::int64_t, float value) { classes.add(value); });
  made.weight_class = classes.result();
  return made;
}

}  // namespace spikeloom::detail
