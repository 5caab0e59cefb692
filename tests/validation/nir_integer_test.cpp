/// The acceptance networks in integer arithmetic: one recipe (docs/integer.md), float beside it.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <optional>

#include <gtest/gtest.h>

#include "base/io/npy.hpp"
#include "models/nir/nir_reader.hpp"
#include "models/quantize/quantize.hpp"
#include "models/tensors/tensor_file.hpp"
#include "sensors/recording_io.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/shared_data.hpp"

namespace spikeloom::test {
namespace {

const std::string kCnn = "acceptance/nir/02_cnn/";
constexpr std::int64_t kAllSteps = 100000;
const std::string kRnn = "acceptance/nir/03_rnn/";

Network load_network(const std::string& name) {
  auto model = read_nir(shared_path(name).string());
  EXPECT_TRUE(model.ok()) << error_of(model);
  return model.ok() ? model->network : Network();
}

/// The float run's discretisation and the quantised network with its own.
struct Quantised {
  Discretisation real;
  QuantizedNetwork integer;
};

Quantised quantised(const Network& network, const std::string& preset,
                    const std::vector<std::pair<std::string, std::string>>& options, int bits) {
  Quantised made;
  DiscretisationRequest request;
  request.preset = preset;
  request.options = options;
  const auto resolved = resolve_discretisation(network, request);
  EXPECT_TRUE(resolved.ok()) << error_of(resolved);
  made.real = resolved->discretisation;
  auto integer = quantize(network, made.real, {.bits = bits});
  EXPECT_TRUE(integer.ok()) << error_of(integer);
  if (integer.ok()) made.integer = *std::move(integer);
  return made;
}

/// Sums of a node's values per element.
Result<std::vector<double>> sums(const Network& network, const Discretisation& d,
                                 Arithmetic arithmetic, const CodedInput& input,
                                 const std::string& node, std::size_t size,
                                 const std::string& backend = "reference") {
  SPIKELOOM_TRY(const Program program, lower(network, d));
  RunOptions options;
  options.arithmetic = arithmetic;
  options.record = {{*program.find(node), Variable::kOutput}};
  SPIKELOOM_TRY(const auto executable, compile(backend, program, options));
  SPIKELOOM_TRY(auto session, executable->open());
  SPIKELOOM_CHECK(push_coded(*session, 0, input));
  SPIKELOOM_CHECK(session->advance(input.steps * session->step_time()));
  struct Sums : Sink {
    std::vector<double> values;
    std::uint32_t wanted = 0;
    void events(std::uint32_t n, Variable, std::uint32_t, std::int64_t,
                std::span<const std::uint32_t> index, std::span<const double> value) override {
      if (n != wanted) return;
      for (std::size_t i = 0; i < index.size(); ++i) values[index[i]] += value[i];
    }
    void state(std::uint32_t, Variable, std::uint32_t, std::int64_t,
               std::span<const double>) override {}
  } sink;
  sink.values.resize(size);
  sink.wanted = *program.find(node);
  SPIKELOOM_CHECK(session->read(sink));
  return std::move(sink.values);
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double dot = 0, aa = 0, bb = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    dot += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return dot / std::sqrt(aa * bb);
}

std::ptrdiff_t decision(const std::vector<double>& counts) {
  return std::max_element(counts.begin(), counts.end()) - counts.begin();
}

CodedInput recording(int sample, std::int64_t most_steps) {
  const auto path = shared_path(kCnn + "nmnist_test100/" + std::to_string(sample) + ".bs2");
  const auto read = read_recording(path.string());
  EXPECT_TRUE(read.ok()) << error_of(read);
  const EventPacket& events = read->recording.events;
  auto coded = code_recording({events.time, events.x, events.y, events.polarity}, {2, 34, 34},
                              kMillisecond, {});
  EXPECT_TRUE(coded.ok()) << error_of(coded);
  coded->steps = std::min(coded->steps, most_steps);
  coded->step_start.resize(static_cast<std::size_t>(coded->steps) + 1);
  coded->index.resize(coded->step_start.back());
  coded->value.resize(coded->step_start.back());
  return *std::move(coded);
}

/// Every available backend with integer arithmetic.
std::vector<std::string> integer_backends() {
  std::vector<std::string> names;
  for (const BackendInfo& info : backends()) {
    const auto& has = info.arithmetics;
    if (info.available && std::find(has.begin(), has.end(), Arithmetic::kInteger) != has.end()) {
      names.push_back(info.name);
    }
  }
  return names;
}

/// Columns of a LIF trace; input 1 where there was any.
struct LifTrace {
  std::vector<double> input, membrane, spike;
};

LifTrace lif_trace(const std::string& name) {
  std::ifstream table(shared_path("acceptance/nir/01_lif/" + name));
  LifTrace trace;
  for (std::string line; std::getline(table, line);) {
    double x = 0, v = 0, s = 0;
    if (std::sscanf(line.c_str(), "%lf,%lf,%lf", &x, &v, &s) != 3) return {};
    trace.input.push_back(x != 0.0 ? 1.0 : 0.0);
    trace.membrane.push_back(v);
    trace.spike.push_back(s);
  }
  return trace;
}

struct Bits {
  int bits;
  int right;      ///< at least, of 100
  double cosine;  ///< at least, layer "1"; 0: not asked for
};

class CnnInteger : public testing::TestWithParam<Bits> {};

TEST_P(CnnInteger, FirstLayerKeepsItsCounts) {
  REQUIRE_SHARED(kCnn + "cnn_sinabs.nir");
  const auto [bits, unused, least] = GetParam();
  if (least == 0.0) GTEST_SKIP() << "no bar at this number of bits";
  const auto expected =
      io::read_npy(shared_path(kCnn + "expected_l1_counts_zero_reset_10x16x16x16.npy").string());
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  const Quantised made =
      quantised(load_network(kCnn + "cnn_sinabs.nir"), "nir", {{"dt", "1e-3"}}, bits);
  // One recording of each digit, in the order of the published activity; first 300 frames.
  std::vector<double> counts;
  for (const int sample : {60004, 60003, 60002, 60019, 60005, 60009, 60012, 60001, 60062, 60008}) {
    const auto layer = sums(made.integer.network, made.integer.discretisation, Arithmetic::kInteger,
                            recording(sample, 300), "1", 16 * 16 * 16);
    ASSERT_TRUE(layer.ok()) << error_of(layer);
    counts.insert(counts.end(), layer->begin(), layer->end());
  }
  const double agreement = cosine(counts, expected->to_doubles());
  RecordProperty("cosine", std::to_string(agreement));
  EXPECT_GE(agreement, least);
}

TEST_P(CnnInteger, DecidesRight) {
  REQUIRE_SHARED(kCnn + "expected_test100_out_counts_zero.csv");
  const auto [bits, least_right, unused] = GetParam();
  const Quantised made =
      quantised(load_network(kCnn + "cnn_sinabs.nir"), "nir", {{"dt", "1e-3"}}, bits);
  std::ifstream table(
      shared_path(kCnn + "expected_test100_out_counts_zero.csv"));  // sample, label, counts
  std::string line;
  std::getline(table, line);
  int right = 0;
  int run = 0;
  for (; std::getline(table, line); ++run) {
    const int sample = std::stoi(line);
    const int label = std::stoi(line.substr(line.find(',') + 1));
    const CodedInput input = recording(sample, kAllSteps);
    std::optional<std::vector<double>> first;
    for (const std::string& backend : integer_backends()) {
      const auto counts = sums(made.integer.network, made.integer.discretisation,
                               Arithmetic::kInteger, input, "output", 10, backend);
      ASSERT_TRUE(counts.ok()) << error_of(counts);
      if (first) {
        EXPECT_EQ(*counts, *first) << backend << ", sample " << sample;
      } else {
        right += decision(*counts) == label ? 1 : 0;
        first = *counts;
      }
    }
  }
  EXPECT_EQ(run, 100);
  EXPECT_GE(right, least_right);
}

INSTANTIATE_TEST_SUITE_P(Bits, CnnInteger,
                         testing::Values(Bits{8, 100, 0.998}, Bits{6, 100, 0.0}, Bits{4, 99, 0.99}),
                         [](const auto& info) {
                           return std::to_string(info.param.bits) + "_bits";
                         });

/// Bars below what was measured (267 and 271 of 280; docs/integer.md).
struct Braille {
  std::string file;
  std::vector<std::pair<std::string, std::string>> options;
  int right;
};

class BrailleInteger : public testing::TestWithParam<Braille> {};

TEST_P(BrailleInteger, EightBitsKeepTheAccuracy) {
  REQUIRE_SHARED(kRnn + "ds_val_0.pt");
  const auto file = read_tensor_file(shared_path(kRnn + "ds_val_0.pt").string());
  ASSERT_TRUE(file.ok()) << error_of(file);
  const std::vector<double> values = file->tensors[0].tensor.to_doubles();
  const Tensor& labels = file->tensors[1].tensor;
  const Quantised made =
      quantised(load_network(kRnn + GetParam().file), "snntorch", GetParam().options, 8);
  int right = 0;
  for (std::int64_t s = 0; s < 280; ++s) {
    const auto first = values.begin() + s * 256 * 12;
    const auto input = code_sequence(
        Tensor::of<double>({256, 12}, std::vector<double>(first, first + 256 * 12)), {12}, {});
    ASSERT_TRUE(input.ok()) << error_of(input);
    const auto counts = sums(made.integer.network, made.integer.discretisation,
                             Arithmetic::kInteger, *input, "output", 7);
    ASSERT_TRUE(counts.ok()) << error_of(counts);
    right += decision(*counts) == static_cast<std::ptrdiff_t>(labels.at(s)) ? 1 : 0;
  }
  RecordProperty("right", right);
  EXPECT_GE(right, GetParam().right);
}

INSTANTIATE_TEST_SUITE_P(
    Networks, BrailleInteger,
    testing::Values(Braille{"braille_noDelay_bias_zero.nir", {}, 264},
                    Braille{"braille_noDelay_noBias_subtract.nir", {{"reset", "once"}}, 268}),
    [](const auto& info) { return std::string(info.param.options.empty() ? "zero" : "subtract"); });

/// Lava's bit-accurate model: its recorded integers are the integer run's membranes.
TEST(LavaFixed, IsExactInInteger) {
  REQUIRE_SHARED("acceptance/nir/01_lif/lif_lava_cpu_fixed.csv");
  const LifTrace trace = lif_trace("lif_lava_cpu_fixed.csv");
  ASSERT_EQ(trace.input.size(), 1000U);
  const Network network = load_network("acceptance/nir/01_lif/lif_norse.nir");
  std::string neuron;
  for (const Node& node : network.nodes()) {
    if (kind_name(node.kind) == "LIF") neuron = node.name;
  }
  for (const std::string& backend : integer_backends()) {
    const auto run = run_network(network, one_per_step(trace.input),
                                 {.preset = "lava",
                                  .options = {{"dt", "1e-4"},
                                              {"fixed-point", "loihi"},
                                              {"weight-scale", "16000"},
                                              {"threshold-scale", "16000"}},
                                  .arithmetic = Arithmetic::kInteger,
                                  .backend = backend,
                                  .record = {{neuron, Variable::kMembrane}}});
    ASSERT_TRUE(run.ok()) << error_of(run);
    const auto& membrane = run->state.at(neuron + ":v");
    ASSERT_EQ(membrane.size(), 1000U);
    for (std::size_t t = 0; t < 1000; ++t) {
      EXPECT_EQ(membrane[t][0], trace.membrane[t]) << backend << ", step " << t;
    }
  }
}

/// The LIF of the NIR paper, quantised with 8 bits, fires in the published steps.
TEST(LifInteger, FiresWhenTheFloatNetworkDoes) {
  REQUIRE_SHARED("acceptance/nir/01_lif/lif_norse.csv");
  const LifTrace trace = lif_trace("lif_norse.csv");
  ASSERT_EQ(trace.input.size(), 1000U);
  const Network network = load_network("acceptance/nir/01_lif/lif_norse.nir");
  const Quantised made = quantised(network, "norse", {{"dt", "1e-4"}}, 8);
  RunRequest request{.preset = "norse", .arithmetic = Arithmetic::kInteger};
  for (const OptionInfo& option : discretisation_options()) {
    request.options.emplace_back(option.name, get_option(made.integer.discretisation, option.name));
  }
  const auto run = run_network(made.integer.network, one_per_step(trace.input), request);
  ASSERT_TRUE(run.ok()) << error_of(run);
  std::vector<double> found(trace.input.size(), 0.0);
  for (const Recorded& spike : run->events.begin()->second) {
    found[static_cast<std::size_t>(spike.step)] = spike.value;
  }
  EXPECT_EQ(found, trace.spike);
}

}  // namespace
}  // namespace spikeloom::test
