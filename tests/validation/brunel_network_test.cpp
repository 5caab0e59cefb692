/// brunel_dc against NEST's rate, on every backend.

#include "models/brunel/brunel_network.hpp"

#include <cmath>

#include <gtest/gtest.h>

#include "backends/backend.hpp"
#include "snn/lowering.hpp"
#include "tests/support/run_network.hpp"

namespace spikeloom::test {
namespace {

/// Spikes of the neurons in the first 100 ms and in the second that follows.
std::pair<std::uint64_t, std::uint64_t> spikes(const std::string& backend, std::uint64_t seed) {
  BrunelOptions options;
  options.neurons = 1000;
  options.degree = 100;
  options.seed = seed;
  const auto network = make_brunel_network(options);
  EXPECT_TRUE(network.ok()) << error_of(network);
  const auto program = lower(*network, brunel_discretisation());
  EXPECT_TRUE(program.ok()) << error_of(program);
  const auto executable = compile(backend, *program, {});
  EXPECT_TRUE(executable.ok()) << error_of(executable);
  const auto session = (*executable)->open();
  EXPECT_TRUE(session.ok()) << error_of(session);
  const auto count = [&](Time until) -> std::uint64_t {
    const Status status = (*session)->advance(until);
    EXPECT_TRUE(status.ok());
    for (const NodeStats& node : (*session)->stats().nodes) {
      if (node.name == "neurons") return node.events_out;
    }
    return 0;
  };
  const std::uint64_t warm_up = count(100 * kMillisecond);
  return {warm_up, count(1100 * kMillisecond) - warm_up};
}

TEST(BrunelNetwork, FiresAtTheRateNestGives) {
  // nest-simulator 3.10.0 (PyPI), iaf_psc_delta and static_synapse_hom_w, 1000 neurons x 100, seeds
  // 1 .. 32: 41.31 Hz with a standard deviation of 1.56 Hz between seeds.
  constexpr double kRate = 41.31;
  constexpr double kDeviation = 1.56;
  constexpr int kSeeds = 4;
  double sum = 0.0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    const auto measured = spikes("reference", static_cast<std::uint64_t>(seed));
    sum += static_cast<double>(measured.second) / 1000.0;
    for (const BackendInfo& info : backends()) {
      if (!info.available || info.name == "reference") continue;
      EXPECT_EQ(spikes(info.name, static_cast<std::uint64_t>(seed)), measured) << info.name;
    }
  }
  const double standard_error = kDeviation * std::sqrt(1.0 / kSeeds + 1.0 / 32.0);
  EXPECT_NEAR(sum / kSeeds, kRate, 3.0 * standard_error);
}

TEST(BrunelNetwork, RefusesWhatCannotBeDrawn) {
  BrunelOptions options;
  options.neurons = 4;
  EXPECT_FALSE(make_brunel_network(options).ok());
  options = {.neurons = 100, .degree = 99, .seed = 1, .repeats = false};  // 20 of 20 inhibitory
  EXPECT_TRUE(make_brunel_network(options).ok());
  options.degree = 120;  // 96 of 80 excitatory
  EXPECT_FALSE(make_brunel_network(options).ok());
}

}  // namespace
}  // namespace spikeloom::test
