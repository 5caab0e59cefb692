#include "tests/support/integer_cases.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <type_traits>

namespace spikeloom::test {
namespace {

constexpr double kUnit = 8.0;  // parity cases use multiples of 1/8

Tensor times_unit(const Tensor& tensor) {
  std::vector<double> values = tensor.to_doubles();
  for (double& value : values) value = std::nearbyint(value * kUnit);
  return Tensor::of<double>(tensor.shape(), values);
}

void scale_up(Tensor& tensor) { tensor = times_unit(tensor); }
void scale_up(std::optional<Tensor>& tensor) {
  if (tensor) tensor = times_unit(*tensor);
}

Tensor ones_like(const Tensor& tensor) { return Tensor::full(tensor.shape(), 1.0F); }

/// The same layer with integers for its numbers.
struct ToInteger {
  NodeKind operator()(node::AvgPool2d pool) const {
    return node::SumPool2d{pool.kernel_size, pool.stride, pool.padding};
  }
  template <typename Kind>
  NodeKind operator()(Kind kind) const {
    if constexpr (requires { kind.weight_scale; }) kind.weight_scale.reset();
    if constexpr (requires { kind.weight; }) scale_up(kind.weight);
    if constexpr (requires { kind.value; }) scale_up(kind.value);
    if constexpr (requires { kind.bias; }) scale_up(kind.bias);
    if constexpr (requires { kind.scale; }) scale_up(kind.scale);
    if constexpr (requires { kind.threshold; }) scale_up(kind.threshold);
    if constexpr (requires { kind.v_threshold; }) scale_up(kind.v_threshold);
    if constexpr (requires { kind.v_reset; }) scale_up(kind.v_reset);
    if constexpr (requires { kind.v_leak; }) scale_up(kind.v_leak);
    if constexpr (requires { kind.v_initial; }) scale_up(kind.v_initial);
    // dt is 1: r = tau is a gain of 1.
    if constexpr (std::is_same_v<Kind, node::I> || std::is_same_v<Kind, node::If>) {
      kind.r = ones_like(kind.r);
    } else if constexpr (requires { kind.tau; }) {
      kind.r = kind.tau;
    } else if constexpr (requires { kind.tau_mem; }) {
      kind.r = kind.tau_mem;
      kind.w_in = kind.tau_syn;
    }
    return kind;
  }
};

ParityCase integer_form(const ParityCase& real, const char* rounding) {
  NetworkBuilder builder;
  for (const Node& node : real.network.nodes()) {
    builder.add(node.name, std::visit(ToInteger{}, node.kind));
  }
  for (const Edge& edge : real.network.edges()) builder.connect(edge.source, edge.target);
  auto network = std::move(builder).build();
  if (!network.ok()) std::abort();  // a broken case is a bug in this file
  ParityCase made{real.name + "_" + rounding, *std::move(network), real.input, real.options};
  for (auto& [name, value] : made.options) {
    double number = 0.0;
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), number);
    if (name == "clamp" && parsed.ec == std::errc()) value = std::to_string(number * kUnit);
  }
  made.options.emplace_back("fixed-point", rounding);
  return made;
}

}  // namespace

const std::vector<ParityCase>& integer_cases() {
  static const std::vector<ParityCase> cases = [] {
    std::vector<ParityCase> made;
    for (const ParityCase& real : parity_cases()) {
      for (const char* rounding : {"loihi", "floor"}) made.push_back(integer_form(real, rounding));
    }
    return made;
  }();
  return cases;
}

}  // namespace spikeloom::test
