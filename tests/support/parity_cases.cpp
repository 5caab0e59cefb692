#include "tests/support/parity_cases.hpp"

#include <cstdlib>

#include "base/random.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

/// Multiples of 1/8 in [-1, 1], always the same for one `stream`.
std::vector<float> dyadic(std::int64_t count, std::uint64_t stream) {
  const RandomStream random{2026, stream};
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    const double step = static_cast<double>(static_cast<int>(
                            random.uniform(static_cast<std::uint64_t>(i)) * 17.0)) -
                        8.0;
    values.push_back(static_cast<float>(step / 8.0));
  }
  return values;
}

node::Lif lif(std::int64_t neurons) {
  return {floats({1}, {2}), floats({1}, {2}), floats({neurons}, dyadic(neurons, 90)),
          floats({1}, {1}), floats({1}, {-0.25F})};
}

node::CubaLif cuba(std::int64_t neurons) {
  node::CubaLif neuron{floats({1}, {2}),
                       floats({1}, {2}),
                       floats({1}, {2}),
                       floats({1}, {0}),
                       floats({neurons}, std::vector<float>(static_cast<std::size_t>(neurons), 1)),
                       {},
                       {}};
  neuron.w_in = floats({1}, {2});
  return neuron;
}

node::Linear random_linear(std::int64_t outputs, std::int64_t inputs, std::uint64_t stream) {
  return linear(outputs, inputs, dyadic(outputs * inputs, stream));
}

node::Conv2d random_conv(std::int64_t out, std::int64_t in_group, std::int64_t rows,
                         std::int64_t columns, std::uint64_t stream) {
  node::Conv2d conv;
  conv.weight =
      floats({out, in_group, rows, columns}, dyadic(out * in_group * rows * columns, stream));
  conv.bias = floats({out}, dyadic(out, stream + 1));
  return conv;
}

/// in -> w -> neurons -> out, with neurons -> back -> neurons.
Network recurrent(NodeKind neurons) {
  NetworkBuilder builder;
  builder.add("in", input({6}));
  builder.add("w", random_linear(5, 6, 30));
  builder.add("neurons", std::move(neurons));
  builder.add("back", affine(5, 5, dyadic(25, 31), dyadic(5, 32)));
  builder.add("out", output({5}));
  builder.connect("in", "w");
  builder.connect("w", "neurons");
  builder.connect("neurons", "back");
  builder.connect("back", "neurons");
  builder.connect("neurons", "out");
  auto network = std::move(builder).build();
  if (!network.ok()) std::abort();
  return *std::move(network);
}

std::vector<ParityCase> make_cases() {
  std::vector<ParityCase> cases;
  const auto add = [&](std::string name, Network network, Shape in,
                       std::vector<std::pair<std::string, std::string>> options = {}) {
    cases.push_back({std::move(name), std::move(network), std::move(in), std::move(options)});
  };
  const Tensor two = integers({2, 2});
  const Tensor none = integers({0, 0});

  add("dense_lif", chain({6}, {random_linear(5, 6, 1), lif(5)}, {5}), {6});
  add("affine_cuba", chain({6}, {affine(5, 6, dyadic(30, 2), dyadic(5, 3)), cuba(5)}, {5}), {6});
  add("integrators", chain({4}, {random_linear(3, 4, 4), integrator(3)}, {3}), {4});
  node::Li li{floats({1}, {2}), floats({1}, {1}), floats({1}, {0.5F})};
  add("leaky_integrator", chain({4}, {li}, {4}), {4});
  node::CubaLi cuba_li{floats({1}, {2}), floats({1}, {2}), floats({1}, {1}), floats({1}, {0}), {}};
  add("cuba_integrator", chain({4}, {cuba_li}, {4}), {4});

  node::Conv2d strided = random_conv(4, 1, 3, 2, 10);
  strided.groups = Tensor::scalar<std::int64_t>(2);
  strided.stride = integers({2, 1});
  strided.padding.value = integers({1, 0});
  strided.dilation = integers({1, 2});
  add("grouped_convolution", chain({2, 7, 6}, {strided, relay(1, 4 * 4 * 4)}, {4, 4, 4}),
      {2, 7, 6});
  node::Conv2d same = random_conv(3, 2, 3, 3, 12);
  same.padding.value = std::string("same");
  add("pooled_convolution",
      chain({2, 6, 6},
            {same, relay(0.5F, 3 * 36), node::SumPool2d{two, two, none},
             node::Flatten{Tensor::scalar<std::int64_t>(0), Tensor::scalar<std::int64_t>(-1), {}},
             random_linear(4, 27, 14), relay(1, 4)},
            {4}),
      {2, 6, 6});
  add("maximum_and_average",
      chain({1, 4, 4},
            {node::MaxPool2d{two, two, none}, node::AvgPool2d{two, two, none}, integrator(1)},
            {1, 1, 1}),
      {1, 4, 4});
  node::Conv1d line;
  line.weight = floats({2, 3, 3}, dyadic(18, 16));
  line.padding.value = Tensor::scalar<std::int64_t>(1);
  add("line_convolution", chain({3, 8}, {line, relay(0.5F, 16)}, {2, 8}), {3, 8});

  node::SparseLinear sparse;
  sparse.shape = integers({3, 5});
  sparse.row_start = integers({0, 2, 2, 5});
  sparse.column = integers({1, 4, 0, 2, 3});
  sparse.value = floats({5}, dyadic(5, 18));
  add("sparse", chain({5}, {sparse, relay(0.5F, 3)}, {3}), {5});
  node::Linear ternary;
  ternary.weight = Tensor::of<std::int8_t>({2, 3}, std::vector<std::int8_t>{1, 0, -1, -1, 1, 1});
  ternary.weight_scale = floats({2}, {0.5F, 2});
  add("ternary", chain({3}, {ternary, integrator(2)}, {2}), {3});
  node::RandomSparse random;
  random.shape = integers({5, 6});
  random.source_start = integers({0, 3});
  random.source_count = integers({4, 3});
  random.degree = integers({5, 2});
  random.weight = floats({2}, {0.25F, -0.5F});
  random.repeats = integers({1, 0});
  random.seed = Tensor::scalar<std::int64_t>(4);
  add("random_sparse", chain({6}, {random, relay(0.5F, 5)}, {5}), {6});
  node::Lif refractory = lif(5);
  refractory.t_ref = floats({5}, {0, 1, 2, 3, 4});
  refractory.v_initial = floats({5}, dyadic(5, 92));
  add("refractory", recurrent(refractory), {6});
  add("scale_threshold",
      chain({4}, {node::Scale{floats({4}, dyadic(4, 20))}, node::Threshold{floats({1}, {0.25F})}},
            {4}),
      {4});
  add("delays",
      chain({4}, {node::Delay{floats({4}, {0, 1, 3, 6})}, random_linear(3, 4, 22), lif(3)}, {3}),
      {4});

  for (const char* reset : {"zero", "subtract", "once", "none"}) {
    add(std::string("recurrent_cuba_") + reset, recurrent(cuba(5)), {6}, {{"reset", reset}});
  }
  for (const char* rule : {"gt", "ge", "multi"}) {
    add(std::string("recurrent_lif_") + rule, recurrent(lif(5)), {6},
        {{"spike-rule", rule}, {"reset", "subtract"}});
  }
  add("recurrent_late", recurrent(cuba(5)), {6}, {{"reset-timing", "next"}});
  add("recurrent_old_current", recurrent(cuba(5)), {6}, {{"cuba-order", "old"}});
  add("recurrent_link_delay", recurrent(lif(5)), {6}, {{"link-delay", "1"}, {"input-delay", "1"}});
  add("recurrent_bias_off", recurrent(lif(5)), {6}, {{"recurrent-bias-at-start", "off"}});
  add("clamped", recurrent(lif(5)), {6}, {{"clamp", "-0.5"}});
  return cases;
}

}  // namespace

const std::vector<ParityCase>& parity_cases() {
  static const std::vector<ParityCase> cases = make_cases();
  return cases;
}

}  // namespace spikeloom::test
