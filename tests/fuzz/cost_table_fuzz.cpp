/// Reads a cost table, and prices a small run with what was accepted.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "energy/comparison.hpp"

namespace {

/// One fully connected layer of 3 x 2 and what 5 events did to it.
struct Run {
  std::vector<spikeloom::LayerDescription> layers;
  spikeloom::RunStats stats;
};

Run small_run() {
  Run run;
  spikeloom::LayerDescription layer;
  layer.name = "fc";
  layer.role = spikeloom::LayerRole::kWeights;
  layer.fully_connected = true;
  layer.in_size = layer.in_channels = 3;
  layer.out_size = layer.out_channels = 2;
  layer.weights = layer.nonzero_weights = layer.dense_macs = 6;
  run.layers = {layer};
  spikeloom::NodeStats node;
  node.name = "fc";
  node.events_in = 5;
  node.ac = node.executed_ac = 10;
  node.bytes.weights = 40;
  run.stats.steps = 4;
  run.stats.arithmetic = "float32";
  run.stats.nodes = {node};
  return run;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  auto table = spikeloom::parse_cost_table(text, "fuzz.toml");
  if (!table.ok()) return 0;
  for (const auto& entry : table->entries) {
    if (!(entry.value >= 0.0) || entry.source.empty()) std::abort();
  }
  static const Run run = small_run();
  const auto report = spikeloom::energy_report(run.layers, run.stats, *std::move(table), {});
  if (report.ok() && report->verdict.empty()) std::abort();
  return 0;
}
