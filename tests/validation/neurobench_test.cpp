/// NeuroBench's harness 2.3.0 beside ours: three networks with weights from a formula, run by both.
///
/// neurobench_2.3.0.json holds what the harness said; tests/accept/neurobench_parity.py wrote it
/// and runs the comparison live (`./dev neurobench`).

#include "energy/neurobench.hpp"

#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/io/json.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

/// The formulas of the script.
std::vector<std::uint64_t> hashed(std::uint64_t seed, std::int64_t count) {
  std::vector<std::uint64_t> values;
  for (std::int64_t k = 0; k < count; ++k) {
    const std::uint64_t at = static_cast<std::uint64_t>(k) + 1000003U * seed;
    values.push_back((at * 2654435761U + 374761393U) % (std::uint64_t{1} << 32) >> 16);
  }
  return values;
}

Tensor weights(std::uint64_t seed, const Shape& shape) {
  std::vector<float> values;
  for (const std::uint64_t h : hashed(seed, *element_count(shape))) {
    values.push_back((static_cast<float>(h % 9) - 4.0F) / 8.0F);
  }
  return Tensor::of<float>(shape, values);
}

Tensor leak(const Shape& shape, double value) {
  return Tensor::of<double>(
      shape, std::vector<double>(static_cast<std::size_t>(*element_count(shape)), value));
}

constexpr double kStep = 1e-4;

node::Lif leaky(const Shape& shape, double beta) {
  const double tau = kStep / (1.0 - beta);
  node::Lif made;
  made.tau = leak(shape, tau);
  made.r = leak(shape, tau / kStep);
  made.v_leak = leak(shape, 0.0);
  made.v_threshold = leak(shape, 0.5);
  return made;
}

struct Chain {
  NetworkBuilder builder;
  std::string last;
  void add(const std::string& name, NodeKind kind) {
    builder.add(name, std::move(kind));
    if (!last.empty()) builder.connect(last, name);
    last = name;
  }
  Network build() && {
    auto network = std::move(builder).build();
    EXPECT_TRUE(network.ok()) << error_of(network);
    return *std::move(network);
  }
};

node::Conv2d conv(const Shape& input, Tensor weight, std::optional<Tensor> bias, int padding) {
  node::Conv2d made;
  made.weight = std::move(weight);
  made.bias = std::move(bias);
  made.input_shape = shape_tensor(input);
  made.stride = shape_tensor({1, 1});
  made.padding.value = shape_tensor({padding, padding});
  made.dilation = shape_tensor({1, 1});
  return made;
}

Network feed_forward() {
  Chain chain;
  chain.add("in", node::Input{shape_tensor({12})});
  chain.add("fc1", node::Affine{weights(1, {10, 12}), weights(2, {10}), {}});
  chain.add("lif1", leaky({10}, 0.5));
  chain.add("fc2", node::Linear{weights(3, {6, 10}), {}});
  chain.add("lif2", leaky({6}, 0.75));
  chain.add("out", node::Output{shape_tensor({6})});
  return std::move(chain).build();
}

Network convolutional() {
  Chain chain;
  chain.add("in", node::Input{shape_tensor({2, 6, 6})});
  chain.add("conv1", conv({6, 6}, weights(1, {3, 2, 3, 3}), weights(2, {3}), 1));
  chain.add("lif1", leaky({3, 6, 6}, 0.5));
  chain.add("pool",
            node::AvgPool2d{shape_tensor({2, 2}), shape_tensor({2, 2}), shape_tensor({0, 0})});
  chain.add("conv2", conv({3, 3}, weights(3, {4, 3, 2, 2}), std::nullopt, 0));
  chain.add("lif2", leaky({4, 2, 2}, 0.5));
  node::Flatten flat;
  flat.start_dim = Tensor::scalar<std::int64_t>(0);
  chain.add("flat", flat);
  chain.add("fc", node::Affine{weights(4, {5, 16}), weights(5, {5}), {}});
  chain.add("lif3", leaky({5}, 0.5));
  chain.add("out", node::Output{shape_tensor({5})});
  return std::move(chain).build();
}

Network recurrent() {
  Chain chain;
  chain.add("in", node::Input{shape_tensor({8})});
  chain.add("fc1", node::Affine{weights(1, {7, 8}), weights(2, {7}), {}});
  chain.add("lif1", leaky({7}, 0.5));
  chain.builder.add("back", node::Affine{weights(3, {7, 7}), weights(4, {7}), {}});
  chain.builder.connect("lif1", "back");
  chain.builder.connect("back", "lif1");
  chain.add("fc2", node::Affine{weights(5, {4, 7}), weights(6, {4}), {}});
  chain.add("lif2", leaky({4}, 0.5));
  chain.add("out", node::Output{shape_tensor({4})});
  return std::move(chain).build();
}

Value expected_document() {
  std::ifstream file(source_dir() / "tests" / "validation" / "neurobench_2.3.0.json");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto parsed = io::parse_json(text);
  EXPECT_TRUE(parsed.ok()) << error_of(parsed);
  return parsed.ok() ? *parsed : Value();
}

NeuroBenchMetrics ours(const Network& network, const Shape& shape, bool graded, std::size_t batch) {
  constexpr std::int64_t kSamples = 4;
  constexpr std::int64_t kSteps = 9;
  const std::int64_t size = *element_count(shape);
  std::vector<double> data;
  for (const std::uint64_t h : hashed(77, kSamples * kSteps * size)) {
    data.push_back((h % 3 == 0 ? 1.0 : 0.0) + (graded && h % 29 == 0 ? 1.0 : 0.0));
  }
  RunRequest request;
  request.preset = "snntorch";
  request.options = {{"dt", "1e-4"}, {"reset", "once"}};
  request.arithmetic = Arithmetic::kFloat32;
  for (const Node& node : network.nodes()) {
    if (std::holds_alternative<node::Output>(node.kind)) continue;
    request.record.emplace_back(node.name, Variable::kOutput);
    if (is_spiking_neuron(node.kind)) request.record.emplace_back(node.name, Variable::kMembrane);
  }
  std::vector<NeuroBenchSample> samples;
  std::optional<Program> program;
  for (std::int64_t s = 0; s < kSamples; ++s) {
    Shape sequence = {kSteps};
    sequence.insert(sequence.end(), shape.begin(), shape.end());
    const auto first = data.begin() + s * kSteps * size;
    const auto coded = code_sequence(
        Tensor::of<double>(sequence, std::vector<double>(first, first + kSteps * size)), shape,
        {.coding = Coding::kCurrent});
    EXPECT_TRUE(coded.ok()) << error_of(coded);
    const auto run = run_network(network, *coded, request);
    EXPECT_TRUE(run.ok()) << error_of(run);
    if (!run.ok()) return {};
    if (!program) program = *lower(network, run->discretisation);
    NeuroBenchSample sample;
    sample.steps = kSteps;
    for (const ProgramNode& node : program->nodes) {
      NeuroBenchNodeTrace trace;
      if (const auto found = run->events.find(node.name); found != run->events.end()) {
        for (const Recorded& event : found->second) {
          trace.step.push_back(event.step);
          trace.index.push_back(event.index);
          trace.value.push_back(event.value);
        }
      }
      if (const auto found = run->state.find(node.name + ":v"); found != run->state.end()) {
        for (const auto& row : found->second) {
          trace.membrane.insert(trace.membrane.end(), row.begin(), row.end());
        }
      }
      sample.nodes.push_back(std::move(trace));
    }
    samples.push_back(std::move(sample));
  }
  auto counter = NeuroBenchCounter::create(*program);
  EXPECT_TRUE(counter.ok()) << error_of(counter);
  for (std::size_t at = 0; at < samples.size(); at += batch) {
    const auto added = counter->add_batch(std::span(samples).subspan(at, batch));
    EXPECT_TRUE(added.ok());
  }
  return counter->metrics();
}

void expect_equal(const Value& expected, const NeuroBenchMetrics& metrics,
                  const std::string& name) {
  ASSERT_NE(expected.as_map(), nullptr) << name;
  const Value got = to_value(metrics);
  ASSERT_GE(expected.as_map()->size(), 7U);
  for (const auto& [key, value] : *expected.as_map()) {
    const Value* found = got.find(key);
    if (found == nullptr) found = got.find("synaptic_operations")->find(key);
    ASSERT_NE(found, nullptr) << name << " " << key;
    EXPECT_NEAR(found->number(), value.number(), 1e-12 * std::max(1.0, value.number()))
        << name << " " << key;
  }
}

TEST(NeuroBench, CountsAreThoseOfTheHarness) {
  const Value document = expected_document();
  const auto compare = [&](const std::string& name, const Network& network, const Shape& shape,
                           bool graded) {
    for (const std::size_t batch : {1U, 2U}) {
      const Value* found = document.find(name);
      ASSERT_NE(found, nullptr) << name;
      const std::string key = "batch_" + std::to_string(batch);
      expect_equal(*found->find(key), ours(network, shape, graded, batch), name + " " + key);
    }
  };
  compare("feed_forward", feed_forward(), {12}, false);
  compare("convolutional", convolutional(), {2, 6, 6}, true);
  compare("recurrent", recurrent(), {8}, false);
}

/// The networks of the harness's examples, from their topology alone (NeuroBench repository,
/// examples/dvs_gesture and examples/gsc): dense operations and footprint as its headers print.
TEST(NeuroBench, TheTwoExampleNetworks) {
  Chain gesture;
  gesture.add("in", node::Input{shape_tensor({2, 32, 32})});
  std::int64_t side = 32;
  std::int64_t channels = 2;
  for (const std::int64_t out : {16, 32, 64}) {
    const std::string n = std::to_string(out);
    gesture.add("conv" + n,
                conv({side, side}, weights(1, {out, channels, 5, 5}), weights(2, {out}), 2));
    gesture.add("lif" + n, leaky({out, side, side}, 0.5));
    gesture.add("pool" + n,
                node::MaxPool2d{shape_tensor({2, 2}), shape_tensor({2, 2}), shape_tensor({0, 0})});
    side /= 2;
    channels = out;
  }
  node::Flatten flat;
  flat.start_dim = Tensor::scalar<std::int64_t>(0);
  gesture.add("flat", flat);
  gesture.add("fc", node::Affine{weights(3, {11, 1024}), weights(4, {11}), {}});
  gesture.add("lif", leaky({11}, 0.5));
  gesture.add("out", node::Output{shape_tensor({11})});

  Chain speech;
  speech.add("in", node::Input{shape_tensor({20})});
  std::int64_t inputs = 20;
  for (const std::int64_t out : {256, 256, 256, 35}) {
    const std::string n = speech.last;
    speech.add(n + "f", node::Affine{weights(1, {out, inputs}), weights(2, {out}), {}});
    speech.add(n + "l", leaky({out}, 0.5));
    inputs = out;
  }
  speech.add("out", node::Output{shape_tensor({35})});

  Discretisation discretisation;
  discretisation.dt = kStep;
  const auto check = [&](const Network& network, double steps, double dense, double footprint) {
    const auto program = lower(network, discretisation);
    ASSERT_TRUE(program.ok()) << error_of(program);
    double per_step = 0.0;
    for (const ProgramNode& node : program->nodes) per_step += static_cast<double>(node.dense_macs);
    EXPECT_EQ(steps * per_step, dense);
    EXPECT_EQ(neurobench_static(*program).footprint_bytes, footprint);
  };
  check(std::move(gesture).build(), 150.0, 891206400.0, 304828.0);
  check(std::move(speech).build(), 200.0, 29030400.0, 583900.0);
}

}  // namespace
}  // namespace spikeloom::test
