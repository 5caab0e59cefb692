/// Integer arithmetic over random values and random quantised networks.

#include <cmath>

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "backends/reference/integer_neuron.hpp"
#include "models/quantize/quantize.hpp"
#include "snn/neuron_equations.hpp"
#include "tests/support/run_network.hpp"
#include "tests/support/tiny_networks.hpp"

namespace spikeloom::test {
namespace {

int between(int low, int high) { return *rc::gen::inRange(low, high + 1); }

template <typename T>
T one_of(const std::vector<T>& values) {
  return values[static_cast<std::size_t>(between(0, static_cast<int>(values.size()) - 1))];
}

/// Multiples of 1/1000 in [-scale, scale].
std::vector<float> reals(std::int64_t count, float scale) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(scale * static_cast<float>(between(-1000, 1000)) / 1000.0F);
  }
  return values;
}

/// v n / 4096 is exact in double: v below 2^31, n at most 2^12.
RC_GTEST_PROP(IntegerDecay, SplitProductsEqualTheDefinition, ()) {
  const std::int32_t v = between(-(1 << 30), 1 << 30);
  const std::int32_t n = between(0, 4096);
  const double exact = static_cast<double>(v) * n / 4096.0;
  for (const auto& [rounding, expected] : std::vector<std::pair<FixedPoint, double>>{
           {FixedPoint::kLoihi, std::trunc(exact)}, {FixedPoint::kFloor, std::floor(exact)}}) {
    RC_ASSERT(equations::decayed(v, n, rounding) == expected);
    RC_ASSERT(reference::decayed(v, n, rounding) == expected);
    RC_ASSERT(equations::decayed_at_once(v, n, rounding == FixedPoint::kFloor) == expected);
  }
}

NodeKind random_neuron(std::int64_t neurons) {
  const auto shape = Shape{neurons};
  std::vector<float> tau, threshold;
  for (std::int64_t i = 0; i < neurons; ++i) {
    tau.push_back(static_cast<float>(between(11, 400)) / 10.0F);
    threshold.push_back(static_cast<float>(between(200, 2000)) / 1000.0F);
  }
  const Tensor leak = floats(shape, reals(neurons, 0.2F));
  const Tensor zero = floats({1}, {0});
  switch (between(0, 2)) {
    case 0:
      return relay(threshold[0], neurons);
    case 1:
      return node::Lif{floats(shape, tau), floats({1}, {5}), leak, floats(shape, threshold),
                       floats({1}, {-0.1F})};
    default:
      return node::CubaLif{floats({1}, {3}),         floats(shape, tau),
                           floats({1}, {4}),         zero,
                           floats(shape, threshold), {},
                           floats({1}, {2})};
  }
}

/// in -> w -> neurons -> out with neurons -> back -> neurons, weakly enough that several spikes a
/// step do not excite each other without end: integers saturate there and double does not.
Network random_network(std::int64_t inputs, std::int64_t neurons) {
  NetworkBuilder builder;
  builder.add("in", input({inputs}));
  builder.add("w", affine(neurons, inputs, reals(neurons * inputs, 1), reals(neurons, 0.1F)));
  builder.add("neurons", random_neuron(neurons));
  builder.add("back", linear(neurons, neurons, reals(neurons * neurons, 0.02F)));
  builder.add("out", output({neurons}));
  for (const auto& [from, to] :
       std::vector<std::pair<const char*, const char*>>{{"in", "w"},
                                                        {"w", "neurons"},
                                                        {"neurons", "back"},
                                                        {"back", "neurons"},
                                                        {"neurons", "out"}}) {
    builder.connect(from, to);
  }
  return *std::move(builder).build();
}

CodedInput random_input(std::int64_t inputs, std::int64_t steps) {
  CodedInput coded;
  coded.steps = steps;
  for (std::int64_t s = 0; s < steps; ++s) {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(inputs); ++i) {
      const int value = between(0, 5);
      if (value > 3) continue;
      coded.index.push_back(i);
      coded.value.push_back(value == 0 ? -1 : value);
    }
    coded.step_start.push_back(coded.index.size());
  }
  return coded;
}

RC_GTEST_PROP(QuantisedNetwork, RunsTheSameInDoubleAndInInteger, ()) {
  const std::int64_t inputs = between(1, 4);
  const std::int64_t neurons = between(1, 5);
  const Network network = random_network(inputs, neurons);
  Discretisation d;
  d.dt = 1.0;
  d.reset = one_of<Reset>({Reset::kToVReset, Reset::kSubtract, Reset::kSubtractOnce});
  d.spike_rule =
      one_of<SpikeRule>({SpikeRule::kGreater, SpikeRule::kGreaterEqual, SpikeRule::kMultiple});
  d.reset_timing = one_of<ResetTiming>({ResetTiming::kSameStep, ResetTiming::kNextStep});
  d.cuba_order = one_of<CubaOrder>({CubaOrder::kNewCurrent, CubaOrder::kOldCurrent});
  d.clamp = one_of<Clamp>({Clamp::kNone, Clamp::kMinusThreshold});
  QuantizeOptions options;
  options.bits = between(2, 12);
  options.per_channel = between(0, 1) == 1;
  options.rounding = one_of<FixedPoint>({FixedPoint::kLoihi, FixedPoint::kFloor});
  const auto made = quantize(network, d, options);
  if (!made.ok()) RC_FAIL(made.error().message());
  RunRequest request{.preset = "nir", .record = {{"neurons", Variable::kMembrane}}};
  for (const OptionInfo& option : discretisation_options()) {
    request.options.emplace_back(option.name, get_option(made->discretisation, option.name));
  }
  const CodedInput input = random_input(inputs, 30);
  request.arithmetic = Arithmetic::kDouble;
  const auto expected = run_network(made->network, input, request);
  if (!expected.ok()) RC_FAIL(expected.error().message());
  for (const BackendInfo& info : backends()) {
    for (const Arithmetic arithmetic : info.arithmetics) {
      if (!info.available ||
          (arithmetic != Arithmetic::kInteger && arithmetic != Arithmetic::kRing16)) {
        continue;
      }
      request.backend = info.name;
      request.arithmetic = arithmetic;
      const auto run = run_network(made->network, input, request);
      if (!run.ok()) RC_FAIL(run.error().message());
      RC_LOG() << info.name << " " << to_string(arithmetic) << "\n";
      RC_ASSERT(run->events == expected->events);
      RC_ASSERT(run->state == expected->state);
      RC_ASSERT(run->stats.synaptic_operations() == expected->stats.synaptic_operations());
    }
  }
}

}  // namespace
}  // namespace spikeloom::test
