/// Every acceptance network in integer arithmetic: the same spikes and operation counts by
/// `reference` and by cpu for every schedule, 1 and 2 threads, batch 1 and 16.

#include <functional>

#include <gtest/gtest.h>

#include "models/motion/motion_network.hpp"
#include "sensors/scene.hpp"
#include "tests/support/acceptance_networks.hpp"
#include "tests/support/compare_runs.hpp"

namespace spikeloom::test {
namespace {

constexpr std::size_t kBatch = 16;

/// An integer network and 16 recordings for it.
struct IntegerCase {
  Network network;
  Options options;
  std::vector<CodedInput> inputs;
};

IntegerCase quantised_case(const Network& network, const std::string& preset,
                           const Options& options, std::vector<CodedInput> inputs) {
  Quantised made = quantised(network, preset, options, {.bits = 8});
  return {std::move(made.integer.network), options_of(made.integer.discretisation),
          std::move(inputs)};
}

/// Recordings of all digits, and of different lengths.
IntegerCase cnn() {
  std::vector<CodedInput> inputs;
  for (int e = 0; e < static_cast<int>(kBatch); ++e) {
    inputs.push_back(first_steps(nmnist_recording(60001 + e), 60 + 2 * e));
  }
  return quantised_case(read_network(kNirCnn + "cnn_sinabs.nir"), "nir", {{"dt", "1e-3"}},
                        std::move(inputs));
}

IntegerCase braille(const std::string& file, const Options& options) {
  return quantised_case(read_network(kNirRnn + file), "snntorch", options,
                        braille_set(kBatch).inputs);
}

/// The input of the published traces, from another step on for every element.
std::vector<CodedInput> pulses() {
  std::vector<CodedInput> inputs;
  for (std::size_t e = 0; e < kBatch; ++e) {
    std::vector<double> values(300);
    for (std::size_t s = e; s < values.size(); s += 2 + e) values[s] = 1.0;
    inputs.push_back(one_per_step(values));
  }
  return inputs;
}

IntegerCase lif() {
  return quantised_case(read_network(kNirLif + "lif_norse.nir"), "norse", {{"dt", "1e-4"}},
                        pulses());
}

/// No quantising: Lava's own integers.
IntegerCase lava_fixed() {
  const Network network = read_network(kNirLif + "lif_norse.nir");
  DiscretisationRequest request;
  request.preset = "lava";
  request.options = {{"dt", "1e-4"},
                     {"fixed-point", "loihi"},
                     {"weight-scale", "16000"},
                     {"threshold-scale", "16000"}};
  const auto resolved = resolve_discretisation(network, request);
  EXPECT_TRUE(resolved.ok()) << error_of(resolved);
  return {network, options_of(resolved->discretisation), pulses()};
}

/// Spikes by itself, without input.
IntegerCase two_lif() {
  CodedInput silence;
  silence.steps = 200;
  silence.step_start.resize(201);
  return quantised_case(read_network(kNirLif + "two_lif_neurons.nir"), "nir", {{"dt", "1e-3"}},
                        std::vector<CodedInput>(kBatch, silence));
}

IntegerCase motion() {
  std::vector<CodedInput> inputs;
  for (std::size_t e = 0; e < kBatch; ++e) {
    const auto scene = moving_bar({.direction_degrees = 45.0 * static_cast<double>(e % 8),
                                   .speed = e < 8 ? 200.0 : 400.0,
                                   .duration = 80 * kMillisecond,
                                   .noise_fraction = 0.1,
                                   .seed = e});
    EXPECT_TRUE(scene.ok()) << error_of(scene);
    const EventPacket& events = scene->events;
    InputCoding coding;
    coding.origin = BinOrigin::kZero;
    auto coded = code_recording({events.time, events.x, events.y, events.polarity}, {2, 32, 32},
                                kMotionStep, coding);
    EXPECT_TRUE(coded.ok()) << error_of(coded);
    inputs.push_back(*std::move(coded));
  }
  const auto network = make_motion_network();
  EXPECT_TRUE(network.ok()) << error_of(network);
  return quantised_case(*network, "nir", {{"dt", "1e-3"}}, std::move(inputs));
}

struct Named {
  std::string name;
  std::function<IntegerCase()> make;
  std::string needs;  ///< a file of the shared data; empty for none
};

std::vector<Named> cases() {
  return {
      {"cnn_sinabs", cnn, kNirCnn + "cnn_sinabs.nir"},
      {"braille_zero", [] { return braille("braille_noDelay_bias_zero.nir", {}); },
       kNirRnn + "ds_val_0.pt"},
      {"braille_subtract",
       [] {
         return braille("braille_noDelay_noBias_subtract.nir", {{"reset", "once"}});
       },
       kNirRnn + "ds_val_0.pt"},
      {"lif_norse", lif, kNirLif + "lif_norse.nir"},
      {"lava_fixed", lava_fixed, kNirLif + "lif_norse.nir"},
      {"two_lif", two_lif, kNirLif + "two_lif_neurons.nir"},
      {"motion", motion, ""},
  };
}

class IntegerSchedules : public testing::TestWithParam<Named> {};

TEST_P(IntegerSchedules, AllEqualTheReference) {
  if (!GetParam().needs.empty()) REQUIRE_SHARED(GetParam().needs);
  const IntegerCase given = GetParam().make();
  ASSERT_EQ(given.inputs.size(), kBatch);
  RunRequest request{.preset = "nir", .options = given.options, .arithmetic = Arithmetic::kInteger};
  for (const Node& node : given.network.nodes()) {
    if (is_neuron(node.kind)) request.record.emplace_back(node.name, Variable::kOutput);
  }
  const auto reference = compile_network(given.network, request);
  ASSERT_TRUE(reference.ok()) << error_of(reference);
  const auto expected = run_batch(**reference, given.inputs);
  ASSERT_TRUE(expected.ok()) << error_of(expected);
  const auto alone = run_batch(**reference, {&given.inputs[0], 1});
  ASSERT_TRUE(alone.ok()) << error_of(alone);
  std::size_t events = 0;
  for (const auto& [node, list] : (*expected)[0].events) events += list.size();
  ASSERT_GT(events, 0U) << "the case is silent";

  request.backend = "cpu";
  for (const Schedule schedule :
       {Schedule::kAuto, Schedule::kRows, Schedule::kBitmask, Schedule::kDense}) {
    for (const int threads : {1, 2}) {
      SCOPED_TRACE(std::string(to_string(schedule)) + ", threads " + std::to_string(threads));
      request.schedule = schedule;
      request.threads = threads;
      const auto executable = compile_network(given.network, request);
      ASSERT_TRUE(executable.ok()) << error_of(executable);
      const auto one = run_batch(**executable, {&given.inputs[0], 1});
      ASSERT_TRUE(one.ok()) << error_of(one);
      EXPECT_TRUE((*one)[0].events == (*alone)[0].events) << "batch 1";
      EXPECT_EQ(difference((*alone)[0].stats, (*one)[0].stats), "") << "batch 1";
      const auto all = run_batch(**executable, given.inputs);
      ASSERT_TRUE(all.ok()) << error_of(all);
      for (std::size_t e = 0; e < kBatch; ++e) {
        EXPECT_TRUE((*all)[e].events == (*expected)[e].events) << "element " << e;
      }
      EXPECT_EQ(difference((*expected)[0].stats, (*all)[0].stats), "") << "batch 16";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, IntegerSchedules, testing::ValuesIn(cases()),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace spikeloom::test
