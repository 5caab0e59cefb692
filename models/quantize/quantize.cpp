#include "models/quantize/quantize.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <type_traits>

#include <fmt/format.h>

#include "models/detail/rebuild.hpp"
#include "models/language/quantize_language.hpp"
#include "models/quantize/detail/neurons.hpp"
#include "models/quantize/detail/units.hpp"
#include "snn/integer.hpp"
#include "snn/lowering.hpp"

namespace spikeloom {
namespace {

template <typename Integer>
Tensor integer_tensor(const Shape& shape, const std::vector<double>& values) {
  std::vector<Integer> integers;
  integers.reserve(values.size());
  for (const double value : values) integers.push_back(static_cast<Integer>(value));
  return Tensor::of<Integer>(shape, integers);
}

Tensor weight_tensor(const Shape& shape, const std::vector<double>& values, int bits) {
  return bits <= 8 ? integer_tensor<std::int8_t>(shape, values)
                   : integer_tensor<std::int16_t>(shape, values);
}

/// A node's kind with the plan's integers.
class Change {
 public:
  Change(const detail::UnitPlan& plan, const QuantizeOptions& options, const Discretisation& d,
         int fraction)
      : plan_(plan), options_(options), discretisation_(d), fraction_(fraction) {}

  Result<NodeKind> operator()(const NodeKind& kind, const ProgramNode& node,
                              std::size_t index) const {
    if (const auto* neurons = std::get_if<op::Neuron>(&node.operation)) {
      return detail::quantize_neurons(kind, neurons->coefficients, node.in_shape, plan_.in[index],
                                      discretisation_, fraction_);
    }
    return std::visit([&](const auto& k) { return change(k, node, index); }, kind);
  }

 private:
  template <typename Kind>
  Result<NodeKind> change(Kind kind, const ProgramNode& node, std::size_t index) const {
    const detail::QuantizedWeights& weights = plan_.weights[index];
    if constexpr (std::is_same_v<Kind, node::Embedding> || std::is_same_v<Kind, node::Decoder>) {
      // Language networks go another way (quantize_words).
    } else if constexpr (std::is_same_v<Kind, node::AvgPool2d>) {
      return NodeKind(node::SumPool2d{kind.kernel_size, kind.stride, kind.padding});
    } else if constexpr (std::is_same_v<Kind, node::Scale>) {
      const Shape shape = kind.scale.size() == 1 ? node.in_shape : kind.scale.shape();
      kind.scale = integer_tensor<std::int16_t>(shape, plan_.factor[index]);
    } else if constexpr (std::is_same_v<Kind, node::Threshold>) {
      std::vector<double> values;
      const auto& real = std::get<op::Threshold>(node.operation).threshold;
      for (std::size_t i = 0; i < real.size(); ++i) {
        values.push_back(std::floor(real[i] / plan_.in[index].at(i, real.size())));
      }
      const Shape shape = kind.threshold.size() == 1 ? node.in_shape : kind.threshold.shape();
      kind.threshold = Tensor::of<double>(shape, values);
    } else if constexpr (requires { kind.weight; }) {
      kind.weight = weight_tensor(kind.weight.shape(), weights.integers, options_.bits);
      set_bias(kind, weights);
    } else if constexpr (requires { kind.value; }) {
      kind.value = weight_tensor(kind.value.shape(), weights.integers, options_.bits);
      set_bias(kind, weights);
    }
    return NodeKind(std::move(kind));
  }

  template <typename Kind>
  static void set_bias(Kind& kind, const detail::QuantizedWeights& weights) {
    if constexpr (requires { kind.weight_scale; }) kind.weight_scale.reset();
    if constexpr (requires { kind.bias; }) {
      if (weights.bias.empty()) return;
      kind.bias = integer_tensor<std::int32_t>({static_cast<std::int64_t>(weights.bias.size())},
                                               weights.bias);
    }
  }

  const detail::UnitPlan& plan_;
  const QuantizeOptions& options_;
  const Discretisation& discretisation_;
  int fraction_;
};

Result<Network> with_fraction(const Network& network, const Program& program,
                              const detail::UnitPlan& plan, const QuantizeOptions& options,
                              int fraction) {
  const Change change(plan, options, program.discretisation, fraction);
  std::map<std::string, std::size_t> index_of;
  for (std::size_t n = 0; n < program.nodes.size(); ++n) index_of[program.nodes[n].name] = n;
  return detail::rebuild(
      network, [&](const std::string& path, const Node& node) -> Result<NodeKind> {
        const auto found = index_of.find(path);
        if (found == index_of.end()) return node.kind;
        auto made = change(node.kind, program.nodes[found->second], found->second);
        if (!made.ok()) return std::move(made).error().in(fmt::format("node \"{}\"", path));
        return made;
      });
}

Status check(const Discretisation& d, const QuantizeOptions& options) {
  if (options.bits < 2 || options.bits > 16 || options.fraction < 0 || options.fraction > 16 ||
      options.input_bound < 1 || options.input_bound > kEventLimit ||
      options.rounding == FixedPoint::kNone) {
    return Error{.what = "these options cannot be quantised with",
                 .expected = "2 to 16 bits, 0 to 16 fractional bits, rounding loihi or floor"};
  }
  if (d.fixed_point != FixedPoint::kNone) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "the network runs in fixed point already",
                 .next = "run it with --arithmetic integer, or quantise with --fixed-point none"};
  }
  if (d.spike_time == SpikeTime::kSubStep) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "spikes within a step have no integer form",
                 .next = "give --spike-time grid"};
  }
  if (d.clamp == Clamp::kValue && d.clamp_value != 0.0) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "one clamp for all neurons has no integer form: their units differ",
                 .got = fmt::format("{}", d.clamp_value),
                 .next = "give --clamp threshold, 0 or none"};
  }
  return {};
}

/// What rounding did to one matrix of rows.
void compare_rows(const Tensor& real, const Tensor& whole, const Tensor& scale,
                  QuantizedLayer& layer, double& error, double& power) {
  const std::int64_t columns = real.dim(1);
  double largest = 0.0;
  double largest_error = 0.0;
  for (std::int64_t i = 0; i < real.size(); ++i) {
    const double w = real.at(i);
    const double off = std::abs(w - whole.at(i) * scale.at(i / columns));
    error += off * off;
    power += w * w;
    largest = std::max(largest, std::abs(w));
    largest_error = std::max(largest_error, off);
  }
  for (const double s : scale.to_doubles()) {
    layer.smallest_scale = layer.weights == 0 ? s : std::min(layer.smallest_scale, s);
    layer.largest_scale = std::max(layer.largest_scale, s);
  }
  layer.weights += real.size();
  if (largest > 0.0) layer.max_error = std::max(layer.max_error, largest_error / largest);
}

std::vector<QuantizedLayer> compare_layers(const Network& real, const Network& whole) {
  std::vector<QuantizedLayer> layers;
  for (std::size_t n = 0; n < real.nodes().size(); ++n) {
    std::visit(
        [&](const auto& before) {
          using Kind = std::decay_t<decltype(before)>;
          const auto& after = std::get<Kind>(whole.nodes()[n].kind);
          QuantizedLayer layer{.name = real.nodes()[n].name, .kind = std::string(Kind::kName)};
          layer.bits = 8;
          double error = 0.0;
          double power = 0.0;
          if constexpr (requires { before.recurrent; }) {
            if (before.kernel_scale || !after.kernel_scale || !after.recurrent_scale) return;
            compare_rows(before.kernel, after.kernel, *after.kernel_scale, layer, error, power);
            compare_rows(before.recurrent, after.recurrent, *after.recurrent_scale, layer, error,
                         power);
          } else if constexpr (std::is_same_v<Kind, node::Embedding> ||
                               std::is_same_v<Kind, node::Decoder>) {
            if (before.weight_scale || !after.weight_scale) return;
            compare_rows(before.weight, after.weight, *after.weight_scale, layer, error, power);
          } else {
            return;
          }
          layer.rms_error = power > 0.0 ? std::sqrt(error / power) : 0.0;
          layers.push_back(std::move(layer));
        },
        real.nodes()[n].kind);
  }
  return layers;
}

/// Language networks: rows of 8 bits, or ternary ones in the recurrent layers with 2 bits.
Result<QuantizedNetwork> quantize_words(const Network& network,
                                        const Discretisation& discretisation,
                                        const QuantizeOptions& options) {
  if (options.bits != 8 && options.bits != 2) {
    return Error{.code = ErrorCode::kUnsupported,
                 .what = "language layers have 8 bits, or are ternary",
                 .expected = "--bits 8, or --bits 2 for ternary recurrent layers",
                 .got = std::to_string(options.bits)};
  }
  QuantizedNetwork made;
  const auto rounding = options.bits == 8 ? RowRounding::kInt8 : RowRounding::kTernary;
  SPIKELOOM_TRY(made.network, quantize_language(network, rounding));
  made.discretisation = discretisation;
  made.layers = compare_layers(network, made.network);
  for (QuantizedLayer& layer : made.layers) {
    if (options.bits == 2 && layer.kind != "Embedding" && layer.kind != "Decoder") layer.bits = 2;
  }
  SPIKELOOM_TRY(const Program program, lower(made.network, made.discretisation));
  SPIKELOOM_TRY(const IntegerProgram integer, to_integer(program));
  made.input_limit = integer.input_limit;
  return made;
}

}  // namespace

Result<QuantizedNetwork> quantize(const Network& network, const Discretisation& discretisation,
                                  const QuantizeOptions& options) {
  if (is_language_network(network)) return quantize_words(network, discretisation, options);
  SPIKELOOM_CHECK(check(discretisation, options));
  SPIKELOOM_TRY(const Program program, lower(network, discretisation));
  SPIKELOOM_TRY(const detail::UnitPlan plan, detail::plan_units(program, options));
  QuantizedNetwork made;
  made.layers = plan.layers;
  made.discretisation = detail::quantized_options(discretisation, options.rounding);
  for (int fraction = options.fraction;; --fraction) {
    SPIKELOOM_TRY(made.network, with_fraction(network, program, plan, options, fraction));
    SPIKELOOM_TRY(const Program lowered, lower(made.network, made.discretisation));
    const auto integer = to_integer(lowered);
    if (integer.ok() && (integer->input_limit >= options.input_bound || fraction == 0)) {
      made.fraction = fraction;
      made.input_limit = integer->input_limit;
      break;
    }
    if (fraction == 0) return integer.error();
  }
  if (made.input_limit < options.input_bound) {
    made.notes.push_back(
        fmt::format("inputs of more than {} in one step are refused", made.input_limit));
  }
  return made;
}

}  // namespace spikeloom
