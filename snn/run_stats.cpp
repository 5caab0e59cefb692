#include "snn/run_stats.hpp"

#include <algorithm>

namespace spikeloom {

std::uint64_t RunStats::total(std::uint64_t NodeStats::*count) const {
  std::uint64_t sum = 0;
  for (const NodeStats& node : nodes) sum += node.*count;
  return sum;
}

std::uint64_t RunStats::synaptic_operations() const {
  return total(&NodeStats::ac) + total(&NodeStats::mac);
}

void RunStats::add(const RunStats& other) {
  if (nodes.empty()) {
    *this = other;
    return;
  }
  steps += other.steps;
  for (std::size_t i = 0; i < nodes.size() && i < other.nodes.size(); ++i) {
    NodeStats& mine = nodes[i];
    const NodeStats& theirs = other.nodes[i];
    for (const auto member :
         {&NodeStats::events_in, &NodeStats::events_out, &NodeStats::ac, &NodeStats::mac,
          &NodeStats::dense_macs, &NodeStats::neuron_updates, &NodeStats::executed_ac,
          &NodeStats::executed_mac, &NodeStats::executed_updates, &NodeStats::steps_rows,
          &NodeStats::steps_bitmask, &NodeStats::steps_dense, &NodeStats::saturated}) {
      mine.*member += theirs.*member;
    }
    mine.value_sum += theirs.value_sum;
    mine.bytes.weights += theirs.bytes.weights;
    mine.bytes.state += theirs.bytes.state;
    mine.bytes.events += theirs.bytes.events;
  }
  input.late += other.input.late;
  input.out_of_order += other.input.out_of_order;
  input.dropped += other.input.dropped;
  seconds.input += other.seconds.input;
  seconds.compute += other.seconds.compute;
  seconds.record += other.seconds.record;
  peak_memory_bytes = std::max(peak_memory_bytes, other.peak_memory_bytes);
}

Value to_value(const NodeStats& stats) {
  Value value = Value::map();
  value.set("name", stats.name).set("kind", stats.kind);
  value.set("events_in", stats.events_in).set("value_sum", stats.value_sum);
  value.set("events_out", stats.events_out).set("ac", stats.ac).set("mac", stats.mac);
  value.set("dense_macs", stats.dense_macs).set("neuron_updates", stats.neuron_updates);
  value.set("executed_ac", stats.executed_ac).set("executed_mac", stats.executed_mac);
  value.set("executed_updates", stats.executed_updates);
  if (stats.steps_rows + stats.steps_bitmask + stats.steps_dense > 0) {
    Value schedule = Value::map();
    schedule.set("rows", stats.steps_rows).set("bitmask", stats.steps_bitmask);
    schedule.set("dense", stats.steps_dense);
    value.set("schedule", std::move(schedule));
  }
  if (stats.saturated > 0) value.set("saturated", stats.saturated);
  Value bytes = Value::map();
  bytes.set("weights", stats.bytes.weights).set("state", stats.bytes.state);
  bytes.set("events", stats.bytes.events);
  value.set("bytes", std::move(bytes));
  return value;
}

Value to_value(const RunStats& stats) {
  Value value = Value::map();
  value.set("backend", stats.backend).set("arithmetic", stats.arithmetic);
  value.set("steps", stats.steps);
  value.set("synaptic_operations", stats.synaptic_operations());
  Value layers = Value::list();
  for (const NodeStats& node : stats.nodes) layers.push(to_value(node));
  value.set("layers", std::move(layers));
  Value input = Value::map();
  input.set("late", stats.input.late).set("out_of_order", stats.input.out_of_order);
  input.set("dropped", stats.input.dropped);
  value.set("input", std::move(input));
  Value seconds = Value::map();
  seconds.set("input", stats.seconds.input).set("compute", stats.seconds.compute);
  seconds.set("record", stats.seconds.record);
  value.set("seconds", std::move(seconds));
  value.set("peak_memory_bytes", stats.peak_memory_bytes);
  return value;
}

}  // namespace spikeloom
