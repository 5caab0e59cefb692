#include "energy/inference_counts.hpp"

#include <cmath>
#include <limits>

namespace spikeloom {

Result<InferenceCounts> count_inference(const RunStats& stats, std::uint64_t inferences) {
  if (inferences == 0) {
    return Error{.what = "a mean per inference needs at least one inference", .got = "0"};
  }
  const auto mean = [&](std::uint64_t total) {
    return static_cast<double>(total) / static_cast<double>(inferences);
  };
  InferenceCounts counts;
  counts.steps = mean(stats.steps);
  for (const NodeStats& node : stats.nodes) {
    if (node.kind != "Output") counts.events += mean(node.events_out);
  }
  counts.ac = mean(stats.total(&NodeStats::ac));
  counts.mac = mean(stats.total(&NodeStats::mac));
  counts.synaptic_operations = counts.ac + counts.mac;
  counts.dense_macs = mean(stats.total(&NodeStats::dense_macs));
  counts.neuron_updates = mean(stats.total(&NodeStats::neuron_updates));
  if (counts.synaptic_operations > 0.0) {
    counts.dense_ratio = counts.dense_macs / counts.synaptic_operations;
  } else if (counts.dense_macs > 0.0) {
    counts.dense_ratio = std::numeric_limits<double>::infinity();
  }
  return counts;
}

Value to_value(const InferenceCounts& counts) {
  Value value = Value::map();
  value.set("steps", counts.steps).set("events", counts.events);
  value.set("ac", counts.ac).set("mac", counts.mac);
  value.set("synaptic_operations", counts.synaptic_operations);
  value.set("dense_macs", counts.dense_macs).set("neuron_updates", counts.neuron_updates);
  value.set("dense_ratio", std::isfinite(counts.dense_ratio) ? Value(counts.dense_ratio) : Value());
  return value;
}

}  // namespace spikeloom
