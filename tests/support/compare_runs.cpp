#include "tests/support/compare_runs.hpp"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "base/random.hpp"

namespace spikeloom::test {

CodedInput busy_input(std::int64_t elements, std::int64_t steps, std::uint64_t stream) {
  const RandomStream random{7, stream};
  CodedInput input;
  input.steps = steps;
  std::uint64_t draw = 0;
  for (std::int64_t s = 0; s < steps; ++s) {
    for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(elements); ++i, ++draw) {
      if (random.uniform(draw) >= 0.33) continue;
      constexpr double kValues[] = {1, 1, 2, -1};
      input.index.push_back(i);
      input.value.push_back(kValues[random.words(draw)[2] % 4]);
    }
    input.step_start.push_back(input.index.size());
  }
  return input;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

std::string difference(const RunStats& expected, const RunStats& got, double slack) {
  if (expected.steps != got.steps) {
    return fmt::format("expected {} steps; got {}", expected.steps, got.steps);
  }
  if (expected.nodes.size() != got.nodes.size()) return "another number of nodes";
  for (std::size_t n = 0; n < expected.nodes.size(); ++n) {
    const NodeStats& a = expected.nodes[n];
    const NodeStats& b = got.nodes[n];
    const std::pair<const char*, std::uint64_t NodeStats::*> counts[] = {
        {"events_in", &NodeStats::events_in},
        {"events_out", &NodeStats::events_out},
        {"ac", &NodeStats::ac},
        {"mac", &NodeStats::mac},
        {"dense_macs", &NodeStats::dense_macs},
        {"neuron_updates", &NodeStats::neuron_updates},
        {"saturated", &NodeStats::saturated}};
    for (const auto& [name, count] : counts) {
      if (a.*count == b.*count) continue;
      return fmt::format("{} of {}: expected {}; got {}", name, a.name, a.*count, b.*count);
    }
    if (same(a.value_sum, b.value_sum)) continue;
    if (std::abs(a.value_sum - b.value_sum) <= slack) continue;
    return fmt::format("value_sum of {}: expected {}; got {}", a.name, a.value_sum, b.value_sum);
  }
  return {};
}

}  // namespace spikeloom::test
