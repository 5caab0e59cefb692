/// Dynamic energy: more events never cost less, no events cost nothing.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "energy/accounting.hpp"
#include "tests/property/random_network.hpp"
#include "tests/property/session_runs.hpp"

namespace spikeloom::test {
namespace {

const CostTable& table_45nm() {
  static const CostTable table = *load_cost_table("45nm");
  return table;
}

EnergyBreakdown priced(Accounting accounting, const std::vector<LayerDescription>& layers,
                       const RunStats& stats) {
  const auto breakdown = price_run(accounting, layers, stats, table_45nm(), {});
  RC_ASSERT(breakdown.ok());
  return *breakdown;
}

/// What `count` more spikes into a weight layer, and out of a neuron layer, add to the counts.
void add_events(NodeStats& node, const LayerDescription& layer, std::uint64_t count) {
  if (layer.role == LayerRole::kWeights) {
    const std::uint64_t operations =
        count *
        static_cast<std::uint64_t>(layer.dense_macs / std::max<std::int64_t>(layer.in_size, 1));
    node.events_in += count;
    node.ac += operations;
    node.executed_ac += operations;
    node.bytes.weights += 4 * operations;
  } else if (layer.spiking) {
    node.events_out += count;
    node.bytes.events += 8 * count;
  }
}

RC_GTEST_PROP(DynamicEnergy, IsMonotoneInEvents, ()) {
  const std::int64_t steps = between(1, 12);
  const Program program = random_program({Numbers::kDyadic});
  const auto layers = describe_layers(program);
  RecordedRun run(program, {"cpu", Arithmetic::kFloat32, Watch::kOutputs});
  run.push(random_input(program, Numbers::kDyadic, steps));
  run.advance(steps);
  const RunStats before = run.stats();
  RunStats after = before;
  const auto node = static_cast<std::size_t>(between(0, static_cast<int>(layers.size()) - 1));
  add_events(after.nodes[node], layers[node], static_cast<std::uint64_t>(between(0, 9)));
  for (const Accounting accounting : kAccountings) {
    const EnergyBreakdown small = priced(accounting, layers, before);
    const EnergyBreakdown large = priced(accounting, layers, after);
    RC_ASSERT(large.dynamic() >= small.dynamic());
    RC_ASSERT(small.dynamic() <= small.total());
  }
}

RC_GTEST_PROP(DynamicEnergy, IsZeroWithoutEvents, ()) {
  const Program program = random_program({Numbers::kDyadic});
  const auto layers = describe_layers(program);
  RecordedRun run(program, {"cpu", Arithmetic::kFloat32, Watch::kOutputs});
  run.advance(5);
  const RunStats stats = run.stats();
  std::uint64_t events = 0;
  for (const NodeStats& node : stats.nodes) events += node.events_in + node.events_out;
  RC_CLASSIFY(events == 0, "silent");
  for (const Accounting accounting : kAccountings) {
    const EnergyBreakdown breakdown = priced(accounting, layers, stats);
    // A network with a drive or a bias may speak without input; then it is not silent.
    if (events == 0) RC_ASSERT(breakdown.dynamic() == 0.0);
  }
}

}  // namespace
}  // namespace spikeloom::test
